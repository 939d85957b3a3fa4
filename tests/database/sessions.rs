//! Users who sign in here, and their sessions.

mod addresses;
mod bans;
mod callers;
mod canaries;
mod crash;
mod customers;
mod deletion;
mod ending;
mod hooks_of_users;
mod imported;
mod invitations_of_users;
mod issuing;
mod metadata;
mod one_time_tokens;
mod places;
mod races;
mod refreshing;
mod reused;
mod session_callers;
mod signing_in;
mod signing_up;
mod snapshots;
mod timing;
mod tries;
mod triggers;
mod world;
