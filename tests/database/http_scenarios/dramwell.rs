//! DramWell: what tests/scenarios/dramwell/README.md says its page says.

mod sign_in;

use super::{Service, asked_for_one, expect, refused, text};
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::token::{hs256_with, now, with};
use serde_json::{Value, json};
use std::sync::OnceLock;

/// The JWT secret of the Supabase project.
const SUPABASE: &str = "the JWT secret of a Supabase project, 32 bytes or more";
const ISSUER: &str = "https://abcdefghijklmnopqrst.supabase.co/auth/v1";

fn service() -> &'static Service {
    static SERVICE: OnceLock<Service> = OnceLock::new();
    SERVICE.get_or_init(|| Service::start("dramwell", &format!("\\set supabase_secret '{SUPABASE}'\n")))
}

fn signed(claims: &Value) -> String {
    hs256_with(SUPABASE.as_bytes(), r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// What Supabase Auth says of a user with this role in an organization: members see to customers and jobs, viewers look at jobs.
fn claims(user: &str, org: &str, role: &str) -> Value {
    let permissions = if role == "viewer" { json!(["jobs.read"]) } else { json!(["customers.*", "jobs.*"]) };
    json!({"iss": ISSUER, "sub": user, "aud": "authenticated", "role": "authenticated", "email": "x@example.com",
           "iat": now(), "exp": now() + 3600, "aal": "aal1", "is_anonymous": false,
           "session_id": "5e000000-0000-4000-8000-000000000001",
           "app_metadata": {"provider": "email", "org_id": org, "role": role, "permissions": permissions}, "user_metadata": {}})
}

/// The service role key of the project.
fn service_role(issuer: &str) -> String {
    signed(
        &json!({"iss": issuer, "ref": "abcdefghijklmnopqrst", "role": "service_role", "iat": now(), "exp": now() + 315_360_000}),
    )
}

/// Settings > Security > API Keys > Create API Key, as the owner.
fn create(owner: &str, body: &Value) -> Value {
    expect(service().send(owner, "POST", "/v1/api-keys", &body.to_string()), 200)
}

/// An organization, and the token of its owner in the admin panel.
fn organization(owner: &str) -> (String, String) {
    let org = service().organization(owner);
    let token = signed(&claims(owner, &org, "owner"));
    (org, token)
}

fn add(key: &str, table: &str, body: &Value) -> Answer {
    service().send(key, "POST", &format!("/v1/{table}"), &body.to_string())
}

/// This column of all rows that a credential sees.
fn seen(key: &str, table: &str, column: &str) -> Vec<String> {
    let rows = expect(service().get(key, &format!("/v1/{table}?select={column}&order={column}")), 200);
    rows.as_array().unwrap().iter().map(|row| text(&row[column])).collect()
}

#[test]
fn live_keys_are_real_and_test_keys_have_a_sandbox() {
    let (_, owner) = organization("ann");
    let made = create(&owner, &json!({"label": "Till"}));
    let (live, id) = (text(&made["key"]), text(&made["id"]));
    let test = text(&create(&owner, &json!({"label": "CI", "environment": "test"}))["key"]);
    assert!(live.starts_with("sk_live_") && test.starts_with("sk_test_"));
    assert_eq!(add(&live, "customers", &json!({"name": "real"})).status, 201);
    assert_eq!(add(&test, "customers", &json!({"name": "of the sandbox"})).status, 201);
    assert_eq!(
        (seen(&live, "customers", "name"), seen(&test, "customers", "name")),
        (vec!["real".into()], vec!["of the sandbox".into()])
    );
    // The same permissions; nothing that is real is touched.
    assert_eq!(service().send(&test, "DELETE", "/v1/customers?name=not.is.null", "").status, 204);
    assert_eq!((seen(&live, "customers", "name").len(), seen(&test, "customers", "name").len()), (1, 0));
    // The key was shown once.
    let list = service().get(&owner, "/v1/api-keys");
    assert_eq!(expect(service().get(&owner, "/v1/api-keys"), 200)[0]["label"], json!("Till"));
    for key in [&live, &test] {
        assert!(!list.body.contains(&key[25..60]), "the list has the key");
    }
    asked_for_one(&service().nginx.send("GET", "/v1/customers", &[], ""));
    refused(&service().get("sk_live_xxxxxxxxxxxxxxxxxxxx", "/v1/customers"));
    // Revoke.
    let delete = || service().send(&owner, "DELETE", &format!("/v1/api-keys/{id}"), "").status;
    assert_eq!((delete(), delete()), (204, 204));
    refused(&service().get(&live, "/v1/customers"));
}

#[test]
fn a_key_has_the_scopes_that_its_integration_needs() {
    let (_, owner) = organization("ben");
    let reading = text(&create(&owner, &json!({"label": "Report", "scopes": ["customers.read"]}))["key"]);
    assert_eq!(service().get(&reading, "/v1/customers").status, 200);
    assert_eq!(add(&reading, "customers", &json!({"name": "x"})).status, 403);
    assert_eq!(service().get(&reading, "/v1/jobs").status, 403);
    assert_eq!(service().send(&reading, "POST", "/v1/api-keys", r#"{"label": "wider"}"#).status, 403);
}

#[test]
fn tokens_of_supabase_act_for_a_user_in_the_organization_and_role() {
    let (org, owner) = organization("cay");
    let (_, stranger) = organization("dan");
    for (who, title) in [(&owner, "bottle"), (&stranger, "brew")] {
        assert_eq!(add(who, "jobs", &json!({"title": title})).status, 201);
    }
    let member = signed(&claims("7a000000-0000-4000-8000-00000000000c", &org, "member"));
    let viewer = signed(&claims("7a000000-0000-4000-8000-00000000000d", &org, "viewer"));
    for token in [&owner, &member, &viewer] {
        assert_eq!(seen(token, "jobs", "title"), ["bottle"]);
    }
    assert_eq!(seen(&stranger, "jobs", "title"), ["brew"]);
    // The role decides.
    assert_eq!(add(&member, "jobs", &json!({"title": "label"})).status, 201);
    assert_eq!(add(&viewer, "jobs", &json!({"title": "label"})).status, 403);
    assert_eq!(
        (service().get(&member, "/v1/customers").status, service().get(&viewer, "/v1/customers").status),
        (200, 403)
    );
    // Of a member in our tables the table says the role, whatever an older token says.
    service().ask(&format!("select auth.add_member('{org}', 'demoted', 'viewer')::text"));
    let demoted = signed(&claims("demoted", &org, "owner"));
    assert_eq!(
        (service().get(&demoted, "/v1/jobs").status, service().get(&demoted, "/v1/customers").status),
        (200, 403)
    );
    // supabase-js sends the key of the project beside it.
    let anon = signed(
        &json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "anon", "iat": now(), "exp": now() + 315_360_000}),
    );
    let beside = [("apikey", anon.as_str())];
    assert_eq!(service().send_with(&viewer, &beside, "GET", "/v1/jobs", "").status, 200);
    asked_for_one(&service().nginx.send("GET", "/v1/jobs", &beside, ""));
}

#[test]
fn a_token_lasts_an_hour_and_no_other_project_makes_one() {
    let (org, _) = organization("eve");
    let good = claims("7a000000-0000-4000-8000-00000000000e", &org, "member");
    assert_eq!(service().get(&signed(&good), "/v1/jobs").status, 200);
    for (what, changes) in [
        ("expired", json!({"iat": now() - 3700, "exp": now() - 100})),
        ("for a day", json!({"exp": now() + 86400})),
        ("for somebody else", json!({"aud": "other"})),
        ("for nobody", json!({"aud": null})),
        ("of another project", json!({"iss": "https://tsrqponmlkjihgfedcba.supabase.co/auth/v1"})),
    ] {
        let answer = service().get(&signed(&with(good.clone(), changes)), "/v1/jobs");
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        refused(&answer);
    }
    let forged = hs256_with(
        b"the JWT secret of another project, 32 bytes or more",
        r#"{"alg":"HS256","typ":"JWT"}"#,
        &good.to_string(),
    );
    refused(&service().get(&forged, "/v1/jobs"));
}

#[test]
fn t602_the_service_role_key_reads_and_writes_everything_and_no_token_of_a_user_becomes_one() {
    let (ours, owner) = organization("fay");
    let (theirs, stranger) = organization("gil");
    for (who, title) in [(&owner, "fay"), (&stranger, "gil")] {
        assert_eq!(add(who, "jobs", &json!({"title": title})).status, 201);
    }
    let key = service_role("supabase");
    let both = format!("/v1/jobs?select=title&order=title&org_id=in.({ours},{theirs})");
    assert_eq!(expect(service().get(&key, &both), 200), json!([{"title": "fay"}, {"title": "gil"}]));
    assert_eq!(add(&key, "jobs", &json!({"title": "pipeline", "org_id": theirs})).status, 201);
    let renamed =
        service().send(&key, "PATCH", &format!("/v1/jobs?org_id=eq.{ours}"), r#"{"title": "done"}"#);
    assert_eq!(renamed.status, 204);
    assert_eq!(
        (seen(&owner, "jobs", "title"), seen(&stranger, "jobs", "title")),
        (vec!["done".into()], vec!["gil".into(), "pipeline".into()])
    );
    // Supabase Auth makes none: what it signs for users, is refused with this role.
    let as_user = signed(&with(
        claims("7a000000-0000-4000-8000-00000000000f", &ours, "member"),
        json!({"role": "service_role"}),
    ));
    for token in [service_role(ISSUER), as_user, service_role("https://evil.example")] {
        refused(&service().get(&token, &both));
    }
    let in_metadata = with(
        claims("7a000000-0000-4000-8000-00000000000f", &ours, "member"),
        json!({"user_metadata": {"role": "service_role", "org_id": theirs}}),
    );
    assert_eq!(seen(&signed(&in_metadata), "jobs", "title"), ["done"]);
    // Nor does an owner write to another organization.
    assert_eq!(add(&owner, "jobs", &json!({"title": "x", "org_id": theirs})).status, 403);
}
