//! Tries to sign in are counted in shared memory, and where they come from.

use crate::usage::world::{Counting, connect, counting_server};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, Config, NoTls};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU32, Ordering};

const TRY: &str = "select auth_internal.take_try('password', 'ada', 3, '1 hour')";

/// How many tries of this kind and value pass in a row, of which there may be so many in a day.
fn passed(session: &mut Client, value: &str, most: u32) -> u32 {
    let sql = format!("select auth_internal.take_try('test', '{value}', {most}, '1 day')");
    (0..=most).take_while(|_| session.value(&sql).as_deref() == Some("0")).count() as u32
}

#[test]
fn t134_no_rollback_undoes_a_try() {
    let db = Counting::new();
    let mut session = db.connect("postgres");
    session.run(&format!("begin; {TRY}; rollback"));
    session.run(&format!("begin; savepoint a; {TRY}; rollback to a; commit"));
    let caught = format!(
        "do $$ begin perform ({TRY}); raise division_by_zero; exception when others then null; end $$"
    );
    session.run(&caught);
    assert_eq!(session.value(TRY).as_deref(), Some("1200"));
    let failing = TRY.replace("ada", "bob").replace(")", ") / 0");
    for _ in 0..3 {
        assert!(session.refused(&failing).starts_with("22012 "));
    }
    assert_eq!(session.value(&TRY.replace("ada", "bob")).as_deref(), Some("1200"));
    // Nor does another session begin anew, and other databases count for themselves.
    let wait: i32 = db.connect("postgres").value(TRY).unwrap().parse().unwrap();
    assert!((1199..=1200).contains(&wait), "{wait}");
    assert_eq!(Counting::new().connect("postgres").value(TRY).as_deref(), Some("0"));
    // It writes nothing.
    session.run("begin read only");
    assert_eq!(session.value(&TRY.replace("ada", "eve")).as_deref(), Some("0"));
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    session.run("commit");
}

#[test]
fn t134_sessions_that_race_never_get_more_than_the_limit() {
    let db = Counting::new();
    for (value, most) in [("many", 500), ("one", 1), ("few", 7)] {
        let all = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    all.fetch_add(passed(&mut db.connect("postgres"), value, most), Ordering::Relaxed)
                });
            }
        });
        assert_eq!(all.into_inner(), most, "{value}");
    }
}

#[test]
fn t134_tries_of_others_make_nobodys_forgotten() {
    let settings = [("pg_bearer.max_tracked_tries", "1024")];
    let server = counting_server("tries-small", &settings);
    let mut session = connect(server.socket_dir(), "postgres", "postgres");
    assert_eq!(passed(&mut session, "ada", 5), 5);
    session.run(
        "select count(auth_internal.take_try('test', n::text, 5, '1 day')) from generate_series(1, 50000) n",
    );
    assert_eq!(passed(&mut session, "ada", 5), 0);
    // A restart does.
    server.restart().unwrap();
    let mut session = connect(server.socket_dir(), "postgres", "postgres");
    assert_eq!(passed(&mut session, "ada", 5), 5);
}

#[test]
fn wrong_limits_are_refused_and_nothing_is_kept_without_preloading() {
    let db = Database::new();
    let mut session = db.superuser();
    assert_eq!(session.value(TRY), None);
    for arguments in [
        "null, 'v', 1, '1 s'",
        "'k', null, 1, '1 s'",
        "'k', 'v', null, '1 s'",
        "'k', 'v', 1, null",
        "'k', 'v', -1, '1 s'",
        "'k', 'v', 1, '0 s'",
        "'k', 'v', 1, '-1 s'",
        "'k', 'v', 1, '367 days'",
    ] {
        let refused = session.refused(&format!("select auth_internal.take_try({arguments})"));
        assert_eq!(refused, "22023 kind, value, most and period must be given", "{arguments}");
    }
    let preloaded = Counting::new();
    let nothing = "select auth_internal.take_try('k', 'v', 0, '1 min')";
    assert_eq!(preloaded.connect("postgres").value(nothing).as_deref(), Some("60"));
    let refused = refusal(db.tenant().batch_execute(TRY));
    assert_eq!(refused, "42501 permission denied for function take_try");
}

/// The network for each value of `X-Forwarded-For`.
fn assert_networks(session: &mut Client, cases: &[(&str, Option<&str>)]) {
    for (forwarded, expected) in cases {
        let headers = format!("set request.headers = '{{\"x-forwarded-for\": \"{forwarded}\"}}'");
        session.run(&headers);
        assert_values(session, &[("select auth_internal.client_network()", *expected)]);
    }
}

#[test]
fn the_network_of_a_client_is_what_trusted_proxies_say() {
    // Free a moment ago; another program that takes it now makes the test fail, not pass.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let settings = [("listen_addresses", "127.0.0.1"), ("port", port.as_str())];
    let server = counting_server("tries-network", &settings);
    let mut config = Config::new();
    config.port(server.port()).dbname("postgres").user("postgres");
    let mut socket = config.clone().host_path(server.socket_dir()).connect(NoTls).unwrap();
    let mut tcp = config.host("127.0.0.1").connect(NoTls).unwrap();
    let network = "select auth_internal.client_network()";
    assert_values(&mut socket, &[(network, None)]);
    assert_values(&mut tcp, &[(network, Some("127.0.0.1/32"))]);
    // Nobody is believed who is not trusted.
    assert_networks(&mut socket, &[("203.0.113.7", None)]);
    assert_networks(&mut tcp, &[("203.0.113.7", Some("127.0.0.1/32"))]);
    let trusted = "alter system set pg_bearer.trusted_proxies = 'local, 127.0.0.1'";
    socket.run(trusted);
    socket.run("select pg_reload_conf()");
    for session in [&mut socket, &mut tcp] {
        while session.value("show pg_bearer.trusted_proxies").as_deref() == Some("") {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_networks(
            session,
            &[
                ("203.0.113.7", Some("203.0.113.7/32")),
                ("198.51.100.1, 203.0.113.7", Some("203.0.113.7/32")),
                ("203.0.113.7, 127.0.0.1", Some("203.0.113.7/32")),
                ("::ffff:203.0.113.7", Some("203.0.113.7/32")),
                ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1:2::/64")),
                ("[2001:db8:1:2::9]:443", Some("2001:db8:1:2::/64")),
                ("unknown", None),
                ("", None),
            ],
        );
    }
}
