//! Requests that come through PostgREST.

mod answers;
mod browser;
mod edge;
mod endpoints;
mod headers;
mod install;
mod install_refused;
mod installed;
mod later;
mod leaks;
mod page;
mod proxy;
mod request_ids;
mod supabase;
mod world;
