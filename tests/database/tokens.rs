//! Tokens of every kind as a client would send them. The rules themselves are tested in `src/verify`;
//! here is what reaches the caller.

use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use serde_json::json;

const REFUSED: &str = "28000 the credential was refused";

#[test]
fn keys_of_every_kind_verify() {
    let db = Database::new();
    let pairs = [Pair::es256(), Pair::ed25519(), Pair::rs256()];
    let keys: Vec<_> = pairs.iter().map(|pair| pair.jwk(pair.alg())).collect();
    db.superuser().execute("select auth.load_jwks($1, $2)", &[&ISSUER, &jwks(&keys)]).unwrap();
    let mut session = db.tenant();
    for pair in &pairs {
        let token = pair.sign(pair.alg(), &claims_a());
        for _ in 0..3 {
            session.run("begin");
            session.authenticate(&token).unwrap();
            assert_eq!(session.visible(), 500, "{}", pair.alg());
            session.run("commit");
        }
        // Another key of the same algorithm under the same kid, and an unknown kid.
        assert_eq!(refusal(session.authenticate(&pair.sign("other", &claims_a()))), REFUSED);
    }
    assert_eq!(refusal(session.authenticate(&Pair::es256().sign("ES256", &claims_a()))), REFUSED);
}

#[test]
fn tokens_of_other_libraries_verify() {
    for (name, vectors) in
        [("PyJWT", include_str!("../vectors/pyjwt.json")), ("jose", include_str!("../vectors/jose.json"))]
    {
        let db = Database::new();
        let mut superuser = db.superuser();
        let vectors: serde_json::Value = serde_json::from_str(vectors).unwrap();
        let mut tried = 0;
        for vector in vectors.as_array().unwrap() {
            let text = |member: &str| vector[member].as_str();
            let (Some(alg), Some(token)) = (text("alg"), text("token")) else { continue };
            let added = match vector.get("jwk") {
                Some(jwk) if !jwk.is_null() => superuser.execute(
                    "select auth.add_jwt_key($1, $2, $3, $4)",
                    &[&ISSUER, &jwk.to_string(), &alg, &text("kid")],
                ),
                _ => superuser.execute(
                    "select auth.add_jwt_secret($1, $2, $3, $4, 'base64url')",
                    &[&ISSUER, &text("secret"), &alg, &text("kid")],
                ),
            };
            added.unwrap();
            let mut session = db.tenant();
            session.run("begin");
            session.authenticate(token).unwrap_or_else(|error| panic!("{name} {alg}: {error:?}"));
            tried += 1;
        }
        assert!(tried >= 13, "only {tried} tokens of {name}");
    }
}

#[test]
fn memberships_in_claims_count_only_where_the_issuer_is_believed() {
    let db = Database::new();
    let mut session = db.tenant();
    let claims = with(
        claims_a(),
        json!({"iss": STRICT_ISSUER, "workspace_id": ORG_B, "org_role": "owner",
                                         "permissions": ["*"], "role": "authenticated", "scope": "read"}),
    );
    session.run("begin");
    session.authenticate(&hs256(&claims)).unwrap();
    let cases = [
        ("select auth.uid()", Some(USER_A)),
        ("select auth.role()", Some("authenticated")),
        ("select auth.has_scope('read')", Some("t")),
        ("select auth.current_org()", None),
        ("select auth.current_workspace()", None),
        ("select auth.org_role()", None),
        ("select auth.org_ids()", Some("{}")),
        ("select auth.workspace_ids()", Some("{}")),
        ("select auth.has_permission('x')", Some("f")),
        ("select auth.in_org('0a000000-0000-4000-8000-00000000000a')", None),
        ("select auth.is_member('0a000000-0000-4000-8000-00000000000a')", Some("f")),
    ];
    assert_values(&mut session, &cases);
    assert_eq!(session.visible(), 0);
}

#[test]
fn a_token_of_several_organizations_has_no_current_one() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    let claims =
        with(claims_a(), json!({"org_id": [ORG_A, ORG_B], "permissions": ["*"], "org_role": "owner"}));
    session.authenticate(&hs256(&claims)).unwrap();
    let cases = [
        ("select auth.current_org()", None),
        ("select auth.org_role()", None),
        ("select cardinality(auth.org_ids())::text", Some("2")),
        ("select auth.has_permission('x')", Some("f")),
        ("select auth.has_permission_in('x', '0a000000-0000-4000-8000-00000000000a')", Some("f")),
        ("select auth.is_member('0b000000-0000-4000-8000-00000000000b')", Some("t")),
        ("select auth.in_org('0b000000-0000-4000-8000-00000000000b')", None),
    ];
    assert_values(&mut session, &cases);
}

#[test]
fn an_issuer_with_org_ids_names_no_other_organization() {
    let db = Database::new();
    db.superuser().run(&format!("update auth.issuers set org_ids = '{{{ORG_A}}}' where issuer = '{ISSUER}'"));
    let mut session = db.tenant();
    for (claim, orgs, current) in [
        (json!(ORG_A), "{0a000000-0000-4000-8000-00000000000a}", Some(ORG_A)),
        (json!(ORG_B), "{}", None),
        (json!([ORG_B, ORG_A]), "{0a000000-0000-4000-8000-00000000000a}", None),
    ] {
        let claims = with(claims_a(), json!({"org_id": claim, "workspace_id": ORG_B, "permissions": ["*"]}));
        session.run("begin");
        session.authenticate(&hs256(&claims)).unwrap();
        let permitted = if current.is_some() { "t" } else { "f" };
        assert_values(
            &mut session,
            &[
                ("select auth.org_ids()", Some(orgs)),
                ("select auth.current_org()", current),
                ("select auth.workspace_ids()", Some("{}")),
                ("select auth.has_permission('x')", Some(permitted)),
            ],
        );
        session.run("rollback");
    }
}

#[test]
fn claim_paths_may_lead_anywhere() {
    let db = Database::new();
    db.superuser().run(&format!(
        "select auth.update_issuer('{ISSUER}', org_claim => '{{https://x.example/org.id,id}}', role_claim => '{{realm,role}}',
           permissions_claim => '{{o,per}}', scopes_claim => '{{scp}}', email_claim => '{{profile,e-mail}}')"
    ));
    let mut session = db.tenant();
    session.run("begin");
    let claims = with(
        claims_a(),
        json!({"org_id": ORG_B, "https://x.example/org.id": {"id": ORG_A}, "realm": {"role": "r"},
        "o": {"per": "a b"}, "scp": ["one"], "profile": {"e-mail": "x@y.example"}}),
    );
    session.authenticate(&hs256(&claims)).unwrap();
    let cases = [
        ("select auth.current_org()", Some(ORG_A)),
        ("select auth.role()", Some("r")),
        ("select auth.has_permission('b')", Some("t")),
        ("select auth.has_scope('one')", Some("t")),
        ("select auth.email()", Some("x@y.example")),
    ];
    assert_values(&mut session, &cases);
}

#[test]
fn service_role_needs_an_issuer_that_may() {
    let db = Database::new();
    let token = hs256(&with(claims_a(), json!({"role": "service_role", "sub": null, "org_id": null})));
    let mut session = db.tenant();
    assert_eq!(refusal(session.authenticate(&token)), REFUSED);
    db.superuser().run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    session.run("begin");
    session.authenticate(&token).unwrap();
    let cases = [
        ("select auth.is_service_role()", Some("t")),
        ("select auth.identity()->>'kind'", Some("service")),
        ("select auth.uid()", None),
        ("select auth.user_id()", None),
        ("select auth.current_org()", None),
    ];
    assert_values(&mut session, &cases);
    assert_eq!(session.visible(), 0);
}

#[test]
fn t081_t082_audience_type_environment_and_algorithm_are_the_issuers() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let mut session = db.tenant();
    let issuer = format!("select auth.update_issuer('{ISSUER}', ");
    superuser.run(&format!("{issuer} audiences => '{{api,web}}', environment => 'test')"));
    for (audience, good) in [
        (json!("api"), true),
        (json!(["x", "web"]), true),
        (json!("API"), false),
        (json!([]), false),
        (json!(null), false),
        (json!(["x"]), false),
        (json!({"api": 1}), false),
    ] {
        session.run("begin");
        let verdict = session.authenticate(&hs256(&with(claims_a(), json!({ "aud": audience }))));
        if good {
            verdict.unwrap();
            assert_eq!(session.value("select auth.environment()").as_deref(), Some("test"));
        } else {
            assert_eq!(refusal(verdict), REFUSED, "{audience}");
        }
        session.run("rollback");
    }
    superuser.run(&format!("{issuer} audiences => '{{}}', token_types => '{{at+jwt}}')"));
    assert_eq!(refusal(session.authenticate(&token_a())), REFUSED);
    session
        .authenticate(&hs256_raw(r#"{"alg":"HS256","typ":"application/AT+JWT"}"#, &claims_a().to_string()))
        .unwrap();
    superuser.run(&format!("{issuer} token_types => '{{}}', algorithms => '{{ES256}}')"));
    assert_eq!(refusal(session.authenticate(&token_a())), REFUSED);
    superuser.run(&format!("{issuer} algorithms => '{{HS256,ES256}}', max_lifetime => '10 minutes')"));
    session.authenticate(&token_a()).unwrap();
    assert_eq!(
        refusal(session.authenticate(&hs256(&with(claims_a(), json!({"exp": now() + 601}))))),
        REFUSED
    );
}

#[test]
fn verify_jwt_gives_the_claims_and_changes_nothing() {
    let db = Database::new();
    let mut session = db.tenant();
    let token = hs256_raw(
        r#"{"alg":"HS256"}"#,
        &format!(
            r#"{{"iss":"{ISSUER}","exp":{},"aud":"api","n":1.2300,"big":12345678901234567890123}}"#,
            now() + 60
        ),
    );
    session.run("begin");
    let cases = [
        (format!("select auth.verify_jwt('{token}')->>'n'"), Some("1.2300")),
        (format!("select auth.verify_jwt('Bearer {token}')->>'big'"), Some("12345678901234567890123")),
        (
            format!("select auth.verify_jwt('{token}', issuer => '{ISSUER}', audience => 'api')->>'aud'"),
            Some("api"),
        ),
        ("select auth.identity()".to_owned(), None),
    ];
    for (sql, expected) in &cases {
        assert_eq!(session.value(sql).as_deref(), *expected, "{sql}");
    }
    for arguments in
        ["issuer => 'https://strict.example'", "audience => 'web'", "issuer => ''", "audience => ''"]
    {
        session.run("savepoint s");
        assert_eq!(session.refused(&format!("select auth.verify_jwt('{token}', {arguments})")), REFUSED);
        session.run("rollback to s");
    }
    session.run("savepoint s");
    assert_eq!(session.refused("select auth.verify_jwt(null)"), "28000 no credential was given");
}

#[test]
fn t089_a_huge_argument_is_refused_before_it_is_read() {
    let db = Database::new();
    let mut session = db.tenant();
    for sql in [
        "select auth.authenticate(repeat('a', 1000000000))",
        "select auth.verify_jwt(repeat('eyJ.', 250000000))",
        "select auth.authenticate(repeat('.', 16385))",
        "select auth.authenticate(repeat('{', 16000) || '.x.y')",
    ] {
        assert_eq!(session.refused(sql), REFUSED, "{sql}");
    }
}

#[test]
fn hostile_bytes_give_one_error_and_never_a_crash() {
    let db = Database::new();
    let mut session = db.superuser();
    let started = session.value("select pg_postmaster_start_time()");
    session.run(&format!(
        "do $$
         declare t text; state text; good text := '{}';
         begin
           for i in 1..20000 loop
             t := case i % 5
               when 0 then overlay(good placing chr(33 + i % 90) from 1 + i % length(good))
               when 1 then left(good, i % length(good))
               when 2 then good || chr(1 + i % 55000)
               when 3 then encode(sha512(i::text::bytea), 'base64') || '.' || md5(i::text) || '.' || md5(good)
               else chr(1 + i % 55000) || good end;
             begin
               perform auth.authenticate(t);
               if t <> good and trim(t, E' \\t\\n\\r\\f') <> good then raise exception 'accepted %', i; end if;
             exception when invalid_authorization_specification then
               if sqlerrm not in ('the credential was refused', 'no credential was given') then raise; end if;
             end;
           end loop;
         end $$",
        token_a()
    ));
    assert_eq!(session.value("select pg_postmaster_start_time()"), started);
}
