//! Counts arrive in the tables, exactly once, whatever happens to databases and processes.

use super::world::{
    Counting, connect, counting_server, errors, make_key, recorded, server, until, until_recorded, use_key,
};
use crate::upgrade::{install, released, update, update_from};
use pg_bearer_tests::database::{Session, assert_values, installation};
use postgres::Client;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn uses_arrive_in_the_tables() {
    let db = Counting::new();
    let (mut administrator, mut session) = (db.connect("postgres"), db.connect("tenant"));
    let used = make_key(&mut administrator, "used", &[]);
    let unused = make_key(&mut administrator, "unused", &[]);
    for _ in 0..5 {
        use_key(&mut session, "used").unwrap();
    }
    session.run("begin");
    use_key(&mut session, "used").unwrap();
    session.run("rollback");
    until_recorded(&mut administrator, &used, 6);
    assert_eq!(recorded(&mut administrator, &unused), (0, false));
    let facts = format!(
        "select bool_and(u.last_used_at between now() - interval '1 minute' and clock_timestamp()
                         and d.day in ((now() at time zone 'UTC')::date, (u.last_used_at at time zone 'UTC')::date))
           from auth.api_key_uses u join auth.api_key_usage d using (key_id) where key_id = '{used}'"
    );
    assert_values(&mut administrator, &[(&facts, Some("t"))]);
    // Again, on what is there.
    let before = administrator.value("select max(last_used_at) from auth.api_key_uses").unwrap();
    use_key(&mut session, "used").unwrap();
    until_recorded(&mut administrator, &used, 7);
    assert_ne!(administrator.value("select max(last_used_at) from auth.api_key_uses").unwrap(), before);
    let cases = [
        (
            "select count(*) from pg_stat_activity where backend_type = 'pg_bearer launcher' and datname is null",
            Some("1"),
        ),
        ("select auth_internal.counts_api_key_uses()", Some("t")),
        ("select context from pg_settings where name = 'pg_bearer.max_tracked_keys'", Some("postmaster")),
    ];
    assert_values(&mut administrator, &cases);
}

/// What is recorded in all, whatever the schema is.
fn recorded_in_all(administrator: &mut Client) -> String {
    administrator.value("select coalesce(sum(uses), 0)::text from auth.api_key_usage").unwrap()
}

#[test]
fn t199_uses_are_recorded_in_the_tables_of_a_release_before_and_after_its_update() {
    for (version, script) in released() {
        let name = format!("counting_in_{}", version.replace('.', "_"));
        server().psql("postgres", &format!("create database {name}")).unwrap();
        let mut administrator = connect(server().socket_dir(), &name, "postgres");
        install(&mut administrator, &script, &update_from(&version));
        make_key(&mut administrator, "key", &[]);
        let mut session = connect(server().socket_dir(), &name, "tenant");
        use_key(&mut session, "key").unwrap();
        until("a use in the old schema", || recorded_in_all(&mut administrator) == "1");
        update(&mut administrator);
        use_key(&mut session, "key").unwrap();
        until("a use in the new schema", || recorded_in_all(&mut administrator) == "2");
    }
}

#[test]
fn sixteen_sessions_are_counted_exactly() {
    let db = Counting::new();
    let mut administrator = db.connect("postgres");
    let keys: Vec<String> =
        ["hot", "warm"].iter().map(|key| make_key(&mut administrator, key, &[])).collect();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let mut session = db.connect("tenant");
                for round in 0..300 {
                    use_key(&mut session, if round % 10 == 0 { "warm" } else { "hot" }).unwrap();
                }
            });
        }
    });
    until_recorded(&mut administrator, &keys[0], 16 * 270);
    until_recorded(&mut administrator, &keys[1], 16 * 30);
    std::thread::sleep(Duration::from_millis(2500));
    until_recorded(&mut administrator, &keys[0], 16 * 270);
}

#[test]
fn a_thousand_uses_write_nothing() {
    // Without the records that the server writes by itself from time to time.
    let quiet = [
        ("autovacuum", "off"),
        ("wal_level", "minimal"),
        ("max_wal_senders", "0"),
        ("pg_bearer.usage_flush_interval", "1h"),
    ];
    let server = counting_server("usage-quiet", &quiet);
    let mut observer = connect(server.socket_dir(), "postgres", "postgres");
    make_key(&mut observer, "key", &[("rate_limit", "100000")]);
    observer.run("vacuum freeze");
    observer.run("checkpoint");
    let mut session = connect(server.socket_dir(), "postgres", "tenant");
    use_key(&mut session, "key").unwrap();
    let position = "select pg_current_wal_insert_lsn() || ' ' || pg_snapshot_xmax(pg_current_snapshot())";
    let before = observer.value(position);
    for round in 0..1000 {
        session.run(if round % 2 == 0 { "begin read only" } else { "begin" });
        use_key(&mut session, "key").unwrap();
        assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
        session.run("commit");
    }
    assert_eq!(observer.value(position), before);
}

#[test]
fn databases_are_recorded_apart_and_can_be_dropped() {
    let (kept, dropped) = (Counting::new(), Counting::new());
    let mut administrator = kept.connect("postgres");
    let key = make_key(&mut administrator, "key", &[]);
    make_key(&mut dropped.connect("postgres"), "key", &[]);
    let mut sessions = [kept.connect("tenant"), dropped.connect("tenant")];
    for round in 0..300 {
        use_key(&mut sessions[usize::from(round % 3 == 0)], "key").unwrap();
    }
    until_recorded(&mut administrator, &key, 200);
    let mut other = dropped.connect("postgres");
    until("the other database's uses", || {
        other.value("select coalesce(sum(uses), 0) from auth.api_key_usage").as_deref() == Some("100")
    });
    drop(other);
    // Counted a moment ago, and perhaps being recorded just now.
    for _ in 0..5 {
        use_key(&mut sessions[1], "key").unwrap();
        std::thread::sleep(Duration::from_millis(300));
    }
    let [_, second] = sessions;
    drop(second);
    let begin = Instant::now();
    server().psql("postgres", &format!("drop database {}", dropped.name)).unwrap();
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    std::thread::sleep(Duration::from_secs(3));
    let log = server().log();
    let complaints: Vec<_> =
        errors(&log).into_iter().filter(|line| line.contains("does not exist")).collect();
    assert!(complaints.len() <= 1, "{complaints:?}");
    use_key(&mut kept.connect("tenant"), "key").unwrap();
    until_recorded(&mut administrator, &key, 201);
}

#[test]
fn what_has_no_place_is_forgotten_quietly() {
    let server = counting_server("usage-dropped", &[]);
    let mut administrator = connect(server.socket_dir(), "postgres", "postgres");
    let key = make_key(&mut administrator, "key", &[]);
    let mut session = connect(server.socket_dir(), "postgres", "tenant");
    use_key(&mut session, "key").unwrap();
    // The worker comes while it is being dropped, and once it is gone.
    administrator.run("begin; drop extension pg_bearer cascade; select pg_sleep(0.8); commit");
    std::thread::sleep(Duration::from_secs(3));
    // A look-alike, which must not run with the worker's rights.
    administrator.run(
        "create schema auth authorization tenant; create schema auth_internal authorization tenant;
         create table auth.called (); grant all on auth.called to tenant;
         create function auth_internal.record_api_key_uses(uuid[], bigint[], timestamptz[]) returns void
             language sql security definer begin atomic insert into auth.called default values; end;
         alter function auth_internal.record_api_key_uses(uuid[], bigint[], timestamptz[]) owner to tenant;
         create function auth.record_api_key_uses(uuid[], bigint[], timestamptz[]) returns void
             language sql security definer begin atomic insert into auth.called default values; end;
         alter function auth.record_api_key_uses(uuid[], bigint[], timestamptz[]) owner to tenant",
    );
    std::thread::sleep(Duration::from_secs(2));
    assert_values(&mut administrator, &[("select count(*) from auth.called", Some("0"))]);
    administrator.run("drop schema auth, auth_internal cascade; create extension pg_bearer");
    // A key that is gone, and one that is there.
    let now = make_key(&mut administrator, "key", &[]);
    use_key(&mut session, "key").unwrap();
    until_recorded(&mut administrator, &now, 1);
    assert_eq!(recorded(&mut administrator, &key), (0, false));
    let gone = make_key(&mut administrator, "gone", &[]);
    use_key(&mut session, "gone").unwrap();
    administrator.run(&format!("delete from auth.api_keys where id = '{gone}'"));
    use_key(&mut session, "key").unwrap();
    until_recorded(&mut administrator, &now, 2);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(recorded(&mut administrator, &gone).0, 0);
    assert_eq!(errors(&server.log()), [] as [&str; 0]);
}

#[test]
fn the_function_that_records_is_found_in_either_schema_and_no_look_alike_in_the_other() {
    let db = Counting::new();
    let (mut administrator, mut session) = (db.connect("postgres"), db.connect("tenant"));
    let key = make_key(&mut administrator, "key", &[]);
    administrator.run(
        "create schema if not exists auth_internal;
         create table public.called (); grant all on public.called to tenant",
    );
    let function = "record_api_key_uses(uuid[], bigint[], timestamptz[])";
    let home_of_ours = "select pronamespace::regnamespace::text from pg_proc
                         where proname = 'record_api_key_uses' and proowner = 'bearer_owner'::regrole";
    for (uses, [home, other]) in [(1, ["auth_internal", "auth"]), (2, ["auth", "auth_internal"])] {
        if administrator.value(home_of_ours).as_deref() != Some(home) {
            administrator.run(&format!("alter function {other}.{function} set schema {home}"));
        }
        administrator.run(&format!(
            "create function {other}.{function} returns void language sql security definer
                 begin atomic insert into public.called default values; end;
             alter function {other}.{function} owner to tenant"
        ));
        use_key(&mut session, "key").unwrap();
        until_recorded(&mut administrator, &key, uses);
        administrator.run(&format!("drop function {other}.{function}"));
    }
    assert_values(&mut administrator, &[("select count(*) from public.called", Some("0"))]);
}

#[test]
fn what_cannot_be_recorded_now_is_recorded_later() {
    let db = Counting::new();
    let (mut administrator, mut session) = (db.connect("postgres"), db.connect("tenant"));
    let key = make_key(&mut administrator, "key", &[]);
    let mut blocker = db.connect("postgres");
    // Whatever is stored for the database, too.
    let name = &db.name;
    administrator.run(&format!(
        "alter database {name} set default_transaction_read_only = on;
         alter database {name} set default_transaction_isolation = serializable;
         alter database {name} set search_path = public;
         alter database {name} set session_authorization = tenant;
         alter database {name} set role = tenant;
         alter database {name} set session_preload_libraries = 'nowhere';
         alter database {name} set local_preload_libraries = 'nowhere';
         alter database {name} set row_security = off;
         alter database {name} set lock_timeout = 1;
         alter database {name} set statement_timeout = 1;
         alter database {name} set idle_session_timeout = 1;
         alter database {name} set idle_in_transaction_session_timeout = 1;
         alter database {name} set jit_above_cost = 0"
    ));
    let is_known = "select exists (select from pg_settings where name = 'transaction_timeout')";
    if administrator.value(is_known).as_deref() == Some("t") {
        administrator.run(&format!("alter database {name} set transaction_timeout = 2"));
    }
    blocker.run("begin; lock table auth.api_key_usage in share mode");
    for _ in 0..4 {
        use_key(&mut session, "key").unwrap();
        std::thread::sleep(Duration::from_secs(1));
    }
    until("a worker that gave up", || {
        db.server.log().contains("canceling statement due to statement timeout")
    });
    // One that is ended does not keep its successors from working.
    let end = format!(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity
          where backend_type = 'pg_bearer usage' and datname = '{name}' and query = 'recording uses of API keys'"
    );
    until("a worker that waits", || administrator.value(&end).as_deref() == Some("1"));
    assert_eq!(recorded(&mut administrator, &key), (0, false));
    blocker.run("rollback");
    until_recorded(&mut administrator, &key, 4);
}

#[test]
fn the_launcher_comes_back_and_the_server_survives_a_crash() {
    let server = counting_server("usage-crash", &[("restart_after_crash", "on")]);
    let open = |user: &str| connect(server.socket_dir(), "postgres", user);
    let mut administrator = open("postgres");
    let key = make_key(&mut administrator, "key", &[("rate_limit", "3"), ("rate_period", "1 hour")]);
    let mut session = open("tenant");
    (0..3).for_each(|_| use_key(&mut session, "key").unwrap());
    until_recorded(&mut administrator, &key, 3);
    assert!(use_key(&mut session, "key").is_err());

    administrator.run(
        "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'pg_bearer launcher'",
    );
    let other = make_key(&mut administrator, "other", &[]);
    use_key(&mut session, "other").unwrap();
    until_recorded(&mut administrator, &other, 1);

    // As a session that ran out of memory would.
    let pid = session.value("select pg_backend_pid()").unwrap();
    assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
    until("a server after the crash", || server.psql("postgres", "select 1").is_ok());
    let (mut administrator, mut session) = (open("postgres"), open("tenant"));
    (0..3).for_each(|_| use_key(&mut session, "key").unwrap());
    until_recorded(&mut administrator, &key, 6);

    // Of what was recorded, only what has reached the disk survives.
    administrator.run("checkpoint");
    server.kill().unwrap();
    server.restart().unwrap();
    let (mut administrator, mut session) = (open("postgres"), open("tenant"));
    (0..2).for_each(|_| use_key(&mut session, "key").unwrap());
    until_recorded(&mut administrator, &key, 8);
    let begin = Instant::now();
    server.stop().unwrap();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn a_standby_counts_for_itself_until_it_is_promoted() {
    let primary = counting_server("usage-primary", &[]);
    let mut administrator = connect(primary.socket_dir(), "postgres", "postgres");
    let key = make_key(&mut administrator, "key", &[("rate_limit", "5"), ("rate_period", "1 hour")]);
    let data = primary.socket_dir().join("standby");
    let mut backup = installation().command(&installation().bin("pg_basebackup"));
    backup.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"]);
    backup.arg("--host").arg(primary.socket_dir()).args(["--port", "5432", "--username", "postgres"]);
    assert!(backup.arg("--pgdata").arg(&data).status().unwrap().success());
    let pg_ctl = |arguments: &[&str]| {
        let mut command = installation().command(&installation().bin("pg_ctl"));
        command.args(arguments).args(["--wait", "--silent", "--pgdata"]).arg(&data);
        assert!(command.status().unwrap().success(), "{arguments:?}");
    };
    let options = format!("-c unix_socket_directories={}", data.display());
    pg_ctl(&["start", "--options", &options, "--log", &data.join("log").to_string_lossy()]);

    let mut session = connect(&data, "postgres", "tenant");
    let found = super::world::exhaust(&mut session, "key");
    assert_eq!((found.0, found.1.as_str()), (5, super::world::TOO_MANY));
    // The primary does not know of it, and neither fails.
    use_key(&mut connect(primary.socket_dir(), "postgres", "tenant"), "key").unwrap();
    until_recorded(&mut administrator, &key, 1);
    std::thread::sleep(Duration::from_secs(2));
    let mut observer = connect(&data, "postgres", "postgres");
    assert_eq!(recorded(&mut observer, &key).0, 1);
    assert_values(
        &mut observer,
        &[("select count(*) from pg_stat_activity where backend_type like 'pg\\_bearer%'", Some("0"))],
    );
    pg_ctl(&["promote"]);
    until_recorded(&mut observer, &key, 6);
    pg_ctl(&["stop", "--mode=immediate"]);
}
