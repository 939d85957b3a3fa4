//! Everything that is tried against a real server. The number in a test's name is the number of the
//! threat it holds off.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may fail loudly"
)]

mod act_as;
mod admin;
mod admin_keys;
mod admin_material;
mod administrators;
mod api_keys;
mod arguments;
mod assert_isolated;
mod audit;
mod bounds;
mod catalog;
mod check_jwt;
mod clients;
mod crash;
mod cursors;
mod deadlock;
mod demo;
mod dump;
mod durable;
mod explain_access;
mod explain_arguments;
mod explain_attacks;
mod explain_channels;
mod explain_roles;
mod forging;
mod guards;
mod hooks;
mod hostile;
mod http;
mod http_scenarios;
mod identity;
mod install;
mod internal;
mod key_guessing;
mod key_races;
mod key_sets;
mod lasting;
mod layout;
mod lifetime;
mod lint;
mod names;
mod numbers;
mod oracle;
mod orms;
mod owners;
mod parallel;
mod passwords;
mod plans;
mod policies;
mod pooler;
mod protect;
mod readers;
mod readme;
mod reference;
mod revocation;
mod revoking;
mod rules;
mod sandbox;
mod scenarios;
mod secrets;
mod sessions;
mod sign_in;
mod signing_keys;
mod standby;
mod stat_statements;
mod tenancy;
mod tickets;
mod tokens;
mod tokens_of_ours;
mod tries;
mod unchanged;
mod upgrade;
mod usage;
