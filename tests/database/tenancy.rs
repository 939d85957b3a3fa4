//! Organizations, workspaces, roles and invitations.

mod abuse;
mod claims;
mod granted;
mod holders;
mod invitations;
mod matrix;
mod overlaps;
mod quotas;
pub(crate) mod races;
mod role_names;
mod scenario;
mod sources;
