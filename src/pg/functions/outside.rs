//! What sign-in asks about the world outside: functions of the application, tries to sign in, and where they come from.

use crate::pg::api_key;
use crate::pg::ffi::hooks;
use crate::pg::ffi::input::JsonbArgument;
use crate::pg::ffi::output::JsonbText;
use crate::pg::ffi::try_memory;
use crate::pg::sqlstate;
use crate::verify::tries::{limit, tried};
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::prelude::*;

/// What a function of the application gives for this argument, run as its owner. Raises 55000 when it may not be called or
/// fails. Settings, the identity and the role are afterwards what they were, and what it says reaches nobody.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn call_hook(
    function: Option<pg_sys::Oid>,
    argument: Option<JsonbArgument>,
) -> Result<Option<JsonbText>, ErrorReport> {
    let (Some(function), Some(argument)) = (function, argument) else {
        return Err(sqlstate::bad_argument("function and argument must be given"));
    };
    hooks::call(function, JsonbText(argument.0))
}

/// The hook of this name and its function, as `auth_internal.find_hook()` says it of what is there now, whatever the snapshot.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn current_hook(name: &str) -> Result<Option<JsonbText>, ErrorReport> {
    hooks::current(name)
}

/// Raises 55000 unless this function may be called as a hook.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn demand_hook_owner(function: pg_sys::Oid) -> Result<(), ErrorReport> {
    hooks::demand_fit(function)
}

/// Writes the row of a user by one of our functions, and returns it. What triggers of others do to settings, role and identity is
/// undone, and what they say reaches nobody. Raises 23505, 55P03, 40001, 40P01 as they are, and 55000 for anything else.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn write_user(function: &str, described: JsonbArgument) -> Result<Option<JsonbText>, ErrorReport> {
    let name = match function {
        "insert_user" => c"insert_user",
        "change_user" => c"change_user",
        _ => return Err(sqlstate::bad_argument("no such function writes users")),
    };
    hooks::write_users(name, JsonbText(described.0))
}

/// What one of our functions reads of auth.users as its owner, as it is now, whatever the snapshot. Raises 55000 where that fails.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn read_users(function: &str, described: JsonbArgument) -> Result<Option<JsonbText>, ErrorReport> {
    let name = match function {
        "find_user" => c"find_user",
        "page_of_users" => c"page_of_users",
        _ => return Err(sqlstate::bad_argument("no such function reads users")),
    };
    hooks::read_users(name, JsonbText(described.0))
}

/// Does a function of the application run that [`call_hook`] called, or a trigger on auth.users?
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn in_hook() -> bool {
    hooks::runs()
}

/// Counts one try of this kind and value, of which there may be so many in a period: 0, or the seconds to wait, which counts
/// nothing. No rollback undoes it. NULL where the library is not preloaded.
#[pg_extern(schema = "auth_internal", volatile, parallel_unsafe)]
fn take_try(
    kind: Option<&str>,
    value: Option<&str>,
    most: Option<i32>,
    period: Option<Interval>,
) -> Result<Option<i32>, ErrorReport> {
    let limit = most.zip(period).and_then(|(most, period)| limit(most, period.as_micros()));
    let (Some(kind), Some(value), Some(limit)) = (kind, value, limit) else {
        return Err(sqlstate::bad_argument("kind, value, most and period must be given")
            .set_hint("most is not negative, and period is longer than 0 and not longer than 366 days."));
    };
    let taken = try_memory::take(&tried(kind, value), limit);
    let seconds = |seconds| i32::try_from(seconds).unwrap_or(i32::MAX);
    Ok(taken.map(|taken| taken.map_or_else(seconds, |()| 0)))
}

/// The network that the client is in: its IPv4 address, or 64 bits of its IPv6 address. Behind trusted proxies they say who that
/// is. NULL where it is not known, as on a unix socket.
#[pg_extern(schema = "auth_internal", stable, parallel_unsafe)]
fn client_network() -> Option<String> {
    api_key::client_network()
}
