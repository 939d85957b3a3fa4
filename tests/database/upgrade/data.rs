//! What was stored is there after an update, and a dump of either version is restored as this one.

use super::scripts::{assert_fresh, before, release, released, update, update_once_more};
use crate::dump::{SIGNED_UP, TABLES, TENANTS, dump, restore};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::Client;

/// Tables of ours that are there, with their columns.
type Columns = Vec<(String, String)>;

pub(super) fn columns(session: &mut Client) -> Columns {
    let list = |table: &&str| {
        let sql = format!(
            "select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
              where attrelid = to_regclass('auth.{table}') and attnum > 0 and not attisdropped"
        );
        Some((table.to_string(), session.value(&sql)?))
    };
    TABLES.iter().filter_map(list).collect()
}

/// Everything in these columns.
pub(super) fn contents(session: &mut Client, columns: &Columns) -> Vec<String> {
    let rows = columns.iter().map(|(table, list)| {
        let row = format!("row({list})::text");
        let sql = format!("select coalesce(string_agg({row}, E'\\n' order by {row}), '') from auth.{table}");
        format!("{table}: {}", session.value(&sql).unwrap())
    });
    rows.collect()
}

pub(super) fn seed(session: &mut Client) {
    session.run(TENANTS);
    session.run(&format!(
        "select auth.add_issuer('{STRICT_ISSUER}');
         select auth.add_jwt_secret('{STRICT_ISSUER}', '{SECRET}')"
    ));
    // From 0.2.0 on.
    if session.value("select to_regclass('auth.users')").is_some() {
        session.run(SIGNED_UP);
    }
}

/// Alice's token is accepted, she sees her organization's rows and nobody else's, and a key can be made and used.
pub(super) fn assert_works(session: &mut Client) {
    session.run(
        "create table notes (org_id uuid not null default auth.current_org(), body text);
         create index on notes (org_id);
         alter table notes enable row level security; alter table notes force row level security;
         create policy own on notes using (auth.in_org(org_id)) with check (auth.in_org(org_id));
         insert into notes select org_id, slug from auth.list_organizations();
         grant all on notes to tenant",
    );
    session.run("begin; set local role tenant");
    session.authenticate(&token_of("alice")).unwrap();
    assert_eq!(session.value("select string_agg(body, ',') from notes").as_deref(), Some("acme"));
    let made = "select key from auth.create_api_key('after', auth.current_org(), scopes => '{x.read}')";
    let key = session.value(made).unwrap();
    session.authenticate(&key).unwrap();
    assert_eq!(session.value("select count(*) from notes").as_deref(), Some("1"));
    session.run("rollback");
    session.run("drop table notes");
}

#[test]
fn what_was_stored_survives_an_upgrade() {
    for (version, script) in released() {
        let db = release(&version, &script);
        let mut session = db.superuser();
        seed(&mut session);
        let columns = columns(&mut session);
        let before = contents(&mut session, &columns);
        assert!(
            before.iter().all(|rows| !rows.ends_with(": ")),
            "an empty table proves nothing: {before:#?}"
        );
        update(&mut session);
        assert_eq!(contents(&mut session, &columns), before, "from {version}");
        assert_works(&mut session);
        update_once_more(&mut session);
        assert_eq!(contents(&mut session, &columns), before, "from {version}, and on");
    }
}

/// What is in our tables but the times at which an install made the roles that come with it.
fn restorable(session: &mut Client, columns: &Columns) -> Vec<String> {
    session.run("update auth.roles set created_at = '2026-01-01' where builtin");
    contents(session, columns)
}

#[test]
fn a_dump_of_a_release_and_one_of_its_update_are_restored_as_this_version() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    let columns = columns(&mut session);
    let expected = restorable(&mut session, &columns);
    // A dump says CREATE EXTENSION without a version.
    for is_updated in [false, true] {
        if is_updated {
            update(&mut session);
        }
        for (format, jobs) in [("-Fp", ""), ("-Fc", "-j4")] {
            let restored = restore(&dump(&db, format, "-c pg_bearer.dump_secrets=on"), format, jobs);
            let mut session = restored.superuser();
            assert_eq!(restorable(&mut session, &columns), expected, "{format}, updated: {is_updated}");
            assert_works(&mut session);
            assert_fresh(&mut session, format);
        }
    }
}

#[test]
fn t211_the_organizations_that_a_user_created_count_after_an_update() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    session.run("begin");
    session.authenticate(&token_of("alice")).unwrap();
    session.run("select auth.create_organization('Own'); commit");
    update(&mut session);
    let created = "select string_agg(name || ' ' || created_by, ', ') from auth.organizations where created_by is not null";
    assert_eq!(session.value(created).as_deref(), Some("Own alice"));
    session.run("set pg_bearer.max_organizations = 1; begin");
    session.authenticate(&token_of("alice")).unwrap();
    let full = "54000 you have created as many organizations as you may";
    assert_eq!(session.refused("select auth.create_organization('x')"), full);
}

#[test]
fn t202_after_an_upgrade_is_accepted_what_its_user_made_or_took_or_an_administrator_gave() {
    let db = before();
    let mut session = db.superuser();
    seed(&mut session);
    let mut tenant = db.tenant();
    let mut act = |user: &str, sql: &str| {
        tenant.run("begin");
        tenant.authenticate(&token_of(user)).unwrap();
        let answer = tenant.value(sql);
        tenant.run("commit");
        answer.unwrap()
    };
    let org = act("ann", "select auth.create_organization('Ann Inc')");
    let desk = act("ann", &format!("select auth.create_workspace('{org}', 'desk')"));
    act("ann", &format!("select auth.add_member('{org}', 'ben')"));
    act("ann", &format!("select auth.add_workspace_member('{desk}', 'ben')"));
    let invite = format!("select token from auth.create_invitation('{org}', workspace_id => '{desk}')");
    let token = act("ann", &invite);
    act("cid", &format!("select auth.accept_invitation('{token}')"));
    session
        .run(&format!("select auth.add_member('{org}', 'dan'), auth.add_workspace_member('{desk}', 'dan')"));
    update(&mut session);
    for table in ["memberships", "workspace_memberships"] {
        let stored = format!(
            "select string_agg(user_id || ' ' || coalesce(accepted::text, '-'), ',' order by user_id) from auth.{table} where org_id = '{org}'"
        );
        assert_eq!(session.value(&stored).as_deref(), Some("ann true,ben -,cid true,dan true"), "{table}");
    }
    let listed = format!(
        "select string_agg(concat_ws(' ', user_id, accepted, left_out), ',' order by user_id) from auth.list_members('{org}')"
    );
    assert_eq!(session.value(&listed).as_deref(), Some("ann t f,ben f f,cid t f,dan t f"));
}
