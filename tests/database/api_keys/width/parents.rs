//! Keys that keys make, where `pg_bearer.api_key_creation` is `any`.

use super::super::world::*;
use super::{UNIVERSE, covers};
use pg_bearer_tests::database::{Session, rounds};
use postgres::Client;

/// An argument, values that are within the parent's, and values beyond it.
type Dimension = (&'static str, &'static [&'static str], &'static [&'static str]);

const DIMENSIONS: [Dimension; 9] = [
    (
        "scopes",
        &["'{docs.read}'", "'{docs.deep.*,api_keys.write}'", "'{}'"],
        &["'{members.read}'", "'{*}'", "'{docs.read,api_keys.*}'"],
    ),
    ("workspace_id", &[":desk"], &[":annex"]),
    ("environment", &["'test'"], &["'live'"]),
    ("expires_at", &["'2126-01-01Z'", "'2100-01-01Z'"], &["'2126-01-02Z'", "'infinity'"]),
    (
        "allowed_cidrs",
        &["'{10.1.0.0/16,192.0.2.7/32}'", "'{10.0.0.0/8}'"],
        &["'{10.0.0.0/7}'", "'{10.0.0.0/8,::/0}'", "'{0.0.0.0/0}'"],
    ),
    (
        "allowed_origins",
        &["'{https://a.example}'"],
        &["'{https://a.example,https://c.example}'", "'{https://*.example}'"],
    ),
    ("allowed_endpoints", &["'{GET /a}'"], &["'{* /a}'", "'{GET /a,POST /c}'"]),
    ("allowed_tables", &["'{docs}'"], &["'{docs,pg_proc}'"]),
    ("user_id", &["'cara'"], &["'ben'", "'dan'"]),
];
const BEYOND: &str = "42501 the key would go beyond what you may do: it is itself an API key";
/// For keys of tests, of live keys.
const LIVE: &str = "42501 a test credential changes nothing that counts in the live environment";

/// Keys may make keys, and north has another workspace of cara's.
fn prepared() -> World {
    let mut world = World::new();
    world.set("api_key_creation", "any");
    let id = world.root("auth.create_workspace(:north, 'annex')");
    world.name("annex", &id);
    for user in ["cara", "ben", "ada"] {
        world.root(&format!("auth.add_workspace_member(:annex, '{user}')"));
    }
    world.root("auth.add_workspace_member(:desk, 'ben')");
    world
}

/// A transaction of a key that is limited in every way. The limits of where it is used come after it was.
fn limited(world: &mut World) -> (Key, Client) {
    let key = world.key(
        &Who::User("cara"),
        "org_id => :north, scopes => '{docs.*,api_keys.write}', workspace_id => :desk, environment => 'test',
         expires_at => '2126-01-01Z', allowed_tables => '{docs,pg_class}'",
    );
    let mut session = world.db.tenant();
    session.run("begin");
    session.authenticate(&key.text).unwrap();
    world.root(&format!(
        "auth.update_api_key('{}', allowed_cidrs => '{{10.0.0.0/8,192.0.2.0/24}}',
            allowed_origins => '{{https://a.example,https://b.example}}', allowed_endpoints => '{{GET /a,POST /b/*}}')",
        key.id
    ));
    (key, session)
}

/// What the bearer is answered who makes a key like this; nothing is left of it.
fn child(world: &World, session: &mut Client, arguments: &str) -> String {
    let sql = world.fill(&format!("select name from auth.create_api_key('k'{arguments})"));
    session.run("savepoint s");
    let answer = match session.query_one(&sql, &[]) {
        Ok(row) => row.get(0),
        Err(error) => told(&error),
    };
    session.run("rollback to s");
    answer
}

#[test]
fn t101_keys_of_keys_are_within_them_in_every_way() {
    let mut world = prepared();
    let (_, mut session) = limited(&mut world);
    assert_eq!(child(&world, &mut session, ""), "k");
    for (name, within, beyond) in DIMENSIONS {
        for value in within {
            assert_eq!(child(&world, &mut session, &format!(", {name} => {value}")), "k", "{name}: {value}");
        }
        for value in beyond {
            let told = child(&world, &mut session, &format!(", {name} => {value}"));
            let expected = match *value {
                "'dan'" => "22023 no such member",
                "'live'" => LIVE,
                _ => BEYOND,
            };
            assert_eq!(told, expected, "{name}: {value}");
        }
    }
    for role in ["viewer", "keeper", "admin"] {
        assert_eq!(child(&world, &mut session, &format!(", role => '{role}'")), BEYOND, "{role}");
    }
    for kind in ["service", "publishable"] {
        let told = child(&world, &mut session, &format!(", kind => '{kind}'"));
        assert!(told.starts_with("22023 ") || told.starts_with("42501 "), "{told}");
    }
}

#[test]
fn t101_one_value_too_wide_among_any_others_is_too_much() {
    let mut world = prepared();
    let (_, mut session) = limited(&mut world);
    let mut state: u64 = 1;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut made = 0;
    for round in 0..rounds(6000) {
        let wide = (round % 2 == 0).then(|| random(DIMENSIONS.len()));
        let mut arguments = String::new();
        for (number, (name, within, beyond)) in DIMENSIONS.into_iter().enumerate() {
            if wide == Some(number) {
                arguments += &format!(", {name} => {}", beyond[random(beyond.len())]);
            } else if random(2) == 0 {
                arguments += &format!(", {name} => {}", within[random(within.len())]);
            }
        }
        let told = child(&world, &mut session, &arguments);
        match wide {
            None => assert_eq!(told, "k", "{arguments}"),
            Some(_) => assert!(
                [BEYOND, LIVE, "22023 no such member"].contains(&told.as_str()),
                "{told}: {arguments}"
            ),
        }
        made += usize::from(wide.is_none());
    }
    assert!(made > 100, "{made}");
}

#[test]
fn t101_what_a_key_does_not_narrow_it_hands_on() {
    let mut world = prepared();
    let (key, mut session) = limited(&mut world);
    let id = session.value("select id from auth.create_api_key('k')").unwrap();
    session.run("commit");
    let made = Key { id, text: String::new() };
    let limits = "concat_ws(' ', org_id, user_id, role_id, environment, scopes, workspace_id, expires_at, allowed_cidrs,
                  allowed_origins, allowed_endpoints, allowed_tables, rate_limit, rate_period)";
    assert_eq!(world.stored(&made, limits), world.stored(&key, limits));
    assert_eq!(world.stored(&made, "concat_ws(' ', created_by, created_by_key)"), format!("cara {}", key.id));
}

/// What a key of a key may do, of all that is spoken of.
fn permitted(world: &mut World, key: &Key) -> Vec<&'static str> {
    let may = |world: &mut World, permission: &str| {
        world.tell(&key.bearer(), &format!("auth.has_permission('{permission}')")) == "t"
    };
    UNIVERSE.into_iter().filter(|permission| may(world, permission)).collect()
}

#[test]
fn t101_no_generation_of_keys_may_more_than_the_one_before() {
    let mut world = prepared();
    world.root("auth.define_role('keymaker', '{api_keys.write,docs.read,docs.deep.*}', :north, 600)");
    for first in ["role => 'keymaker'", "role => 'keeper'", "scopes => '{api_keys.*,docs.*}'", ""] {
        let mut parent = world.key(&Who::User("ada"), first);
        for scopes in [
            "null",
            "'{*}'",
            "'{docs.*,api_keys.write}'",
            "'{api_keys.write,docs.deep.read}'",
            "'{docs.deep.read}'",
        ] {
            let held = permitted(&mut world, &parent);
            let made = world.create(&parent.bearer(), &format!("scopes => {scopes}"));
            let Ok(child) = made else {
                // A key without a list of scopes may hand on any list: it counts only as far as its role.
                let outer = world.stored(&parent, "scopes");
                let outer: Vec<&str> = outer.trim_matches(['{', '}']).split(',').collect();
                let wanted = scopes.trim_matches(['\'', '{', '}']).split(',');
                assert!(!wanted.clone().all(|scope| covers(&outer, scope)), "{first}: {scopes}");
                continue;
            };
            let given = permitted(&mut world, &child);
            assert!(given.iter().all(|permission| held.contains(permission)), "{given:?} of {held:?}");
            parent = child;
        }
        let told = world.attempt(&parent.bearer(), "null");
        assert!(told == TOO_LOW || permitted(&mut world, &parent).contains(&"api_keys.write"), "{told}");
    }
}

#[test]
fn t102_a_key_that_was_ended_makes_no_more_keys() {
    const ENDED: &str = "28000 the credential was refused";
    let mut world = prepared();
    for (end, expected) in [
        ("auth.revoke_api_key(id) from auth.api_keys where id = '?'", ENDED),
        (
            "auth.update_api_key('?', expires_at => clock_timestamp() + interval '0.2 seconds'), pg_sleep(0.25)",
            ENDED,
        ),
        ("auth.remove_member(:north, 'cara')", ENDED),
    ] {
        let key = world.key(&Who::User("cara"), "");
        let mut session = world.db.tenant();
        session.run("begin");
        session.authenticate(&key.text).unwrap();
        assert_eq!(child(&world, &mut session, ""), "k");
        world.root(&end.replace('?', &key.id));
        // In the transaction that began before, too.
        assert_eq!(child(&world, &mut session, ""), expected, "{end}");
    }
}

#[test]
fn t102_a_key_whose_role_was_lowered_meanwhile_makes_no_more_keys() {
    let mut world = prepared();
    let personal = world.key(&Who::User("cara"), "");
    let account = world.key(&Who::User("ada"), "role => 'keeper'");
    let mut sessions = [&personal, &account].map(|key| {
        let mut session = world.db.tenant();
        session.run("begin");
        session.authenticate(&key.text).unwrap();
        session
    });
    for (change, expected) in [
        ("1", "k"),
        ("auth.define_role('keeper', '{docs.read}', :north)", TOO_LOW),
        ("auth.define_role('keeper', '{docs.*,api_keys.*}', :north)", "k"),
    ] {
        world.root(change);
        for session in &mut sessions {
            assert_eq!(child(&world, session, ""), expected, "{change}");
            let seen = if expected == "k" { "2" } else { "1" };
            assert_eq!(session.value("select count(*) from auth.list_api_keys()").as_deref(), Some(seen));
        }
    }
}
