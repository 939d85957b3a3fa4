//! What a policy that is explained could learn of the administrator's session, and how it could carry something out.

use super::explain_attacks::{set_trap, verdict};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains, assert_values};
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};
use std::sync::{Arc, Mutex};

/// What shows a session something of what it ran, prepared or opened: a query each.
const READERS: [&str; 11] = [
    "select string_agg(statement, ' ') from pg_cursors",
    "select string_agg(statement, ' ') from pg_prepared_statements",
    "select current_query()",
    "select string_agg(query, ' ') from pg_stat_activity",
    "select string_agg(pg_stat_get_backend_activity(b), ' ') from pg_stat_get_backend_idset() b",
    "select string_agg(ident, ' ') from pg_backend_memory_contexts",
    "select lair.context()",
    "select lair.caught()",
    "select current_setting('request.headers', true)",
    "select current_setting('request.cookies', true)",
    "select concat(auth.identity(), auth.jwt(), current_setting('pg_bearer.identity', true))",
];

const REFUSED: &str = "locks that outlast the transaction, and what tells of this session, are refused while access is explained";

/// A policy's attack that tells, by an error, what a query shows.
fn telling(query: &str) -> String {
    format!(
        "do $$ declare seen text; begin execute {} into seen; raise exception 'read: %', coalesce(seen, 'nothing'); end $$",
        quoted(query)
    )
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A trap in whose role everything can be read that a role may be granted.
fn set_reading_trap(db: &Database, session: &mut Client) -> String {
    let role = set_trap(db, session);
    session.run(&format!(
        "grant pg_read_all_stats to {role};
         create function lair.context() returns text language plpgsql as
         $$ declare seen text; begin get diagnostics seen = pg_context; return seen; end $$;
         create function lair.caught() returns text language plpgsql as
         $$ declare seen text; begin perform 1 / 0; exception when others then get stacked diagnostics seen = pg_exception_context; return seen; end $$"
    ));
    role
}

fn ask(role: &str, credential: &str) -> String {
    format!(
        "select string_agg(concat(verdict, conclusion), ' ') from auth.explain_access('lair.trap', 'select', credential => {credential}, row_key => '{{\"id\": 1}}', as_role => '{role}')"
    )
}

#[test]
fn t290_nothing_tells_a_policy_what_the_administrator_wrote() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_reading_trap(&db, &mut session);
    let token = token_a();
    let secret = token.rsplit('.').next().unwrap();
    session.run(&format!(
        "set log_parameter_max_length_on_error = -1; set request.headers = '{token}'; set request.cookies = '{token}';
         prepare kept as select '{token}'::text; declare held cursor with hold for select '{token}'::text"
    ));
    let literal = ask(&role, &quoted(&token));
    // What comes before $1 is no different for a credential that is bound.
    let bound = ask(&role, "$1");
    let within = format!(
        "do $do$ declare said text; begin {}; perform set_config('villain.said', said, false); end $do$",
        literal.replacen(" from", " into said from", 1)
    );
    let looping = format!(
        "do $do$ declare said text; r record; begin for r in select '{token}' loop {}; end loop; perform set_config('villain.said', said, false); end $do$",
        literal.replacen(" from", " into said from", 1)
    );
    let mut leaks = Vec::new();
    for reader in READERS {
        session.execute("select set_config('villain.sql', $1, false)", &[&telling(reader)]).unwrap();
        let mut said = Vec::new();
        said.push(session.value(&literal).unwrap());
        // By the protocol of drivers: with a name of theirs, and a portal.
        said.push(session.query_one(&literal, &[]).unwrap().get(0));
        said.push(session.query_one(&bound, &[&token]).unwrap().get(0));
        for block in [&within, &looping] {
            session.run(block);
            said.push(session.value("select current_setting('villain.said')").unwrap());
        }
        assert!(said.iter().all(|said| said.contains("error: ")), "{reader}: {said:?}");
        if said.iter().any(|said| said.contains(secret)) {
            leaks.push(reader);
        }
    }
    assert_eq!(leaks, [] as [&str; 0]);
    // Each of them shows it to the administrator.
    session.run("set villain.sql = ''");
    for reader in READERS.iter().filter(|reader| !reader.contains("pg_bearer.identity")) {
        let seen = format!("select coalesce(({reader}), '') || left('{token}', 0)");
        session.run(&format!(
            "do $do$ declare seen text; begin {}; perform set_config('villain.said', seen, false); end $do$",
            seen.replacen("select", "seen :=", 1)
        ));
        assert_contains(session.value("select current_setting('villain.said')").unwrap(), secret);
    }
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn t291_what_the_session_has_open_or_prepared_is_neither_used_nor_changed() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    session.run(
        "prepare kept as select 'secret'::text; declare held scroll cursor with hold for select 'secret' || n from generate_series(1, 3) n",
    );
    let fetch = |name: &str| {
        format!(
            "do $$ declare c refcursor := '{name}'; r record; begin fetch c into r; raise exception 'read: %', r; end $$"
        )
    };
    let attacks = [
        (fetch("held"), "cannot be run"),
        ("do $$ declare c refcursor := 'held'; begin move c; end $$".to_owned(), "cannot be run"),
        (
            "do $$ declare c refcursor := 'held'; begin close c; end $$".to_owned(),
            "cannot drop active portal",
        ),
        ("close held".to_owned(), "cannot execute CLOSE within security-restricted operation"),
        (telling("execute kept"), "not executed while access is explained"),
        (telling("explain (verbose) execute kept"), "not executed while access is explained"),
        ("deallocate kept".to_owned(), "cannot execute DEALLOCATE within security-restricted operation"),
        ("discard plans".to_owned(), "cannot execute DISCARD within security-restricted operation"),
    ];
    for (attack, error) in &attacks {
        let verdict = verdict(&mut session, &role, attack);
        assert_contains(&verdict, error);
        assert!(!verdict.contains("secret"), "{attack}: {verdict}");
    }
    // Nor what the caller loops over, or what we do.
    for name in (1..9).map(|number| format!("<unnamed portal {number}>")) {
        session.execute("select set_config('villain.sql', $1, false)", &[&fetch(&name)]).unwrap();
        session.run(&format!(
            "do $do$ declare r record; rows int := 0; said text; begin
             for r in select 'secret' || n from generate_series(1, 30) n loop
                 select string_agg(verdict, ' ') into said from auth.explain_access('lair.trap', 'select', row_key => '{{\"id\": 1}}', as_role => '{role}');
                 if said not like 'error: %' or said like '%secret%' or said like '%read:%' then raise exception 'loop: %', said; end if;
                 rows := rows + 1;
             end loop;
             if rows <> 30 then raise exception '% rows', rows; end if; end $do$"
        ));
    }
    // Afterwards everything is there, also when the explanation was cut short.
    let sleep = "select pg_sleep(60)";
    session.execute("select set_config('villain.sql', $1, false)", &[&sleep]).unwrap();
    session.run("set statement_timeout = '200ms'");
    let cut_short = session.refused(&ask(&role, "null"));
    assert_eq!(cut_short, "57014 canceling statement due to statement timeout");
    session.run("reset statement_timeout; set villain.sql = ''");
    assert_values(
        &mut session,
        &[
            ("execute kept", Some("secret")),
            ("fetch held", Some("secret1")),
            ("select statement like '%secret%' from pg_cursors where name = 'held'", Some("t")),
            ("select statement like '%secret%' from pg_prepared_statements where name = 'kept'", Some("t")),
            ("fetch held", Some("secret2")),
        ],
    );
    session.run("close held; deallocate kept");
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

/// Drivers prepare what they run, under names of theirs, and loop over cursors.
#[test]
fn explaining_works_beside_whatever_a_session_has_prepared() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("prepare kept as select * from docs where body = 'x'; prepare other (int) as select $1");
    let ask = session
        .prepare("select count(*) from auth.explain_access('docs', 'select', row_key => $1::text::jsonb, as_role => 'tenant')")
        .unwrap();
    for _ in 0..7 {
        assert_eq!(session.query_one(&ask, &[&r#"{"id": 1}"#]).unwrap().get::<_, i64>(0), 2);
    }
}

#[test]
fn t292_session_level_advisory_locks_are_neither_taken_nor_released() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    session.run("select pg_advisory_lock(1), pg_advisory_lock(1)");
    let locks = "select string_agg(concat_ws(' ', classid, objid, objsubid, mode), ', ') from pg_locks where locktype = 'advisory'
                 and database = (select oid from pg_database where datname = current_database())";
    let before = session.value(locks);
    let mut functions = vec!["unlock_all()".to_owned()];
    for arguments in ["(7)", "(7, 8)", "(1)"] {
        for name in ["lock", "lock_shared", "unlock", "unlock_shared"] {
            functions.push(format!("{name}{arguments}"));
        }
    }
    let tried = functions
        .iter()
        .filter(|call| call.starts_with("lock"))
        .map(|call| format!("pg_try_advisory_{call}"));
    let calls: Vec<_> = functions.iter().map(|call| format!("pg_advisory_{call}")).chain(tried).collect();
    for call in calls {
        for attack in [
            format!("select {call}"),
            format!("select * from {call}"),
            format!("do $$ begin perform {call}; end $$"),
        ] {
            let verdict = verdict(&mut session, &role, &attack);
            assert_eq!(verdict, format!("error: {REFUSED}"), "{attack}");
        }
    }
    // Those of the transaction end with it.
    for call in ["pg_advisory_xact_lock(7)", "pg_try_advisory_xact_lock_shared(7, 8)"] {
        assert_eq!(verdict(&mut session, &role, &format!("select {call}")), "true");
    }
    assert_eq!(session.value(locks), before);
    assert_values(
        &mut session,
        &[
            ("select pg_advisory_unlock(1)", Some("t")),
            ("select pg_advisory_unlock(1)", Some("t")),
            ("select pg_advisory_unlock(1)", Some("f")),
            // Elsewhere everything is as ever.
            ("select pg_try_advisory_lock(7)", Some("t")),
        ],
    );
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

/// A function that says wrongly that it may run there.
#[test]
fn t292_nor_are_they_in_parallel_workers() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    session.run(
        "create function lair.worker(call text, leader int) returns void language plpgsql parallel safe as
         $$ begin if pg_backend_pid() = leader then raise exception 'no worker'; end if; execute 'select ' || call; end $$;
         create table lair.long (n int); insert into lair.long select generate_series(1, 1000); grant select on lair.long to public",
    );
    let attack = |call: &str| {
        format!(
            "do $$ declare leader int := pg_backend_pid(); begin
             perform set_config(case when current_setting('server_version_num')::int < 160000 then 'force_parallel_mode' else 'debug_parallel_query' end, 'on', true);
             perform lair.worker({}, leader) from lair.long; end $$",
            quoted(call)
        )
    };
    assert_eq!(verdict(&mut session, &role, &attack("1")), "true");
    for call in ["pg_advisory_lock(7)", "pg_logical_emit_message(false, 'stolen', 'x')"] {
        assert_eq!(verdict(&mut session, &role, &attack(call)), format!("error: {REFUSED}"), "{call}");
    }
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

/// Everything that somebody else could look at afterwards.
fn outside(session: &mut Client, pid: &str) -> String {
    session
        .value(&format!(
            "select jsonb_build_array((select count(*) from pg_largeobject_metadata), (select concat(last_value, is_called) from lair.counter),
                    (select application_name from pg_stat_activity where pid = {pid}), (select count(*) from pg_class),
                    (select count(*) from pg_locks where pid = {pid} and locktype not in ('virtualxid', 'relation')),
                    (select count(*) from pg_prepared_xacts), (select count(*) from pg_replication_slots))"
        ))
        .unwrap()
}

#[test]
fn t293_nothing_that_lasts_carries_anything_out() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    session.run(&format!(
        "create table lair.stolen (what text); grant all on lair.stolen to {role}; grant create on database {} to {role}",
        db.name
    ));
    let pid = session.value("select pg_backend_pid()").unwrap();
    let mut witness = db.superuser();
    let before = outside(&mut witness, &pid);
    for (attack, refused) in [
        ("select nextval('lair.counter')", true),
        ("select setval('lair.counter', 77)", true),
        ("select currval('lair.counter')", true),
        ("select lastval()", true),
        ("insert into lair.stolen values ('x')", true),
        ("create temp table stolen (what text)", true),
        ("create temp sequence stolen", true),
        ("create schema stolen", true),
        ("select pg_notify('stolen', 'x')", false),
        ("listen stolen", true),
        ("set application_name = 'stolen'", false),
        ("select set_config('application_name', 'stolen', false)", false),
        ("select pg_logical_emit_message(false, 'stolen', 'x')", true),
        ("select pg_logical_emit_message(true, 'stolen', 'x'::bytea)", true),
        ("select setseed(0.25)", true),
        ("select pg_export_snapshot()", true),
        ("select pg_stat_reset()", true),
        ("select pg_log_backend_memory_contexts(pg_backend_pid())", true),
        ("copy (select 1) to '/tmp/stolen'", true),
        ("copy lair.stolen to stdout", true),
        ("select lo_export(1, '/tmp/stolen')", true),
        ("prepare stolen as select 1", true),
        ("lock table lair.stolen in access share mode", false),
    ] {
        let verdict = verdict(&mut session, &role, attack);
        assert_eq!(verdict.starts_with("error: "), refused, "{attack}: {verdict}");
        assert!(refused || verdict == "true", "{attack}: {verdict}");
        session.run("set villain.sql = ''");
        assert_eq!(outside(&mut witness, &pid), before, "{attack}");
    }
    // PostgreSQL 15 makes large objects also READ ONLY; they are gone all the same.
    verdict(&mut session, &role, "select lo_from_bytea(0, 'x')");
    assert_eq!(outside(&mut witness, &pid), before);
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

/// SECURITY.md says which channels stay open, and for what: for what the role reads, not for what the administrator wrote.
#[test]
fn t293_counters_tell_what_a_policy_did_as_after_any_query_of_the_role() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    let scans = "select seq_scan from pg_stat_user_tables where relid = 'lair.loot'::regclass";
    session.run("select pg_stat_force_next_flush()");
    let before: i64 = session.value(scans).unwrap().parse().unwrap();
    let attack = "do $$ begin perform from lair.loot; end $$";
    assert_eq!(verdict(&mut session, &role, attack), "true");
    session.run("select pg_stat_force_next_flush()");
    let after: i64 = session.value(scans).unwrap().parse().unwrap();
    assert!(after > before, "if this channel is closed, SECURITY.md should say so: {before}, {after}");
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn t294_a_policy_says_nothing_to_the_client() {
    let db = Database::new();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let mut config = db.config("postgres");
    config.notice_callback(move |notice| hears.lock().unwrap().push(notice.message().to_owned()));
    let mut session = config.connect(NoTls).unwrap();
    let role = set_trap(&db, &mut session);
    heard.lock().unwrap().clear();
    for level in ["debug", "log", "notice", "info", "warning"] {
        let attack = format!(
            "do $$ begin set local client_min_messages = debug1; raise {level} 'table dropped'; end $$"
        );
        assert_eq!(verdict(&mut session, &role, &attack), "true");
    }
    verdict(&mut session, &role, "do $$ begin raise warning 'table dropped'; raise exception 'no'; end $$");
    assert_eq!(*heard.lock().unwrap(), [] as [String; 0]);
    session.run("do $$ begin raise notice 'ours'; end $$");
    assert_eq!(*heard.lock().unwrap(), ["ours"]);
    session.run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn t296_a_policy_does_not_choose_the_administrator_s_random_numbers() {
    let db = Database::new();
    let mut session = db.superuser();
    let role = set_trap(&db, &mut session);
    let next = || {
        let mut fresh = db.superuser();
        assert_eq!(verdict(&mut fresh, &role, "select set_config('seed', '0.5', true)"), "true");
        fresh.value("select random()").unwrap()
    };
    assert_ne!(next(), next());
    session.run(&format!("drop owned by {role}; drop role {role}"));
}
