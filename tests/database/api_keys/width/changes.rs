//! Changing and rotating keys: narrower by their users, wider only as far as one could create them.

use super::super::world::*;
use super::world;

const WIDE: &str = "42501 the key would go beyond what you may do";
/// A change that makes a key narrower, and one that makes it wider.
const CHANGES: [(&str, &str); 7] = [
    ("scopes => '{docs.read}'", "clear => '{scopes}'"),
    ("expires_at => '2100-01-01Z'", "expires_at => '2126-01-02Z'"),
    ("expires_at => '2126-01-01Z'", "clear => '{expires_at}'"),
    ("allowed_cidrs => '{10.1.0.0/16}'", "allowed_cidrs => '{0.0.0.0/0}'"),
    ("allowed_origins => '{https://a.example}'", "clear => '{allowed_origins}'"),
    ("allowed_endpoints => '{GET /a}'", "allowed_endpoints => '{* /*}'"),
    ("allowed_tables => '{docs}'", "clear => '{allowed_tables}'"),
];
const LIMITED: &str = "org_id => :north, scopes => '{docs.read,members.read}', expires_at => '2126-01-01Z',
    allowed_cidrs => '{10.0.0.0/8}', allowed_origins => '{https://a.example,https://b.example}',
    allowed_endpoints => '{GET /a,GET /b}', allowed_tables => '{docs,pg_class}'";

fn update(key: &Key, arguments: &str) -> String {
    format!("auth.update_api_key('{}', {arguments})", key.id)
}

#[test]
fn t101_a_key_is_widened_only_by_whoever_could_create_it_so() {
    let mut world = world();
    let personal = world.key(&Who::User("cara"), LIMITED);
    let account =
        world.key(&Who::User("ben"), &format!("{LIMITED}, role => 'viewer', workspace_id => :attic"));
    for (narrower, wider) in CHANGES {
        for (key, who, narrow, wide) in [
            (&personal, Who::User("cara"), "", ""),
            // Who may write keys narrows somebody else's, and never widens it.
            (&personal, Who::User("ada"), "", WIDE),
            (&personal, Who::User("ben"), "", WIDE),
            (&personal, Who::User("erin"), "", WIDE),
            (&personal, Who::User("dan"), TOO_LOW, TOO_LOW),
            (&personal, Who::User("eve"), NO_KEY, NO_KEY),
            (&personal, Who::Superuser, "", ""),
            (&personal, Who::Service, "", ""),
            (&account, Who::User("ben"), "", ""),
            // Not in that workspace.
            (&account, Who::User("ada"), "", WIDE),
            (&account, Who::User("cara"), "", WIDE),
            (&account, Who::User("dan"), TOO_LOW, TOO_LOW),
        ] {
            for (change, expected) in
                [(narrower, narrow), (wider, wide), ("name => 'new'", narrow), ("metadata => '{}'", narrow)]
            {
                let told = world.tell(&who, &update(key, change));
                let fits = if expected.is_empty() { told.is_empty() } else { told.starts_with(expected) };
                assert!(fits, "{who:?}: {change}: {told}, not {expected}");
            }
        }
    }
}

#[test]
fn t101_its_user_narrows_a_key_without_any_permission_and_does_not_widen_it_again() {
    let mut world = world();
    let key = world.key(&Who::Superuser, &format!("{LIMITED}, user_id => 'dan'"));
    for (narrower, wider) in CHANGES {
        assert_eq!(world.tell(&Who::User("dan"), &update(&key, narrower)), "", "{narrower}");
        assert_eq!(world.tell(&Who::User("dan"), &update(&key, wider)), TOO_LOW, "{wider}");
    }
    world.set("api_key_creation", "admin");
    let mine = world.key(&Who::Superuser, &format!("{LIMITED}, user_id => 'cara'"));
    for (narrower, wider) in CHANGES {
        assert_eq!(world.tell(&Who::User("cara"), &update(&mine, narrower)), "", "{narrower}");
        assert_eq!(world.tell(&Who::User("cara"), &update(&mine, wider)), NO_USERS, "{wider}");
    }
}

#[test]
fn what_is_changed_is_stored_and_what_is_not_named_stays() {
    let mut world = world();
    let key = world.key(&Who::User("cara"), LIMITED);
    let all = "concat_ws(' ', name, scopes, expires_at at time zone 'UTC', allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, metadata)";
    let before = world.stored(&key, all);
    world.act(&Who::User("cara"), &format!("auth.update_api_key('{}')", key.id)).unwrap();
    assert_eq!(world.stored(&key, all), before);
    world
        .act(
            &Who::User("cara"),
            &update(&key, "name => 'n', scopes => '{docs.read}', expires_at => '2100-01-01Z', allowed_cidrs => '{10.0.0.1/32}',
                metadata => '{\"a\": 1}', clear => '{allowed_origins,allowed_endpoints,allowed_tables}'"),
        )
        .unwrap();
    assert_eq!(world.stored(&key, all), "n {docs.read} 2100-01-01 00:00:00 {10.0.0.1/32} {\"a\": 1}");
    assert_eq!(world.stored(&key, "concat_ws(' ', user_id, environment, kind)"), "cara live secret");
    world.act(&Who::User("cara"), &update(&key, "clear => '{allowed_cidrs}'")).unwrap();
    assert!(world.works(&key));
    // What is given counts before what is to be cleared.
    world.act(&Who::User("cara"), &update(&key, "scopes => '{docs.write}', clear => '{scopes}'")).unwrap();
    assert_eq!(world.stored(&key, "scopes"), "{docs.write}");
    for (arguments, argument) in [
        ("clear => null", "clear"),
        ("clear => '{name}'", "clear"),
        ("clear => '{user_id}'", "clear"),
        ("clear => '{key_hash}'", "clear"),
        ("clear => '{null}'", "clear"),
        ("name => ''", "name"),
        ("scopes => '{docs.a b}'", "scopes"),
        ("metadata => '1'", "metadata"),
        ("expires_at => now()", "expires_at"),
        ("allowed_origins => '{x}'", "allowed_origins"),
        ("allowed_cidrs => '{}'", "an empty list"),
    ] {
        let expected = format!("22023 {argument} has a value that is not allowed");
        for who in [Who::User("cara"), Who::Superuser] {
            assert_eq!(world.tell(&who, &update(&key, arguments)), expected, "{arguments}");
        }
    }
    for id in ["null", "gen_random_uuid()", ":north"] {
        let told = world.tell(&Who::User("cara"), &format!("auth.update_api_key({id}, 'n')"));
        assert_eq!(told, NO_KEY, "{id}");
    }
    world.root(&format!("auth.revoke_api_key('{}')", key.id));
    assert_eq!(world.tell(&Who::User("cara"), &update(&key, "name => 'n'")), "22023 the API key is revoked");
    assert_eq!(world.tell(&Who::Nobody, &update(&key, "name => 'n'")), NOBODY);
}

#[test]
fn t101_nobody_rotates_what_he_could_not_create() {
    let mut world = world();
    let personal = world.key(&Who::User("cara"), "");
    let account = world.key(&Who::User("ben"), "org_id => :north, role => 'keeper'");
    let of_dan = world.key(&Who::Superuser, "org_id => :north, user_id => 'dan'");
    let service = world.key(&Who::Superuser, "org_id => :north, kind => 'service'");
    for (key, who, expected) in [
        (&personal, Who::User("cara"), "k"),
        (&personal, Who::User("ada"), "42501 the key would go beyond what you may do: user_id"),
        (&personal, Who::User("ben"), "42501 the key would go beyond what you may do: user_id"),
        (&personal, Who::User("dan"), TOO_LOW),
        (&personal, Who::User("eve"), NO_KEY),
        (&personal, Who::Tester("cara"), NO_KEY),
        (&personal, Who::Superuser, "k"),
        (&personal, Who::Service, "k"),
        (&account, Who::User("ada"), "k"),
        (&account, Who::User("ben"), "k"),
        (&account, Who::User("cara"), "42501 you cannot grant this role"),
        (&account, Who::User("erin"), "42501 you cannot grant this role"),
        (&of_dan, Who::User("dan"), TOO_LOW),
        (&of_dan, Who::User("ada"), "42501 the key would go beyond what you may do: user_id"),
        (&service, Who::User("ada"), NO_KEY),
        (&service, Who::Superuser, "k"),
        (&personal, personal.bearer(), NO_API_KEYS),
    ] {
        let told = world.tell(&who, &format!("name from auth.rotate_api_key('{}')", key.id));
        assert_eq!(told, expected, "{who:?}");
    }
    world.set("api_key_creation", "admin");
    let told = world.tell(&Who::User("cara"), &format!("auth.rotate_api_key('{}')", personal.id));
    assert_eq!(told, NO_USERS);
    world.set("api_key_creation", "any");
    for (who, expected) in
        [(personal.bearer(), "k"), (account.bearer(), NOT_FOR_KEYS), (of_dan.bearer(), NOT_FOR_KEYS)]
    {
        let told = world.tell(&who, &format!("name from auth.rotate_api_key('{}')", personal.id));
        assert_eq!(told, expected, "{who:?}");
    }
    let told = world.tell(&of_dan.bearer(), &format!("auth.rotate_api_key('{}')", of_dan.id));
    assert_eq!(told, TOO_LOW);
}
