//! Who the bearer of a key is.

use super::world::*;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use std::time::{Duration, Instant};

/// The identity without what differs from run to run, and whether the rest is what it has to be.
fn identity(world: &mut World, key: &Key) -> String {
    let sql = format!(
        "(i - '{{key_id,org_id,workspace_id,expires_at}}'::text[]) || jsonb_build_object(
             'key', i ->> 'key_id' = '{}' and auth.api_key_id() = '{}', 'org', i ->> 'org_id' = :north,
             'desk', i ->> 'workspace_id' = :desk, 'end', i -> 'expires_at') from auth.identity() i",
        key.id, key.id
    );
    let text = world.tell(&key.bearer(), &sql);
    let parsed: serde_json::Value =
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let members = parsed.as_object().unwrap();
    let known = members.iter().filter(|(_, value)| !value.is_null());
    known.map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ").replace('"', "")
}

#[test]
fn a_key_is_its_user_its_role_or_a_service() {
    let mut world = World::new();
    for (arguments, expected) in [
        (
            "org_id => :north, user_id => 'cara'",
            "desk=true environment=live key=true kind=api_key org=true org_role=keeper \
             permissions=[docs.*,api_keys.*,members.read] scopes=[docs.*,api_keys.*,members.read] user_id=cara",
        ),
        (
            "org_id => :north, user_id => 'cara', scopes => '{docs.read,billing.pay,api_keys.*}', environment => 'test'",
            "desk=true environment=test key=true kind=api_key org=true org_role=keeper \
             permissions=[api_keys.*,docs.read] scopes=[api_keys.*,docs.read] user_id=cara",
        ),
        (
            "org_id => :north, role => 'keeper', scopes => '{*}'",
            "environment=live key=true kind=api_key org=true org_role=keeper \
             permissions=[api_keys.*,docs.*,members.read] scopes=[api_keys.*,docs.*,members.read]",
        ),
        (
            "org_id => :north, role => 'keeper', scopes => '{}', workspace_id => :desk",
            "desk=true environment=live key=true kind=api_key org=true org_role=keeper permissions=[] scopes=[]",
        ),
    ] {
        let key = world.key(&Who::Superuser, arguments);
        let found: Vec<String> = identity(&mut world, &key).split(' ').map(str::to_owned).collect();
        let mut expected: Vec<&str> = expected.split_whitespace().collect();
        expected.sort_unstable();
        let mut found: Vec<&str> =
            found.iter().map(String::as_str).filter(|one| !one.starts_with("claims=")).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{arguments}");
    }
}

#[test]
fn readers_answer_for_the_bearer_of_a_key() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "scopes => '{docs.*,members.read}', workspace_id => :desk");
    let (north, south, desk, id) = (
        world.id("north").to_owned(),
        world.id("south").to_owned(),
        world.id("desk").to_owned(),
        key.id.clone(),
    );
    let session = world.begin(&key.bearer()).unwrap();
    assert_values(
        session,
        &[
            ("select auth.api_key_id()", Some(&id)),
            ("select auth.user_id()", Some("cara")),
            ("select auth.uid()", None),
            ("select auth.current_org()", Some(&north)),
            ("select auth.org_ids()", Some(&format!("{{{north}}}"))),
            ("select auth.org_role()", Some("keeper")),
            ("select auth.current_workspace()", Some(&desk)),
            ("select auth.workspace_role()", Some("member")),
            ("select auth.environment()", Some("live")),
            ("select auth.is_authenticated()", Some("t")),
            ("select auth.is_service_role()", Some("f")),
            ("select auth.role()", None),
            ("select auth.email()", None),
            ("select auth.email_verified()", Some("f")),
            ("select auth.jwt()", None),
            ("select auth.claim('sub')", None),
            ("select auth.has_permission('docs.write')", Some("t")),
            ("select auth.has_permission('docs.*')", Some("t")),
            ("select auth.has_permission('docs')", Some("f")),
            ("select auth.has_permission('*')", Some("f")),
            ("select auth.has_permission('api_keys.write')", Some("f")),
            ("select auth.has_scope('docs.read')", Some("t")),
            ("select auth.has_scope('docs.*')", Some("t")),
            ("select auth.has_scope('members.read')", Some("t")),
            ("select auth.has_scope('members.write')", Some("f")),
            ("select auth.has_scope('*')", Some("f")),
            ("select auth.has_scope(null)", None),
            (&format!("select auth.is_member('{south}')"), Some("f")),
            (&format!("select auth.in_org('{south}')"), Some("f")),
            (&format!("select auth.has_permission_in('docs.read', '{north}')"), Some("t")),
            (&format!("select auth.has_permission_in('docs.read', '{south}')"), Some("f")),
            ("select cardinality(auth.org_ids_with('docs.read'))", Some("1")),
            ("select auth.require_permission('docs.read')", Some("t")),
            ("select count(*) from docs", Some("500")),
            ("select count(distinct org_id) from docs", Some("1")),
        ],
    );
    session.run(&format!("select auth.set_org('{north}'); savepoint s"));
    assert_eq!(session.refused(&format!("select auth.set_org('{south}')")), FOREIGN);
    session.run("rollback to s");
    // Of an organization that its user belongs to as well.
    let other = world.key(&Who::Superuser, "org_id => :north, user_id => 'dan'");
    let session = world.begin(&other.bearer()).unwrap();
    let facts = format!(
        "select concat_ws(' ', cardinality(auth.org_ids()), auth.is_member('{south}'), (select count(*) from docs))"
    );
    assert_eq!(session.value(&facts).as_deref(), Some("1 f 500"));
    assert_eq!(session.refused(&format!("select auth.set_org('{south}')")), FOREIGN);
    // Scopes of a token are no wildcards.
    let token = Who::Bearer(hs256(&with(claims_a(), serde_json::json!({"scope": "docs.*"}))));
    assert_eq!(
        world
            .tell(&token, "concat(auth.has_scope('docs.*'), auth.has_scope('docs.read'), auth.api_key_id())"),
        "tf"
    );
}

#[test]
fn a_service_key_is_a_service_and_its_use_is_logged() {
    let mut world = World::new();
    let key = world.key(&Who::Superuser, "kind => 'service', org_id => :north");
    let free = world.key(&Who::Service, "kind => 'service'");
    let facts = "concat_ws(' ', auth.identity() ->> 'kind', auth.is_service_role(), auth.role(), coalesce(auth.user_id(), '-'),
                 auth.current_org() = :north, auth.environment(), auth.api_key_id())";
    assert_eq!(world.tell(&key.bearer(), facts), format!("service t service_role - t live {}", key.id));
    assert_eq!(world.tell(&free.bearer(), facts), format!("service t service_role - live {}", free.id));
    let create = "auth.add_member(auth.create_organization('new'), 'eve')";
    assert_eq!(world.tell(&key.bearer(), create), "");
    let log = pg_bearer_tests::server().log();
    for id in [&key.id, &free.id] {
        assert!(log.contains(&format!("pg_bearer: service key {id} (\"k\") was used")), "{id}");
    }
    assert!(!log.contains(&key.text) && !log.contains(&free.text));
}

#[test]
fn a_bearer_scheme_and_blanks_around_a_key_are_tolerated() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "").text;
    for text in [format!("Bearer {key}"), format!("bearer   {key}\n"), format!("\t{key} ")] {
        assert_eq!(world.tell(&Who::Bearer(text), "auth.user_id()"), "cara");
    }
    for text in [
        format!("Basic {key}"),
        format!("Bearer Bearer {key}"),
        format!("\"{key}\""),
        key.to_uppercase(),
        format!("{key}{key}"),
    ] {
        assert_eq!(world.tell(&Who::Bearer(text), "1"), REFUSED);
    }
}

#[test]
fn keys_and_tokens_take_turns_and_roll_back_as_one() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let who = "select concat_ws(' ', auth.user_id(), auth.api_key_id() is not null)";
    let mut session = world.db.tenant();
    session.run("begin");
    session.authenticate(&token_of("ada")).unwrap();
    session.run("savepoint s");
    session.authenticate(&key.text).unwrap();
    assert_eq!(session.value(who).as_deref(), Some("cara t"));
    session.run("savepoint t");
    assert!(session.authenticate(&format!("{}x", key.text)).is_err());
    session.run("rollback to t");
    assert_eq!(session.value(who).as_deref(), Some("cara t"));
    session.run("rollback to s");
    assert_eq!(session.value(who).as_deref(), Some("ada f"));
    session.authenticate(&key.text).unwrap();
    session.authenticate(&token_of("ben")).unwrap();
    assert_eq!(session.value(who).as_deref(), Some("ben f"));
    session.run("select auth.sign_out()");
    assert_eq!(session.value(who).as_deref(), Some("f"));
    session.authenticate(&key.text).unwrap();
    session.run("commit");
    assert_eq!(session.value(who).as_deref(), Some("f"));
    assert_eq!(session.visible(), 0);
    // A transaction of its own is over with the statement.
    session.authenticate(&key.text).unwrap();
    assert_eq!(session.visible(), 0);
    session.run("begin; declare c cursor for select 1; savepoint s");
    let told = told(&session.authenticate(&key.text).unwrap_err());
    assert_eq!(told, "55006 the identity cannot be changed while a cursor is open");
}

#[test]
fn the_identity_of_a_key_ends_when_the_key_expires() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut session = world.db.tenant();
    world.admin.run(&format!(
        "update auth.api_keys set expires_at = clock_timestamp() + interval '1 second' where id = '{}'",
        key.id
    ));
    session.run("begin");
    session.authenticate(&key.text).unwrap();
    assert_eq!(session.visible(), 500);
    let begin = Instant::now();
    while session.visible() == 500 {
        assert!(begin.elapsed() < Duration::from_secs(10));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_values(
        &mut session,
        &[
            ("select auth.api_key_id()", None),
            ("select auth.is_authenticated()", Some("f")),
            ("select auth.current_org()", None),
            ("select count(*) from docs", Some("0")),
        ],
    );
    session.run("savepoint s");
    assert_eq!(told(&session.authenticate(&key.text).unwrap_err()), REFUSED);
    session.run("rollback to s");
    assert_eq!(session.refused("select auth.list_api_keys()"), NOBODY);
}

#[test]
fn t028_parallel_workers_know_the_key() {
    let mut world = World::new();
    world.admin.run(
        "create table big as select n, (select id from auth.organizations where name = 'north') as org_id from generate_series(1, 60000) n;
         grant select on big to tenant; alter table big set (parallel_workers = 4); analyze big",
    );
    let key = world
        .key(&Who::User("cara"), "scopes => '{docs.*}', environment => 'test', allowed_tables => '{big}'");
    let mut session = world.db.tenant();
    session.run(
        "set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0;
         set max_parallel_workers_per_gather = 4; set parallel_leader_participation = off; begin",
    );
    session.authenticate(&key.text).unwrap();
    for condition in [
        format!("auth.api_key_id() = '{}' and n > 0", key.id),
        "auth.allows_table('big'::regclass::oid) and n > 0 and not auth.allows_table('docs'::regclass::oid)"
            .to_owned(),
        "auth.environment() = 'test' and n > 0 and auth.user_id() = 'cara'".to_owned(),
        "auth.has_scope('docs.' || n) and not auth.has_permission('other.' || n)".to_owned(),
        "auth.in_org(org_id)".to_owned(),
    ] {
        let sql = format!("select count(*) from big where {condition}");
        let plan = session.query(&format!("explain (analyze, costs off, timing off) {sql}"), &[]).unwrap();
        let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
        let launched = |line: &String| line.contains("Workers Launched:") && !line.ends_with(": 0");
        assert!(plan.iter().any(launched), "{condition}: {plan:?}");
        assert_eq!(session.value(&sql).as_deref(), Some("60000"), "{condition}");
    }
}
