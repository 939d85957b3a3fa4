//! Who uses a key too often is refused.

use super::world::{Counting, TOO_MANY, connect, counting_server, exhaust, make_key, use_key};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::{Database, refusal};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use xtask::Server;

#[test]
fn as_many_requests_pass_as_the_key_allows() {
    let db = Counting::new();
    let (mut administrator, mut session) = (db.connect("postgres"), db.connect("tenant"));
    let id = make_key(&mut administrator, "key", &[("rate_limit", "5"), ("rate_period", "10 seconds")]);
    make_key(&mut administrator, "other", &[("rate_limit", "5"), ("rate_period", "10 seconds")]);
    let (passed, told, hint) = exhaust(&mut session, "key");
    assert_eq!((passed, told.as_str(), hint.as_str()), (5, TOO_MANY, "Try again in 2 seconds."));
    // In another session, and where nothing can be written.
    let mut second = db.connect("tenant");
    assert_eq!(refusal(use_key(&mut second, "key")), TOO_MANY);
    second.run("begin read only");
    assert_eq!(refusal(use_key(&mut second, "key")), TOO_MANY);
    second.run("rollback");
    use_key(&mut second, "other").unwrap();
    std::thread::sleep(Duration::from_millis(2010));
    assert_eq!(exhaust(&mut session, "key").0, 1);
    super::world::until_recorded(&mut administrator, &id, 6);
}

#[test]
fn sessions_that_race_share_the_limit() {
    let db = Counting::new();
    let mut administrator = db.connect("postgres");
    let id = make_key(&mut administrator, "key", &[("rate_limit", "500"), ("rate_period", "1 day")]);
    let passed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut session = db.connect("tenant");
                for _ in 0..60 {
                    match use_key(&mut session, "key") {
                        Ok(()) => drop(passed.fetch_add(1, Ordering::Relaxed)),
                        failed => assert_eq!(refusal(failed), TOO_MANY),
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 500);
    super::world::until_recorded(&mut administrator, &id, 500);
}

#[test]
fn keys_share_the_limit_of_their_organization() {
    let db = Counting::new();
    let (mut administrator, mut session) = (db.connect("postgres"), db.connect("tenant"));
    let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    let free = administrator.value("select auth.create_organization('p', owner_id => 'alice')").unwrap();
    administrator.run(&format!(
        "insert into auth.api_key_settings (org_id, rate_limit, rate_period) values ('{org}', 6, '1 hour')"
    ));
    let first = make_key(&mut administrator, "first", &[("org_id", &org)]);
    make_key(
        &mut administrator,
        "second",
        &[("org_id", &org), ("rate_limit", "4"), ("rate_period", "1 hour")],
    );
    make_key(&mut administrator, "third", &[("org_id", &free)]);
    for _ in 0..4 {
        use_key(&mut session, "first").unwrap();
    }
    // The organization's limit is what stops this one.
    let (passed, told, hint) = exhaust(&mut session, "second");
    assert_eq!((passed, told.as_str(), hint.as_str()), (2, TOO_MANY, "Try again in 600 seconds."));
    assert_eq!(refusal(use_key(&mut session, "first")), TOO_MANY);
    (0..10).for_each(|_| use_key(&mut session, "third").unwrap());
    // It took nothing from its own bucket when the organization's was empty.
    administrator.run(&format!("update auth.api_key_settings set rate_limit = null where org_id = '{org}'"));
    assert_eq!(exhaust(&mut session, "second").0, 2);
    super::world::until_recorded(&mut administrator, &first, 4);
}

const GIVEN_UP: &str = "pg_bearer gave up the count or the limit of another API key";

/// A server with room for a hundred.
fn small_server(name: &str) -> Server {
    let settings = [("pg_bearer.max_tracked_keys", "100"), ("pg_bearer.usage_flush_interval", "1h")];
    counting_server(name, &settings)
}

#[test]
fn nobody_is_refused_for_lack_of_room() {
    let server = small_server("usage-full");
    let mut administrator = connect(server.socket_dir(), "postgres", "postgres");
    let mut session = connect(server.socket_dir(), "postgres", "tenant");
    let mut ids = Vec::new();
    for number in 0..100 {
        ids.push(make_key(&mut administrator, &format!("key-{number}"), &[]));
        use_key(&mut session, &format!("key-{number}")).unwrap();
    }
    assert!(!server.log().contains(GIVEN_UP));
    // Of counts without limits, one is given up.
    let limited = make_key(&mut administrator, "limited", &[("rate_limit", "5"), ("rate_period", "1 hour")]);
    assert_eq!(exhaust(&mut session, "limited").0, 5);
    for number in 100..110 {
        ids.push(make_key(&mut administrator, &format!("key-{number}"), &[]));
        use_key(&mut session, &format!("key-{number}")).unwrap();
    }
    assert_eq!(exhaust(&mut session, "limited").0, 0);
    assert_eq!(server.log().matches(GIVEN_UP).count(), 1);
    assert_contains(server.log(), "Raise pg_bearer.max_tracked_keys.");
    administrator.run("alter system set pg_bearer.usage_flush_interval = 1");
    administrator.run("select pg_reload_conf()");
    super::world::until_recorded(&mut administrator, &limited, 5);
    super::world::until_recorded(&mut administrator, &ids[109], 1);
    let total = "select sum(uses) from auth.api_key_usage";
    assert_eq!(administrator.value(total).as_deref(), Some("104"));
    // Buckets that are not full are not replaced where anything is idle.
    for number in 0..300 {
        use_key(&mut session, &format!("key-{}", number % 110)).unwrap();
        if number % 30 == 0 {
            std::thread::sleep(Duration::from_millis(1200));
        }
    }
    assert_eq!(exhaust(&mut session, "limited").0, 0);
}

#[test]
fn many_limited_keys_keep_nobody_out() {
    let server = small_server("usage-attacked");
    let mut administrator = connect(server.socket_dir(), "postgres", "postgres");
    let mut session = connect(server.socket_dir(), "postgres", "tenant");
    let make_org = |administrator: &mut postgres::Client, name: &str| {
        let sql = format!("select auth.create_organization('{name}', owner_id => 'alice')");
        administrator.value(&sql).unwrap()
    };
    let attacker = make_org(&mut administrator, "attacker");
    let victim = make_org(&mut administrator, "victim");
    let limit = |limit: &'static str, org: &str| {
        [("org_id", org.to_owned()), ("rate_limit", limit.to_owned()), ("rate_period", "1 day".to_owned())]
    };
    let mut make = |key: &str, columns: &[(&str, String)]| {
        let columns: Vec<_> = columns.iter().map(|(column, value)| (*column, value.as_str())).collect();
        make_key(&mut administrator, key, &columns)
    };
    make("victim", &limit("5", &victim));
    for number in 0..150 {
        make(&format!("key-{number}"), &limit("1", &attacker));
        use_key(&mut session, &format!("key-{number}")).unwrap();
    }
    let (passed, told, _) = exhaust(&mut session, "victim");
    assert_eq!((passed, told.as_str()), (5, TOO_MANY));
    assert_eq!(exhaust(&mut session, "key-149").0, 0);
    assert_eq!(server.log().matches(GIVEN_UP).count(), 1);
}

#[test]
fn a_limit_is_not_ignored_where_the_library_is_not_preloaded() {
    let db = Database::new();
    let mut administrator = db.superuser();
    make_key(&mut administrator, "limited", &[("rate_limit", "5")]);
    make_key(&mut administrator, "free", &[]);
    let mut session = db.tenant();
    use_key(&mut session, "free").unwrap();
    let (passed, told, hint) = exhaust(&mut session, "limited");
    assert_eq!(
        (passed, told.as_str()),
        (0, "F0000 the key has a rate limit, which this server cannot enforce")
    );
    assert_eq!(hint, "Add pg_bearer to shared_preload_libraries and restart the server.");
}
