//! API keys: who gets which, what they are good for, where, and when they end.

mod abuse;
mod checks;
mod creation;
mod environments;
mod hardening;
mod identity;
mod imports;
mod life;
mod members;
mod quota;
mod restrictions;
mod width;
mod world;
