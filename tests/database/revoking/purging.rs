//! A revocation is kept for as long as any token can live that it ends, and nobody comes back when it goes.

use super::world::*;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

/// How long the only revocation of this kind is kept, in text.
fn kept(administrator: &mut Client, kind: &str) -> String {
    let sql = format!(
        "select case when isfinite(expires_at) then justify_hours(date_trunc('minute', expires_at - clock_timestamp() + interval '20 s'))::text
                     else 'forever' end
           from auth.revocations where kind = '{kind}'"
    );
    administrator.value(&sql).unwrap()
}

fn limit(administrator: &mut Client, issuer: &str, longest: &str) {
    administrator.run(&format!("select auth.update_issuer('{issuer}', max_lifetime => '{longest}')"));
}

#[test]
fn t160_a_revocation_is_kept_as_long_as_any_token_that_it_ends() {
    let db = minting();
    let mut administrator = db.superuser();
    administrator.run(&format!("select auth.remove_issuer('{OWN}')"));
    let strict = format!("'{STRICT_ISSUER}'");
    for (longest, other, call, kind, expected) in [
        ("0", "0", format!("revoke_user('ada', {strict})"), "user", "forever"),
        ("1 hour", "0", format!("revoke_user('ada', {strict})"), "user", "01:15:00"),
        ("1 hour", "0", format!("revoke_user('ada', {strict})"), "subject", "01:15:00"),
        ("1 hour", "0", "revoke_user('ada')".to_owned(), "user", "forever"),
        ("1 hour", "3 hours", "revoke_user('ada')".to_owned(), "user", "03:15:00"),
        ("1 hour", "3 hours", "remove_user('ada')".to_owned(), "user", "03:15:00"),
        ("0", "1 hour", format!("revoke_session({strict}, 's')"), "session", "forever"),
        ("1 hour", "0", format!("revoke_session({strict}, 's')"), "session", "30 days 01:15:00"),
        ("0", "1 hour", format!("revoke_token('j', {strict})"), "token", "forever"),
        ("1 hour", "0", format!("revoke_token('j', {strict})"), "token", "01:15:00"),
        (
            "0",
            "0",
            format!("revoke_token('{}')", foreign("ada", json!({"jti": "k", "exp": now() + 1200}))),
            "token",
            "00:35:00",
        ),
        (
            "0",
            "0",
            format!("revoke_token('{}')", foreign("ada", json!({"exp": now() + 1200}))),
            "digest",
            "00:35:00",
        ),
    ] {
        administrator.run("truncate auth.revocations");
        limit(&mut administrator, STRICT_ISSUER, longest);
        limit(&mut administrator, ISSUER, other);
        administrator.run(&format!("select auth.{call}"));
        assert_eq!(kept(&mut administrator, kind), expected, "{longest} {other} {call}");
    }
    // Ours live for ten years at most.
    set_up(&mut administrator);
    administrator.run("truncate auth.revocations");
    administrator.run("select auth.revoke_user('ada')");
    assert_eq!(
        administrator
            .value("select min(expires_at) > now() + interval '10 years 9 days' from auth.revocations")
            .as_deref(),
        Some("t")
    );
}

/// Lets the time pass that a revocation is kept.
fn run_out(administrator: &mut Client) {
    administrator.run("update auth.revocations set expires_at = clock_timestamp() - interval '1 second'");
}

fn rows(administrator: &mut Client) -> String {
    administrator.value("select count(*) from auth.revocations").unwrap()
}

#[test]
fn t160_only_what_has_run_out_goes() {
    let db = minting();
    let mut administrator = db.superuser();
    let mut session = db.tenant();
    let (token, other) = (mint(&mut administrator, "ada"), mint(&mut administrator, "ben"));
    administrator.run(&format!("select auth.revoke_user('ada'); select auth.revoke_token('{other}')"));
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("0"));
    administrator.run(
        "update auth.revocations set expires_at = clock_timestamp() + interval '2 s' where kind = 'user'",
    );
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("0"));
    assert_ended(&mut session, &[&token, &other], &[], "kept");
    // It counts for as long as it is there.
    administrator.run(
        "update auth.revocations set expires_at = clock_timestamp() - interval '1 s' where kind = 'user'",
    );
    assert_ended(&mut session, &[&token, &other], &[], "run out, but there");
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("1"));
    assert_ended(&mut session, &[&other], &[], "the other one");
    assert_eq!(rows(&mut administrator), "1");
}

#[test]
fn t160_each_revocation_takes_a_few_old_ones_away() {
    let db = minting();
    let mut administrator = db.superuser();
    administrator.run("select auth.revoke_user('u' || n) from generate_series(1, 25) n");
    run_out(&mut administrator);
    for expected in ["16", "7", "3", "4"] {
        let sql = format!("select auth.revoke_user('next {expected}')");
        administrator.run(&sql);
        assert_eq!(rows(&mut administrator), expected);
    }
    // Nobody makes the table grow by doing the same over and over.
    administrator.run("truncate auth.revocations");
    for _ in 0..30 {
        administrator.run(&format!(
            "select auth.revoke_user('ada', '{STRICT_ISSUER}'), auth.revoke_session('{STRICT_ISSUER}', 's')"
        ));
    }
    assert_eq!(rows(&mut administrator), "3");
}

/// Revokes, and lets the revocation go; then tokens may live for longer. Whether this token is good then.
fn after_a_purge(db: &Database, token: &str, revocation: &str) -> bool {
    let mut administrator = db.superuser();
    administrator.run("update auth.issuers set issued_since = null");
    limit(&mut administrator, STRICT_ISSUER, "1 hour");
    administrator.run(&format!("select auth.{revocation}"));
    run_out(&mut administrator);
    administrator.run("select auth.purge_revocations()");
    assert_eq!(rows(&mut administrator), "0", "{revocation}");
    limit(&mut administrator, STRICT_ISSUER, "0");
    verdict(&mut db.tenant(), token) == GOOD
}

#[test]
fn t160_a_longer_lifetime_brings_back_nobody_who_was_revoked() {
    let db = minting();
    let mut administrator = db.superuser();
    // Such as were not good while tokens might live for an hour.
    let long =
        |iat: i64| foreign("ada", json!({"iat": iat, "sid": "s", "jti": "j", "exp": now() + 40_000_000}));
    for revocation in [
        format!("revoke_user('ada', '{STRICT_ISSUER}')"),
        "revoke_user('ada')".to_owned(),
        format!("revoke_session('{STRICT_ISSUER}', 's')"),
        format!("revoke_token('j', '{STRICT_ISSUER}')"),
    ] {
        limit(&mut administrator, ISSUER, "1 hour");
        for token in [long(now() - 60), long(now()), long(now() + 20)] {
            assert!(!after_a_purge(&db, &token, &revocation), "{revocation}");
        }
        assert!(
            !after_a_purge(&db, &foreign("ada", json!({"iat": null})), &revocation),
            "{revocation}: no iat"
        );
    }
    // Of a session also what was made later of it.
    let sql = format!(
        "select issued_since > now() + interval '29 days' from auth.issuers where issuer = '{STRICT_ISSUER}'"
    );
    after_a_purge(&db, &long(now()), &format!("revoke_session('{STRICT_ISSUER}', 's')"));
    assert_eq!(administrator.value(&sql).as_deref(), Some("t"));
    // Whoever signs in afterwards is let in, and tokens of ours have rows of their own.
    after_a_purge(&db, &long(now()), &format!("revoke_user('ada', '{STRICT_ISSUER}')"));
    administrator.run("update auth.issuers set issued_since = issued_since - interval '1 minute'");
    assert_eq!(verdict(&mut db.tenant(), &long(now())), GOOD);
    let own = "select count(*) from auth.issuers where own and issued_since is not null";
    assert_eq!(administrator.value(own).as_deref(), Some("0"));
}

#[test]
fn t160_a_later_purge_never_takes_back_what_an_earlier_one_noted() {
    let db = minting();
    let mut administrator = db.superuser();
    let noted = format!("select issued_since from auth.issuers where issuer = '{STRICT_ISSUER}'");
    limit(&mut administrator, STRICT_ISSUER, "1 hour");
    administrator.run(&format!("select auth.revoke_user('ada', '{STRICT_ISSUER}')"));
    administrator.run("update auth.revocations set issued_before = issued_before - interval '1 day'");
    administrator.run(&format!("select auth.revoke_user('ben', '{STRICT_ISSUER}')"));
    administrator.run(
        "update auth.revocations set expires_at = clock_timestamp() - interval '1 s' where value = 'ben'",
    );
    administrator.run("select auth.purge_revocations()");
    let first = administrator.value(&noted);
    assert!(first.is_some());
    run_out(&mut administrator);
    administrator.run("select auth.purge_revocations()");
    assert_eq!(rows(&mut administrator), "0");
    assert_eq!(administrator.value(&noted), first);
}

#[test]
fn t160_a_purge_waits_for_nobody_and_keeps_what_it_cannot_note() {
    let db = minting();
    let mut administrator = db.superuser();
    administrator.run("set statement_timeout = '1.5 s'");
    limit(&mut administrator, STRICT_ISSUER, "1 hour");
    administrator.run(&format!("select auth.revoke_user('ada', '{STRICT_ISSUER}')"));
    run_out(&mut administrator);
    let token = foreign("ada", json!({}));
    let mut holder = db.superuser();
    for hold in ["select from auth.issuers for update", "update auth.issuers set leeway = leeway"] {
        holder.run(&format!("begin; {hold}"));
        assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("0"));
        administrator.run("select auth.revoke_user('ben')");
        assert_eq!(verdict(&mut db.tenant(), &token), REFUSED, "{hold}");
        holder.run("rollback");
    }
    // Nor for whoever holds the revocation itself.
    holder.run("begin; select from auth.revocations for update");
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("0"));
    holder.run("rollback");
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("2"));
    // Under an old snapshot it leaves what others changed.
    administrator.run(&format!("select auth.revoke_user('cara', '{STRICT_ISSUER}')"));
    run_out(&mut administrator);
    administrator.run("begin isolation level repeatable read; select count(*) from auth.revocations");
    holder.run("update auth.issuers set leeway = '10 s'");
    assert_eq!(administrator.value("select auth.purge_revocations()").as_deref(), Some("0"));
    administrator.run("commit");
}
