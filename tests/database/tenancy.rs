//! Organizations, workspaces, roles and invitations.

mod claims;
mod invitations;
mod matrix;
mod races;
mod scenario;
mod sources;
