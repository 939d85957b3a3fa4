//! What administrators do, with arguments good and bad; key sets are in `admin_keys.rs`.

use pg_bearer_tests::database::{Session, assert_contains, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::json;

/// A call of every function for administrators.
fn calls() -> [(&'static str, String); 11] {
    let key = Pair::es256().jwk("k").to_string();
    [
        ("add_issuer", "auth.add_issuer('https://new.example')".into()),
        ("update_issuer", format!("auth.update_issuer('{ISSUER}', audiences => '{{a}}')")),
        ("list_issuers", "auth.list_issuers()".into()),
        ("list_jwt_keys", "auth.list_jwt_keys()".into()),
        ("load_jwks", format!("auth.load_jwks('{ISSUER}', '{}')", jwks(&[Pair::es256().jwk("l")]))),
        ("add_jwt_key", format!("auth.add_jwt_key('{ISSUER}', '{key}')")),
        ("add_jwt_secret", format!("auth.add_jwt_secret('{ISSUER}', '{SECRET}', kid => 'other')")),
        ("check_jwt", "auth.check_jwt('a.b.c')".into()),
        ("revoke_jwt_key", "auth.revoke_jwt_key('00000000-0000-4000-8000-000000000000')".into()),
        ("remove_issuer", format!("auth.remove_issuer('{STRICT_ISSUER}')")),
        ("require_administrator", "auth_internal.require_administrator()".into()),
    ]
}

/// Asserts that the server has neither crashed nor reported a defect since `started`.
struct Health(Client, Option<String>, u64);

impl Health {
    fn of(db: &Database) -> Health {
        let mut session = db.superuser();
        let started = session.value("select pg_postmaster_start_time()");
        Health(session, started, server().log_end())
    }

    fn assert_good(mut self) {
        assert_eq!(self.0.value("select pg_postmaster_start_time()"), self.1);
        let log = server().log_from(self.2);
        for trouble in ["PANIC", "terminated by signal", "XX000", "panicked"] {
            assert!(!log.contains(trouble), "{trouble}");
        }
    }
}

#[test]
fn superusers_and_members_of_bearer_admin_administer_and_nobody_else_does() {
    for user in ["postgres", "administrator"] {
        let db = Database::new();
        let mut session = db.connect(user);
        for (name, call) in calls() {
            match name {
                "revoke_jwt_key" => {
                    assert_eq!(session.refused(&format!("select {call}")), "22023 no such key")
                }
                "require_administrator" if user != "postgres" => {
                    assert_contains(
                        session.refused(&format!("select {call}")),
                        "42501 permission denied for function",
                    );
                }
                _ => session.run(&format!("select {call}")),
            }
        }
    }
    let db = Database::new();
    for (name, call) in calls() {
        let expected = format!("42501 permission denied for function {name}");
        assert_eq!(db.tenant().refused(&format!("select {call}")), expected);
        // The role of the moment counts, not who logged in.
        assert_eq!(db.superuser().refused(&format!("set role tenant; select {call}")), expected);
    }
}

#[test]
fn t031_the_right_does_not_pass_through_somebody_elses_function() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let mut names = Vec::new();
    for (owner, suffix) in [("postgres", "s"), ("administrator", "a"), ("bearer_owner", "o")] {
        superuser.run(&format!("grant create on schema public to {owner}"));
        for (name, call) in calls() {
            superuser.run(&format!(
                "create function {name}_{suffix}() returns void language plpgsql security definer as $f$ begin perform {call}; end $f$;
                 alter function {name}_{suffix}() owner to {owner}"
            ));
            names.push((format!("{name}_{suffix}()"), name, owner));
        }
    }
    for user in ["tenant", "table_owner"] {
        let mut session = db.superuser();
        session.run(&format!("set role {user}"));
        for (wrapper, name, owner) in &names {
            let refusal = session.refused(&format!("select {wrapper}"));
            let expected = match (*owner, *name) {
                // Its owner may not call it either.
                ("administrator", "require_administrator") | ("bearer_owner", "check_jwt") => {
                    "42501 permission denied for function"
                }
                _ => "42501 this needs an administrator of pg_bearer",
            };
            assert!(refusal.starts_with(expected), "{wrapper} as {user}: {refusal}");
        }
    }
    // Whoever is one may use such a function.
    db.connect("administrator").run("select list_issuers_s()");
    // Execute alone is not enough.
    superuser.run("grant execute on all functions in schema auth, auth_internal to tenant");
    for (_, call) in calls() {
        assert_contains(
            db.tenant().refused(&format!("select {call}")),
            "42501 this needs an administrator of pg_bearer",
        );
    }
}

#[test]
fn an_issuer_with_a_bad_setting_is_refused_with_the_setting_and_its_rules() {
    let db = Database::new();
    let health = Health::of(&db);
    let mut session = db.connect("administrator");
    for (arguments, setting) in [
        ("''", "issuer"),
        ("null", "issuer"),
        ("repeat('x', 1025)", "issuer"),
        ("repeat('é', 513)", "issuer"),
        ("repeat('x', 1000000)", "issuer"),
        ("repeat('x', 100000000)", "issuer"),
        ("'x', audiences => '{\"\"}'", "audiences"),
        ("'x', audiences => '{a,null}'", "audiences"),
        ("'x', audiences => '{{a},{b}}'", "audiences"),
        ("'x', audiences => null", "audiences"),
        ("'x', algorithms => '{none}'", "algorithms"),
        ("'x', algorithms => '{hs256}'", "algorithms"),
        ("'x', algorithms => '{HS256,null}'", "algorithms"),
        ("'x', algorithms => '{{HS256},{ES256}}'", "algorithms"),
        ("'x', algorithms => array[repeat('x', 1000000)]", "algorithms"),
        ("'x', token_types => '{\"\"}'", "token_types"),
        ("'x', token_types => '{null}'", "token_types"),
        ("'x', memberships_from_claims => null", "memberships_from_claims"),
        ("'x', allow_service_role => null", "allow_service_role"),
        ("'x', environment => 'LIVE'", "environment"),
        ("'x', environment => ''", "environment"),
        ("'x', environment => 'lіve'", "environment"),
        ("'x', leeway => '301 seconds'", "leeway"),
        ("'x', leeway => '-1 seconds'", "leeway"),
        ("'x', leeway => '178000000 years'", "leeway"),
        ("'x', leeway => null", "leeway"),
        ("'x', max_lifetime => '-1 seconds'", "max_lifetime"),
        ("'x', max_lifetime => '0.4 seconds'", "max_lifetime"),
        ("'x', max_lifetime => '178000000 years'", "max_lifetime"),
        ("'x', org_claim => '{null}'", "org_claim"),
        ("'x', org_claim => null", "org_claim"),
        ("'x', workspace_claim => '{a,null}'", "workspace_claim"),
        ("'x', role_claim => '{{a},{b}}'", "role_claim"),
        ("'x', org_role_claim => '{\"\"}'", "org_role_claim"),
        ("'x', permissions_claim => '{null}'", "permissions_claim"),
        ("'x', scopes_claim => '{null}'", "scopes_claim"),
        ("'x', email_claim => '{null}'", "email_claim"),
        ("'x', org_ids => '{null}'", "org_ids"),
        ("'x', org_ids => '{{0a000000-0000-4000-8000-00000000000a}}'", "org_ids"),
        ("'x', org_ids => null", "org_ids"),
        ("'x', user_id_prefix => repeat('x', 256)", "user_id_prefix"),
        ("'x', user_id_prefix => null", "user_id_prefix"),
        ("'x', email_verified_claim => '{null}'", "email_verified_claim"),
        (
            "'x', allow_service_role => true, org_ids => '{0a000000-0000-4000-8000-00000000000a}'",
            "allow_service_role",
        ),
    ] {
        let error = session.batch_execute(&format!("select auth.add_issuer({arguments})"));
        let error = error.expect_err(arguments);
        let error = error.as_db_error().unwrap();
        let expected = ("22023", format!("{setting} has a value that is not allowed"));
        assert_eq!((error.code().code(), error.message().to_owned()), expected, "{arguments}");
        assert!(
            error.hint().is_some_and(|hint| hint.len() > 10) && error.detail().is_none(),
            "{arguments}: {error:?}"
        );
        if arguments.starts_with("'x', ") && !arguments.contains("=> null") {
            let update = format!("select auth.update_issuer('{ISSUER}', {})", &arguments[5..]);
            assert_eq!(session.refused(&update), format!("22023 {}", expected.1));
        }
    }
    assert_eq!(
        session.refused(&format!("select auth.add_issuer('{ISSUER}')")),
        "23505 this issuer exists already"
    );
    assert_eq!(session.value("select count(*) from auth.list_issuers()").as_deref(), Some("2"));
    // Nothing that was accepted may break whoever comes with a token.
    db.tenant().authenticate(&token_a()).unwrap();
    health.assert_good();
}

#[test]
fn update_issuer_changes_what_is_given_and_leaves_the_rest() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    for (name, value) in [
        ("audiences", "{a,b}"),
        ("algorithms", "{HS256}"),
        ("token_types", "{jwt}"),
        ("memberships_from_claims", "f"),
        ("allow_service_role", "t"),
        ("allow_service_role", "f"),
        ("environment", "test"),
        ("leeway", "00:00:05"),
        ("max_lifetime", "01:00:00"),
        ("org_claim", "{a,b.c}"),
        ("workspace_claim", "{w}"),
        ("role_claim", "{r}"),
        ("org_role_claim", "{}"),
        ("permissions_claim", "{p}"),
        ("scopes_claim", "{s}"),
        ("email_claim", "{e}"),
        ("user_id_prefix", "p|"),
        ("org_ids", "{0a000000-0000-4000-8000-00000000000a}"),
        ("email_verified_claim", "{}"),
    ] {
        let rest =
            format!("select to_jsonb(i) - '{name}' from auth.list_issuers() i where issuer = '{ISSUER}'");
        let other = format!("select to_jsonb(i) from auth.list_issuers() i where issuer = '{STRICT_ISSUER}'");
        let before = (session.value(&rest), session.value(&other));
        session.run(&format!("select auth.update_issuer('{ISSUER}', {name} => '{value}')"));
        assert_eq!(
            session
                .value(&format!("select {name} from auth.list_issuers() where issuer = '{ISSUER}'"))
                .as_deref(),
            Some(value)
        );
        assert_eq!((session.value(&rest), session.value(&other)), before, "{name}");
    }
    for missing in [
        "'https://nobody.example'",
        "null",
        "''",
        "repeat('x', 1000000)",
        "'https://issuer.example/'",
        "'HTTPS://ISSUER.EXAMPLE'",
    ] {
        for call in ["update_issuer", "remove_issuer"] {
            assert_eq!(session.refused(&format!("select auth.{call}({missing})")), "22023 no such issuer");
        }
    }
}

#[test]
fn remove_issuer_takes_its_keys_and_secrets_with_it_and_no_others() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!("select auth.remove_issuer('{ISSUER}')"));
    let left = "select (select count(*) from auth.issuers) || ' ' || (select count(*) from auth.jwt_keys) || ' ' || (select count(*) from auth.jwt_secrets)";
    assert_eq!(session.value(left).as_deref(), Some("1 1 1"));
    assert_eq!(refusal(db.tenant().authenticate(&token_a())), "28000 the credential was refused");
    db.tenant().authenticate(&hs256(&with(claims_a(), json!({"iss": STRICT_ISSUER})))).unwrap();
    // Under the same name it begins anew, without the keys it had.
    session.run(&format!("select auth.add_issuer('{ISSUER}')"));
    assert_eq!(refusal(db.tenant().authenticate(&token_a())), "28000 the credential was refused");
    session
        .run(&format!("select auth.remove_issuer('{ISSUER}'); select auth.remove_issuer('{STRICT_ISSUER}')"));
    assert_eq!(refusal(db.tenant().authenticate(&token_a())), "F0000 no issuer of tokens is configured");
}

#[test]
fn t077_hostile_kids_and_texts_are_data() {
    let db = Database::new();
    let health = Health::of(&db);
    let mut session = db.connect("administrator");
    let pair = Pair::es256();
    let hostile = [
        "'; drop table auth.jwt_keys; --",
        "../../../../dev/null",
        "$1",
        "%s%n%x",
        "\\'",
        "\"",
        "k\u{200b}",
        "к",
        "K",
        "\u{1f511}",
        "../../etc/passwd",
        "a b",
        "null",
        "{}",
        "x' or '1'='1",
        &"k".repeat(128),
        " k",
        "k ",
    ];
    for kid in hostile {
        let found = session.query_one(
            "select auth.add_jwt_key($1, $2, kid => $3)::text",
            &[&ISSUER, &Pair::es256().jwk(kid).to_string(), &kid],
        );
        assert!(found.is_ok(), "{kid:?}: {found:?}");
        assert_eq!(
            refusal(db.tenant().authenticate(&pair.sign(kid, &claims_a()))),
            "28000 the credential was refused",
            "{kid:?}"
        );
    }
    session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &jwks(&[pair.jwk("k")])]).unwrap();
    db.tenant().authenticate(&pair.sign("k", &claims_a())).unwrap();
    for kid in hostile {
        assert_eq!(
            refusal(db.tenant().authenticate(&pair.sign(kid, &claims_a()))),
            "28000 the credential was refused",
            "{kid:?}"
        );
    }
    for kid in ["", &"k".repeat(129), "a\nb", "a\u{1}", "\u{7f}", "\u{85}", &"é".repeat(65)] {
        let secret = refusal(
            session.execute("select auth.add_jwt_secret($1, $2, kid => $3)", &[&ISSUER, &SECRET, &kid]),
        );
        assert_eq!(
            secret, "22023 kid must be a string of 1 to 128 bytes without control characters",
            "{kid:?}"
        );
        let key = Pair::es256().jwk("x");
        let key = with(key, json!({"kid": null})).to_string();
        let refused =
            refusal(session.execute("select auth.add_jwt_key($1, $2, kid => $3)", &[&ISSUER, &key, &kid]));
        assert_eq!(refused, secret, "{kid:?}");
    }
    health.assert_good();
}

#[test]
fn check_jwt_tells_administrators_why() {
    let db = Database::new();
    let mut session = db.connect("administrator");
    let mut check = |token: Option<&str>| {
        let row = session
            .query_one("select valid, reason, header::text, claims::text from auth.check_jwt($1)", &[&token])
            .unwrap();
        (
            row.get::<_, bool>(0),
            row.get::<_, Option<String>>(1),
            row.get::<_, Option<String>>(2),
            row.get::<_, Option<String>>(3),
        )
    };
    let (valid, reason, header, claims) = check(Some(&token_a()));
    assert!(valid && reason.is_none() && claims.unwrap().contains(USER_A));
    assert_eq!(header.as_deref(), Some(r#"{"alg": "HS256", "typ": "JWT"}"#));
    for (changes, expected) in [
        (json!({"exp": now() - 3600}), "the token has expired"),
        (json!({"nbf": now() + 3600}), "the token is not valid yet (nbf)"),
        (json!({"iss": "https://nobody.example"}), "no such issuer is configured"),
        (json!({"role": "service_role"}), "the issuer may not make tokens for service_role"),
        (json!({"exp": null}), "exp is missing"),
    ] {
        let (valid, reason, header, _) = check(Some(&hs256(&with(claims_a(), changes))));
        assert_eq!((valid, reason.as_deref()), (false, Some(expected)));
        assert!(header.is_some() || expected == "exp is missing");
    }
    let forged =
        hs256_with(b"another secret, 32 bytes or more", r#"{"alg":"HS256"}"#, &claims_a().to_string());
    assert_eq!(check(Some(&forged)).1.as_deref(), Some("the signature does not match"));
    for (token, expected) in [
        (None, "no credential was given"),
        (Some(""), "no credential was given"),
        (Some("x"), "not a token of three parts"),
    ] {
        assert_eq!(check(token), (false, Some(expected.into()), None, None));
    }
    session
        .run(&format!("select auth.remove_issuer('{ISSUER}'); select auth.remove_issuer('{STRICT_ISSUER}')"));
    let reason = session.value(&format!("select reason from auth.check_jwt('{}')", token_a()));
    assert_eq!(reason.as_deref(), Some("no issuer of tokens is configured"));
}
