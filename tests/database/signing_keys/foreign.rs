//! t158: nobody else's tokens pass for ours, and nobody else's keys make some.

use super::*;
use pg_bearer_tests::refusal;
use pg_bearer_tests::server;
use pg_bearer_tests::token::*;
use serde_json::json;

const DISTINCT: &str = "22023 issuer has a value that is not allowed";

#[test]
fn t158_no_foreign_issuer_has_our_url_however_it_is_spelled() {
    let (_db, mut session) = world();
    for url in
        ["HTTPS://OWN.example", "https://own.example/", "https://Own.Example//", "https://own.examplE/"]
    {
        for own in ["false", "true"] {
            let refused = session.refused(&format!("select auth.add_issuer('{url}', own => {own})"));
            assert_eq!(refused, DISTINCT, "{url}");
        }
    }
    let refused = session.refused(&format!("select auth.add_issuer('{OWN}')"));
    assert_eq!(refused, "23505 this issuer exists already");
    // Nor ours that of one who is there; two others may differ like this, as always.
    for url in ["https://issuer.example/", "https://ISSUER.example"] {
        assert_eq!(session.refused(&format!("select auth.add_issuer('{url}', own => true)")), DISTINCT);
        session.run(&format!("begin; select auth.add_issuer('{url}'); rollback"));
    }
    session.run("select auth.add_issuer('https://own.example/sub', own => true)");
}

#[test]
fn t158_an_own_issuer_takes_no_key_of_others() {
    let (db, mut session) = world();
    create(&mut session, "ES256");
    let pair = Pair::es256();
    let key = pair.jwk("theirs");
    let set = jwks(std::slice::from_ref(&key));
    let key = key.to_string();
    for (call, arguments) in [
        ("load_jwks($1, $2)", &set),
        ("load_jwks($1, $2, '1 day')", &jwks(&[])),
        ("add_jwt_key($1, $2)", &key),
        ("add_jwt_secret($1, $2)", &SECRET.to_owned()),
    ] {
        let refused = refusal(session.execute(&format!("select auth.{call}"), &[&OWN, arguments]));
        assert_eq!(refused, "22023 this issuer has keys of its own only", "{call}");
    }
    assert_eq!(states(&mut session), "active");
    // A token that says it is ours, signed by others; and by us, with a payload that we did not make.
    let claims = json!({"iss": OWN, "sub": "ada", "iat": now(), "exp": now() + 600});
    let mut tenant = db.tenant();
    for token in [pair.sign("theirs", &claims), hs256(&claims)] {
        assert_eq!(refusal(tenant.authenticate(&token)), REFUSED);
    }
    let mut superuser = db.superuser();
    let genuine = issue(&mut session);
    let minted = genuine.split('.').nth(1).unwrap();
    let genuine_payload = superuser.value(&format!("select convert_from(decode(rpad(translate('{minted}', '-_', '+/'), (length('{minted}') + 3) / 4 * 4, '='), 'base64'), 'UTF8')"));
    for payload in [claims.to_string(), genuine_payload.unwrap() + " "] {
        let sign = "select auth_internal.sign_jwt(k.id, k.alg, $1, 'ada', gen_random_uuid(), now() + interval '1 hour')
                      from auth.jwt_keys k where k.made_in is not null";
        let token: String = superuser.query_one(sign, &[&payload]).unwrap().get(0);
        assert_eq!(refusal(tenant.authenticate(&token)), REFUSED);
    }
    assert!(is_good(&mut tenant, &genuine));
    // Nor does another issuer's token pass that is signed with our key, nor ours that is signed with theirs.
    let jwk = superuser.value("select public_jwk from auth.jwt_keys where made_in is not null").unwrap();
    session.execute("select auth.add_jwt_key($1, $2)", &[&ISSUER, &jwk]).unwrap();
    session.execute("select auth.load_jwks($1, $2)", &[&STRICT_ISSUER, &set]).unwrap();
    assert!(is_good(&mut tenant, &genuine));
    assert_eq!(refusal(tenant.authenticate(&pair.sign("theirs", &claims))), REFUSED);
}

#[test]
fn t158_what_claims_of_ours_mean_stays_as_it_is() {
    let (_db, mut session) = world();
    for change in [
        "memberships_from_claims => true",
        "org_claim => '{x}'",
        "workspace_claim => '{x}'",
        "role_claim => '{x}'",
        "org_role_claim => '{x}'",
        "permissions_claim => '{x}'",
        "scopes_claim => '{x}'",
        "email_claim => '{x}'",
        "email_verified_claim => '{}'",
        "org_ids => '{0a000000-0000-4000-8000-00000000000a}', user_id_prefix => 'a:'",
        "user_id_prefix => 'a:'",
    ] {
        for call in [
            format!("update_issuer('{OWN}', {change})"),
            format!("add_issuer('https://second.example', own => true, {change})"),
        ] {
            assert_eq!(session.refused(&format!("select auth.{call}")).get(..5), Some("22023"), "{call}");
        }
    }
    session.run(&format!("select auth.update_issuer('{OWN}', audiences => '{{api}}', leeway => '1 second', max_lifetime => '1 day')"));
    // An issuer of others stays one.
    let own = format!("select auth.update_issuer('{ISSUER}', own => true)");
    assert_eq!(session.refused(&own).get(..5), Some("42883"));
}

#[test]
fn t158_a_copy_of_a_database_is_told_that_its_keys_are_another_s() {
    let (db, mut session) = world();
    create(&mut session, "ES256");
    create(&mut session, "EdDSA");
    let before = issue(&mut session);
    let (name, copy) = (&db.name, format!("{}_copy", db.name));
    drop(session);
    server()
        .psql(
            "postgres",
            &format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"),
        )
        .unwrap();
    server().psql("postgres", &format!("create database {copy} template {name}")).unwrap();
    let copy = Database { name: copy };
    let [mut original, mut copied] = [db.connect("administrator"), copy.connect("administrator")];
    let found =
        "select coalesce(string_agg(code, ' '), 'nothing') from auth.lint() where code like 'signing_key%'";
    assert_eq!(original.value(found).as_deref(), Some("nothing"));
    assert_eq!(copied.value(found).as_deref(), Some("signing_key_copied signing_key_copied"));
    // What is made from now on is accepted where it was made, and nowhere else.
    let [of_original, of_copy] = [issue(&mut original), issue(&mut copied)];
    for (database, made, others) in [(&db, &of_original, &of_copy), (&copy, &of_copy, &of_original)] {
        let mut tenant = database.tenant();
        assert!(is_good(&mut tenant, &before) && is_good(&mut tenant, made) && !is_good(&mut tenant, others));
    }
    // As the finding says.
    let old = "from auth.list_jwt_keys('https://own.example')";
    copied
        .run("select auth.rotate_signing_key(); select auth.create_signing_key(); select auth.rotate_signing_key()");
    copied.run(&format!("select auth.revoke_jwt_key(key_id) {old} where state = 'retired'"));
    assert_eq!(copied.value(found).as_deref(), Some("nothing"));
    assert!(!is_good(&mut copy.tenant(), &before) && is_good(&mut db.tenant(), &before));
    let token = issue(&mut copied);
    assert!(is_good(&mut copy.tenant(), &token));
}
