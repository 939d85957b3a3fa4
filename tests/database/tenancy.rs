//! Organizations, workspaces, roles and invitations.

mod abuse;
mod claims;
mod granted;
mod invitations;
mod matrix;
pub(crate) mod races;
mod scenario;
mod sources;
