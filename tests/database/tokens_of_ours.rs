//! Tokens that the database makes.

mod arguments;
mod forged;
mod impersonation;
mod issuing;
mod limits;
mod narrowing;
mod origins;
mod probe;
mod rollback;
mod snapshots;
mod wider;
mod world;
