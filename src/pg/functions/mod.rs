//! The functions that SQL calls. Those that policies call per row are in `ffi/readers.rs`.

mod acting;
mod api_keys;
mod audit;
mod authenticate;
mod demands;
mod explain;
mod guards;
mod keys;
mod migrations;
mod outside;
mod passwords;
mod readers;
mod refusals;
mod sessions;
mod tenancy;
mod tickets;
mod tokens;
mod usage;

pub(super) use demands::demand_permission;
