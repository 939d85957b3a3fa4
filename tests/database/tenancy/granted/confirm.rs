//! auth.confirm_membership().

use super::*;

const CONFIRM: &str = "select auth.confirm_membership";

#[test]
fn t203_whoever_confirms_a_membership_has_it_whatever_others_give() {
    let db = Database::new();
    let (mut session, mut superuser) = (db.tenant(), db.superuser());
    let orgs = organizations(&mut session, "alice", 4);
    let mut desks = Vec::new();
    for org in &orgs {
        let add = format!("select auth.add_member('{org}', 'victim')");
        act(&mut session, "alice", &add);
        acting(&mut session, "alice");
        desks.push(session.value(&format!("select auth.create_workspace('{org}', 'desk')")).unwrap());
        session
            .run(&format!("select auth.add_workspace_member('{}', 'victim'); commit", desks.last().unwrap()));
    }
    set(&db, "max_granted_memberships", 2);
    let mut session = db.tenant();
    let counts = "select concat_ws(' ', cardinality(auth.org_ids()), cardinality(auth.workspace_ids()))";
    assert_eq!(told(&mut session, "victim", counts), "2 2");
    let there =
        format!("select concat(auth.is_member('{}'), auth.is_workspace_member('{}'))", orgs[3], desks[3]);
    assert_eq!(told(&mut session, "victim", &there), "ff");
    // What came after it makes no difference, and what is confirmed makes room for what was left out.
    act(&mut session, "victim", &format!("{CONFIRM}('{}')", orgs[3]));
    assert_eq!(told(&mut session, "victim", &there), "tt");
    assert_eq!(told(&mut session, "victim", counts), "3 3");
    // Once more is nothing: not even the row is written.
    let version =
        "select string_agg(concat_ws(' ', m.xmin, m.ctid, w.xmin, w.ctid), ',' order by m.created_at)
                     from auth.memberships m left join auth.workspace_memberships w using (user_id, org_id)";
    let before = superuser.value(version);
    act(&mut session, "victim", &format!("{CONFIRM}('{}')", orgs[3]));
    assert_eq!(superuser.value(version), before);
    // A workspace that comes later is no part of what was confirmed.
    acting(&mut session, "alice");
    let attic = session.value(&format!("select auth.create_workspace('{}', 'attic')", orgs[3])).unwrap();
    session.run("rollback");
    superuser.run(&format!(
        "insert into auth.workspaces (id, org_id, name) values ('{attic}', '{}', 'attic');
         insert into auth.workspace_memberships (user_id, workspace_id, org_id, role_id, created_by, accepted)
         values ('victim', '{attic}', '{0}', auth_internal.owner_role(), 'alice', false)",
        orgs[3]
    ));
    assert_eq!(told(&mut session, "victim", &format!("select auth.is_workspace_member('{attic}')")), "false");
}

#[test]
fn t203_only_users_confirm_and_only_their_own() {
    let db = Database::new();
    let (mut session, mut superuser) = (db.tenant(), db.superuser());
    let orgs = organizations(&mut session, "alice", 3);
    for org in &orgs {
        act(&mut session, "alice", &format!("select auth.add_member('{org}', 'victim')"));
    }
    let foreign = organizations(&mut session, "carol", 1);
    superuser.run(&format!("select auth.disable_organization('{}')", orgs[1]));
    let unknown = "00000000-0000-4000-8000-0000000000ff";
    for org in [format!("'{}'", foreign[0]), format!("'{}'", orgs[1]), format!("'{unknown}'"), "null".into()]
    {
        assert_eq!(denied(&mut session, "victim", &format!("{CONFIRM}({org})")), FOREIGN, "{org}");
    }
    let confirm = format!("{CONFIRM}('{}')", orgs[0]);
    assert_eq!(denied(&mut session, "carol", &confirm), FOREIGN);
    assert_eq!(session.refused(&confirm), "28000 this transaction has no identity");
    assert_eq!(superuser.refused(&confirm), "28000 this transaction has no identity");
    superuser.run(&format!("select auth.update_issuer('{ISSUER}', allow_service_role => true)"));
    let service = hs256(&with(claims_a(), serde_json::json!({"role": "service_role", "org_id": null})));
    session.run("begin");
    session.authenticate(&service).unwrap();
    assert_eq!(session.refused(&confirm), "42501 only a user can confirm a membership");
    session.run("rollback");
    let make = format!("select key from auth.create_api_key('k', '{}', user_id => 'victim')", orgs[0]);
    let key = superuser.value(&make).unwrap();
    session.run("begin");
    session.authenticate(&key).unwrap();
    assert_eq!(session.refused(&confirm), "42501 an API key may not do this");
    session.run("rollback");
    // Nor where the users of their issuer do not come.
    superuser.run(&format!(
        "update auth.issuers set org_ids = '{{{}}}' where issuer = '{STRICT_ISSUER}'",
        orgs[2]
    ));
    assert_eq!(denied(&mut session, "victim", &confirm), FOREIGN);
    act(&mut session, "victim", &format!("{CONFIRM}('{}')", orgs[2]));
    let state = "select string_agg(accepted::text, ' ' order by created_at) from auth.memberships where user_id = 'victim'";
    assert_eq!(superuser.value(state).as_deref(), Some("false false true"));
}

#[test]
fn t203_confirming_waits_for_nobody_and_holds_up_nobody() {
    let db = Database::new();
    let (mut session, mut superuser) = (db.tenant(), db.superuser());
    let org = organizations(&mut session, "alice", 1).remove(0);
    act(
        &mut session,
        "alice",
        &format!("select auth.add_member('{org}', 'victim'), auth.add_member('{org}', 'other')"),
    );
    acting(&mut session, "alice");
    let desk = session.value(&format!("select auth.create_workspace('{org}', 'desk')")).unwrap();
    session.run(&format!("select auth.add_workspace_member('{desk}', 'victim'); commit"));
    let confirm = format!("{CONFIRM}('{org}')");
    let busy = "55P03 somebody is changing this membership now";
    for table in ["memberships", "workspace_memberships"] {
        superuser.run(&format!("begin; select from auth.{table} where user_id = 'victim' for update"));
        assert_eq!(denied(&mut session, "victim", &confirm), busy, "{table}");
        superuser.run("rollback");
    }
    // Meanwhile the organization is everybody else's.
    acting(&mut session, "victim").run(&confirm);
    let mut alice = db.tenant();
    act(
        &mut alice,
        "alice",
        &format!(
            "set local lock_timeout = '200ms'; select auth.set_member_role('{org}', 'other', 'viewer'), auth.add_member('{org}', 'third'),
             auth.update_organization('{org}', 'Renamed'), auth.remove_member('{org}', 'other')"
        ),
    );
    session.run("commit");
    assert_eq!(
        told(&mut session, "victim", "select bool_and(accepted) from auth.list_organizations()"),
        "true"
    );
}
