//! Organizations, workspaces, roles and invitations.

mod abuse;
mod claims;
mod invitations;
mod matrix;
mod races;
mod scenario;
mod sources;
