//! What the install script made: every declaration, owner and grant against a list that is kept here.

mod audit_functions;
mod functions;
mod guard_functions;
mod http_functions;
mod internal_functions;
mod lint_functions;
mod outside_functions;
mod postgrest_functions;
mod protect_functions;
mod tables;
mod token_functions;
mod user_functions;

use audit_functions::AUDIT_FUNCTIONS;
use functions::FUNCTIONS;
use guard_functions::GUARD_FUNCTIONS;
use http_functions::HTTP_FUNCTIONS;
use internal_functions::INTERNAL_FUNCTIONS;
use lint_functions::LINT_FUNCTIONS;

use outside_functions::OUTSIDE_FUNCTIONS;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;
use postgrest_functions::POSTGREST_FUNCTIONS;
use protect_functions::PROTECT_FUNCTIONS;
use token_functions::TOKEN_FUNCTIONS;
use user_functions::USER_FUNCTIONS;

const TABLES: [&str; 31] = [
    "auth.api_key_revocations",
    "auth.api_key_settings",
    "auth.api_key_usage",
    "auth.api_key_uses",
    "auth.api_keys",
    "auth.audit_log",
    "auth.creation_rates",
    "auth.endings",
    "auth.guard_settings",
    "auth.hooks",
    "auth.invitations",
    "auth.issuers",
    "auth.jwt_keys",
    "auth.jwt_secrets",
    "auth.membership_sources",
    "auth.memberships",
    "auth.minted_tokens",
    "auth.one_time_tokens",
    "auth.organizations",
    "auth.revocations",
    "auth.roles",
    "auth.sealed_tokens",
    "auth.sessions",
    "auth.sign_in_tries",
    "auth.ticket_secret",
    "auth.unchecked_foreign_keys",
    "auth.user_bans",
    "auth.user_passwords",
    "auth.users",
    "auth.workspace_memberships",
    "auth.workspaces",
];

fn every_function() -> impl Iterator<Item = &'static (&'static str, &'static str)> {
    FUNCTIONS
        .iter()
        .chain(INTERNAL_FUNCTIONS)
        .chain(LINT_FUNCTIONS)
        .chain(PROTECT_FUNCTIONS)
        .chain(GUARD_FUNCTIONS)
        .chain(POSTGREST_FUNCTIONS)
        .chain(HTTP_FUNCTIONS)
        .chain(TOKEN_FUNCTIONS)
        .chain(AUDIT_FUNCTIONS)
        .chain(OUTSIDE_FUNCTIONS)
        .chain(USER_FUNCTIONS)
}

/// The first column of every row.
pub(super) fn rows(session: &mut Client, sql: &str) -> Vec<String> {
    session.query(sql, &[]).unwrap().iter().map(|row| row.get::<_, String>(0)).collect()
}

/// Asserts that a query for offenders finds none, and that without its condition it finds something.
fn assert_none(session: &mut Client, from: &str, offence: &str) {
    assert!(!rows(session, from).is_empty(), "nothing to check: {from}");
    assert_eq!(rows(session, &format!("{from} and ({offence})")), [] as [String; 0]);
}

const DECLARATIONS: &str = "
select p.pronamespace::regnamespace || '.' || p.proname || '(' || pg_catalog.oidvectortypes(p.proargtypes) || ') ' || pg_catalog.pg_get_function_result(p.oid) || ':'
       || case p.provolatile when 'i' then ' immutable' when 's' then ' stable' else ' volatile' end
       || case p.proparallel when 's' then ' safe' when 'r' then ' restricted' else ' unsafe' end
       || case when p.proisstrict then ' strict' else '' end
       || case when p.proleakproof then ' leakproof' else '' end
       || case when p.prosecdef then ' definer' else '' end
       || ' ' || l.lanname
       || case when p.prosrc like 'pg_bearer%' then ' ' || p.prosrc else '' end
  from pg_proc p join pg_language l on l.oid = p.prolang
 where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) order by p.proname, 1";

#[test]
fn t022_every_function_is_declared_as_the_library_expects() {
    let db = Database::new();
    let mut found = rows(&mut db.superuser(), DECLARATIONS);
    let mut expected: Vec<_> = every_function().map(|(_, declaration)| (*declaration).to_owned()).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn t036_nothing_is_executable_that_is_not_listed() {
    let db = Database::new();
    let mut found = rows(
        &mut db.superuser(),
        "select case a.grantee when 0 then 'public' else a.grantee::regrole::text end || ' ' || p.pronamespace::regnamespace || '.' || p.proname
                || case when a.is_grantable then ' with grant option' else '' end
           from pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
          where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and a.grantee <> p.proowner",
    );
    let name = |declaration: &'static str| declaration.split_once('(').unwrap().0;
    let each = |(who, declaration): &(&'static str, &'static str)| {
        let name = name(declaration);
        who.split_whitespace().map(move |who| format!("{who} {name}")).collect::<Vec<_>>()
    };
    let mut expected: Vec<_> = every_function().flat_map(each).collect();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn t009_no_function_has_a_second_form_that_could_be_bettered() {
    let db = Database::new();
    let mut session = db.superuser();
    let all = "select p.oid::regproc::text from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)";
    assert_none(&mut session, all, "p.provariadic <> 0 or p.prokind <> 'f'");
    let names = "select p.pronamespace::regnamespace || '.' || p.proname from pg_proc p
                  where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)";
    let doubles = format!("{names} group by 1 having count(*) > 1");
    assert_eq!(rows(&mut session, &doubles), [] as [String; 0]);
    // Arguments that have to be coerced would lose against an exact overload elsewhere.
    assert_none(
        &mut session,
        all,
        "'unknown'::regtype = any (p.proargtypes) or 'varchar'::regtype = any (p.proargtypes)",
    );
}

#[test]
fn t009_only_superusers_create_in_the_schema() {
    let db = Database::new();
    let mut session = db.superuser();
    assert_none(
        &mut session,
        "select r.rolname::text from pg_roles r where not r.rolsuper",
        "has_schema_privilege(r.oid, 'auth', 'create') or has_schema_privilege(r.oid, 'auth_internal', 'create')",
    );
    let owner =
        "select n.nspowner::regrole::text from pg_namespace n where n.nspname in ('auth', 'auth_internal')";
    assert_none(&mut session, owner, "not (select r.rolsuper from pg_roles r where r.oid = n.nspowner)");
    for role in ["tenant", "administrator", "bearer_owner", "bearer_users", "bearer_admin", "bearer_service"]
    {
        session.run(&format!("set role {role}"));
        for schema in ["auth", "auth_internal"] {
            let plant = format!(
                "create function {schema}.has_scope(scope varchar) returns boolean language sql return true"
            );
            let refused = format!("42501 permission denied for schema {schema}");
            assert_eq!(session.refused(&plant), refused, "{role}");
        }
        session.run("reset role");
    }
}

#[test]
fn t031_definer_functions_belong_to_a_role_that_can_do_nothing_else() {
    let db = Database::new();
    let mut session = db.superuser();
    let definers = "select p.proname::text from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and p.prosecdef";
    // Those that write auth.users run what others put on it: `tables` asks what they may.
    let owner = "case when p.proname in ('find_user', 'page_of_users', 'insert_user', 'change_user') then 'bearer_users' else 'bearer_owner' end";
    assert_none(&mut session, definers, &format!("p.proowner <> ({owner})::regrole"));
    assert_none(
        &mut session,
        "select r.rolname::text from pg_roles r where r.rolname like 'bearer\\_%'",
        "r.rolsuper or r.rolbypassrls or r.rolcanlogin or r.rolcreaterole or r.rolcreatedb or r.rolreplication
         or exists (select from pg_auth_members m where m.member = r.oid)",
    );
    let members = "select m.member::regrole::text from pg_auth_members m where m.roleid in ('bearer_owner'::regrole, 'bearer_users'::regrole)";
    assert_eq!(rows(&mut session, members), [] as [String; 0]);
    for role in ["bearer_owner", "bearer_users"] {
        let refused = format!("42501 permission denied to set role \"{role}\"");
        assert_eq!(db.tenant().refused(&format!("set role {role}")), refused);
    }
}

#[test]
fn t032_t033_functions_with_a_body_pin_their_search_path() {
    let db = Database::new();
    assert_none(
        &mut db.superuser(),
        "select p.proname::text from pg_proc p join pg_language l on l.oid = p.prolang
          where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and (p.prosecdef or l.lanname <> 'c')",
        // Also how values are printed, in what prints them, and how queries are run.
        "array(select unnest(p.proconfig) except select unnest(array['standard_conforming_strings=on', 'quote_all_identifiers=off', 'lock_timeout=2s',
                   'DateStyle=ISO, YMD', 'IntervalStyle=iso_8601', 'TimeZone=UTC', 'bytea_output=hex', 'extra_float_digits=1', 'jit=off',
                   'debug_print_plan=off']))
         is distinct from array['search_path=pg_catalog, pg_temp']
         or (p.prosecdef and l.lanname <> 'c') <> ('debug_print_plan=off' = any (p.proconfig))",
    );
}

#[test]
fn functions_tables_columns_indexes_and_the_schema_have_comments() {
    let db = Database::new();
    let mut session = db.superuser();
    for (catalog, all, column) in [
        ("pg_proc", "select o.proname::text from pg_proc o where o.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)", "0"),
        ("pg_class", "select o.relname::text from pg_class o where o.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and o.relkind in ('r', 'v')", "0"),
        ("pg_class", "select o.relname || '.' || a.attname from pg_class o join pg_attribute a on a.attrelid = o.oid
                       where o.relnamespace = 'auth'::regnamespace and o.relkind in ('r', 'v') and a.attnum > 0", "a.attnum"),
        ("pg_class", "select o.relname::text from pg_class o where o.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and o.relkind = 'i'
                         and not exists (select from pg_constraint c where c.conindid = o.oid)", "0"),
        ("pg_namespace", "select o.nspname::text from pg_namespace o where o.nspname in ('auth', 'auth_internal')", "0"),
        ("pg_extension", "select o.extname::text from pg_extension o where o.extname = 'pg_bearer'", "0"),
    ] {
        let missing = format!(
            "not exists (select from pg_description d where d.objoid = o.oid and d.objsubid = {column}
                            and d.classoid = '{catalog}'::regclass and length(d.description) > 10)"
        );
        assert_none(&mut session, all, &missing);
    }
}

#[test]
fn everything_in_the_schema_belongs_to_the_extension_and_nothing_is_elsewhere() {
    let db = Database::new();
    let mut session = db.superuser();
    let found = rows(
        &mut session,
        "select distinct d.classid::regclass || ' ' || coalesce((pg_identify_object(d.classid, d.objid, 0)).schema, '-')
           from pg_depend d join pg_extension e on e.oid = d.refobjid and d.refclassid = 'pg_extension'::regclass
          where e.extname = 'pg_bearer' and d.deptype = 'e'
            -- The types of tables' rows, and their arrays, are members in newer versions.
            and not exists (select from pg_type t join pg_type e on e.oid in (t.oid, t.typelem) join pg_class c on c.oid = e.typrelid
                             where d.classid = 'pg_type'::regclass and t.oid = d.objid and c.relkind in ('r', 'v')
                               and c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace))
          order by 1",
    );
    assert_eq!(
        found,
        [
            "pg_class auth",
            "pg_class auth_internal",
            "pg_namespace -",
            "pg_proc auth",
            "pg_proc auth_http",
            "pg_proc auth_internal",
            // auth_internal.user_row
            "pg_type auth_internal"
        ]
    );
    for (catalog, all) in [
        (
            "pg_proc",
            "select p.proname::text from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)",
        ),
        (
            "pg_class",
            "select p.relname::text from pg_class p where p.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and p.relkind not in ('i', 't', 'c')",
        ),
    ] {
        let stray = format!(
            "not exists (select from pg_depend d where d.objid = p.oid and d.classid = '{catalog}'::regclass and d.deptype = 'e')"
        );
        assert_none(&mut session, all, &stray);
    }
}

fn first_column(table: &str) -> &'static str {
    match table {
        "auth.jwt_secrets" | "auth.api_key_uses" | "auth.api_key_usage" => "key_id",
        "auth.api_key_settings" => "org_id",
        "auth.creation_rates" | "auth.memberships" | "auth.workspace_memberships" => "user_id",
        "auth.guard_settings" => "new_tables",
        "auth.hooks" => "name",
        "auth.membership_sources" => "source",
        "auth.ticket_secret" => "single",
        "auth.unchecked_foreign_keys" => "key",
        _ => "id",
    }
}

#[test]
fn t047_nobody_but_the_functions_touches_the_tables() {
    let db = Database::new();
    for (user, role) in
        [("tenant", "tenant"), ("administrator", "administrator"), ("administrator", "bearer_admin")]
    {
        let mut session = db.connect(user);
        session.run(&format!("set role {role}"));
        for table in TABLES {
            for sql in [
                format!("select from {table}"),
                format!("copy {table} to stdout"),
                format!("insert into {table} default values"),
                format!("update {table} set {} = null", first_column(table)),
                format!("delete from {table}"),
                format!("truncate {table} cascade"),
                format!("begin; lock table {table} in access share mode"),
                format!("begin; lock table {table} in access exclusive mode"),
            ] {
                let name = table.trim_start_matches("auth.");
                assert_eq!(
                    session.refused(&sql),
                    format!("42501 permission denied for table {name}"),
                    "{role}: {sql}"
                );
                session.run("rollback");
            }
            for sql in [
                format!("alter table {table} disable row level security"),
                format!("create policy all_of_it on {table} using (true)"),
                format!("drop table {table}"),
                format!("create index on {table} (created_at)"),
            ] {
                assert!(session.refused(&sql).starts_with("42501 must be owner of table"), "{role}: {sql}");
            }
        }
    }
}

#[test]
fn t035_a_role_without_execute_gets_an_error_and_no_rows() {
    let db = Database::new();
    db.superuser().run("revoke usage on schema auth from public");
    let mut session = db.tenant();
    assert_eq!(session.visible(), 0);
    assert_eq!(session.refused("select auth.uid()"), "42501 permission denied for schema auth");
    db.superuser().run("revoke execute on function auth.in_org(uuid) from public");
    assert_eq!(db.tenant().refused("select * from docs"), "42501 permission denied for function in_org");
}

#[test]
fn t064_keys_are_no_numbers_and_reveal_no_volume() {
    let db = Database::new();
    let mut session = db.superuser();
    let classes = "select c.relname::text from pg_class c where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace)";
    assert_none(&mut session, classes, "c.relkind = 'S'");
    assert_none(
        &mut session,
        "select c.conrelid::regclass::text from pg_constraint c where c.connamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace, 'auth_http'::regnamespace) and c.contype = 'p'",
        "exists (select from pg_attribute a where a.attrelid = c.conrelid and a.attnum = any (c.conkey)
                     and a.atttypid not in ('uuid'::regtype, 'text'::regtype, 'boolean'::regtype, 'regclass'::regtype, 'oid'::regtype, 'date'::regtype))",
    );
}
