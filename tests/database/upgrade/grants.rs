//! Who may do what after an update: what is new is nobody's, what administrators granted stays.

use super::retired::{WITH_OTHER_RESULT, old_list_invitations};
use super::scripts::{
    assert_fresh, before, differences, installed, last_release, update, update_from, update_once_more,
    with_step,
};
use crate::catalog::rows;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// Everything that somebody else than its owner may do in our schemas.
const GRANTS: &str = "
select concat_ws(' ', o.name, case a.grantee when 0 then 'public' else a.grantee::regrole::text end, lower(a.privilege_type),
                 case when a.is_grantable then 'with grant option' end)
  from (select n.nspname as name, n.oid as schema, n.nspowner as owner, n.nspacl as acl from pg_namespace n
        union all
        select p.pronamespace::regnamespace || '.' || p.proname, p.pronamespace, p.proowner,
               coalesce(p.proacl, acldefault('f', p.proowner)) from pg_proc p
        union all
        select c.oid::regclass::text, c.relnamespace, c.relowner, c.relacl from pg_class c
        union all
        select c.oid::regclass || '.' || a.attname, c.relnamespace, c.relowner, a.attacl
          from pg_attribute a join pg_class c on c.oid = a.attrelid) o
 cross join lateral aclexplode(o.acl) a
 where o.schema in ('auth'::regnamespace, 'auth_internal'::regnamespace) and a.grantee <> o.owner
 order by 1";

/// What there is more, and less, than CREATE EXTENSION grants.
fn changes(session: &mut Client) -> Vec<String> {
    let db = Database::empty();
    let mut fresh = db.superuser();
    fresh.run("create extension pg_bearer");
    differences(&rows(&mut fresh, GRANTS), &rows(session, GRANTS))
}

/// Gives everybody everything that will be made.
pub(super) const HOSTILE_DEFAULTS: &str = "
do $$
declare
    kind text;
begin
    foreach kind in array array['tables', 'functions', 'types', 'schemas', 'sequences'] loop
        execute format('alter default privileges grant all on %s to public, tenant, bearer_service', kind);
        execute format('alter default privileges grant all on %s to other, bearer_admin with grant option', kind);
    end loop;
end
$$";

#[test]
fn t200_default_privileges_give_nobody_what_an_update_makes() {
    let (version, script) = last_release();
    let step = "create table auth.made (id int); create view auth.made_view as select 1 as one;
                create function auth.made() returns int language sql return 1;
                create function auth_internal.made() returns int language sql return 1;";
    let db = installed(&script, &with_step(&update_from(&version), step));
    let mut session = db.superuser();
    session.run(HOSTILE_DEFAULTS);
    update(&mut session);
    assert_eq!(changes(&mut session), ["+ auth_internal.made bearer_owner execute"]);
    let types = "select count(*) from pg_type t, aclexplode(t.typacl) a where a.grantee <> t.typowner
                    and typnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace)";
    assert_eq!(session.value(types).as_deref(), Some("0"));
}

#[test]
fn t200_default_privileges_change_no_update() {
    let db = before();
    let mut session = db.superuser();
    session.run(HOSTILE_DEFAULTS);
    update(&mut session);
    assert_fresh(&mut session, "from a release");
    update_once_more(&mut session);
    assert_fresh(&mut session, "from a version with both schemas");
}

#[test]
fn default_privileges_that_take_from_the_owner_do_no_harm_to_an_update() {
    let db = before();
    let mut session = db.superuser();
    for kind in ["tables", "functions", "types", "schemas"] {
        session.run(&format!("alter default privileges revoke all on {kind} from postgres, public"));
    }
    update(&mut session);
    assert_fresh(&mut session, "revoked default privileges");
}

/// What administrators granted, to a role whose name has to be quoted too.
const GRANTED: &str = r#"
do $$ begin create role "an ""odd"" role"; exception when duplicate_object or unique_violation then null; end $$;
grant usage on schema auth to tenant with grant option;
grant create on schema auth to "an ""odd"" role";
grant execute on function auth.list_issuers() to tenant;
grant execute on function auth.list_invitations(uuid) to "an ""odd"" role" with grant option;
grant select on auth.organizations to tenant with grant option;
grant insert, delete on auth.roles to "an ""odd"" role";
grant select (name), update (slug) on auth.organizations to other;
grant select on auth.api_keys_due to other;
-- Not theirs to give: this is for us to say.
grant execute on function auth.list_issuers(), auth.load_jwks(text, text, interval) to public, bearer_service;
grant execute on function auth.uid() to bearer_admin with grant option;
grant create on schema auth to public, bearer_admin;
grant all on auth.api_keys to bearer_admin;
grant select (key_hash) on auth.api_keys to public;
grant update (name) on auth.workspaces to bearer_service;
"#;
const KEPT: [&str; 10] = [
    r#"+ auth "an ""odd"" role" create"#,
    "+ auth tenant usage with grant option",
    "+ auth.api_keys_due other select",
    "+ auth.list_issuers tenant execute",
    r#"+ auth.list_invitations "an ""odd"" role" execute with grant option"#,
    "+ auth.organizations tenant select with grant option",
    "+ auth.organizations.name other select",
    "+ auth.organizations.slug other update",
    r#"+ auth.roles "an ""odd"" role" delete"#,
    r#"+ auth.roles "an ""odd"" role" insert"#,
];

fn kept() -> Vec<String> {
    let mut kept = KEPT.map(str::to_owned).to_vec();
    kept.sort();
    kept
}

fn sorted_changes(session: &mut Client) -> Vec<String> {
    let mut found = changes(session);
    found.sort();
    found
}

#[test]
fn t199_what_administrators_granted_stays_and_the_rest_is_as_fresh() {
    let db = before();
    let mut session = db.superuser();
    session.run(GRANTED);
    // What moves becomes ours alone.
    session.run("grant execute on function auth.require_administrator(), auth.base_type(oid) to tenant with grant option");
    session.run("revoke execute on function auth.uid(), auth.in_org(uuid) from public");
    update(&mut session);
    assert_eq!(sorted_changes(&mut session), kept());
    update_once_more(&mut session);
    assert_eq!(sorted_changes(&mut session), kept());
}

#[test]
fn t199_a_function_that_is_made_anew_keeps_what_was_granted_on_it() {
    let (version, _) = last_release();
    for in_use in [false, true] {
        let step = "select auth_internal.retire_function('auth.list_invitations(uuid)');
                    select auth_internal.retire_function('auth.list_issuers()');";
        let db = installed(&old_list_invitations(), &with_step(&update_from(&version), step));
        let mut session = db.superuser();
        session.run(GRANTED);
        if in_use {
            session.run(WITH_OTHER_RESULT);
            session.run("create view issuers as select 1 as one from auth.list_issuers()");
        }
        update(&mut session);
        let (retired, others): (Vec<_>, Vec<_>) =
            sorted_changes(&mut session).into_iter().partition(|line| line.contains("retired_"));
        assert_eq!(others, kept(), "in use: {in_use}");
        // Who may call what refuses: everybody, so that everybody is told.
        assert_eq!(retired.len(), if in_use { 2 } else { 0 }, "{retired:#?}");
        assert!(retired.iter().all(|line| line.ends_with(" public execute")), "{retired:#?}");
    }
}

#[test]
fn t200_in_auth_internal_only_our_own_grants_outlive_an_update() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(
        "grant all on schema auth_internal to tenant with grant option;
         grant all on all functions in schema auth_internal to tenant with grant option;
         grant all on all functions in schema auth_internal to public, bearer_admin, bearer_service",
    );
    db.tenant().run(
        "grant usage on schema auth_internal to other;
         grant execute on all functions in schema auth_internal to other, public",
    );
    assert!(changes(&mut session).len() > 500);
    update_once_more(&mut session);
    assert_eq!(changes(&mut session), [] as [String; 0]);
}

#[test]
fn t200_what_others_made_in_the_schema_gets_no_rights_of_ours() {
    let db = before();
    let mut session = db.superuser();
    session.run("grant create on schema auth to tenant");
    db.tenant().run(
        "create function auth.planted() returns text language sql security definer return current_user;
         create table auth.planted_table (id int); grant select on auth.planted_table to public;
         create view auth.planted_view as select 1 as one; grant select on auth.planted_view to bearer_service",
    );
    update(&mut session);
    let owners = "select string_agg(distinct owner::regrole::text, ' ') from (
                      select proowner from pg_proc where proname like 'planted%'
                      union all select relowner from pg_class where relname like 'planted%') o(owner)";
    assert_eq!(session.value(owners).as_deref(), Some("tenant"));
    assert_eq!(session.value("select auth.planted()").as_deref(), Some("tenant"));
    assert_eq!(
        sorted_changes(&mut session),
        [
            "+ auth tenant create",
            "+ auth.planted public execute",
            "+ auth.planted_table public select",
            "+ auth.planted_view bearer_service select"
        ]
    );
}
