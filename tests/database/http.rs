//! Requests that come through PostgREST.

mod answers;
mod headers;
mod page;
mod world;
