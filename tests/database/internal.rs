//! Schema auth_internal: everybody may look into it, and nobody gets more there than he has.

use super::catalog::rows;
use super::dump::{TABLES, TENANTS};
use super::install::{assert_clean, catalog};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;
use postgres::Client;

/// Functions of auth_internal that everybody may execute, and why.
const FOR_EVERYBODY: [(&str, &str); 37] = [
    ("protection_", "auth.protect() runs as its caller, and so do its parts"),
    ("refuse_protection", "raises the errors of auth.protect()"),
    (
        "run_protection",
        "auth.protect() runs its steps by it, for which guards wait; it does what that does, with the rights of its caller",
    ),
    (
        "run_unprotection",
        "auth.unprotect() runs its steps by it, which notes them; it does what that does, with the rights of its caller",
    ),
    ("base_type", "auth.protect() asks for the types of columns, which everybody may read"),
    ("column_has_index", "auth.protect() asks for indexes, which everybody may read"),
    ("column_readers", "auth.protect() asks which function answers for a column of a type"),
    (
        "foreign_keys_without_org",
        "auth.protect() suggests keys that it makes of catalogs, which everybody may read",
    ),
    ("free_key_name", "auth.protect() names keys, and everybody may read what has a name"),
    ("organization_names", "auth.protect() looks for columns with these names"),
    ("as_block", "auth.protect() suggests statements, and this makes text of text"),
    ("as_data_migration", "auth.protect() suggests statements, and this makes text of text"),
    ("refuse", "auth.protect() runs as its caller, and this raises an error and does nothing else"),
    ("is_application_schema", "compares a name with those of the system"),
    ("our_schemas", "is a list of names"),
    ("demand_superuser", "says why others cannot call the function that calls it"),
    ("table_tree", "auth.protect() asks for the children of a table, which everybody may read"),
    (
        "unique_keys_without_org",
        "auth.protect() suggests keys that it makes of catalogs, which everybody may read",
    ),
    (
        "foreign_key_query",
        "auth.recheck_foreign_keys() makes queries of the catalog, which everybody may read",
    ),
    (
        "is_migrating",
        "the policy of a data migration asks it as the owner of a table, about his own transaction",
    ),
    ("pinned", "auth.protect() suggests statements, and this makes text of text"),
    ("portable", "auth.protect() suggests statements, and this makes text of text"),
    ("portable_literals", "auth.protect() makes statements, and this makes text of text"),
    ("read_by_settings", "the same, by what the catalog says of a type"),
    ("printed_index", "auth.protect() suggests indexes, whose definitions everybody may read"),
    ("qualified", "auth.protect() names tables, whose names everybody may read"),
    ("spelt_out", "auth.protect() makes statements, and this makes text of text"),
    ("callers_of", "auth.help() runs as its caller, and reads comments and grants, which everybody may read"),
    (
        "help_heading",
        "auth.help() runs as its caller, and reads comments and grants, which everybody may read",
    ),
    ("reference", "auth.help() runs as its caller, and reads comments and grants, which everybody may read"),
    (
        "signature_of",
        "auth.help() runs as its caller, and reads comments and grants, which everybody may read",
    ),
    ("topics", "auth.help() runs as its caller, and reads comments and grants, which everybody may read"),
    ("wrapped", "auth.help() runs as its caller, and reads comments and grants, which everybody may read"),
    ("http_answer", "functions of auth_http run as their caller, and this sets what PostgREST answers"),
    ("oauth_error", "functions of auth_http run as their caller, and this sets what PostgREST answers"),
    ("supabase_", "functions of auth_http run as their caller, and so do the parts that make their answers"),
    ("token_answer", "functions of auth_http run as their caller, and this describes a token that they have"),
];

#[test]
fn t040_a_schema_auth_internal_that_exists_is_never_adopted() {
    ["auth_internal", "auth_http"].into_iter().for_each(is_not_adopted);
}

fn is_not_adopted(schema: &str) {
    let db = Database::empty();
    let mut session = db.superuser();
    session.run(&format!("create schema {schema} authorization other; create table {schema}.mine (id int)"));
    for sql in ["create extension pg_bearer", &format!("create extension pg_bearer schema {schema}")] {
        let error = session.batch_execute(sql).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(
            (error.code().code(), error.message()),
            ("42P06", format!("schema \"{schema}\" already exists").as_str())
        );
        assert_contains(error.hint().unwrap(), "Rename the schema that is there, or use another database.");
    }
    let left = format!(
        "select concat_ws(' ', nspowner::regrole, to_regnamespace('auth'),
                                (select count(*) from pg_proc where pronamespace = n.oid),
                                (select count(*) from pg_class where relnamespace = n.oid))
                  from pg_namespace n where nspname = '{schema}'"
    );
    assert_eq!(session.value(&left).as_deref(), Some("other 0 1"));
    session.run(&format!("alter schema {schema} rename to mine; create extension pg_bearer"));
    assert_clean(&mut session, "renamed");
}

#[test]
fn t200_what_everybody_may_execute_runs_as_its_caller_and_has_a_reason() {
    let db = Database::new();
    let functions = rows(
        &mut db.superuser(),
        "select p.proname || ' ' || p.prosecdef || ' ' || p.provolatile::text || ' ' || l.lanname
           from pg_proc p join pg_language l on l.oid = p.prolang
          where p.pronamespace = 'auth_internal'::regnamespace and has_function_privilege('tenant', p.oid, 'execute')",
    );
    assert!(functions.len() > 20, "{functions:#?}");
    for function in &functions {
        let mut words = function.split(' ');
        let name = words.next().unwrap();
        let listed = |(beginning, _): &&(&str, &str)| {
            if beginning.ends_with('_') { name.starts_with(*beginning) } else { name == *beginning }
        };
        assert!(
            FOR_EVERYBODY.iter().any(|known| listed(&known)),
            "{name} is for everybody, without a reason"
        );
        // Neither C, which knows no rights, nor anything that writes. What reads no table says what the caller knows.
        let rest: Vec<_> = words.collect();
        let safe =
            ["false s sql", "false i sql", "false s plpgsql", "false i plpgsql"].contains(&&*rest.join(" "));
        assert!(
            safe || ["refuse", "refuse_protection", "is_migrating", "run_protection", "run_unprotection"]
                .contains(&name)
                || ["http_answer", "oauth_error", "token_answer"].contains(&name)
                || name.starts_with("supabase_"),
            "{function}"
        );
    }
    for (known, reason) in FOR_EVERYBODY {
        assert!(functions.iter().any(|function| function.starts_with(known)), "{known}: {reason}");
    }
}

#[test]
fn t200_definer_functions_are_executable_by_their_owner_alone() {
    let db = Database::new();
    let found = rows(
        &mut db.superuser(),
        "select concat_ws(' ', p.proname, a.grantee::regrole)
           from pg_proc p cross join lateral aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
          where p.pronamespace = 'auth_internal'::regnamespace and p.prosecdef order by 1",
    );
    let owned = [
        "audit_command bearer_owner",
        // Of bearer_users, which can do nothing else (`catalog::tables`).
        "change_user bearer_owner",
        "change_user bearer_users",
        "end_reused_sessions bearer_owner",
        "find_user bearer_owner",
        "find_user bearer_users",
        "guard_changes bearer_owner",
        "guard_drops bearer_owner",
        "insert_user bearer_owner",
        "insert_user bearer_users",
        "page_of_users bearer_owner",
        "page_of_users bearer_users",
        "record_api_key_uses bearer_owner",
    ];
    assert_eq!(found, owned);
    let roles = rows(
        &mut db.superuser(),
        "select distinct r.rolname::text from pg_roles r, pg_proc p
          where p.pronamespace = 'auth_internal'::regnamespace and p.prosecdef
            and has_function_privilege(r.oid, p.oid, 'execute') and not r.rolsuper order by 1",
    );
    assert_eq!(roles, ["bearer_owner", "bearer_users"]);
}

/// A value of a type as SQL writes it: one that is there, where somebody could guess one.
fn value(of: &str) -> String {
    let value = match of {
        "uuid" => format!("'{ORG_A}'"),
        "text" | "name" => "'docs'".into(),
        "oid" | "regclass" => "'docs'::regclass".into(),
        "oid[]" => "array['docs'::regclass::oid]".into(),
        "regclass[]" => "array['docs'::regclass]".into(),
        "smallint" => "2".into(),
        "integer" | "bigint" => "1".into(),
        "boolean" => "true".into(),
        "jsonb" => r#"'{"user_id": "alice", "org_column": "org_id", "columns": {}}'"#.into(),
        "bytea" => "'x'".into(),
        "interval" => "'1 day'".into(),
        "timestamp with time zone" => "'2030-01-01'".into(),
        "text[]" | "name[]" => "'{public}'".into(),
        "smallint[]" => "'{2}'".into(),
        "\"char\"" => "'r'".into(),
        _ => "null".into(),
    };
    format!("{value}::{of}")
}

/// Every function of the schema, called with NULL alone and with values, and whether everybody may. Not with a plain NULL,
/// which a STRICT function is not even asked for.
fn calls(session: &mut Client) -> Vec<(String, Vec<String>, bool)> {
    let sql = "select p.proname::text, coalesce((select array_agg(format_type(t, null) order by n)
                                                   from unnest(p.proargtypes) with ordinality a(t, n)), '{}'),
                      has_function_privilege('public', p.oid, 'execute')
                 from pg_proc p
                where p.pronamespace = 'auth_internal'::regnamespace and p.prorettype <> 'event_trigger'::regtype order by 1";
    let call = |row: &postgres::Row| {
        let (name, types): (String, Vec<String>) = (row.get(0), row.get(1));
        let with = |value: &dyn Fn(&String) -> String| {
            let values: Vec<_> = types.iter().map(value).collect();
            format!("select * from auth_internal.{name}({})", values.join(", "))
        };
        (name.clone(), vec![with(&|of| format!("(select null::{of})")), with(&|of| value(of))], row.get(2))
    };
    session.query(sql, &[]).unwrap().iter().map(call).collect()
}

/// Everything that a call could have changed.
fn state(session: &mut Client) -> Vec<String> {
    let mut state = catalog(session);
    for table in TABLES.iter().map(|table| format!("auth.{table}")).chain(["docs".into()]) {
        let sql =
            format!("select md5(coalesce(string_agg(t::text, ' ' order by t::text), '')) from {table} t");
        state.push(format!("{table} {}", session.value(&sql).unwrap()));
    }
    let catalogs = "select concat_ws(' ', (select count(*) from pg_class), (select count(*) from pg_proc),
                                     (select count(*) from pg_policy), (select count(*) from pg_auth_members
                                      where member::regrole::text !~ '^(test_|authenticator)'))";
    state.push(session.value(catalogs).unwrap());
    state
}

#[test]
fn t200_nothing_in_it_does_anything_for_whoever_calls_it_directly() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(TENANTS);
    superuser.run("alter table docs owner to other");
    let calls = calls(&mut superuser);
    assert!(calls.len() > 150);
    let before = state(&mut superuser);
    // Nobody in particular, the owner of a table, an application with an identity, an administrator, and both.
    for (role, token) in [
        ("tenant", None),
        ("other", None),
        ("tenant", Some(token_a())),
        ("administrator", None),
        ("administrator", Some(token_a())),
    ] {
        let who = format!("{role}, identity: {}", token.is_some());
        let mut session = db.connect(role);
        session.run("begin");
        if let Some(token) = &token {
            session.authenticate(token).unwrap();
        }
        let identity = session.value("select auth.identity()");
        let mut successes = 0;
        for (name, calls, for_everybody) in &calls {
            for call in calls {
                session.run("savepoint before");
                match session.batch_execute(call) {
                    Ok(()) => {
                        assert!(*for_everybody, "{who} may {call}");
                        successes += 1;
                    }
                    Err(error) => {
                        let error = error.as_db_error().unwrap();
                        let refused = format!("permission denied for function {name}");
                        assert_eq!(error.message() == refused, !for_everybody, "{who}: {call}: {error}");
                        assert!(!error.code().code().starts_with("XX"), "{who}: {call}: {error}");
                        session.run("rollback to before");
                    }
                }
            }
            assert_eq!(session.value("select auth.identity()"), identity, "{who}: {name}");
        }
        assert!(successes > 20, "{who}: only {successes}");
        session.run("commit");
        assert_eq!(state(&mut superuser), before, "{who}");
    }
}

#[test]
fn t200_they_show_nothing_that_a_plain_query_would_not() {
    let db = Database::new();
    let mut superuser = db.superuser();
    // What is refused when asked for by name is refused to our functions, too.
    superuser.run(
        "create table hidden (id int, org_id uuid, secret text); insert into hidden values (1, null, 'canary');
         revoke select on pg_catalog.pg_policy from public",
    );
    let calls = calls(&mut superuser);
    let mut session = db.tenant();
    for (name, calls, _) in calls.iter().filter(|(_, _, for_everybody)| *for_everybody) {
        for call in calls {
            let call = call.replace("'docs'", "'hidden'");
            let shown = session
                .simple_query(&call)
                .map_or_else(|error| format!("{error:?}"), |rows| format!("{rows:?}"));
            assert!(!shown.contains("canary"), "{name}");
        }
    }
    assert_contains(session.refused("select * from pg_policy"), "42501 ");
    assert_contains(session.refused("select auth_internal.protection_of('hidden'::regclass)"), "42501 ");
}
