//! What Postgres sees: functions, settings, the identity, the reads of our tables, SQLSTATEs.

mod api_key;
mod credential;
mod encoding;
mod ffi;
mod functions;
mod handing_on;
mod http;
mod identity;
mod minted;
mod passwords;
mod reused;
mod settings;
mod signing;
mod sqlstate;
mod store;
mod tickets;
mod usage;

/// Declares settings and installs hooks. Called when a backend loads the library.
pub(crate) fn init() {
    ffi::log_hook::disable_backtraces();
    settings::define();
    ffi::transaction::install();
    ffi::executor::install();
    ffi::migration::install();
    ffi::state::install();
    ffi::log_hook::install();
    ffi::veil::install();
    if ffi::shared::is_preloading() {
        ffi::shared::install();
        ffi::launcher::register();
    }
}
