//! DramWell: keys of an organization for its integrations, test keys on data of their own, tokens of users of
//! its apps, and a service key for jobs.

use super::{Answer, Service, bearer, session_of, text};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::{Value, json};

const CUSTOMERS: &str = "select label from customers order by label";

fn service() -> (Service, String) {
    let mut service = Service::new("customers", "");
    let org = service.organization("Distillery", "ann");
    service.admin.run(&format!("select auth.add_member('{org}', 'ben', 'viewer')"));
    (service, org)
}

/// Settings > Security > API Keys > Create API Key.
fn create(service: &mut Service, user: &str, arguments: &str) -> Value {
    service.request(&session_of(user), &format!("select * from auth.create_api_key({arguments})")).row()
}

fn add(service: &mut Service, key: &str, label: &str) {
    let insert = format!("insert into customers (label) values ('{label}') returning label");
    assert_eq!(service.request(key, &insert).row(), json!({"label": label}));
}

#[test]
fn keys_say_their_environment_and_are_shown_once() {
    let (mut service, org) = service();
    let live = create(&mut service, "ann", "'Till'");
    let test = create(&mut service, "ann", "'Till in development', environment => 'test'");
    let (live_key, test_key) = (text(&live, "key"), text(&test, "key"));
    assert!(live_key.starts_with("sk_live_"), "{live_key}");
    assert!(test_key.starts_with("sk_test_"), "{test_key}");

    // Nothing that anybody can read later holds one, not even what a thief of a backup reads.
    let rows = service.request(&session_of("ann"), "select * from auth.list_api_keys()").rows();
    assert_eq!(rows.len(), 2);
    let stored = service.admin.value("select string_agg(k::text, ' ') from auth.api_keys k").unwrap();
    for key in [&live_key, &test_key] {
        let secret = &key[8 + 17..key.len() - 6];
        assert!(!Value::from(rows.clone()).to_string().contains(secret) && !stored.contains(secret));
    }
    // Both are the organization's.
    for key in [live_key, test_key] {
        let who = service.request(&bearer(&key), "select auth.current_org() as org").row();
        assert_eq!(text(&who, "org"), org);
    }
}

#[test]
fn test_keys_do_the_same_in_a_sandbox() {
    let (mut service, _) = service();
    let live = bearer(&text(&create(&mut service, "ann", "'Till'"), "key"));
    let test = bearer(&text(&create(&mut service, "ann", "'CI', environment => 'test'"), "key"));
    add(&mut service, &live, "a real customer");
    add(&mut service, &test, "a customer of the sandbox");
    assert_eq!(service.request(&live, CUSTOMERS).row(), json!({"label": "a real customer"}));
    assert_eq!(service.request(&test, CUSTOMERS).row(), json!({"label": "a customer of the sandbox"}));
    // The same permissions, to the word.
    let may = "select auth.identity() ->> 'permissions' as may, auth.org_role() as role";
    assert_eq!(service.request(&live, may), service.request(&test, may));
    // Nothing that a test key does reaches what is real, also not on purpose.
    let destructive = "with gone as (delete from customers returning 1) select count(*)::text as n from gone";
    assert_eq!(service.request(&test, destructive).row(), json!({"n": "1"}));
    assert_eq!(service.request(&test, destructive).row(), json!({"n": "0"}));
    for smuggled in [
        "insert into customers (label, environment) values ('x', 'live')",
        "update customers set environment = 'live'",
    ] {
        add(&mut service, &test, "a customer of the sandbox");
        assert_eq!(service.request(&test, smuggled), Answer::Forbidden, "{smuggled}");
    }
    assert_eq!(service.request(&live, CUSTOMERS).row(), json!({"label": "a real customer"}));
    // Users work on what is real.
    assert_eq!(service.request(&session_of("ann"), CUSTOMERS).row(), json!({"label": "a real customer"}));
}

#[test]
fn keys_and_tokens_go_the_same_way() {
    let (mut service, org) = service();
    let other = service.organization("Brewery", "eve");
    let key = bearer(&text(&create(&mut service, "ann", "'Till'"), "key"));
    add(&mut service, &key, "ours");
    let theirs = text(&create(&mut service, "eve", "'Till'"), "key");
    add(&mut service, &bearer(&theirs), "theirs");
    // The same statement for both kinds of credentials, and for whoever it is the own organization.
    let place = "select auth.current_org() as org, (select string_agg(label, ' ') from customers) as seen";
    for (credential, org, seen) in [
        (key.clone(), &org, "ours"),
        (session_of("ann"), &org, "ours"),
        (session_of("ben"), &org, "ours"),
        (bearer(&theirs), &other, "theirs"),
        (session_of("eve"), &other, "theirs"),
    ] {
        assert_eq!(service.request(&credential, place).row(), json!({"org": org, "seen": seen}));
    }
    // With the role that the user has.
    let role = "select auth.org_role() as role";
    assert_eq!(service.request(&session_of("ben"), role).row(), json!({"role": "viewer"}));
    assert_eq!(service.request(&session_of("ben"), "select auth.create_api_key('mine')"), Answer::Forbidden);
    // Tokens live for an hour, and then no more.
    let expired = hs256(&with(
        claims_a(),
        json!({"iss": STRICT_ISSUER, "sub": "ann", "iat": now() - 7200, "exp": now() - 3600}),
    ));
    assert_eq!(service.request(&bearer(&expired), place), Answer::Unauthorized);
}

#[test]
fn a_service_key_passes_the_policies_of_its_role_alone() {
    let (mut service, org) = service();
    service.admin.run(
        "create policy jobs on customers to bearer_service using (auth.is_service_role());
         grant select, insert, update, delete on customers to bearer_service; grant bearer_service to other",
    );
    let other = service.organization("Brewery", "eve");
    for (org, label) in [(&org, "ours"), (&other, "theirs")] {
        service.admin.run(&format!(
            "insert into customers (org_id, environment, label) values ('{org}', 'live', '{label}'), ('{org}', 'test', '{label}')"
        ));
    }
    let made =
        service.admin.value("select key from auth.create_api_key('Nightly job', kind => 'service')").unwrap();
    assert!(made.starts_with("service_live_"), "{made}");
    let key = bearer(&made);
    let count = "select count(*)::text as n from customers";
    let mut jobs = service.db.connect("other");
    assert_eq!(super::request(&mut jobs, &key, count).row(), json!({"n": "4"}));
    let changed = "with c as (update customers set label = 'x' where label = 'theirs' returning 1)
                   select count(*)::text as n from c";
    assert_eq!(super::request(&mut jobs, &key, changed).row(), json!({"n": "2"}));
    // Where the server serves users, it shows nothing.
    assert_eq!(service.request(&key, count).row(), json!({"n": "0"}));
    // Nobody makes one for himself: neither an owner nor a key of one.
    let mine = text(&create(&mut service, "ann", "'Till'"), "key");
    for credential in [session_of("ann"), bearer(&mine)] {
        let create = "select auth.create_api_key('x', kind => 'service')";
        assert_eq!(service.request(&credential, create), Answer::Forbidden);
        assert_eq!(super::request(&mut jobs, &credential, count).row(), json!({"n": "1"}));
    }
    let id = service.admin.value("select id from auth.list_api_keys() where kind = 'service'").unwrap();
    service.admin.run(&format!("select auth.revoke_api_key('{id}', 'it was in the repository')"));
    assert_eq!(super::request(&mut jobs, &key, count), Answer::Unauthorized);
    drop(jobs);
    service.admin.run("revoke bearer_service from other");
}

#[test]
fn a_key_has_the_scopes_that_its_integration_needs() {
    let (mut service, _) = service();
    service.admin.run(
        "drop policy tenant on customers;
         create policy reading on customers for select
             using (auth.in_org(org_id) and environment = auth.environment() and auth.has_permission('customers.read'));
         create policy adding on customers for insert
             with check (auth.in_org(org_id) and environment = auth.environment() and auth.has_permission('customers.write'));",
    );
    let full = bearer(&text(&create(&mut service, "ann", "'ERP'"), "key"));
    add(&mut service, &full, "ours");
    let reading =
        bearer(&text(&create(&mut service, "ann", "'Report', scopes => '{customers.read}'"), "key"));
    assert_eq!(service.request(&reading, CUSTOMERS).row(), json!({"label": "ours"}));
    let insert = "insert into customers (label) values ('x')";
    assert_eq!(service.request(&reading, insert), Answer::Forbidden);
    let unrelated = bearer(&text(&create(&mut service, "ann", "'Other', scopes => '{jobs.*}'"), "key"));
    assert_eq!(service.request(&unrelated, CUSTOMERS).rows(), Vec::<Value>::new());
    // A 403 rather than nothing, where the server asks for it.
    assert_eq!(
        service.request(&unrelated, "select auth.require_permission('customers.read')"),
        Answer::Forbidden
    );
    // No key widens itself.
    let id = text(&service.request(&reading, "select auth.api_key_id() as id").row(), "id");
    for wider in [
        format!("select auth.update_api_key('{id}', scopes => '{{*}}')"),
        format!("select auth.update_api_key('{id}', clear => '{{scopes}}')"),
        "select auth.create_api_key('wider')".into(),
    ] {
        assert_eq!(service.request(&reading, &wider), Answer::Forbidden, "{wider}");
    }
}

#[test]
fn a_key_that_may_be_compromised_ends_at_once() {
    let (mut service, _) = service();
    let made = create(&mut service, "ann", "'Till'");
    let (id, key) = (text(&made, "id"), bearer(&text(&made, "key")));
    add(&mut service, &key, "ours");
    let rotate = format!("select * from auth.rotate_api_key('{id}')");
    let new = service.request(&session_of("ann"), &rotate).row();
    assert_eq!(text(&new, "name"), "Till");
    assert_eq!(service.request(&key, CUSTOMERS), Answer::Unauthorized);
    let new_key = bearer(&text(&new, "key"));
    assert_eq!(service.request(&new_key, CUSTOMERS).rows().len(), 1);
    let revoke = format!("select auth.revoke_api_key('{}', 'leaked') as done", text(&new, "id"));
    service.request(&session_of("ann"), &revoke).row();
    assert_eq!(service.request(&new_key, CUSTOMERS), Answer::Unauthorized);
    // Once more changes nothing.
    service.request(&session_of("ann"), &revoke).row();
}
