//! What a dump and an update carry along of keys, tokens and revocations.

use super::*;
use crate::dump::{dump, restore};
use crate::upgrade::{before, update};
use pg_bearer_tests::refusal;

/// Everything about tokens that is dumped, as text.
fn stored(db: &Database) -> Vec<String> {
    let tables = ["issuers", "jwt_keys", "minted_tokens", "revocations"];
    let all = tables.map(|table| {
        let sql = format!("select string_agg(t::text, E'\\n' order by t::text) from auth.{table} t");
        db.superuser().value(&sql).unwrap_or_else(|| panic!("{table} is empty"))
    });
    all.into()
}

#[test]
fn t404_tokens_and_revocations_survive_a_dump_and_signing_is_mended() {
    let (db, mut session) = world();
    create(&mut session, "ES256");
    let retired = issue(&mut session);
    create(&mut session, "EdDSA");
    rotate(&mut session);
    let token = issue(&mut session);
    let revoked = issue(&mut session);
    session.execute("select auth.revoke_token($1)", &[&revoked]).unwrap();
    let banned = session.value("select auth.issue_jwt('bob')").unwrap();
    session.run("select auth.revoke_user('bob')");
    create(&mut session, "RS256");
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j4")] {
        let restored = restore(&dump(&db, format, ""), format, jobs);
        assert_eq!(stored(&restored), stored(&db), "{format}");
        let mut tenant = restored.tenant();
        for token in [&retired, &token] {
            assert!(is_good(&mut tenant, token), "{format}");
        }
        for token in [&revoked, &banned] {
            assert_eq!(refusal(tenant.authenticate(token)), REFUSED, "{format}");
        }
        let mut session = restored.connect("administrator");
        let error = session.batch_execute("select auth.issue_jwt('ada')").unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "55000");
        for what in ["create_signing_key", "rotate_signing_key"] {
            assert!(error.hint().unwrap().contains(what), "{error:?}");
        }
        let findings = "select code || ' ' || coalesce(fix, '') from auth.lint() where code like 'signing_key%' order by code, fix";
        let rows = session.query(findings, &[]).unwrap();
        let found: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let missing: Vec<_> =
            found.iter().filter_map(|found| found.strip_prefix("signing_key_missing ")).collect();
        assert_eq!((found.len(), missing.len()), (5, 2), "{found:#?}");
        // The longer fix is that of the active one, and does for both.
        session.run(missing.iter().max_by_key(|fix| fix.len()).unwrap());
        assert_eq!(states(&mut session), "retired retired retired active");
        let new = issue(&mut session);
        for token in [&retired, &token, &new] {
            assert!(is_good(&mut tenant, token), "{format}");
        }
        session.run("select auth.revoke_jwt_key(key_id) from auth.list_jwt_keys() where state = 'retired'");
        let rows = session.query(findings, &[]).unwrap();
        assert!(rows.is_empty(), "{rows:?}");
        assert!(is_good(&mut tenant, &new) && !is_good(&mut tenant, &token));
    }
}

#[test]
fn t404_with_its_secrets_a_restored_database_signs_and_is_told_whose_keys_those_are() {
    let (db, mut session) = world();
    create(&mut session, "HS256");
    let token = issue(&mut session);
    for (options, good) in [("-c pg_bearer.dump_secrets=on", true), ("", false)] {
        let restored = restore(&dump(&db, "-Fc", options), "-Fc", "-j1");
        let mut session = restored.connect("administrator");
        assert_eq!(is_good(&mut restored.tenant(), &token), good);
        assert_eq!(session.batch_execute("select auth.issue_jwt('ada')").is_ok(), good);
        let found =
            "select string_agg(code, ' ' order by code) from auth.lint() where code like 'signing_key%'";
        let expected = if good { "signing_key_copied" } else { "signing_key_copied signing_key_missing" };
        assert_eq!(session.value(found).as_deref(), Some(expected));
    }
}

#[test]
fn t404_a_database_of_0_1_0_makes_tokens_after_its_update() {
    let db = before();
    let mut session = db.superuser();
    session.run("select auth.add_issuer('https://old.example'), auth.add_jwt_secret('https://old.example', repeat('x', 40)); analyze");
    update(&mut session);
    session.run(&format!("select auth.add_issuer('{OWN}', leeway => '0', own => true)"));
    let mut tokens = Vec::new();
    for alg in ALGORITHMS {
        create(&mut session, alg);
        if !tokens.is_empty() {
            rotate(&mut session);
        }
        tokens.push(issue(&mut session));
    }
    let mut tenant = db.tenant();
    for token in &tokens {
        assert!(is_good(&mut tenant, token));
    }
    session.execute("select auth.revoke_token($1)", &[&tokens[3]]).unwrap();
    assert!(!is_good(&mut tenant, &tokens[3]));
    let kept =
        "select count(*) from pg_statistic where starelid = 'auth.jwt_secrets'::regclass and staattnum = 2";
    session.run("analyze auth.jwt_secrets");
    assert_eq!(session.value(kept).as_deref(), Some("0"));
}
