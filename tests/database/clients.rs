//! The pages of docs/clients, done: their snippets run through a real PgBouncer in transaction mode.

mod beside;
mod pages;
mod world;
