//! Tickets: credentials for a minute and, on a server that loads the library at its start, for one use.

mod everywhere;
mod limits;
mod origins;
mod reuse;
mod single_use;
pub(crate) mod world;
