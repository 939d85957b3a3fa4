//! Who sends a request, as its headers say it.

use super::world::{World, assert_unlogged, token};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

fn basic(text: &str) -> String {
    use base64::Engine;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

#[test]
fn a_credential_may_be_in_every_header_that_is_looked_at() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let key = world.key(&format!(", '{org}'"));
    let whoami = |headers: &[(&str, &str)]| {
        let answer = world.postgrest.proxied("GET", "/rpc/whoami", headers, "");
        assert_eq!(answer.status, 200, "{headers:?}: {answer:?}");
        answer.json()
    };
    let role = |name: &str| json!(format!("{}_{name}", world.db.name));
    for headers in [
        [("Authorization", format!("Bearer {key}"))],
        [("Authorization", format!("ApiKey {key}"))],
        [("Authorization", basic(&format!("{key}:")))],
        [("Authorization", key.clone())],
        [("X-Api-Key", key.clone())],
        [("apikey", key.clone())],
    ] {
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let found = whoami(&headers);
        assert_eq!((&found["org"], &found["role"], &found["key"]), (&json!(org), &role("key"), &json!(true)));
        // Nothing in the transaction finds the credential.
        assert!(!found["headers"].to_string().contains(&key[8..40]), "{found}");
        assert_eq!(found["row_security"], "on");
    }
    // Without a proxy too, but in a header that PostgREST does not take for its own.
    for (name, value) in [("X-Api-Key", key.clone()), ("Authorization", basic(&format!("{key}:")))] {
        let found = world.postgrest.send("GET", "/rpc/whoami", &[(name, &value)], "");
        assert_eq!((found.status, &found.json()["role"]), (200, &role("key")), "{name}");
    }
    let user = whoami(&[("Authorization", &format!("Bearer {}", token("ada")))]);
    assert_eq!(
        (&user["user"], &user["role"], &user["read_only"]),
        (&json!("ada"), &role("user"), &json!("on"))
    );
    let nobody = whoami(&[]);
    assert_eq!((&nobody["user"], &nobody["role"]), (&json!(null), &role("anon")));
    let service = world.admin.value("select key from auth.create_api_key('s', kind => 'service')").unwrap();
    assert_eq!(whoami(&[("apikey", &service)])["role"], role("service"));
    assert_unlogged(&world, &[&key[8..40], &service[13..45]]);
}

#[test]
fn t170_one_credential_counts_and_none_takes_the_place_of_another() {
    let mut world = World::new();
    let org = world.organization("acme", "ada");
    let (key, other) = (world.key(&format!(", '{org}'")), world.key(&format!(", '{org}'")));
    let publishable = world.key(&format!(", '{org}', kind => 'publishable'"));
    let (good, bad) = (format!("Bearer {}", token("ada")), format!("Bearer {}x", token("ada")));
    let anon = hs256(&with(claims_a(), json!({"sub": null, "org_id": null, "role": "anon"})));
    let status = |headers: &[(&str, &str)]| world.postgrest.proxied("GET", "/rpc/whoami", headers, "").status;
    for (headers, expected) in [
        (vec![("Authorization", good.as_str()), ("apikey", publishable.as_str())], 200),
        (vec![("Authorization", &good), ("apikey", &anon)], 200),
        (vec![("apikey", &key), ("X-Api-Key", &key)], 200),
        (vec![("apikey", &publishable)], 200),
        (vec![("Authorization", &good), ("apikey", &key)], 400),
        (vec![("X-Api-Key", &other), ("apikey", &key)], 400),
        (vec![("Authorization", &bad), ("apikey", &key)], 400),
        (vec![("Authorization", &bad), ("apikey", &publishable)], 401),
        (vec![("Authorization", &bad)], 401),
        (vec![("apikey", "nonsense")], 401),
        (vec![("Authorization", "Digest x=y")], 401),
        (vec![("apikey", "a, b")], 400),
        (vec![("Authorization", "Bearer a, Bearer b")], 400),
    ] {
        assert_eq!(status(&headers), expected, "{headers:?}");
    }
    // Nobody's but of the project: the same as without, wherever it is.
    let bearer = format!("Bearer {publishable}");
    for header in [("apikey", publishable.as_str()), ("Authorization", &bearer)] {
        let answer = world.postgrest.proxied("GET", "/rpc/whoami", &[header], "").json();
        let anon = json!(format!("{}_anon", world.db.name));
        assert_eq!((&answer["user"], &answer["role"]), (&json!(null), &anon));
    }
}

#[test]
fn an_api_key_may_be_demanded() {
    let mut world = World::with("alter database {db} set pg_bearer.require_apikey = on");
    let org = world.organization("acme", "ada");
    let (key, publishable) =
        (world.key(&format!(", '{org}'")), world.key(&format!(", '{org}', kind => 'publishable'")));
    let good = format!("Bearer {}", token("ada"));
    for (headers, expected) in [
        (vec![], 401),
        (vec![("Authorization", good.as_str())], 401),
        (vec![("Authorization", &good), ("apikey", &publishable)], 200),
        (vec![("apikey", &publishable)], 200),
        (vec![("apikey", &key)], 200),
    ] {
        let answer = world.postgrest.proxied("GET", "/rpc/whoami", &headers, "");
        assert_eq!(answer.status, expected, "{headers:?}: {answer:?}");
    }
}

#[test]
fn t169_the_token_that_the_proxy_puts_in_place_is_nobodys() {
    let world = World::new();
    let answer = world.postgrest.proxied("GET", "/rpc/whoami", &[("Authorization", "")], "");
    assert_eq!((answer.status, &answer.json()["user"]), (200, &json!(null)));
    assert!(answer.json()["headers"].get("authorization").is_none(), "{answer:?}");
    assert_eq!(answer.json()["role"], format!("{}_anon", world.db.name));
}

#[test]
fn an_organization_is_chosen_by_id_external_id_or_slug() {
    let mut world = World::new();
    let (one, two) = (world.organization("one", "ada"), world.organization("two", "ada"));
    let foreign = world.organization("foreign", "eve");
    let good = format!("Bearer {}", token("ada"));
    let of = |named: &str| {
        let headers = [("Authorization", good.as_str()), ("X-Organization", named)];
        world.postgrest.proxied("GET", "/rpc/whoami", &headers, "")
    };
    for named in [two.as_str(), "ext-two", "two", &two.to_uppercase()] {
        assert_eq!((of(named).status, &of(named).json()["org"]), (200, &json!(two)), "{named}");
    }
    assert_eq!(of("one").json()["org"], json!(one));
    // What is somebody else's and what there is not is the same.
    let unknown = of("0c000000-0000-4000-8000-00000000000c");
    for named in [foreign.as_str(), "foreign", "ext-foreign", "nothing", "ext-one ' or true"] {
        let answer = of(named);
        assert_eq!((answer.status, &answer.body), (403, &unknown.body), "{named}");
    }
    // A name that somebody else's has as the external id is one's own slug all the same.
    world.admin.run(&format!("select auth.update_organization('{foreign}', external_id => 'taken'), auth.update_organization('{one}', slug => 'taken')"));
    assert_eq!(of("taken").json()["org"], json!(one));
    for named in ["one, two", &"x".repeat(256)] {
        assert_eq!(of(named).status, 400, "{named}");
    }
    let nobody = world.postgrest.proxied("GET", "/rpc/whoami", &[("X-Organization", "one")], "");
    assert_eq!((nobody.status, nobody.header("www-authenticate")), (401, Some("Bearer")));
}
