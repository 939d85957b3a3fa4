//! t157: a private key is in its table, and nowhere else.

use super::spellings::Canaries;
use super::*;
use crate::dump;
use pg_bearer_tests::database::{assert_contains, installation};
use postgres::error::ErrorPosition;
use postgres::{Config, NoTls};
use std::sync::{Arc, Mutex};
use xtask::Server;

/// A key of every algorithm.
fn create_all(session: &mut Client) {
    for alg in ALGORITHMS {
        create(session, alg);
        if alg != "ES256" {
            rotate(session);
        }
    }
}

/// What pg_dump writes and says for this role, with these options for the server.
fn dumped(db: &Database, role: &str, format: &str, options: &str) -> Vec<u8> {
    let mut pg_dump = dump::program("pg_dump", role);
    let output = pg_dump.env("PGOPTIONS", options).args([format, "-Z0"]).arg(&db.name).output().unwrap();
    [output.stdout, output.stderr].concat()
}

#[test]
fn t157_a_dump_has_a_private_key_only_where_a_superuser_asks_for_it() {
    let (db, mut session) = world();
    create_all(&mut session);
    let mut superuser = db.superuser();
    let canaries = Canaries::of(&mut superuser);
    let on = "-c pg_bearer.dump_secrets=on";
    for format in ["-Fp", "-Fc"] {
        assert!(canaries.find(&dumped(&db, "postgres", format, on)).is_some(), "{format}: nothing is proven");
        canaries.assert_hidden(dumped(&db, "postgres", format, ""), format);
        for role in ["tenant", "administrator"] {
            canaries.assert_hidden(dumped(&db, role, format, on), role);
        }
    }
    // Nobody else turns it on, for themselves or for the superuser, whether or not the library is loaded.
    superuser.run(&format!(
        "create role signing_owner login in role bearer_admin; grant create on database {0} to signing_owner;
         alter database {0} owner to signing_owner",
        db.name
    ));
    for loaded in [false, true] {
        let mut owner = db.connect("signing_owner");
        if loaded {
            owner.run("select auth.is_authenticated()");
        }
        for statement in [
            "alter role signing_owner set pg_bearer.dump_secrets = on".to_owned(),
            "alter role signing_owner set pg_bearer.dump_secrets = 'on'".to_owned(),
            format!("alter role signing_owner in database {} set pg_bearer.dump_secrets = on", db.name),
            format!("alter database {} set pg_bearer.dump_secrets = on", db.name),
        ] {
            let refused = owner.refused(&statement);
            assert!(
                refused.starts_with("42501 permission denied to set parameter"),
                "{statement}: {refused}"
            );
        }
        if loaded {
            let refused = owner.refused("set pg_bearer.dump_secrets = on");
            assert!(refused.starts_with("42501 "), "{refused}");
        }
    }
    canaries.assert_hidden(dumped(&db, "signing_owner", "-Fp", on), "the owner of the database");
    canaries.assert_hidden(dumped(&db, "postgres", "-Fp", ""), "after all");
    drop(session);
    drop(db);
    server_psql("drop role signing_owner");
}

fn server_psql(sql: &str) {
    pg_bearer_tests::server().psql("postgres", sql).unwrap();
}

/// Whatever a server can be told to log, and sessions to print for themselves.
const SETTINGS: &[&str] = &[
    "log_statement = 'all'",
    "log_duration = on",
    "log_min_messages = debug1",
    "log_error_verbosity = verbose",
    "log_min_error_statement = debug5",
    "log_parameter_max_length = -1",
    "log_parameter_max_length_on_error = -1",
    "log_min_duration_statement = 0",
    "auto_explain.log_min_duration = 0",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_analyze = on",
    "auto_explain.log_verbose = on",
    "auto_explain.log_triggers = on",
    "auto_explain.log_settings = on",
    "debug_print_parse = on",
    "debug_print_rewritten = on",
    "debug_print_plan = on",
    "debug_pretty_print = off",
    "client_min_messages = debug1",
];

/// A server that preloads what looks at statements.
fn start() -> Server {
    let libraries = "pg_bearer,auto_explain,pg_stat_statements";
    let settings = [("shared_preload_libraries", libraries), ("pg_stat_statements.track", "all")];
    let server = Server::start(installation(), "signing", &settings).unwrap();
    let setup = format!(
        "create extension pg_stat_statements; create extension pg_bearer; select auth.add_issuer('{OWN}', own => true);
         create role administrator login in role bearer_admin; create role tenant login"
    );
    server.psql("postgres", &setup).unwrap();
    server
}

/// A session, and what it is told.
fn connect(server: &Server, user: &str) -> (Client, Arc<Mutex<String>>) {
    let told = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&told);
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user(user);
    config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice:?}\n"));
    (config.connect(NoTls).unwrap(), told)
}

#[test]
fn t157_a_private_key_is_in_no_log_message_statement_or_catalog() {
    let server = start();
    let (mut session, told) = connect(&server, "postgres");
    for setting in SETTINGS {
        session.run(&format!("set {setting}"));
    }
    // PostgreSQL 16 and later.
    let _ = session.batch_execute("set auto_explain.log_parameter_max_length = -1");
    let (mut other, _) = connect(&server, "postgres");
    let mut activity = String::new();
    for _ in 0..2 {
        for alg in ALGORITHMS {
            create(&mut session, alg);
            issue(&mut session);
            if states(&mut session).contains("next") {
                rotate(&mut session);
            }
            let rows = other.query("select a::text from pg_stat_activity a", &[]).unwrap();
            activity.extend(rows.iter().map(|row| row.get::<_, String>(0)));
        }
    }
    // A key that is broken.
    let broken =
        "begin; update auth.jwt_secrets set material = substr(material, 2); select auth.issue_jwt('ada')";
    let error = session.batch_execute(broken).unwrap_err();
    assert_contains(format!("{error:?}"), "55000");
    activity += &format!("{error:?}");
    session.run("rollback; analyze");
    let canaries = Canaries::of(&mut other);
    let log = server.log();
    for sign in ["generate_signing_key", "was signed", "Query Text", ":commandType", "ERROR:  "] {
        assert_contains(log.contains(sign), "true");
    }
    assert_contains(&*told.lock().unwrap(), "PLANNEDSTMT");
    canaries.assert_hidden(&log, "the log");
    canaries.assert_hidden(&*told.lock().unwrap(), "what the session was told");
    canaries.assert_hidden(&activity, "pg_stat_activity, or an error");
    let kept = server.psql("postgres", "select query from pg_stat_statements").unwrap();
    assert_contains(&kept, "jwt_secrets");
    canaries.assert_hidden(&kept, "pg_stat_statements");
    assert_catalogs(&mut other, &canaries);
}

/// Every table and view of every schema but the table itself.
fn assert_catalogs(session: &mut Client, canaries: &Canaries) {
    let relations = "select c.oid::regclass::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
                      where c.relkind in ('r', 'v', 'm', 'p') and c.oid not in ('auth.jwt_secrets'::regclass, 'pg_largeobject'::regclass)
                        and n.nspname <> 'pg_toast'";
    let relations: Vec<String> =
        session.query(relations, &[]).unwrap().iter().map(|row| row.get(0)).collect();
    assert!(relations.len() > 150 && relations.iter().any(|name| name == "pg_statistic"), "{relations:?}");
    let mut read = 0;
    for relation in relations {
        let Ok(rows) = session.query(&format!("select t::text from {relation} t"), &[]) else { continue };
        read += 1;
        for row in rows {
            canaries.assert_hidden(row.get::<_, Option<String>>(0).unwrap_or_default(), &relation);
        }
    }
    assert!(read > 150, "{read}");
}

/// A value of this type that could lead to a key.
const ARGUMENTS: &str = "select case t when 'uuid'::regtype then quote_literal(key) || '::uuid'
     when 'text'::regtype then case n % 3 when 0 then quote_literal(key) when 1 then quote_literal(issuer) else quote_literal('ES256') end || '::text'
     when 'regclass'::regtype then '''auth.jwt_secrets''::regclass' when 'oid'::regtype then '''auth.jwt_secrets''::regclass::oid'
     when 'interval'::regtype then '''1 hour''::interval' when 'boolean'::regtype then 'true' when 'integer'::regtype then '1'
     when 'jsonb'::regtype then '''{}''::jsonb' when 'name[]'::regtype then '''{auth}''::name[]'
     else format('null::%s', t::regtype) end";

#[test]
fn t157_no_function_that_others_can_call_returns_a_private_key() {
    let (db, mut session) = world();
    create_all(&mut session);
    let mut superuser = db.superuser();
    let canaries = Canaries::of(&mut superuser);
    let key = superuser.value("select id from auth.jwt_keys where made_in is not null limit 1").unwrap();
    let token = issue(&mut session);
    let mut called = 0;
    for (role, credential) in
        [("administrator", None), ("administrator", Some(&token)), ("tenant", None), ("tenant", Some(&token))]
    {
        let mut session = db.connect(role);
        for n in 0..3 {
            let calls = format!(
                "select format('select f::text from %I.%I(%s) f', s.nspname, p.proname,
                               array_to_string(array({ARGUMENTS} from unnest(p.proargtypes::oid[]) with ordinality a (t, at),
                                                     lateral (select {n} + at as n) x order by at), ', '))
                   from pg_proc p join pg_namespace s on s.oid = p.pronamespace,
                        (values ('{key}', '{OWN}')) v (key, issuer)
                  where s.nspname in ('auth', 'auth_internal') and has_schema_privilege('{role}', s.oid, 'usage')
                    and has_function_privilege('{role}', p.oid, 'execute') and p.prokind = 'f'
                    and 'internal'::regtype <> all (p.proargtypes::oid[])
                    and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype)"
            );
            let calls: Vec<String> =
                superuser.query(&calls, &[]).unwrap().iter().map(|row| row.get(0)).collect();
            for call in calls {
                called += 1;
                session.run("begin");
                if let Some(credential) = credential {
                    session.authenticate(credential).unwrap();
                }
                match session.query(&call, &[]) {
                    Ok(rows) => rows.iter().for_each(|row| {
                        canaries.assert_hidden(row.get::<_, Option<String>>(0).unwrap_or_default(), &call);
                    }),
                    Err(error) => canaries.assert_hidden(everything(&error), &call),
                }
                let _ = session.batch_execute("rollback");
            }
        }
        for sql in [
            "select * from auth.jwt_secrets",
            "copy auth.jwt_secrets to stdout",
            "select material from auth.jwt_secrets for update",
        ] {
            assert!(session.refused(sql).starts_with("42501 "), "{sql}");
        }
    }
    assert!(called > 1000, "{called}");
}

/// All that an error says.
fn everything(error: &postgres::Error) -> String {
    let position = error.as_db_error().and_then(|error| match error.position() {
        Some(ErrorPosition::Internal { query, .. }) => Some(query.clone()),
        _ => None,
    });
    format!("{error:?} {position:?}")
}
