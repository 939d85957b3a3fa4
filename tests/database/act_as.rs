//! Acting as somebody without a credential, which is for administrators alone.

use pg_bearer_tests::database::{Session, assert_contains, assert_values, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::Client;

const NOT_FOR_YOU: &str = "42501 permission denied for function act_as";
const NO_ADMINISTRATOR: &str = "42501 this needs an administrator of pg_bearer";

fn act(identity: &str) -> String {
    format!("select auth.act_as('{identity}')")
}

fn in_org(org: &str) -> String {
    act(&format!(r#"{{"user_id": "u1", "org_id": "{org}"}}"#))
}

fn assert_nobody(session: &mut Client) {
    assert_values(
        session,
        &[("select auth.identity()", None), ("select auth.is_authenticated()", Some("f"))],
    );
}

#[test]
fn everything_that_is_stated_is_shown_and_read() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin");
    let workspace = "0c000000-0000-4000-8000-00000000000c";
    session.run(&act(&format!(
        r#"{{"user_id": "{USER_A}", "org_id": "{ORG_A}", "org_role": "editor", "permissions": ["r.read"],
             "workspace_id": "{workspace}", "scopes": ["s"], "role": "app", "email": "a@example.org",
             "environment": "test", "org_ids": ["{ORG_B}"], "issuer": "i", "session_id": "x", "actor": "y",
             "claims": {{"plan": "pro", "aal": "aal2", "amr": ["pwd"], "n": 12345678901234567890}}, "key_id": null, "expires_at": null}}"#
    )));
    assert_values(
        &mut session,
        &[
            ("select auth.identity() ->> 'kind'", Some("act_as")),
            ("select auth.user_id()", Some(USER_A)),
            ("select auth.uid()", Some(USER_A)),
            ("select auth.current_org()", Some(ORG_A)),
            ("select array_length(auth.org_ids(), 1)", Some("2")),
            ("select auth.org_role()", Some("editor")),
            ("select auth.has_permission('r.read')", Some("t")),
            ("select auth.has_permission('r.write')", Some("f")),
            ("select auth.current_workspace()", Some(workspace)),
            ("select auth.has_scope('s')", Some("t")),
            ("select auth.role()", Some("app")),
            ("select auth.email()", Some("a@example.org")),
            ("select auth.environment()", Some("test")),
            ("select auth.claim('plan')", Some("pro")),
            ("select auth.jwt() ->> 'n'", Some("12345678901234567890")),
            (
                "select concat(auth.aal(), auth.amr(), auth.session_id(), auth.require_aal('aal2'))",
                Some("aal2{pwd}xt"),
            ),
            ("select auth.identity() ->> 'actor'", Some("y")),
            ("select auth.is_service_role()", Some("f")),
            ("select auth.allows_table('docs'::regclass)", Some("t")),
            ("select auth.identity() ->> 'expires_at'", None),
        ],
    );
    let shown = session.value("select auth.act_as(auth.identity() - 'x')").unwrap();
    assert_eq!(session.value("select auth.identity()"), Some(shown), "what is shown can be stated");
    session.run("set local role tenant");
    assert_eq!(session.visible(), 500);
    session.run("rollback");
    assert_nobody(&mut session);
}

#[test]
fn rows_of_memberships_count_as_they_do_for_a_token() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin");
    let org = session.value("select auth.create_organization('o', external_id => 'acme')").unwrap();
    session.run(&format!("select auth.add_member('{org}', 'u1', 'viewer')"));
    session.run(&act(r#"{"user_id": "u1"}"#));
    assert_eq!(session.value("select auth.current_org()"), Some(org.clone()));
    assert_eq!(session.value("select auth.org_role()").as_deref(), Some("viewer"));
    session.run(&act(r#"{"user_id": "u2", "org_id": "acme"}"#));
    assert_eq!(session.value("select auth.current_org()"), Some(org.clone()));
    assert_eq!(session.value("select auth.org_role()"), None);
    // What is stated counts before a row.
    session.run(&act(r#"{"user_id": "u1", "org_id": "acme", "org_role": "chief", "permissions": ["*"]}"#));
    assert_eq!(session.value("select auth.org_role()").as_deref(), Some("chief"));
    session.run("select auth.sign_out()");
    session.run(&format!("select auth.disable_organization('{org}')"));
    for name in ["acme", org.as_str()] {
        let refused = "22023 an organization of the identity is disabled, or nothing has this id";
        session.run("savepoint s");
        assert_eq!(session.refused(&in_org(name)), refused);
        session.run("rollback to s");
    }
    session.run(&act(r#"{"user_id": "u1"}"#));
    assert_eq!(session.value("select auth.current_org()"), None);
}

#[test]
fn what_makes_no_sense_is_refused_rather_than_passed_over() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!(
        "insert into auth.organizations (id, name) values ('{ORG_A}', 'a'), ('{ORG_B}', 'b');
         insert into auth.workspaces (id, org_id, name) values ('{ORG_A}', '{ORG_A}', 'a')"
    ));
    session.run("begin");
    session.run(&in_org(ORG_B));
    for (stated, refused) in [
        (r#"{"userid": "u1"}"#, "22023 an identity has no member \"userid\""),
        (r#"{"user_id": 1}"#, "22023 user_id must be a text that is not empty"),
        (r#"{"user_id": ""}"#, "22023 user_id must be a text that is not empty"),
        (r#"{"permissions": "a"}"#, "22023 permissions must be an array of texts that are not empty"),
        (r#"{"scopes": [1]}"#, "22023 scopes must be an array of texts that are not empty"),
        (r#"{"environment": "prod"}"#, "22023 environment must be \"live\" or \"test\""),
        (r#"{"email_verified": 1}"#, "22023 email_verified must be true or false"),
        (r#"{"claims": []}"#, "22023 claims must be a JSON object"),
        (r#"{"workspace_id": "w"}"#, "22023 the id of a workspace is a uuid"),
        (r#"{"key_id": "k"}"#, "22023 only a credential gives an identity \"key_id\""),
        (r#"{"expires_at": "2030-01-01"}"#, "22023 only a credential gives an identity \"expires_at\""),
        (r#"{"kind": "api_key"}"#, "22023 the kind of an identity that is acted is \"act_as\""),
        (r#"{"kind": "jwt"}"#, "22023 the kind of an identity that is acted is \"act_as\""),
        (r#"{"kind": "service"}"#, "42501 nobody acts as a service"),
        (r#"{"role": "service_role"}"#, "42501 nobody acts as a service"),
        (r#"{"kind": "act_as", "role": "service_role"}"#, "42501 nobody acts as a service"),
        (
            r#"{"org_id": "unknown"}"#,
            "22023 an organization of the identity is disabled, or nothing has this id",
        ),
        (
            r#"{"org_role": "x"}"#,
            "22023 a role and permissions are those in an organization: org_id says which",
        ),
        ("[]", "22023 the identity must be a JSON object"),
        ("null", "22023 the identity must be a JSON object"),
        (r#"{"claims": {"n": 1e400}}"#, "22023 the identity is no JSON that can be read"),
    ] {
        session.run("savepoint s");
        assert_eq!(session.refused(&act(stated)), refused, "{stated}");
        session.run("rollback to s");
        assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_B), "{stated}");
    }
    let foreign = format!(r#"{{"org_id": "{ORG_B}", "workspace_id": "{ORG_A}"}}"#);
    session.run("savepoint s");
    let refused = session.refused(&act(&foreign));
    assert_eq!(refused, "22023 a workspace of the identity is disabled, or of another organization");
    session.run("rollback to s");
    assert_eq!(session.refused("select auth.act_as(null)"), "22023 the identity must be given");
    session.run("rollback; begin");
    let deep = "select auth.act_as((repeat('{\"claims\":', 3000) || '1' || repeat('}', 3000))::jsonb)";
    assert_eq!(session.refused(deep), "22023 the identity is no JSON that can be read");
}

#[test]
fn t043_nobody_but_administrators_acts() {
    let db = Database::new();
    let (owner, granted) = (format!("owner_{}", db.name), format!("granted_{}", db.name));
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "create role {owner} login; alter database {} owner to {owner};
         create role {granted} login; grant execute on function auth.act_as(jsonb) to {granted};
         create schema tools; grant usage on schema tools to public;
         create function tools.act(identity jsonb) returns jsonb language sql security definer as 'select auth.act_as(identity)';
         create view tools.acting as select auth.act_as('{{\"user_id\": \"u1\"}}') as it;
         grant select on tools.acting to public",
        db.name
    ));
    for user in ["tenant", owner.as_str()] {
        let mut session = db.connect(user);
        session.run("begin");
        assert_eq!(session.refused(&in_org(ORG_A)), NOT_FOR_YOU, "{user}");
        session.run("rollback; begin");
        // Definer's rights of a superuser are not those of the one who calls.
        let tool = format!(r#"select tools.act('{{"org_id": "{ORG_A}"}}')"#);
        assert_eq!(session.refused(&tool), NO_ADMINISTRATOR, "{user}");
        session.run("rollback; begin");
        assert!(session.refused("select it from tools.acting").starts_with("42501"), "{user}");
        session.run("rollback");
        assert_nobody(&mut session);
    }
    let mut session = db.connect(&granted);
    assert_eq!(session.refused(&in_org(ORG_A)), NO_ADMINISTRATOR);
    // Whoever took on another role is that role, until he takes it off.
    superuser.run(&format!("set role {granted}"));
    assert_eq!(superuser.refused(&in_org(ORG_A)), NO_ADMINISTRATOR);
    superuser.run("reset role; begin");
    superuser.run(&in_org(ORG_A));
    superuser.run("commit; set session authorization tenant");
    assert_eq!(superuser.refused(&in_org(ORG_A)), NOT_FOR_YOU);
    superuser.run("reset session authorization");
    let mut administrator = db.connect("administrator");
    administrator.run("begin");
    administrator.run(&in_org(ORG_A));
    assert_eq!(administrator.value("select auth.current_org()").as_deref(), Some(ORG_A));
    drop((session, administrator));
    superuser.run(&format!(
        "alter database {} owner to postgres; drop owned by {granted}; drop role {granted}, {owner}",
        db.name
    ));
}

/// Code that maintenance runs for its owner does not act as somebody on behalf of whoever looks after the table.
#[test]
fn t031_code_that_maintenance_runs_for_its_owner_does_not_act() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let owner = format!("owner_{}", db.name);
    superuser.run(&format!(
        "create role {owner} in role bearer_admin; create table trap (n int); insert into trap values (1);
         create function act(n int) returns int language plpgsql immutable as $$
         begin perform auth.act_as('{{\"org_id\": \"{ORG_A}\"}}'); return n; end $$;
         alter function act(int) owner to {owner}; alter table trap owner to {owner}"
    ));
    superuser.run("begin; savepoint s");
    assert_eq!(superuser.refused("create index on trap (act(n))"), NO_ADMINISTRATOR);
    superuser.run("rollback to s");
    assert_nobody(&mut superuser);
    superuser.run(&format!("commit; drop owned by {owner}; drop role {owner}"));
}

#[test]
fn it_lives_as_every_identity_does_and_writes_nothing() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin read only");
    session.run(&in_org(ORG_A));
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    session.run("savepoint s");
    session.run(&in_org(ORG_B));
    session.run("rollback to s");
    assert_eq!(session.value("select auth.current_org()").as_deref(), Some(ORG_A));
    session.run("declare c cursor for select * from docs");
    assert!(session.refused(&in_org(ORG_B)).starts_with("55006"), "a cursor is open");
    session.run("rollback; begin");
    session.run(&in_org(ORG_A));
    assert!(session.refused("declare c cursor with hold for select 1").starts_with("55006"));
    session.run("rollback");
    assert_nobody(&mut session);
    // A credential takes the place of what was acted, and the other way round.
    session.run("begin");
    session.run(&in_org(ORG_A));
    session.authenticate(&token_b()).unwrap();
    assert_eq!(session.value("select auth.identity() ->> 'kind'").as_deref(), Some("jwt"));
    session.run(&in_org(ORG_A));
    assert_eq!(session.value("select auth.identity() ->> 'kind'").as_deref(), Some("act_as"));
    session.run("rollback");
}

#[test]
fn t073_every_call_is_in_the_log_although_it_is_rolled_back() {
    let db = Database::new();
    let mut session = db.superuser();
    let user = format!("logged {}", db.name);
    session.run("begin");
    session.run(&act(&format!(
        r#"{{"user_id": "{user}\nx", "org_id": "{ORG_A}", "claims": {{"c": "canary-{0}"}}}}"#,
        db.name
    )));
    session.run("rollback");
    let log = server().log();
    let line = format!(
        "pg_bearer: \"postgres\" acts as user \"{user}\\nx\" in organization {ORG_A}, without a credential"
    );
    assert_contains(&log, &line);
    let claims: Vec<&str> =
        log.lines().filter(|line| line.contains("pg_bearer:") && line.contains("canary")).collect();
    assert!(claims.is_empty(), "{claims:?}");
    // An expired or refused call is none.
    session.run("begin");
    assert!(refusal(session.batch_execute(&act(r#"{"userid": "u"}"#))).starts_with("22023"));
    session.run("rollback");
}

#[test]
fn who_acts_manages_what_the_user_may_manage() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("begin");
    let org = session.value("select auth.create_organization('o')").unwrap();
    session.run(&format!("select auth.add_member('{org}', 'u1', 'viewer')"));
    session.run(&act(r#"{"user_id": "u1"}"#));
    let refused = session.refused(&format!("select auth.add_member('{org}', 'u2', 'owner')"));
    assert!(refused.starts_with("42501"), "{refused}");
    session.run("rollback");
}
