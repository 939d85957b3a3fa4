//! What lint says about the keys that a database signs with.

use super::{Case, assert_codes};

/// HS256 keys of an own issuer, which have this id, state and origin.
macro_rules! keys {
    ($($rest:literal)*) => {
        concat!(
            "select auth.add_issuer('https://o''wn.example', own => true);
             create function pg_temp.key(id uuid, state text, made_in text) returns uuid language sql as $$
                 insert into auth.jwt_keys (id, issuer_id, alg, state, made_in) select $1, i.id, 'HS256', $2, $3 from auth.issuers i where i.own
                 returning id $$;",
            $($rest),*
        )
    };
}

const ONE: &str = "key '0c000000-0000-4000-8000-000000000001' of issuer 'https://o''wn.example'";

pub(super) const SIGNING_KEYS: &[Case] = &[
    (
        "signing_key_copied",
        ONE,
        keys!(
            "insert into auth.jwt_secrets values (pg_temp.key('0c000000-0000-4000-8000-000000000001', 'next', 'elsewhere/1'), 'x')"
        ),
    ),
    (
        "signing_key_copied",
        ONE,
        keys!(
            "insert into auth.jwt_secrets values (pg_temp.key('0c000000-0000-4000-8000-000000000001', 'active', null), 'x')"
        ),
    ),
    (
        "signing_key_missing",
        ONE,
        keys!(
            "select pg_temp.key('0c000000-0000-4000-8000-000000000001', 'active', auth_internal.this_database())"
        ),
    ),
    (
        "signing_key_missing",
        ONE,
        keys!(
            "select pg_temp.key('0c000000-0000-4000-8000-000000000001', 'active', auth_internal.this_database()), auth.create_signing_key('EdDSA')"
        ),
    ),
    (
        "signing_key_missing",
        ONE,
        keys!(
            "select auth.create_signing_key(), pg_temp.key('0c000000-0000-4000-8000-000000000001', 'next', auth_internal.this_database())"
        ),
    ),
];

#[test]
fn t158_keys_of_another_database_and_keys_that_cannot_sign_are_found() {
    assert_codes(&["signing_key_copied", "signing_key_missing"]);
}
