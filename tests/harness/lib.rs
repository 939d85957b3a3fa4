//! A real server for the tests, a fresh database for each of them, and tokens to try.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

pub mod database;
pub mod http;
pub mod nginx;
pub mod pooler;
pub mod postgrest;
pub mod token;

pub use database::{Database, refusal, server};

use std::path::PathBuf;

/// The path of a server's program that a Debian package has.
pub fn program(name: &str, package: &str) -> PathBuf {
    xtask::find_server(name)
        .unwrap_or_else(|| panic!("there is no {name}; install Debian's package {package}"))
}
