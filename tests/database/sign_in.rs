//! How strongly, how and when somebody signed in, as policies ask it.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

const LOW: &str = "42501 the identity's authenticator assurance level is not known to be aal2 or higher";
const NOBODY: &str = "28000 this transaction has no identity";
const NO_LEVEL: &str = "22023 the level must be aal1, aal2 or aal3";
const TIME_ZONES: [&str; 4] =
    ["UTC", "Europe/Berlin", "AAA-100BBB100,M1.1.0,M12.5.6", "BBB100AAA-100,M6.1.0,M12.5.6"];

/// A session in a transaction of whoever has these claims besides those of user A.
fn signed_in(db: &Database, claims: Value) -> Client {
    let mut session = db.tenant();
    sign_in(&mut session, &hs256(&with(claims_a(), claims)));
    session
}

fn sign_in(session: &mut Client, token: &str) {
    session.run("begin");
    session.authenticate(token).unwrap();
}

/// What a demand answers, without ending the transaction.
fn demand(session: &mut Client, level: &str) -> String {
    let sql = format!("select auth.require_aal({level})");
    session.run("savepoint s");
    let passed = session.batch_execute(&sql).is_ok();
    session.run("rollback to s");
    let answer = if passed { session.value(&sql).unwrap() } else { session.refused(&sql) };
    session.run("rollback to s");
    answer
}

#[test]
fn a_token_says_how_its_user_signed_in() {
    let db = Database::new();
    let totp =
        json!([{"method": "totp", "timestamp": now() - 30}, {"method": "password", "timestamp": now() - 90}]);
    let mut session = signed_in(&db, json!({"aal": "aal2", "amr": totp, "session_id": "s1", "sid": "s2"}));
    assert_values(
        &mut session,
        &[
            ("select auth.aal()", Some("aal2")),
            ("select auth.amr()", Some("{totp,password}")),
            ("select 'totp' = any (auth.amr())", Some("t")),
            ("select auth.session_id()", Some("s1")),
            ("select auth.session_id() = auth.identity() ->> 'session_id'", Some("t")),
            ("select auth.require_aal('aal1')", Some("t")),
            ("select auth.require_aal('aal2')", Some("t")),
            ("select auth.signed_in_within('1 minute')", Some("t")),
            ("select auth.signed_in_within('20 seconds')", Some("f")),
            ("select auth.signed_in_within(null)", None),
        ],
    );
    let mut session = signed_in(&db, json!({"amr": ["pwd", "otp"], "sid": "s2", "auth_time": now() - 100}));
    assert_values(
        &mut session,
        &[
            ("select auth.aal()", None),
            ("select auth.amr()", Some("{pwd,otp}")),
            ("select auth.session_id()", Some("s2")),
            ("select auth.signed_in_within('1 hour')", Some("t")),
            ("select auth.signed_in_within('1 minute')", Some("f")),
        ],
    );
}

#[test]
fn t360_nothing_but_the_level_itself_is_a_level() {
    let db = Database::new();
    let mut session = db.tenant();
    let long = "a".repeat(11_000);
    for (claims, level) in [
        (json!({"aal": "aal1"}), Some("aal1")),
        (json!({"aal": "aal2"}), Some("aal2")),
        (json!({"aal": "aal3"}), Some("aal3")),
        (json!({}), None),
        (json!({"aal": 2}), None),
        (json!({"aal": true}), None),
        (json!({"aal": ["aal2"]}), None),
        (json!({"aal": {"aal": "aal2"}}), None),
        (json!({"aal": "AAL2"}), None),
        (json!({"aal": "aal2 "}), None),
        (json!({"aal": "aal2\n"}), None),
        (json!({"aal": "aal4"}), None),
        (json!({"aal": ""}), None),
        (json!({"aal": long}), None),
        (json!({"app_metadata": {"aal": "aal2"}, "user_metadata": {"aal": "aal2"}, "acr": "aal2"}), None),
        (json!({"amr": [{"method": "totp", "aal": "aal2", "timestamp": now()}]}), None),
    ] {
        sign_in(&mut session, &hs256(&with(claims_a(), claims.clone())));
        assert_eq!(session.value("select auth.aal()").as_deref(), level, "{claims}");
        let rank = level.map_or(0, |level| level[3..].parse().unwrap());
        for wanted in 1..=3 {
            let answer = demand(&mut session, &format!("'aal{wanted}'"));
            let expected =
                if rank >= wanted { "t".to_owned() } else { LOW.replace("aal2", &format!("aal{wanted}")) };
            assert_eq!(answer, expected, "{claims}");
        }
        session.run("rollback");
    }
}

#[test]
fn t360_a_demand_with_a_slip_of_the_pen_lets_nobody_pass() {
    let db = Database::new();
    let mut strong = signed_in(&db, json!({"aal": "aal3"}));
    let mut nobody = db.tenant();
    nobody.run("begin");
    for level in
        ["null", "''", "'aal'", "'aal0'", "'aal4'", "'AAL1'", "'aal1 '", "'1'", "repeat('a', 1000000)"]
    {
        assert_eq!(demand(&mut strong, level), NO_LEVEL, "{level}");
        assert_eq!(demand(&mut nobody, level), NO_LEVEL, "{level}");
    }
    assert_eq!(demand(&mut nobody, "'aal1'"), NOBODY);
    let refused =
        signed_in(&db, json!({"aal": "aal1"})).batch_execute("select auth.require_aal('aal2')").unwrap_err();
    let hint = refused.as_db_error().unwrap().hint().unwrap();
    assert_eq!(
        hint,
        "Sign in again, with what is missing for this level, and authenticate with the new token."
    );
}

#[test]
fn t361_only_a_sign_in_is_a_sign_in() {
    let db = Database::new();
    let mut session = db.tenant();
    let old = now() - 7_200;
    let method = |time: Value| json!([{"method": "m", "timestamp": time}]);
    for (claims, within_an_hour) in [
        (json!({"auth_time": now() - 60}), "t"),
        (json!({"auth_time": (now() - 60) as f64 + 0.25}), "t"),
        (json!({"auth_time": old}), "f"),
        (json!({"amr": method(json!(now() - 60))}), "t"),
        (json!({"amr": method(json!(old))}), "f"),
        (
            json!({"amr": [{"method": "a", "timestamp": old}, {"method": "b", "timestamp": now() - 60}, "c"]}),
            "t",
        ),
        // A refreshed token is new; whoever holds it is not.
        (json!({}), "f"),
        (json!({"nbf": now(), "updated_at": now()}), "f"),
        (json!({"amr": ["pwd"]}), "f"),
        (json!({"auth_time": old, "amr": method(json!(now()))}), "f"),
        (json!({"auth_time": "", "amr": method(json!(now()))}), "f"),
        // The clocks of others are ahead by seconds, not by hours.
        (json!({"auth_time": now() + 250}), "t"),
        (json!({"auth_time": now() + 400}), "f"),
        (json!({"auth_time": 9_007_199_254_740_993_i64}), "f"),
        (json!({"auth_time": 1e300}), "f"),
        (
            json!({"amr": [{"method": "a", "timestamp": now() + 400}, {"method": "b", "timestamp": now()}]}),
            "f",
        ),
        // What is no time.
        (json!({"auth_time": -1}), "f"),
        (json!({"auth_time": now().to_string()}), "f"),
        (json!({"auth_time": true}), "f"),
        (json!({"auth_time": [now()]}), "f"),
        (json!({"amr": method(json!(now().to_string()))}), "f"),
        (json!({"amr": method(json!(-1e300))}), "f"),
        (json!({"amr": [{"timestamp": now()}]}), "f"),
        (json!({"amr": {"method": "m", "timestamp": now()}}), "f"),
        (json!({"amr": [[{"method": "m", "timestamp": now()}]]}), "f"),
    ] {
        sign_in(&mut session, &hs256(&with(claims_a(), claims.clone())));
        assert_values(
            &mut session,
            &[
                ("select auth.signed_in_within('1 hour')", Some(within_an_hour)),
                ("select auth.signed_in_within('0')", Some("f")),
                ("select auth.signed_in_within('-178000000 years')", Some("f")),
            ],
        );
        session.run("rollback");
    }
    let raw = format!(r#"{{"iss":"{ISSUER}","sub":"x","exp":{},"auth_time":1e400}}"#, now() + 600);
    session.run("begin");
    let refused = session.authenticate(&hs256_raw(r#"{"alg":"HS256"}"#, &raw));
    assert!(refused.is_err(), "a number that no double holds is in no token");
}

/// A session chooses its time zone, also one whose days are as long as it likes.
#[test]
fn t362_a_period_is_as_long_in_every_time_zone() {
    let db = Database::new();
    let mut session = db.tenant();
    // Around the moment at which each period ends, as Postgres adds it to a timestamp.
    let differing = "select concat(count(*) filter (where r.ours is distinct from r.theirs), ' ', bool_or(r.ours), ' ', bool_and(r.ours))
        from (select auth.signed_in_within(i.period) as ours, t.now < t.begun + i.period as theirs
                from (select statement_timestamp() at time zone 'UTC' as now,
                             to_timestamp((auth.claim('auth_time'))::float8) at time zone 'UTC' as begun) t,
                     generate_series(0, 40) m (months), (values (-3), (0), (1), (40)) d (days), (values (-1), (1)) s (seconds),
                     lateral (select make_interval(months => m.months, days => d.days) as whole) w,
                     lateral (select w.whole + (t.now - (t.begun + w.whole)) + make_interval(secs => s.seconds) as period) i) r";
    for days in [0, 1, 27, 28, 29, 30, 31, 59, 180, 300, 365, 366, 1000, 9000, 20_000] {
        sign_in(&mut session, &hs256(&with(claims_a(), json!({"auth_time": now() - days * 86_400 - 5}))));
        for zone in TIME_ZONES {
            session.run(&format!("set local timezone = '{zone}'"));
            assert_eq!(session.value(differing).as_deref(), Some("0 t f"), "{days} {zone}");
            let day = format!(
                "select auth.signed_in_within('{days} days 1 minute') and not auth.signed_in_within('{days} days 1 second')"
            );
            assert_eq!(session.value(&day).as_deref(), Some("t"), "{days} {zone}");
        }
        assert_values(
            &mut session,
            &[
                ("select auth.signed_in_within('178000000 years')", Some("t")),
                ("select auth.signed_in_within('-178000000 years')", Some("f")),
                (
                    "select auth.signed_in_within(interval '178000000 years' + interval '2147483647 days')",
                    Some("t"),
                ),
            ],
        );
        session.run("rollback");
    }
}

#[test]
fn t363_readers_answer_whatever_a_token_says() {
    let db = Database::new();
    let mut session = db.tenant();
    let deep = format!("{}1{}", "[".repeat(29), "]".repeat(29));
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let text = "x".repeat(11_000);
    for (amr, count) in [
        (json!(vec!["m"; 1000]), Some("1000")),
        (json!(vec![json!({"method": "m"}); 600]), Some("600")),
        (json!(vec![json!({}); 1000]), Some("0")),
        (json!([[["pwd"]], [{"method": "pwd"}], {"method": ["pwd"]}, "pwd"]), Some("1")),
        (json!([deep, "pwd"]), Some("1")),
        (json!([text]), Some("1")),
        (json!(["", "{\"a\", NULL}", "NULL", "\u{202e}"]), Some("4")),
        (json!([null, 1, 1.5, true]), Some("0")),
        (json!("pwd"), None),
        (json!({"0": "pwd"}), None),
        (json!(0), None),
        (Value::Null, None),
    ] {
        // In every claim, where the token does not get too long.
        let everywhere = amr.to_string().len() < 2_000;
        let others = if everywhere { json!({"aal": amr, "auth_time": amr, "sid": amr}) } else { json!({}) };
        sign_in(&mut session, &hs256(&with(with(claims_a(), json!({"amr": amr})), others)));
        assert_eq!(session.value("select cardinality(auth.amr())").as_deref(), count, "{amr}");
        assert_values(
            &mut session,
            &[
                ("select auth.aal()", None),
                ("select auth.session_id()", amr.as_str()),
                ("select auth.signed_in_within('1 hour')", Some("f")),
            ],
        );
        session.run("rollback");
    }
}

#[test]
fn t364_nobody_and_no_api_key_has_signed_in() {
    let db = Database::new();
    let org = db.superuser().value("select auth.create_organization('o', owner_id => 'ada')").unwrap();
    let mut session = db.tenant();
    let strong = json!({"iss": STRICT_ISSUER, "sub": "ada", "aal": "aal3", "amr": ["hwk"], "auth_time": now(), "sid": "s",
                        "iat": now(), "exp": now() + 600});
    sign_in(&mut session, &hs256(&strong));
    assert_eq!(demand(&mut session, "'aal3'"), "t");
    let key = session.value(&format!("select key from auth.create_api_key('k', org_id => '{org}')")).unwrap();
    session.run("commit");
    let nothing =
        [("select auth.aal()", None), ("select auth.amr()", None), ("select auth.session_id()", None)];
    assert_values(&mut session, &nothing);
    assert_values(&mut session, &[("select auth.signed_in_within('1 hour')", None)]);
    session.run("begin");
    assert_eq!(demand(&mut session, "'aal1'"), NOBODY);
    session.authenticate(&key).unwrap();
    assert_values(&mut session, &nothing);
    assert_values(&mut session, &[("select auth.signed_in_within('178000000 years')", Some("f"))]);
    assert_eq!(demand(&mut session, "'aal1'"), LOW.replace("aal2", "aal1"));
}

#[test]
fn policies_ask_for_a_second_factor_and_a_fresh_sign_in() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "create policy careful on docs as restrictive for update using (auth.aal() in ('aal2', 'aal3') and auth.signed_in_within('15 minutes'));
         create policy strict on docs as restrictive for delete using (auth.require_aal('aal2'))",
    );
    for (claims, updated, deleted) in [
        (json!({"aal": "aal2", "auth_time": now()}), "500", "500"),
        (json!({"aal": "aal2", "auth_time": now() - 1_000}), "0", "500"),
        (json!({"aal": "aal1", "auth_time": now()}), "0", LOW),
        (json!({}), "0", LOW),
    ] {
        let mut session = signed_in(&db, claims.clone());
        let rows = |verb: &str| format!("with w as ({verb} returning 1) select count(*) from w");
        assert_eq!(session.value(&rows("update docs set body = body")).as_deref(), Some(updated), "{claims}");
        match deleted {
            LOW => assert_eq!(session.refused(&rows("delete from docs")), LOW, "{claims}"),
            count => assert_eq!(session.value(&rows("delete from docs")).as_deref(), Some(count), "{claims}"),
        }
    }
    let why = |claims: Value| {
        format!(
            "select string_agg(conclusion, '') from auth.explain_access('docs', 'update', as_role => 'tenant', row_key => '{{\"id\": 1}}',
                identity => '{}')",
            json!({"user_id": "u", "org_id": ORG_B, "claims": claims})
        )
    };
    let told = superuser.value(&why(json!({}))).unwrap();
    assert!(told.contains("auth.aal() is null because the credential does not say it"), "{told}");
    assert!(
        told.contains("because the credential does not say that user u signed in less than 00:15:00 ago"),
        "{told}"
    );
    let told = superuser.value(&why(json!({"aal": "aal2", "auth_time": now()}))).unwrap();
    assert!(!told.contains("denied"), "{told}");
}
