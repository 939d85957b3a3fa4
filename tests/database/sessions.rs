//! Users who sign in here, and their sessions.

mod refreshing;
mod reused;
mod signing_in;
mod world;
