//! Users who sign in here, and their sessions.

mod customers;
mod refreshing;
mod reused;
mod signing_in;
mod world;
