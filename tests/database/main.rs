//! Everything that is tried against a real server. The number in a test's name is the number of the
//! threat it holds off.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod admin;
mod admin_keys;
mod catalog;
mod identity;
mod dump;
mod install;
mod revocation;
mod secrets;
mod cursors;
mod forging;
mod lifetime;
mod parallel;
mod tokens;
