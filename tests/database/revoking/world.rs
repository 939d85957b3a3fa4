//! A database that makes tokens of its own, and what is asked of one.

use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::{Value, json};

pub(super) const OWN: &str = "https://own.example";
pub(super) const REFUSED: &str = "28000 the credential was refused";
pub(super) const GOOD: &str = "good";
pub(super) const REVOKED: &str = "the token has been revoked, or its session or user";

/// With an issuer of ours, whose tokens are signed with a key that is there.
pub(super) fn minting() -> Database {
    let db = Database::new();
    set_up(&mut db.superuser());
    db
}

pub(super) fn set_up(administrator: &mut Client) {
    administrator
        .run(&format!("select auth.add_issuer('{OWN}', own => true); select auth.create_signing_key()"));
}

/// A token of ours for this user, made by an administrator or, in its transaction, by whoever is signed in.
pub(super) fn mint(session: &mut Client, user: &str) -> String {
    session.value(&format!("select auth.issue_jwt('{user}')")).unwrap()
}

/// A token of ours that the bearer of this one makes for itself.
pub(super) fn mint_from(session: &mut Client, token: &str) -> String {
    as_bearer(session, token, "select auth.issue_jwt()")
}

/// What this query gives in a transaction of this credential's bearer, which commits.
pub(super) fn as_bearer(session: &mut Client, credential: &str, sql: &str) -> String {
    session.run("begin");
    session.authenticate(credential).unwrap();
    let found = session.value(sql).unwrap_or_default();
    session.run("commit");
    found
}

/// The refusal of this statement in a transaction of this credential's bearer.
pub(super) fn refused_to(session: &mut Client, credential: &str, sql: &str) -> String {
    session.run("begin");
    session.authenticate(credential).unwrap();
    let refused = session.refused(sql);
    session.run("rollback");
    refused
}

/// A token of the strict issuer for this user, with these claims more.
pub(super) fn foreign(user: &str, claims: Value) -> String {
    hs256(&with(json!({"iss": STRICT_ISSUER, "sub": user, "iat": now(), "exp": now() + 600}), claims))
}

/// The verdict on a credential in a transaction of its own.
pub(super) fn verdict(session: &mut Client, credential: &str) -> String {
    match session.authenticate(credential) {
        Ok(()) => GOOD.to_owned(),
        error => refusal(error),
    }
}

/// Asserts that this one is refused, and that these are not.
pub(super) fn assert_ended(session: &mut Client, ended: &[&str], good: &[&str], context: &str) {
    for (at, token) in ended.iter().enumerate() {
        assert_eq!(verdict(session, token), REFUSED, "{context}: ended token {at}");
    }
    for (at, token) in good.iter().enumerate() {
        assert_eq!(verdict(session, token), GOOD, "{context}: good token {at}");
    }
}

/// The claim jti of a token.
pub(super) fn jti(session: &mut Client, token: &str) -> String {
    session.query_one("select claims ->> 'jti' from auth.check_jwt($1)", &[&token]).unwrap().get(0)
}

/// Why an administrator is told that a token is refused.
pub(super) fn reason(administrator: &mut Client, token: &str) -> Option<String> {
    administrator.query_one("select reason from auth.check_jwt($1)", &[&token]).unwrap().get(0)
}

/// What there is in the tables that revocations, and what they end, are in.
pub(super) fn everything(administrator: &mut Client) -> String {
    administrator
        .value(
            "select md5(concat((select string_agg(r::text, ';' order by r.id) from auth.revocations r),
                               (select string_agg(t::text, ';' order by t.id) from auth.minted_tokens t),
                               (select string_agg(m::text, ';' order by m.id) from auth.memberships m),
                               (select string_agg(k::text, ';' order by k.id) from auth.api_keys k),
                               (select string_agg(i::text, ';' order by i.id) from auth.invitations i),
                               (select string_agg(e::text, ';' order by e.id) from auth.endings e)))",
        )
        .unwrap()
}
