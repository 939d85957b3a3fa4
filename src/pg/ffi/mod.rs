//! The only home of `unsafe`: what Postgres calls back, raw readers, and safe wrappers of its C functions.
#![allow(unsafe_code, reason = "this is the one module that talks to C")]

pub(super) mod auditing;
pub(super) mod borrowed;
pub(super) mod carrier;
pub(super) mod catalog;
mod commands;
pub(super) mod context;
pub(super) mod executor;
pub(super) mod guarding;
pub(super) mod input;
pub(super) mod launcher;
pub(super) mod lock;
pub(super) mod log_hook;
mod log_masks;
pub(super) mod migration;
mod nodes;
pub(super) mod output;
mod owners;
mod planner;
pub(super) mod policy;
pub(super) mod portals;
pub(super) mod readers;
pub(super) mod request;
mod row;
pub(super) mod rows;
pub(super) mod scan;
pub(super) mod shared;
pub(super) mod source;
pub(super) mod state;
pub(super) mod ticket_memory;
pub(super) mod transaction;
mod usage_worker;
pub(super) mod veil;
mod version;
mod views;
mod wanted;
mod worker;
