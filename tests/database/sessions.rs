//! Users who sign in here, and their sessions.

mod refreshing;
mod signing_in;
mod world;
