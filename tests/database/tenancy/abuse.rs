//! What people with some rights would try: other people's rights, and other people's time.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, refusal};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;

const OUT_OF_REACH: &str = "42501 organizations are out of reach of a security-restricted operation";

/// An organization of this owner, made by an administrator.
fn organization(superuser: &mut Client, name: &str, owner: &str) -> String {
    superuser.value(&format!("select auth.create_organization('{name}', owner_id => '{owner}')")).unwrap()
}

/// A transaction of this user.
fn acting<'a>(session: &'a mut Client, user: &str) -> &'a mut Client {
    session.run("begin");
    session.authenticate(&token_of(user)).unwrap();
    session
}

#[test]
fn t031_code_that_maintenance_runs_for_its_owner_is_no_administrator() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let org = organization(&mut superuser, "Alice Inc", "alice");
    superuser.run("grant create on schema public to tenant");
    let mut tenant = db.tenant();
    tenant.run(&format!(
        "create table bait (n int);
         create function lure(n int) returns int immutable language plpgsql as $$ begin return n; end $$;
         create index on bait (lure(n));
         insert into bait select generate_series(1, 50);
         create or replace function lure(n int) returns int immutable language plpgsql as $$ begin
           perform auth.add_member('{org}', 'mallory', 'owner'); return n; end $$"
    ));
    for maintenance in ["analyze bait", "reindex table bait", "vacuum analyze bait"] {
        let error = superuser.batch_execute(maintenance).unwrap_err();
        assert_eq!(refusal::<()>(Err(error)), OUT_OF_REACH, "{maintenance}");
    }
    // Nor is it the service, or the user, in whose transaction it runs.
    superuser.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    let service = hs256(&with(claims_a(), json!({"role": "service_role", "org_id": null})));
    for token in [service, token_of("alice")] {
        superuser.run("begin");
        superuser.authenticate(&token).unwrap();
        assert_eq!(superuser.refused("analyze bait"), OUT_OF_REACH);
        superuser.run("rollback");
    }
    let members = format!("select string_agg(user_id, ' ') from auth.list_members('{org}')");
    assert_eq!(superuser.value(&members).as_deref(), Some("alice"));
}

#[test]
fn an_issuer_of_some_organizations_lets_its_users_into_no_others() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let own = organization(&mut superuser, "Tenant Inc", "boss");
    let other = organization(&mut superuser, "Alice Inc", "alice");
    superuser.run(&format!("update auth.issuers set org_ids = '{{{own}}}' where issuer = '{STRICT_ISSUER}'"));
    let invite = |superuser: &mut Client, org: &str| {
        superuser.value(&format!("select token from auth.create_invitation('{org}', 'admin')")).unwrap()
    };
    let (to_own, to_other) = (invite(&mut superuser, &own), invite(&mut superuser, &other));
    let mut session = db.tenant();
    let refused =
        acting(&mut session, "guest").refused(&format!("select auth.accept_invitation('{to_other}')"));
    assert_eq!(refused, "42501 the invitation is not valid");
    session.run("rollback");
    let refused = acting(&mut session, "alice").refused("select auth.create_organization('Trap')");
    assert_eq!(refused, "42501 users of this issuer do not create organizations");
    session.run("rollback");
    acting(&mut session, "guest").run(&format!("select auth.accept_invitation('{to_own}'); commit"));
    assert_eq!(acting(&mut session, "guest").value("select auth.current_org()::text"), Some(own));
}

#[test]
fn members_can_be_made_by_invitation_only() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let org = organization(&mut superuser, "Alice Inc", "alice");
    superuser.run(&format!("alter database {} set pg_bearer.member_addition = invitation", db.name));
    let add = format!("select auth.add_member('{org}', 'bob')");
    let refused = "42501 users are not added without their consent here";
    let mut session = db.tenant();
    assert_eq!(acting(&mut session, "alice").refused(&add), refused);
    // Nor by hiding the setting before the library is loaded.
    let option = "-c pg_bearer.member_addition=direct";
    let mut sly = db.config("tenant").options(option).connect(postgres::NoTls).unwrap();
    assert_eq!(acting(&mut sly, "alice").refused(&add), refused);
    db.superuser().run(&add);
}

#[test]
fn a_role_is_not_as_large_as_anybody_likes() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let org = organization(&mut superuser, "Alice Inc", "alice");
    for permissions in ["array_fill('a'::text, array[201])", "array[repeat('a', 101)]"] {
        let define = format!("select auth.define_role('big', {permissions}, '{org}')");
        assert_eq!(superuser.refused(&define), "22023 permissions has a value that is not allowed");
    }
}

#[test]
fn t111_a_demotion_reaches_the_workspaces_too() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let org = organization(&mut superuser, "Alice Inc", "alice");
    superuser.run(&format!("select auth.add_member('{org}', 'dave', 'admin')"));
    let mut session = db.tenant();
    let create = format!("select auth.create_workspace('{org}', 'Design')");
    acting(&mut session, "dave").run(&format!("{create}; commit"));
    acting(&mut session, "alice").run(&format!("{create}; commit"));
    let roles = |session: &mut Client, user: &str| {
        let sql = "select concat_ws(' ', auth.org_role(), auth.workspace_role())";
        let roles = acting(session, user).value(sql);
        session.run("rollback");
        roles.unwrap()
    };
    assert_eq!(roles(&mut session, "dave"), "admin admin");
    acting(&mut session, "alice")
        .run(&format!("select auth.set_member_role('{org}', 'dave', 'viewer'); commit"));
    assert_eq!(roles(&mut session, "dave"), "viewer viewer");
    assert_eq!(roles(&mut session, "alice"), "owner owner");
    acting(&mut session, "alice").run(&format!("select auth.transfer_ownership('{org}', 'dave'); commit"));
    assert_eq!(roles(&mut session, "alice"), "admin admin");
}

#[test]
fn claims_of_a_believed_issuer_open_no_workspace_that_is_another_organizations_or_disabled() {
    let db = Database::new();
    let mut superuser = db.superuser();
    let (alice, carl) =
        (organization(&mut superuser, "A", "alice"), organization(&mut superuser, "C", "carl"));
    let mut workspace =
        |org: &str| superuser.value(&format!("select auth.create_workspace('{org}', 'W')")).unwrap();
    let (foreign, own, closed) = (workspace(&alice), workspace(&carl), workspace(&carl));
    superuser.run(&format!("select auth.disable_workspace('{closed}')"));
    let mut session = db.tenant();
    for (workspace, opens) in [(&foreign, false), (&closed, false), (&own, true)] {
        session.run("begin");
        let claims = with(claims_a(), json!({"sub": "carl", "org_id": carl, "workspace_id": workspace}));
        session.authenticate(&hs256(&claims)).unwrap();
        let sql = format!(
            "select concat(auth.current_workspace() = '{workspace}', auth.is_workspace_member('{workspace}'))"
        );
        assert_eq!(session.value(&sql).as_deref(), Some(if opens { "tt" } else { "f" }), "{workspace}");
        session.run("rollback");
    }
}

#[test]
fn two_rows_of_a_registered_table_that_differ_permit_nothing() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(
        "create table m (u text, o uuid, r text); create index on m (u);
         select auth.register_membership_source('m', 'u', 'o', 'r')",
    );
    let mut session = db.tenant();
    for (rows, role) in
        [("'admin'), ('viewer'", None), ("'viewer'), ('admin'", None), ("'admin'), ('admin'", Some("admin"))]
    {
        superuser
            .run(&format!("truncate m; insert into m select 'u', '{ORG_A}', r from (values ({rows})) v (r)"));
        let found =
            acting(&mut session, "u").value("select auth.org_role() where auth.current_org() is not null");
        assert_eq!(found.as_deref(), role, "{rows}");
        session.run("rollback");
    }
}
