//! How long tokens of ours live, and how many there may be.

use crate::pg::ffi::carrier;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};

/// Ten years, however many of them are leap years: `auth_internal.end_of_tokens()` counts on it.
const LONGEST: i32 = 3653 * 86_400;

/// Read by the functions in `sql/functions/tokens/minting.sql`. In doubt there are no tokens.
static MAX_TOKEN_LIFETIME: GucSetting<i32> = GucSetting::<i32>::new(LONGEST);
static MAX_TOKEN_LIFETIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);
static MAX_TOKENS: GucSetting<i32> = GucSetting::<i32>::new(1000);
static MAX_TOKENS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(0);

pub(super) fn define() {
    let name = c"pg_bearer.max_token_lifetime";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_int_guc(
        name,
        c"The longest that a token which this database makes may live.",
        c"At most 3653 days; 0: it makes none.",
        if in_doubt { &MAX_TOKEN_LIFETIME_IN_DOUBT } else { &MAX_TOKEN_LIFETIME },
        0,
        LONGEST,
        GucContext::Suset,
        GucFlags::UNIT_S,
    );
    let name = c"pg_bearer.max_tokens";
    let in_doubt = carrier::was_set_by_session(name);
    GucRegistry::define_int_guc(
        name,
        c"How many tokens that this database made and that have not expired a user may have, and an API key.",
        c"What services and administrators make is not limited.",
        if in_doubt { &MAX_TOKENS_IN_DOUBT } else { &MAX_TOKENS },
        0,
        1_000_000,
        GucContext::Suset,
        GucFlags::default(),
    );
}
