//! Requests that come through PostgREST.

mod answers;
mod endpoints;
mod headers;
mod page;
mod world;
