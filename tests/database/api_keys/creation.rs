//! Creating and importing keys: who may, with what, and what is left of it.

use super::world::*;
use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;
use postgres::NoTls;
use std::collections::BTreeSet;

const ALPHABET: &str = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[test]
fn whoever_may_create_keys_is_what_the_setting_says() {
    let mut world = World::new();
    world.set("api_key_creation", "any");
    let full = world.key(&Who::User("cara"), "").bearer();
    let narrow = world.key(&Who::User("cara"), "scopes => '{docs.*}'").bearer();
    let account = world.key(&Who::User("ada"), "role => 'keeper'").bearer();
    let service = world.key(&Who::Superuser, "kind => 'service'").bearer();
    let own = "k";
    let always: [(Who, &str, &str); 6] = [
        (Who::Superuser, ":north", own),
        (Who::Administrator, ":north", own),
        (Who::Service, ":north", own),
        (service, ":north", own),
        (Who::Nobody, ":north", NOBODY),
        (Who::Service, "gen_random_uuid()", FOREIGN),
    ];
    let users = [
        (Who::User("ada"), ":north", own),
        (Who::User("ben"), ":north", own),
        (Who::User("cara"), ":north", own),
        (Who::User("dan"), ":south", own),
        (Who::User("dan"), ":north", TOO_LOW),
        (Who::User("ben"), ":south", TOO_LOW),
        (Who::User("ada"), ":south", FOREIGN),
        (Who::User("eve"), ":north", FOREIGN),
        (Who::User("ada"), "gen_random_uuid()", FOREIGN),
    ];
    let keys = [
        (full.clone(), ":north", own),
        (account, ":north", own),
        (narrow, ":north", TOO_LOW),
        (full, ":south", FOREIGN),
    ];
    for (setting, users_may, keys_may) in
        [("any", true, true), ("interactive", true, false), ("admin", false, false)]
    {
        world.set("api_key_creation", setting);
        for (who, org, expected) in &always {
            assert_eq!(world.attempt(who, &format!("org_id => {org}")), *expected, "{setting}: {who:?}");
        }
        for (who, org, expected) in &users {
            let expected = if users_may { expected } else { NO_USERS };
            assert_eq!(world.attempt(who, &format!("org_id => {org}")), expected, "{setting}: {who:?} {org}");
        }
        for (who, org, expected) in &keys {
            let expected = if keys_may { expected } else { NO_API_KEYS };
            assert_eq!(world.attempt(who, &format!("org_id => {org}")), expected, "{setting}: {who:?} {org}");
        }
    }
}

#[test]
fn a_setting_that_a_client_made_before_the_library_was_loaded_opens_nothing() {
    let mut world = World::new();
    world.set("api_key_creation", "admin");
    world.set("api_key_max_age", "90d");
    let key = world.key(&Who::Superuser, "org_id => :north");
    let create = world.fill("select key from auth.create_api_key('k', :north)");
    for (option, expected) in [
        ("api_key_creation=any", NO_USERS),
        ("api_key_creation=interactive", NO_USERS),
        ("max_api_keys=1000000", NO_USERS),
    ] {
        let options = format!("-c pg_bearer.{option}");
        let mut session = world.db.config("tenant").options(&options).connect(NoTls).unwrap();
        session.run("begin");
        session.authenticate(&token_of("ada")).unwrap();
        assert_eq!(session.refused(&create), expected, "{option}");
    }
    world.set("api_key_creation", "interactive");
    for (option, expected) in [
        ("max_api_keys=1000000", "54000 the organization has as many API keys as it may"),
        ("api_key_max_age=0", ""),
        ("api_key_prefix=evil", ""),
    ] {
        let options = format!("-c pg_bearer.{option}");
        let mut session = world.db.config("tenant").options(&options).connect(NoTls).unwrap();
        session.run("begin");
        session.authenticate(&token_of("ada")).unwrap();
        if expected.is_empty() {
            let key = session.value(&create).unwrap();
            assert!(key.starts_with("sk_live_"), "{option}");
            let end = world.fill("select expires_at from auth.list_api_keys(:north) where user_id = 'ada'");
            assert!(session.value(&end).is_some(), "{option}");
        } else {
            assert_eq!(session.refused(&create), expected, "{option}");
        }
    }
    // What a server allows is not for its clients to say: in doubt no key is good.
    let options = "-c pg_bearer.allowed_environments=live,test";
    let mut session = world.db.config("tenant").options(options).connect(NoTls).unwrap();
    assert_eq!(told(&session.authenticate(&key.text).unwrap_err()), REFUSED);
    assert!(world.works(&key));
}

#[test]
fn what_is_not_said_is_taken_from_the_caller() {
    let mut world = World::new();
    let facts = "concat_ws(' ', org_id = (select id from auth.organizations where name = 'north'), user_id,
                 (select name from auth.roles r where r.id = role_id), environment, kind, scopes, expires_at,
                 workspace_id, allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, rate_limit,
                 rate_period, metadata, created_by, created_by_key, prefix)";
    for (who, arguments, expected) in [
        (Who::User("ada"), "", "t ada live secret 00:01:00 {} ada sk_live_"),
        (Who::Tester("ada"), "", "t ada test secret 00:01:00 {} ada sk_test_"),
        (Who::User("ada"), "environment => 'test'", "t ada test secret 00:01:00 {} ada sk_test_"),
        (Who::User("ada"), "role => 'keeper'", "t keeper live secret 00:01:00 {} ada sk_live_"),
        (Who::Superuser, "org_id => :north", "t admin live secret 00:01:00 {} sk_live_"),
        (
            Who::Administrator,
            "org_id => :north, role => 'viewer'",
            "t viewer live secret 00:01:00 {} sk_live_",
        ),
        (Who::Service, "org_id => :north, user_id => 'cara'", "t cara live secret 00:01:00 {} sk_live_"),
        (
            Who::Superuser,
            "kind => 'publishable', org_id => :north",
            "t live publishable 00:01:00 {} pk_live_",
        ),
        (Who::Superuser, "kind => 'publishable'", "live publishable 00:01:00 {} pk_live_"),
        (
            Who::Superuser,
            "kind => 'service', environment => 'test'",
            "test service 00:01:00 {} service_test_",
        ),
    ] {
        let key = world.key(&who, arguments);
        assert_eq!(world.stored(&key, facts), expected, "{who:?}: {arguments}");
        assert!(key.text.starts_with(expected.rsplit(' ').next().unwrap()));
    }
    let live = world.attempt(&Who::Tester("ada"), "environment => 'live'");
    assert_eq!(live, "42501 a test credential changes nothing that counts in the live environment");
    // Of two organizations none is the current one, until one is chosen.
    assert_eq!(world.attempt(&Who::User("ben"), "null"), FOREIGN);
    let north = world.fill(":north");
    let session = world.begin(&Who::User("ben")).unwrap();
    session.run(&format!("select auth.set_org({north}), auth.create_api_key('mine'); savepoint s"));
    let made =
        "select string_agg(name || ' ' || user_id, ', ') from auth.list_api_keys() where user_id = 'ben'";
    assert_eq!(session.value(made).as_deref(), Some("mine ben"));
}

#[test]
fn every_argument_is_kept_and_listed() {
    let mut world = World::new();
    let key = world.key(
        &Who::User("cara"),
        "org_id => :north, environment => 'test', scopes => '{docs.read,docs.write}', workspace_id => :desk,
         expires_at => '2126-01-01Z', allowed_cidrs => '{10.0.0.0/8,::1/128}',
         allowed_origins => '{https://*.a.example,app://b:80}', allowed_endpoints => '{GET /a/*,* /b}',
         allowed_tables => '{docs,pg_class}', metadata => '{\"a\": 1}'",
    );
    let listed = format!(
        "concat_ws(' ', name, prefix, last_used, kind, org_id = :north, environment, workspace_id = :desk,
           user_id, role, scopes, expires_at at time zone 'UTC', revoked_at, last4 = right('{0}', 4),
           public_id = substr('{0}', 9, 17), allowed_cidrs, allowed_origins, allowed_endpoints, allowed_tables, metadata,
           created_by, created_at between now() - interval '1 minute' and clock_timestamp(),
           rotation_due_at = created_at + interval '90 days')
         from auth.list_api_keys() where id = '{1}'",
        key.text, key.id
    );
    let expected = "k sk_test_ secret t test t cara {docs.read,docs.write} 2126-01-01 00:00:00 t t \
                    {10.0.0.0/8,::1/128} {https://*.a.example,app://b:80} {\"GET /a/*\",\"* /b\"} \
                    {pg_catalog.pg_class,public.docs} {\"a\": 1} cara t t";
    assert_eq!(world.tell(&Who::User("ada"), &listed), expected);
}

#[test]
fn values_that_are_not_allowed_are_named() {
    let mut world = World::new();
    let long = "repeat('x', 300000)";
    for (argument, values) in [
        (
            "scopes",
            vec![
                "'{\"\"}'",
                "'{null}'",
                "'{a b}'",
                "'{a.*.b}'",
                "'{**}'",
                "array_fill('a'::text, '{201}')",
                "array[repeat('a', 300000)]",
                "'{{a},{b}}'",
            ],
        ),
        ("environment", vec!["'prod'", "''", "'LIVE'"]),
        ("expires_at", vec!["now()", "'-infinity'", "now() - interval '1 day'"]),
        ("allowed_cidrs", vec!["'{null}'", "array_fill('10.0.0.0/8'::cidr, '{101}')"]),
        (
            "allowed_origins",
            vec![
                "'{null}'",
                "'{a.example}'",
                "'{https://}'",
                "'{https://a/b}'",
                "'{https://*}'",
                "'{https://a.*.b}'",
                "'{HTTPS://a}'",
            ],
        ),
        (
            "allowed_endpoints",
            vec!["'{null}'", "'{GET}'", "'{get /a}'", "'{GET a}'", "'{GET /a b}'", "'{GET /*/b}'"],
        ),
        ("allowed_tables", vec!["'{0}'::regclass[]", "'{docs_org_id_idx}'"]),
        ("metadata", vec!["'1'", "'[]'", "'null'", "jsonb_build_object('a', repeat('a', 20000))"]),
        ("user_id", vec!["'eve'", "''"]),
        ("kind", vec!["'Secret'", "''"]),
    ] {
        for value in values {
            let told = world.attempt(&Who::Superuser, &format!("org_id => :north, {argument} => {value}"));
            let told_user = world.attempt(&Who::User("ada"), &format!("{argument} => {value}"));
            let expected = match argument {
                "user_id" => "22023 no such member".to_owned(),
                argument => format!("22023 {argument} has a value that is not allowed"),
            };
            assert_eq!(told, expected, "{value}");
            // A scope that is none is first of all one that the user has not.
            let beyond = "42501 the key would go beyond what you may do: scopes";
            if !(["user_id", "kind"].contains(&argument) || argument == "scopes" && told_user == beyond) {
                assert_eq!(told_user, expected, "{value}");
            }
        }
    }
    for list in ["allowed_cidrs", "allowed_origins", "allowed_endpoints", "allowed_tables"] {
        let told = world.attempt(&Who::User("ada"), &format!("{list} => '{{}}'"));
        assert_eq!(told, "22023 an empty list has a value that is not allowed", "{list}");
    }
    for name in ["null", "''", "' '", "E'a\\nb'", "repeat('x', 201)", long] {
        let told = world.tell(&Who::User("ada"), &format!("name from auth.create_api_key({name})"));
        assert_eq!(told, "22023 name has a value that is not allowed", "{name}");
    }
    for (arguments, expected) in [
        ("kind => null", "22023 kind has a value that is not allowed"),
        ("kind => 'secret'", "22023 org_id has a value that is not allowed"),
        (
            "org_id => :north, kind => 'service', scopes => '{a}'",
            "22023 kind has a value that is not allowed",
        ),
        (
            "org_id => :north, kind => 'service', workspace_id => :desk",
            "22023 kind has a value that is not allowed",
        ),
        ("kind => 'service', role => 'admin'", "22023 role has a value that is not allowed"),
        ("kind => 'publishable', user_id => 'ada'", "22023 role has a value that is not allowed"),
        ("org_id => :north, role => 'admin', user_id => 'ada'", "22023 role has a value that is not allowed"),
        ("org_id => :north, role => 'boss'", "22023 no such role"),
        ("org_id => :south, role => 'keeper'", "22023 no such role"),
        ("org_id => :north, workspace_id => :shed", "42501 no such workspace, or it is not yours"),
        (
            "org_id => :north, workspace_id => gen_random_uuid()",
            "42501 no such workspace, or it is not yours",
        ),
        ("org_id => :north, user_id => 'ben', workspace_id => :desk", "22023 no such member"),
        ("org_id => :north, rate_limit => 5", "0A000 rate limits need pg_bearer in shared_preload_libraries"),
        ("org_id => :desk", FOREIGN),
    ] {
        let told = world.attempt(&Who::Superuser, arguments);
        let counted =
            world.root("auth_internal.counts_api_key_uses()") == "t" && arguments.contains("rate_limit");
        assert_eq!(told, if counted { "k" } else { expected }, "{arguments}");
    }
    // NULL says the same as nothing.
    let nulls = "org_id => null, environment => null, scopes => null, workspace_id => null, expires_at => null,
                 allowed_cidrs => null, allowed_origins => null, allowed_endpoints => null, allowed_tables => null,
                 metadata => null, role => null, user_id => null, rate_limit => null, rate_period => null";
    assert_eq!(world.attempt(&Who::User("ada"), nulls), "k");
    assert_eq!(world.attempt(&Who::User("ada"), "expires_at => 'infinity'"), "k");
}

#[test]
fn keys_begin_as_the_server_or_the_organization_says() {
    let mut world = World::new();
    let begins = |world: &mut World, org: &str| {
        let key = world.key(&Who::Superuser, &format!("org_id => :{org}"));
        key.text.strip_suffix(&key.text[key.text.len() - 66..]).unwrap().to_owned()
    };
    assert_eq!(begins(&mut world, "north"), "sk_live_");
    world.set("api_key_prefix", "acme_2");
    world.root("auth.set_api_key_settings(:south, 'ia')");
    assert_eq!(begins(&mut world, "north"), "acme_2_live_");
    assert_eq!(begins(&mut world, "south"), "ia_live_");
    world.root("auth.set_api_key_settings(:south)");
    assert_eq!(begins(&mut world, "south"), "acme_2_live_");
    for bad in ["''", "'A'", "'1a'", "'a_'", "'a__b'", "'a-b'", "repeat('a', 21)", "'é'"] {
        let told = world.tell(&Who::Superuser, &format!("auth.set_api_key_settings(:south, {bad})"));
        assert_eq!(told, "22023 key_prefix has a value that is not allowed", "{bad}");
    }
    for who in [Who::User("dan"), Who::User("ada"), world.key(&Who::User("dan"), "org_id => :south").bearer()]
    {
        let told = world.tell(&who, "auth.set_api_key_settings(:south, 'x')");
        assert!(told.starts_with("42501"), "{told}");
    }
    for bad in ["A", "a_", "a b", "aaaaaaaaaaaaaaaaaaaaa"] {
        world.set("api_key_prefix", bad);
        let told = world.attempt(&Who::User("ada"), "null");
        assert_eq!(told, "22023 the prefix of API keys is not allowed", "{bad}");
    }
}

#[test]
fn t091_keys_have_the_documented_form_and_none_is_like_another() {
    let mut world = World::new();
    let made = world
        .root("string_agg(key, ' ') from generate_series(1, 500) n, auth.create_api_key('k' || n, :north)");
    let keys: BTreeSet<&str> = made.split(' ').collect();
    assert_eq!(keys.len(), 500);
    let form = "^[a-z][a-z0-9]*(_[a-z0-9]+)*_(live|test)_[0-9A-Za-z]{66}$";
    let fits = format!("bool_and(k ~ '{form}') from unnest(string_to_array('{made}', ' ')) k");
    assert_eq!(world.root(&fits), "t");
    let secrets: Vec<&str> = keys.iter().map(|key| &key[8..68]).collect();
    for character in ALPHABET.chars() {
        let count =
            secrets.iter().flat_map(|secret| secret.chars()).filter(|found| *found == character).count();
        // Of 30,000 characters each is expected 484 times, with a deviation of 22.
        assert!((330..640).contains(&count), "{character}: {count}");
    }
    let ids: BTreeSet<&str> = secrets.iter().map(|secret| &secret[..17]).collect();
    assert_eq!(ids.len(), 500);
}

#[test]
fn a_key_is_shown_once_and_is_in_no_table_view_list_or_log() {
    let mut world = World::new();
    world.db.superuser().run(&format!("alter database {} set log_statement = 'all'", world.db.name));
    world.set("api_key_rotation", "1s");
    let key = world.key(&Who::User("ada"), "");
    let new = world.root(&format!("key from auth.rotate_api_key('{}', '1 day')", key.id));
    assert!(world.works(&key));
    let (secret, hash) = (&key.text[25..], world.stored(&key, "encode(key_hash, 'hex')"));
    world.root("count(*) from (select pg_sleep_until(max(created_at) + interval '1.1 seconds') from auth.api_keys) s");
    for (what, from, has_hash) in [
        ("the table", "auth.api_keys", true),
        ("the list", "auth.list_api_keys(include_revoked => true)", false),
        ("the view", "auth.api_keys_due", false),
        ("the uses", "auth.api_key_uses", false),
        ("the settings", "pg_settings", false),
        ("the sessions", "pg_stat_activity", false),
    ] {
        let all = world.root(&format!("coalesce(string_agg(t::text, ' '), '') from {from} t"));
        for text in [secret, &new[25..], &key.text[25..68]] {
            assert!(!all.contains(text), "{what}");
        }
        assert_eq!(all.contains(&hash), has_hash, "{what}");
        assert!(what == "the uses" || !all.is_empty(), "{what}");
    }
    assert!(world.root("string_agg(t::text, ' ') from auth.api_keys_due t").contains(&new[new.len() - 4..]));
    let log = server().log();
    assert!(log.contains("create_api_key") && !log.contains(secret) && !log.contains(&new[25..]));
}
