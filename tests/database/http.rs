//! Requests that come through PostgREST.

mod answers;
mod endpoints;
mod headers;
mod later;
mod page;
mod world;
