//! `auth.pre_request()`, which raises what pgrx cannot: its guard has to be over by then.

use crate::pg::http;
use pgrx::pg_sys;
use pgrx::pg_sys::panic::pgrx_extern_c_guard;

/// `auth.pre_request()`: establishes who sends the HTTP request that this transaction is for.
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn pg_bearer_pre_request(_: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: called by fmgr, with nothing to drop in this frame. What `enter` had to drop is gone when the guard returns.
    let entered = unsafe { pgrx_extern_c_guard(http::enter) };
    if let Err(answer) = entered {
        answer.raise();
    }
    pg_sys::Datum::from(0_usize)
}

#[unsafe(no_mangle)]
extern "C" fn pg_finfo_pg_bearer_pre_request() -> *const pg_sys::Pg_finfo_record {
    static RECORD: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &RECORD
}
