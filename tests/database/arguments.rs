//! Every function that an ordinary user may call gets null, empty, huge and hostile arguments, with and
//! without an identity: the answer is a value or a named error, and the server goes on.

use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;
use serde_json::json;

const TEXTS: [&str; 16] = [
    "null",
    "''",
    "' '",
    "'*'",
    "'.*'",
    "'..'",
    "repeat('a', 1000000)",
    "repeat('a.', 500000)",
    "repeat(chr(1), 100000)",
    "chr(1114109)",
    "'Bearer ' || repeat('eyJ.', 9000)",
    "'\u{202e}\u{0}x'",
    "U&'\\0430uthenticated'",
    "'''; drop table docs; --'",
    "'{\"$ref\":\"x\"}'",
    "E'a\\nb\\tc\\\\'",
];
const UUIDS: [&str; 4] = [
    "null",
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    "'0b000000-0000-4000-8000-00000000000b'",
];
/// Functions that may fail, in these ways only: unauthenticated or forbidden. Readers never raise.
const MAY_RAISE: [&str; 3] = ["select auth.authenticate(", "select auth.verify_jwt(", "select auth.require_"];
const ALLOWED: [&str; 2] = ["28000", "42501"];

/// Every call of every function with every combination of these arguments.
fn calls(session: &mut Client) -> Vec<String> {
    let functions = session
        .query(
            "select p.proname::text, array(select t::regtype::text from unnest(p.proargtypes) with ordinality a(t, n) order by n)
               from pg_proc p where p.pronamespace = 'auth'::regnamespace and has_function_privilege('tenant', p.oid, 'execute')",
            &[],
        )
        .unwrap();
    let mut calls = Vec::new();
    for function in functions {
        let (name, types): (String, Vec<String>) = (function.get(0), function.get(1));
        let mut lists = vec![String::new()];
        for kind in &types {
            let values: &[&str] = if kind == "uuid" { &UUIDS } else { &TEXTS };
            lists = lists
                .iter()
                .flat_map(|list| {
                    values.iter().map(move |value| {
                        format!("{list}{}{value}::{kind}", if list.is_empty() { "" } else { ", " })
                    })
                })
                .collect();
        }
        // Three texts would be thousands of calls: every seventh tells as much.
        let step = if types.len() > 2 { 7 } else { 1 };
        calls.extend(lists.iter().step_by(step).map(|list| format!("select auth.{name}({list})")));
    }
    calls
}

#[test]
fn hostile_arguments_give_values_or_named_errors() {
    let db = Database::new();
    let mut session = db.tenant();
    let started = session.value("select pg_postmaster_start_time()");
    let calls: Vec<String> = calls(&mut session).into_iter().map(|call| call.replace('\u{0}', "")).collect();
    assert!(calls.len() > 500, "only {} calls", calls.len());
    let full = with(
        claims_a(),
        json!({"permissions": ["*", "", ".*", "a"], "scope": "* a", "email": "e", "org_role": "r", "workspace_id": ORG_B}),
    );
    for token in [None, Some(hs256(&full))] {
        for call in &calls {
            session.run("begin");
            if let Some(token) = &token {
                session.authenticate(token).unwrap();
            }
            if let Err(error) = session.batch_execute(call) {
                let code = error.as_db_error().map(|error| error.code().code().to_owned());
                let code = code.unwrap_or_else(|| panic!("{call}: {error}"));
                assert!(MAY_RAISE.iter().any(|start| call.starts_with(start)), "{call} raised {code}");
                assert!(ALLOWED.contains(&code.as_str()), "{call}: {}", refusal::<()>(Err(error)));
            }
            session.run("rollback");
        }
    }
    assert_eq!(session.value("select pg_postmaster_start_time()"), started);
    let log = server().log();
    for word in ["PANIC", "terminated by signal", "leak", "still referenced"] {
        assert!(!log.contains(word), "the log says {word}");
    }
}

#[test]
fn wrong_types_and_counts_are_not_resolved() {
    let db = Database::new();
    let mut session = db.tenant();
    for call in [
        "select auth.authenticate()",
        "select auth.authenticate(1)",
        "select auth.authenticate('a', 'b')",
        "select auth.in_org('0b000000-0000-4000-8000-00000000000b'::text)",
        "select auth.has_permission(array['a'])",
        "select auth.uid(1)",
    ] {
        assert!(session.refused(call).starts_with("42883"), "{call}");
    }
    assert!(session.refused("select auth.in_org('not a uuid')").starts_with("22P02"));
}

#[test]
fn administrators_functions_and_internals_are_closed_to_tenants() {
    let db = Database::new();
    let mut session = db.tenant();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    let closed = session
        .query("select p.oid::regprocedure::text from pg_proc p where p.pronamespace = 'auth'::regnamespace and not has_function_privilege(p.oid, 'execute')", &[])
        .unwrap();
    assert!(closed.len() >= 15);
    for row in closed {
        let signature: String = row.get(0);
        let (name, types) = signature.trim_end_matches(')').split_once('(').unwrap();
        let types = types.split(',').filter(|kind| !kind.is_empty());
        // No NULLs: Postgres answers a strict function of a NULL constant without calling it.
        let sample = |kind: &str| match kind {
            "text[]" | "uuid[]" => format!("'{{}}'::{kind}"),
            "boolean" => "true".to_owned(),
            "uuid" => format!("'{ORG_A}'::uuid"),
            "interval" => "'0'::interval".to_owned(),
            "timestamp with time zone" => "now()".to_owned(),
            kind => format!("'x'::{kind}"),
        };
        let samples: Vec<String> = types.map(sample).collect();
        session.run("savepoint s");
        let refused = session.refused(&format!("select {name}({})", samples.join(", ")));
        assert!(refused.starts_with("42501"), "{signature}: {refused}");
        session.run("rollback to s");
    }
}
