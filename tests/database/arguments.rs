//! Every function that an ordinary user may call gets null, empty, huge and hostile arguments, signed out,
//! signed in and from an administrator: the answer is a value or a named error, and the server goes on.

use pg_bearer_tests::database::{Session, is_long, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, NoTls};
use serde_json::json;
use std::sync::{Arc, Mutex};

const TEXTS: &[&str] = &[
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
    "'\u{202e}x'",
    "U&'\\0430uthenticated'",
    "'''; drop table docs; --'",
    "'{\"$ref\":\"x\"}'",
    "E'a\\nb\\tc\\\\'",
    "'viewer'",
    "'7a000000-0000-4000-8000-00000000000a'",
];
/// The last is an organization, a workspace and an invitation.
const UUIDS: &[&str] = &[
    "null",
    "'00000000-0000-0000-0000-000000000000'",
    "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
    "'0b000000-0000-4000-8000-00000000000b'",
    "'0a000000-0000-4000-8000-00000000000a'",
];
const OBJECTS: &[&str] = &[
    "null",
    "'{}'",
    "'null'",
    "'[1e400]'",
    "'{\"a\": \"\\\\u202e\"}'",
    "jsonb_build_object('a', repeat('a', 20000))",
    "repeat('{\"a\":', 2000) || '1' || repeat('}', 2000)",
];
const LISTS: &[&str] = &[
    "null",
    "'{}'",
    "'{null}'",
    "'{*}'",
    "'{{a,b},{c,d}}'",
    "'[5:6]={viewer,members.read}'",
    "array_fill('a.b'::text, array[5000])",
    "array[repeat('a', 1000000)]",
];
const TIMES: &[&str] = &[
    "null",
    "'infinity'",
    "'-infinity'",
    "now()",
    "'294276-12-31'",
    "'4713-01-01 BC'",
    "now() + interval '1 day'",
];
const NETWORKS: &[&str] = &[
    "null",
    "'{}'",
    "'{null}'",
    "'{::/0,0.0.0.0/0}'",
    "'{{10.0.0.0/8},{::1}}'",
    "'[3:3]={127.0.0.1}'",
    "array_fill('10.0.0.0/8'::cidr, array[5000])",
];
const OIDS: &[&str] = &["null", "0", "1", "4294967295", "'docs'::regclass", "'auth.api_keys'::regclass"];
const TABLES: &[&str] = &[
    "null",
    "'{}'",
    "'{null}'",
    "'{0}'",
    "'{docs}'",
    "'{{docs,auth.api_keys},{pg_class,docs}}'",
    "'{docs_pkey}'",
    "array_fill('docs'::regclass, array[5000])",
];
const SOURCES: &[&str] = &["'docs'", "null", "0", "'docs_pkey'", "'auth.api_keys'", "'pg_class'"];
const COLUMNS: &[&str] = &["null", "'org_id'", "'owner'", "''", "'body'", "'x\"; drop table docs; --'"];
const ROLES: &[&str] = &["null", "'{tenant,other}'", "'{}'", "'{null}'", "'{public}'", "'{{a,b},{c,d}}'"];
const OID_LISTS: &[&str] = &["null", "'{0,null,4294967295}'", "array['docs'::regclass, 2200, 11]::oid[]"];
const SMALLINT_LISTS: &[&str] = &["null", "'{-32768,null,2,1}'"];
const CHARACTERS: &[&str] = &["null", "''", "'*'", "'w'", "'x'"];
const DATES: &[&str] = &["null", "'infinity'", "'-infinity'", "'2000-01-01'"];
const SWITCHES: &[&str] = &["null", "true", "false"];
const NUMBERS: &[&str] = &["null", "0", "-2147483648", "2147483647", "1", "300", "999", "1000"];
const INTERVALS: &[&str] =
    &["null", "'0'", "'-1 day'", "'178000000 years'", "'-178000000 years'", "'1 minute'", "'7 days'"];

/// How many lists of arguments a function gets at most in `make test-long`: one that manages tenants, and any other.
/// Otherwise a quarter, which still has every value of the longest list.
const MOST: [usize; 2] = [128, 512];
/// A prime, so that steps of this size visit every list once, and every value early.
const STEP: usize = 7919;

/// Functions that may fail, by the beginnings of their names, and in which ways. Readers never raise.
const MAY_RAISE: [(&str, &[&str]); 26] = [
    ("supabase_", &["22023", "28000", "42501", "55000"]),
    ("demand_superuser", &["42501"]),
    ("token_answer", &["28000"]),
    ("help", &["22023"]),
    ("lint", &["22023", "42501"]),
    ("organization_columns", &["42501"]),
    ("protect", &["22023", "42501", "42710"]),
    ("unprotect", &["22023", "42501"]),
    ("refuse", &["22023"]),
    ("run_protection", &["22023", "42501", "42710"]),
    ("run_unprotection", &["42501"]),
    ("purge_sandbox", &["22023"]),
    ("begin_data_migration", &["22023", "42501", "55006"]),
    ("recheck_foreign_keys", &["42501", "55000"]),
    ("authenticate", &["28000"]),
    ("issue_ticket", &["22023", "28000"]),
    ("verify_jwt", &["28000"]),
    ("revoke_token", &["22023", "28000", "42501", "55000"]),
    ("require_aal", &["22023", "28000", "42501"]),
    ("require_", &["28000", "42501"]),
    ("set_org", &["28000", "42501"]),
    ("sign_in_", &["22023", "53400"]),
    ("sign_up", &["22023", "53400"]),
    ("refresh_session", &[]),
    ("redeem_token", &["22023", "53400"]),
    ("send_", &["22023", "55000"]),
];
/// How those that manage tenants may fail, for somebody.
const MANAGING: &[&str] = &["42501", "22023", "23505", "2BP01", "0A000", "55000"];
/// Those of whoever has no identity yet, by the beginnings of their names.
const SIGNING_IN: [&str; 5] = ["sign_in_", "sign_up", "refresh_session", "redeem_token", "send_"];
/// Those that nobody does for a user.
const IN_PERSON: [&str; 7] = [
    "accept_invitation",
    "change_password",
    "confirm_membership",
    "decline_invitation",
    "list_own_invitations",
    "sign_out_session",
    "update_password",
];

struct Call {
    sql: String,
    /// It manages tenants.
    manages: bool,
    may_raise: &'static [&'static str],
}

fn values(kind: &str) -> &'static [&'static str] {
    match kind {
        "text" => TEXTS,
        "uuid" => UUIDS,
        "jsonb" => OBJECTS,
        "text[]" => LISTS,
        "integer" => NUMBERS,
        "smallint" => &["null", "0", "-32768", "2", "32767"],
        "interval" => INTERVALS,
        "timestamp with time zone" => TIMES,
        "cidr[]" => NETWORKS,
        "oid" => OIDS,
        "regclass" => SOURCES,
        "name" => COLUMNS,
        "name[]" => ROLES,
        "regclass[]" => TABLES,
        "oid[]" => OID_LISTS,
        "smallint[]" => SMALLINT_LISTS,
        "\"char\"" => CHARACTERS,
        "date" => DATES,
        "boolean" => SWITCHES,
        kind => panic!("no values for {kind}"),
    }
}

/// Up to `most` combinations of hostile arguments of these types.
fn argument_lists(types: &[String], most: usize) -> Vec<String> {
    let all: usize = types.iter().map(|kind| values(kind).len()).product();
    let list = |number: usize| {
        let mut rest = number;
        let mut list = Vec::new();
        for kind in types {
            let values = values(kind);
            list.push(format!("({})::{kind}", values[rest % values.len()]));
            rest /= values.len();
        }
        list.join(", ")
    };
    (0..all.min(most)).map(|n| list(n * STEP % all)).collect()
}

/// Calls of every function that `tenant` may execute.
fn calls(session: &mut Client) -> Vec<Call> {
    let functions = session
        .query(
            "select p.proname::text, p.prosecdef and p.proname not in ('touch_api_key', 'jwks', 'lint', 'organization_columns', 'protected_tables', 'current_user_record'),
                    array(select t::regtype::text from unnest(p.proargtypes) with ordinality a(t, n) order by n),
                    p.pronamespace::regnamespace::text
               from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace) and has_function_privilege('tenant', p.oid, 'execute')",
            &[],
        )
        .unwrap();
    let mut calls = Vec::new();
    for function in functions {
        let (name, manages, types): (String, bool, Vec<String>) =
            (function.get(0), function.get(1), function.get(2));
        let schema: String = function.get(3);
        let signs_in = SIGNING_IN.iter().any(|start| name.starts_with(start));
        // The parts of auth.protect() are many, and hashing a password takes its time.
        let most = MOST[usize::from(!manages && !name.contains("protect"))] / if is_long() { 1 } else { 4 };
        let manages = manages && !signs_in;
        let listed = MAY_RAISE.iter().find(|(start, _)| name.starts_with(start));
        let may_raise = listed.map_or(if manages { MANAGING } else { &[] }, |(_, codes)| codes);
        calls.extend(argument_lists(&types, most).into_iter().map(|list| Call {
            sql: format!("select {schema}.{name}({list})"),
            manages,
            may_raise,
        }));
    }
    calls
}

/// Makes one call; `token` none is nobody, who may be an administrator.
fn assert_harmless(session: &mut Client, call: &Call, token: Option<&str>, administrator: bool) {
    session.run("begin");
    if let Some(token) = token {
        session.authenticate(token).unwrap();
    }
    let result = session.batch_execute(&call.sql);
    if call.manages && token.is_none() && !administrator {
        assert_eq!(refusal(result), "28000 this transaction has no identity", "{}", call.sql);
    } else if let Err(error) = result {
        let code = error.as_db_error().map(|error| error.code().code().to_owned());
        let code = code.unwrap_or_else(|| panic!("{}: {error}", call.sql));
        let only_users = IN_PERSON.iter().any(|name| call.sql.contains(name)) && code == "28000";
        let allowed = call.may_raise.contains(&code.as_str()) || administrator && only_users;
        assert!(allowed, "{}: {}", call.sql, refusal::<()>(Err(error)));
    }
    session.run("rollback");
}

#[test]
fn hostile_arguments_give_values_or_named_errors() {
    let before = server().log_end();
    let db = Database::new();
    let name = &db.name;
    db.superuser().run(&format!(
        "alter database {name} set pg_bearer.user_creation = 'anonymous';
         alter database {name} set pg_bearer.password_time = 1;
         alter database {name} set pg_bearer.password_memory = 8192;
         alter database {name} set pg_bearer.password_passes = 1;
         alter database {name} set pg_bearer.max_sign_in_tries = 100000;
         -- What is refused is told here, and would fill the log that other tests read.
         alter database {name} set log_min_messages = 'fatal';
         select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key();
         insert into auth.organizations (id, name) values ('{ORG_A}', 'a');
         insert into auth.workspaces (id, org_id, name) values ('{ORG_A}', '{ORG_A}', 'a');
         select auth.add_member('{ORG_A}', '{USER_A}', 'owner'), auth.add_member('{ORG_A}', 'viewer');
         insert into auth.invitations (id, org_id, role_id, token_hash, expires_at)
         select '{ORG_A}', '{ORG_A}', id, sha256('x'), now() + interval '1 day' from auth.roles where name = 'viewer'"
    ));
    let warned = Arc::new(Mutex::new(String::new()));
    let connect = |user: &str| {
        let hears = Arc::clone(&warned);
        let mut config = db.config(user);
        config.notice_callback(move |notice| *hears.lock().unwrap() += &format!("{notice}\n"));
        config.connect(NoTls).unwrap()
    };
    let (mut session, mut administrator) = (connect("tenant"), connect("postgres"));
    let started = session.value("select pg_postmaster_start_time()");
    let calls = calls(&mut session);
    assert!(calls.len() > if is_long() { 2300 } else { 1000 }, "only {} calls", calls.len());
    let full = with(
        claims_a(),
        // For as long as all of the calls may take.
        json!({"permissions": ["*", "", ".*", "a"], "scope": "* a", "email": "e", "org_role": "r", "workspace_id": ORG_B, "exp": now() + 36000}),
    );
    let token = hs256(&full);
    for call in &calls {
        assert_harmless(&mut session, call, None, false);
        assert_harmless(&mut session, call, Some(&token), false);
        assert_harmless(&mut administrator, call, None, true);
    }
    assert_eq!(session.value("select pg_postmaster_start_time()"), started);
    let log = server().log_from(before);
    for word in ["PANIC", "terminated by signal"] {
        assert!(!log.contains(word), "the log says {word}");
    }
    let warned = warned.lock().unwrap();
    assert!(warned.contains("WARNING") || warned.contains("NOTICE"), "nothing is heard");
    for word in ["leak", "still referenced", "not closed"] {
        assert!(!warned.contains(word), "{word}: {warned}");
    }
}

/// A regular expression needs four bytes for each character, and Postgres never more than a gigabyte.
#[test]
fn t089_texts_too_long_for_a_regular_expression_are_refused_like_others() {
    let db = Database::new();
    let mut session = db.superuser();
    let org = session.value("select auth.create_organization('o')").unwrap();
    let long = "repeat(repeat('x', 1000), 300000)";
    for (call, argument) in [
        (format!("create_organization('o', {long})"), "slug"),
        (format!("create_workspace('{org}', 'w', {long})"), "slug"),
        (format!("define_role({long}, '{{}}', '{org}')"), "name"),
    ] {
        let refused = session.refused(&format!("select auth.{call}"));
        assert_eq!(refused, format!("22023 {argument} has a value that is not allowed"), "{call}");
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
        .query("select p.oid::regprocedure::text from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and p.prorettype <> 'internal'::regtype and 'pg_ddl_command'::regtype <> all (p.proargtypes) and not has_function_privilege(p.oid, 'execute')", &[])
        .unwrap();
    assert!(closed.len() >= 65, "only {}", closed.len());
    for row in closed {
        let signature: String = row.get(0);
        let (name, types) = signature.trim_end_matches(')').split_once('(').unwrap();
        let types = types.split(',').filter(|kind| !kind.is_empty());
        let samples: Vec<String> = types.map(sample).collect();
        session.run("savepoint s");
        let refused = session.refused(&format!("select {name}({})", samples.join(", ")));
        let function = name.rsplit('.').next().unwrap();
        assert_eq!(refused, format!("42501 permission denied for function {function}"), "{signature}");
        session.run("rollback to s");
    }
}

/// A value of this type. No NULLs: Postgres answers a strict function of a NULL constant without calling it.
fn sample(kind: &str) -> String {
    match kind {
        "boolean" => "true".to_owned(),
        "uuid" => format!("'{ORG_A}'::uuid"),
        "interval" => "'0'::interval".to_owned(),
        "timestamp with time zone" => "now()".to_owned(),
        "date" => "'2026-01-31'::date".to_owned(),
        "regclass" => "'docs'::regclass".to_owned(),
        "regprocedure" => "'pg_catalog.now()'::regprocedure".to_owned(),
        "jsonb" => "'{}'::jsonb".to_owned(),
        "integer" | "smallint" | "oid" => format!("'1'::{kind}"),
        kind if kind.ends_with("[]") => format!("'{{}}'::{kind}"),
        kind if kind.starts_with("auth.") || kind == "auth_internal.user_row" => {
            format!("jsonb_populate_record(null::{kind}, '{{}}')")
        }
        kind => format!("'x'::{kind}"),
    }
}
