//! Attempts to become somebody without a credential.

use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, NoTls};

const REFUSED: &str = "42501 setting \"pg_bearer.identity\" cannot be set";

/// A value that publishing would write for organization A: what an attacker would have to inject.
/// It is a well-formed value of the carrier, taken from `encoding.rs`: head, one organization, texts.
fn forged_value() -> String {
    let mut bytes = Vec::new();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(i64::MAX.to_le_bytes());
    bytes.extend(hex::decode(ORG_A.replace('-', "")).unwrap());
    bytes.extend([0; 32]);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(0u32.to_le_bytes());
    bytes.extend(4_102_444_800u64.to_le_bytes());
    bytes.extend(hex::decode(ORG_A.replace('-', "")).unwrap());
    for text in ["https://issuer.example", "live", "u", "r", "e", "o", "s", "a", "", "", "{}"] {
        bytes.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    use base64::Engine;
    base64::engine::general_purpose::STANDARD_NO_PAD.encode(bytes)
}

/// Nobody is signed in, and nobody's rows are visible.
fn assert_nobody(session: &mut Client) {
    assert_eq!(session.value("select auth.identity()"), None);
    assert_eq!(session.value("select auth.current_org()"), None);
    assert_eq!(session.value("select auth.is_authenticated()").as_deref(), Some("f"));
    let mine = session.value("select count(*) from docs where auth.in_org(org_id)");
    assert_eq!(mine.as_deref(), Some("0"));
}

fn load_library(session: &mut Client) {
    session.run("select auth.is_authenticated()");
}

#[test]
fn t001_set_is_refused_to_tenant_owner_and_superuser() {
    let db = Database::new();
    let value = forged_value();
    db.superuser().run(&format!("create role owner_of_{0} login; grant select on docs to owner_of_{0}; alter database {0} owner to owner_of_{0}", db.name));
    for user in ["tenant", &format!("owner_of_{}", db.name), "postgres"] {
        let mut session = db.connect(user);
        load_library(&mut session);
        for statement in [
            format!("set pg_bearer.identity = '{value}'"),
            format!("begin; set local pg_bearer.identity = '{value}'"),
            format!("select set_config('pg_bearer.identity', '{value}', false)"),
            format!("select set_config('pg_bearer.identity', '{value}', true)"),
            format!("set session \"pg_bearer.identity\" to '{value}'"),
            format!(
                "create function f() returns int language sql set pg_bearer.identity = '{value}' as 'select 1'"
            ),
            format!("alter role {user} set pg_bearer.identity = '{value}'"),
            format!("alter database {} set pg_bearer.identity = '{value}'", db.name),
            format!("alter system set pg_bearer.identity = '{value}'"),
        ] {
            let refusal = session.refused(&statement);
            assert!(
                refusal.starts_with("42501") || refusal.starts_with("55P02") || refusal.starts_with("22023"),
                "{user}: {statement}: {refusal}"
            );
            assert!(!refusal.contains(&value), "the refused value is printed: {refusal}");
            session.run("rollback");
            assert_nobody(&mut session);
        }
    }
    let mut superuser = db.superuser();
    load_library(&mut superuser);
    assert_eq!(superuser.refused(&format!("set pg_bearer.identity = '{value}'")), REFUSED);
    db.superuser().run(&format!(
        "alter database {0} owner to postgres; drop owned by owner_of_{0}; drop role owner_of_{0}",
        db.name
    ));
}

#[test]
fn t001_no_other_setting_is_an_identity() {
    let db = Database::new();
    let mut session = db.tenant();
    for name in [
        "request.jwt.claims",
        "request.jwt.claim.sub",
        "app.org",
        "app.current_org",
        "request.headers",
        "role.claims",
    ] {
        session.run(&format!(
            "select set_config('{name}', '{{\"sub\":\"{USER_A}\",\"org_id\":\"{ORG_A}\",\"role\":\"service_role\"}}', false)"
        ));
        assert_nobody(&mut session);
    }
    for name in ["pg_bearer.org", "pg_bearer.anything"] {
        let refusal = session.refused(&format!("set {name} = '{ORG_A}'"));
        assert!(refusal.starts_with("42602") || refusal.starts_with("42704"), "{refusal}");
    }
    assert!(session.refused("set pg_bearer.dump_secrets = on").starts_with("42501"));
}

#[test]
fn t002_set_config_inside_one_statement_is_refused() {
    let db = Database::new();
    let mut session = db.tenant();
    load_library(&mut session);
    let call = format!("set_config('pg_bearer.identity', '{}', true)", forged_value());
    for statement in [
        format!("select * from generate_series(1, 3) where {call} <> ''"),
        format!("with x as materialized (select {call}) select * from x"),
        format!("select * from generate_series(1, 3) n, lateral (select {call}, n) s"),
        format!("select * from generate_series(1, 3) n order by {call}, n"),
        format!("select * from (select {call} union all select 'x') s"),
        format!("create temp table t (n int); insert into t values (1) returning {call}"),
        format!("select (select {call}), count(*) from docs"),
    ] {
        let refusal = session.refused(&statement);
        assert!(refusal.starts_with("42501"), "{statement}: {refusal}");
        assert_nobody(&mut session);
    }
}

#[test]
fn t003_a_start_up_option_is_refused() {
    let db = Database::new();
    let option = format!("-c pg_bearer.identity={}", forged_value());
    for user in ["tenant", "postgres"] {
        // The library is loaded at the first call of ours, and drops what was set before.
        let mut session = db.config(user).options(&option).connect(NoTls).unwrap();
        load_library(&mut session);
        assert_nobody(&mut session);
    }
    // Loaded at the start of the session, it drops the setting as well.
    let preload = format!("-c session_preload_libraries=pg_bearer {option}");
    let mut session = db.config("postgres").options(&preload).connect(NoTls).unwrap();
    assert_nobody(&mut session);
    let mut session = db.config("tenant").options("-c pg_bearer.dump_secrets=on").connect(NoTls).unwrap();
    load_library(&mut session);
    assert_eq!(session.value("show pg_bearer.dump_secrets").as_deref(), Some("off"));
}

#[test]
fn t004_no_trust_anchor_is_a_setting() {
    let db = Database::new();
    let mut session = db.superuser();
    load_library(&mut session);
    let names = session
        .query(
            "select name, context, vartype from pg_settings where name like 'pg\\_bearer.%' order by 1",
            &[],
        )
        .unwrap();
    let names: Vec<(String, String, String)> =
        names.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    let names: Vec<String> = names.iter().map(|(name, who, kind)| format!("{name} {who} {kind}")).collect();
    assert_eq!(
        names,
        [
            "pg_bearer.access_token_lifetime superuser integer",
            "pg_bearer.allow_changes superuser bool",
            "pg_bearer.allowed_environments sighup string",
            "pg_bearer.api_key_creation superuser enum",
            "pg_bearer.api_key_max_age superuser integer",
            "pg_bearer.api_key_prefix superuser string",
            "pg_bearer.api_key_rotation superuser integer",
            "pg_bearer.audit_live superuser enum",
            "pg_bearer.audit_retention superuser integer",
            "pg_bearer.audit_test superuser enum",
            "pg_bearer.confirm_email superuser enum",
            "pg_bearer.credential_headers superuser string",
            "pg_bearer.dump_secrets superuser bool",
            "pg_bearer.http_anonymous_role superuser string",
            "pg_bearer.http_key_role superuser string",
            "pg_bearer.http_permissions superuser string",
            "pg_bearer.http_service_role superuser string",
            "pg_bearer.http_user_role superuser string",
            "pg_bearer.max_api_keys superuser integer",
            "pg_bearer.max_granted_by_one superuser integer",
            "pg_bearer.max_granted_memberships superuser integer",
            "pg_bearer.max_invitations superuser integer",
            "pg_bearer.max_mails superuser integer",
            "pg_bearer.max_organizations superuser integer",
            "pg_bearer.max_roles superuser integer",
            "pg_bearer.max_sessions superuser integer",
            "pg_bearer.max_sign_in_tries superuser integer",
            "pg_bearer.max_sign_in_tries_per_network superuser integer",
            // These are of the postmaster, where the server loads the library at its start.
            "pg_bearer.max_tickets sighup integer",
            "pg_bearer.max_token_lifetime superuser integer",
            "pg_bearer.max_tokens superuser integer",
            "pg_bearer.max_tracked_keys sighup integer",
            "pg_bearer.max_tracked_tries sighup integer",
            "pg_bearer.max_workspaces superuser integer",
            "pg_bearer.member_addition superuser enum",
            "pg_bearer.one_time_token_lifetime superuser integer",
            "pg_bearer.organization_creation superuser enum",
            "pg_bearer.owner_without_identity superuser enum",
            "pg_bearer.password_memory superuser integer",
            "pg_bearer.password_min_length superuser integer",
            "pg_bearer.password_passes superuser integer",
            "pg_bearer.password_time superuser integer",
            "pg_bearer.password_workers sighup integer",
            "pg_bearer.refresh_reuse_grace superuser integer",
            "pg_bearer.require_apikey superuser bool",
            "pg_bearer.session_idle_time superuser integer",
            "pg_bearer.session_issuer superuser string",
            "pg_bearer.session_lifetime superuser integer",
            "pg_bearer.sign_in_tries_period superuser integer",
            "pg_bearer.trusted_proxies sighup string",
            "pg_bearer.usage_flush_interval sighup integer",
            "pg_bearer.user_creation superuser enum",
        ]
    );
}

#[test]
fn t005_a_placeholder_set_before_the_library_loads_is_dropped() {
    let db = Database::new();
    let value = forged_value();
    for prelude in [
        format!("set pg_bearer.identity = '{value}'"),
        format!("begin; set local pg_bearer.identity = '{value}'"),
        format!("begin; savepoint s; set local pg_bearer.identity = '{value}'; release s"),
        format!(
            "begin; set pg_bearer.identity = '{value}'; savepoint s; set local pg_bearer.identity = '{value}'; savepoint t; set pg_bearer.identity = '{value}'"
        ),
        format!("select set_config('pg_bearer.identity', '{value}', false)"),
    ] {
        for user in ["tenant", "postgres"] {
            let mut session = db.connect(user);
            session.run(&prelude);
            load_library(&mut session);
            assert_nobody(&mut session);
            session.run("commit");
            assert_nobody(&mut session);
            session.run("begin");
            session.authenticate(&token_b()).unwrap();
            session.run("rollback");
            assert_nobody(&mut session);
        }
    }
}

#[test]
fn t006_a_value_stored_for_a_role_or_a_database_is_refused() {
    let db = Database::new();
    let value = forged_value();
    let role = format!("stored_{}", db.name);
    // A fresh backend, so that the library is not loaded and cannot object yet.
    db.superuser().run(&format!("create role {role} login; grant select on docs to {role}"));
    db.superuser().run(&format!("alter role {role} set pg_bearer.identity = '{value}'"));
    db.superuser().run(&format!("alter database {} set pg_bearer.identity = '{value}'", db.name));
    let mut session = db.connect(&role);
    load_library(&mut session);
    assert_nobody(&mut session);
    db.superuser()
        .run(&format!("alter database {} reset all; drop owned by {role}; drop role {role}", db.name));
}

#[test]
fn t006_a_value_stored_by_a_superuser_does_not_reach_workers() {
    let db = Database::new();
    let value = forged_value();
    let role = format!("workers_{}", db.name);
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "create role {role} login; grant select on docs to {role};
         create table big as select n, case when n % 2 = 0 then '{ORG_A}'::uuid else '{ORG_B}' end as org_id
           from generate_series(1, 200000) n;
         grant select on big to {role}; alter table big set (parallel_workers = 4);"
    ));
    drop(superuser);
    db.superuser().run(&format!("alter role {role} set pg_bearer.identity = '{value}'"));
    let mut session = db.connect(&role);
    session.run("set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; set max_parallel_workers_per_gather = 4; set parallel_leader_participation = off");
    // The leader never calls a function of ours before the workers do.
    let plan = session.query("explain select count(*) from big where auth.in_org(org_id)", &[]).unwrap();
    let plan: Vec<String> = plan.iter().map(|row| row.get(0)).collect();
    assert!(plan.iter().any(|line| line.contains("Workers Planned")), "{plan:?}");
    let seen = session.value("select count(*) from big where auth.in_org(org_id)");
    assert_eq!(seen.as_deref(), Some("0"));
    db.superuser().run(&format!("drop owned by {role}; drop role {role}"));
}

#[test]
fn t006_from_current_carries_nothing() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("create function f() returns uuid language sql set pg_bearer.identity from current as 'select auth.current_org()'");
    session.run("alter role tenant set pg_bearer.identity from current");
    let stored = session.value("select coalesce(string_agg(c, ','), '') from pg_proc, unnest(proconfig) c where proname = 'f' and c like 'pg_bearer.%'");
    assert!(
        matches!(stored.as_deref(), Some("" | "pg_bearer.identity=" | "pg_bearer.identity=\"\"")),
        "{stored:?}"
    );
    session.run("commit");
    assert_eq!(session.value("select f()"), None);
    session.run("alter role tenant reset pg_bearer.identity");
    let mut tenant = db.tenant();
    assert_nobody(&mut tenant);
}

#[test]
fn t007_a_granted_parameter_still_refuses() {
    let db = Database::new();
    let mut superuser = db.superuser();
    load_library(&mut superuser);
    superuser.run("grant set on parameter pg_bearer.identity to other; grant alter system on parameter pg_bearer.identity to other");
    let mut session = db.connect("other");
    load_library(&mut session);
    assert_eq!(session.refused(&format!("set pg_bearer.identity = '{}'", forged_value())), REFUSED);
    assert_nobody(&mut session);
    superuser.run("revoke all on parameter pg_bearer.identity from other");
}

#[test]
fn t008_without_issuers_everything_is_refused() {
    let db = Database::new();
    db.superuser().run("select auth.remove_issuer(issuer) from auth.list_issuers()");
    let mut session = db.tenant();
    session.run(&format!("select set_config('request.jwt.claims', '{}', false)", claims_a()));
    for token in [
        token_a(),
        hs256_raw(r#"{"alg":"none"}"#, &claims_a().to_string()),
        hs256_with(b"", r#"{"alg":"HS256"}"#, &claims_a().to_string()),
    ] {
        let refused = refusal(session.authenticate(&token));
        assert!(refused.starts_with("F0000 no issuer") || refused.starts_with("28000"), "{refused}");
        assert_nobody(&mut session);
    }
    assert!(refusal(session.authenticate(&token_a())).starts_with("F0000"));
}

#[test]
fn t009_an_overload_or_a_shadowing_function_is_not_ours() {
    let db = Database::new();
    let mut session = db.tenant();
    let refusal =
        session.refused("create function auth.has_scope(varchar) returns bool language sql as 'select true'");
    assert!(refusal.starts_with("42501"), "{refusal}");
    let refusal = session.refused("create table auth.x ()");
    assert!(refusal.starts_with("42501"), "{refusal}");
}

#[test]
fn t011_a_role_gives_no_rows() {
    let db = Database::new();
    db.superuser().run("grant bearer_service, bearer_admin to other");
    let mut session = db.connect("other");
    for role in ["bearer_service", "bearer_admin", "other"] {
        session.run(&format!("set role {role}"));
        assert_eq!(session.value("select auth.is_service_role()").as_deref(), Some("f"));
        session.run("reset role");
        assert_eq!(session.visible(), 0);
    }
    db.superuser().run("revoke bearer_service, bearer_admin from other");
}

#[test]
fn t012_the_role_of_the_session_plays_no_part() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.run("savepoint s; set local role tenant");
    assert_eq!(session.visible(), 500);
    session.run("rollback to s; set local session authorization tenant; savepoint t; set local role none; rollback to t");
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_A));
    assert_eq!(session.visible(), 500);
    session.run("commit");
    session.run("set session authorization tenant");
    assert_eq!(session.visible(), 0);
}

#[test]
fn t024_the_token_and_the_identity_are_in_no_setting() {
    let db = Database::new();
    let mut session = db.superuser();
    let token = token_a();
    session.run("begin");
    session.authenticate(&token).unwrap();
    let signature = token.rsplit('.').next().unwrap().to_owned();
    let settings: i64 = session
        .query_one("select count(*) from pg_settings where setting like '%' || $1 || '%' or setting like '%' || $2 || '%'", &[&signature, &USER_A])
        .unwrap()
        .get(0);
    assert_eq!(settings, 0);
    assert_eq!(session.value("select current_setting('pg_bearer.identity')").as_deref(), Some(""));
    assert_eq!(session.value("show pg_bearer.identity").as_deref(), Some(""));
    assert!(server().port() > 0);
}
