//! A real server for the tests, a fresh database for each of them, and tokens to try.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

pub mod database;
pub mod pooler;
pub mod postgrest;
pub mod token;

pub use database::{Database, refusal, server};
