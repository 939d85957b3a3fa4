//! Users who sign in here, and their sessions.

mod addresses;
mod callers;
mod customers;
mod hooks_of_users;
mod invitations_of_users;
mod metadata;
mod one_time_tokens;
mod refreshing;
mod reused;
mod signing_in;
mod signing_up;
mod triggers;
mod world;
