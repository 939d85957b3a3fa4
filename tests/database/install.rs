//! Installing where somebody has prepared the ground: a clean failure, or what a clean install makes.

mod roles;

use pg_bearer_tests::database::{Session, assert_contains, is_long};
use pg_bearer_tests::{Database, server};
use postgres::{Client, NoTls};
use std::sync::OnceLock;

/// Everything the extension is, one line for each thing, so that two installs can be compared.
const CATALOG: &str = "
set search_path = pg_catalog, pg_temp;
create function pg_temp.acl(acl aclitem[], kind \"char\", owner oid) returns text language sql as $$
  select string_agg(x.line, ', ' order by x.line) from (
    select case a.grantee when 0 then 'public' else a.grantee::regrole::text end || '=' || a.privilege_type
           || case when a.is_grantable then '*' else '' end || '/' || a.grantor::regrole as line
      from aclexplode(coalesce(acl, acldefault(kind, owner))) a) x $$;
select line from (
  select concat_ws(' ', 'schema', n.nspname, n.nspowner::regrole, pg_temp.acl(n.nspacl, 'n', n.nspowner)) as line
    from pg_namespace n where n.nspname in ('auth', 'auth_internal', 'auth_http')
  union all select concat_ws(' ', 'function', pg_get_functiondef(p.oid), p.proowner::regrole, pg_temp.acl(p.proacl, 'f', p.proowner))
    from pg_proc p where p.pronamespace::regnamespace::text in ('auth', 'auth_internal', 'auth_http')
  union all select concat_ws(' ', 'class', c.relkind, c.relname, c.relowner::regrole, c.relrowsecurity, c.relforcerowsecurity,
                             c.relhastriggers, c.reloptions, case c.relkind when 'i' then pg_get_indexdef(c.oid) else pg_temp.acl(c.relacl, 'r', c.relowner) end,
                             case c.relkind when 'v' then pg_get_viewdef(c.oid) end)
    from pg_class c where c.relnamespace::regnamespace::text in ('auth', 'auth_internal', 'auth_http')
  union all select concat_ws(' ', 'column', a.attrelid::regclass, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
                             a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), a.attacl)
    from pg_attribute a join pg_class c on c.oid = a.attrelid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
   where c.relnamespace::regnamespace::text in ('auth', 'auth_internal', 'auth_http') and c.relkind = 'r'
  union all select concat_ws(' ', 'constraint', c.conrelid::regclass, c.conname, pg_get_constraintdef(c.oid))
    from pg_constraint c where c.connamespace::regnamespace::text in ('auth', 'auth_internal', 'auth_http')
  union all select concat_ws(' ', 'type', t.typname, t.typowner::regrole, regexp_replace(pg_temp.acl(t.typacl, 'T', t.typowner), ', public=USAGE/.*$', ''))
    from pg_type t where t.typnamespace::regnamespace::text in ('auth', 'auth_internal', 'auth_http')
  union all select concat_ws(' ', 'dumped', x.config::regclass, x.condition)
    from pg_extension e, unnest(e.extconfig, e.extcondition) x(config, condition) where e.extname = 'pg_bearer'
  union all select concat_ws(' ', 'member', d.classid::regclass, (pg_identify_object(d.classid, d.objid, d.objsubid)).identity)
    from pg_depend d join pg_extension e on e.oid = d.refobjid where e.extname = 'pg_bearer' and d.deptype = 'e'
  union all select concat_ws(' ', 'comment', (pg_identify_object(d.classoid, d.objoid, d.objsubid)).identity, d.description)
    from pg_description d where (pg_identify_object(d.classoid, d.objoid, d.objsubid)).identity ~ '^\"?auth'
) all_of_it order by line collate \"C\";
";

/// What a session's database holds of the extension.
pub(super) fn catalog(session: &mut Client) -> Vec<String> {
    let messages = session.simple_query(CATALOG).unwrap();
    let lines = messages.iter().filter_map(|message| {
        let postgres::SimpleQueryMessage::Row(row) = message else { return None };
        row.get(0).map(str::to_owned)
    });
    let lines: Vec<_> = lines.collect();
    session.run("drop function pg_temp.acl; reset search_path");
    lines
}

/// What a clean install makes.
pub(super) fn clean_catalog() -> &'static [String] {
    static CLEAN: OnceLock<Vec<String>> = OnceLock::new();
    CLEAN.get_or_init(|| {
        let db = Database::empty();
        let mut session = db.superuser();
        session.run("create extension pg_bearer");
        let found = catalog(&mut session);
        assert!(found.len() > 500, "{found:#?}");
        found
    })
}

pub(super) fn assert_clean(session: &mut Client, what: &str) {
    let (found, expected) = (catalog(session), clean_catalog());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected, "{what}");
    }
    assert_eq!(found.len(), expected.len(), "{what}");
}

/// What an administrator and a user do first works.
fn assert_works(session: &mut Client) {
    use pg_bearer_tests::token::*;
    let pair = Pair::rs256();
    let issuer = "https://new.example";
    session.run(&format!("select auth.add_issuer('{issuer}', algorithms => '{{RS256}}')"));
    session.execute("select auth.load_jwks($1, $2)", &[&issuer, &jwks(&[pair.jwk("k")])]).unwrap();
    session.run("begin");
    session.authenticate(&pair.sign("k", &with(claims_a(), serde_json::json!({"iss": issuer})))).unwrap();
    assert_eq!(session.value("select auth.uid()").as_deref(), Some(USER_A));
    session.run("commit");
}

#[test]
fn t040_a_schema_auth_that_exists_is_never_adopted() {
    let db = Database::empty();
    let mut session = db.superuser();
    session.run("create schema auth authorization other; create table auth.users (id int)");
    for sql in [
        "create extension pg_bearer",
        "create extension pg_bearer schema auth",
        "create extension pg_bearer cascade",
    ] {
        let error = session.batch_execute(sql).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!((error.code().code(), error.message()), ("42P06", "schema \"auth\" already exists"));
        assert_contains(error.hint().unwrap(), "use another database");
    }
    let left = "select (select count(*) from pg_proc where pronamespace = 'auth'::regnamespace)
                     + (select count(*) from pg_class where relnamespace = 'auth'::regnamespace and relname <> 'users')
                     + (select count(*) from pg_extension where extname = 'pg_bearer')";
    assert_eq!(session.value(left).as_deref(), Some("0"));
    assert_eq!(
        session.value("select nspowner::regrole from pg_namespace where nspname = 'auth'").as_deref(),
        Some("other")
    );
}

#[test]
fn t037_hostile_default_privileges_give_nobody_anything() {
    let db = Database::empty();
    let mut session = db.superuser();
    for kind in ["tables", "functions", "types", "schemas", "sequences"] {
        session.run(&format!("alter default privileges grant all on {kind} to public, tenant"));
        session.run(&format!("alter default privileges grant all on {kind} to other with grant option"));
    }
    session.run("create extension pg_bearer");
    assert_clean(&mut session, "default privileges");
}

#[test]
fn t037_default_privileges_that_take_from_the_owner_do_no_harm() {
    let db = Database::empty();
    let mut session = db.superuser();
    for kind in ["tables", "functions", "types", "schemas"] {
        session.run(&format!("alter default privileges revoke all on {kind} from postgres, public"));
    }
    session.run("create extension pg_bearer");
    assert_clean(&mut session, "revoked default privileges");
    assert_works(&mut session);
}

/// Better matches for what the scripts and bodies call, all of which raise; and relations and types that
/// would be found first if the path began with pg_temp or `evil`.
pub(super) const PLANTS: &str = "
create schema evil;
create function evil.trap() returns void language plpgsql as $$ begin raise 'trap'; end $$;
do $$
declare
    f record;
begin
    -- Every function and operator of pg_catalog that takes what the scripts pass, for exactly those types.
    for f in select distinct p.proname, a.signature
               from pg_catalog.pg_proc p,
                    (values ('text[]'), ('text'), ('bytea'), ('text[], text'), ('text, text'), ('oid'), ('name'),
                            ('aclitem[]'), ('uuid[]'), ('bytea[]'), ('text, interval'), ('bytea, text'), ('jsonb, text'),
                            ('uuid[], uuid'), ('text, text, text'), ('text, integer, text')) a(signature)
              where p.pronamespace = 'pg_catalog'::regnamespace
                and p.proname in ('unnest', 'array_position', 'array_ndims', 'array_agg', 'min', 'max', 'count', 'length',
                                  'octet_length', 'format', 'quote_ident', 'convert_to', 'decode', 'rpad', 'translate',
                                  'regexp_replace', 'coalesce', 'aclexplode', 'acldefault', 'pg_extension_config_dump',
                                  'clock_timestamp', 'now', 'gen_random_uuid', 'current_setting', 'extract', 'concat')
    loop
        execute pg_catalog.format('create function evil.%I(%s) returns text language plpgsql immutable as $f$ begin raise ''trap: %1$s(%2$s)''; end $f$',
                                  f.proname, f.signature);
    end loop;
    for f in select o.name, o.l, o.r
               from (values ('<@', 'text[]', 'text[]'), ('@>', 'text[]', 'text[]'), ('||', 'uuid[]', 'uuid'), ('||', 'bytea', 'bytea'),
                            ('||', 'text', 'text'), ('=', 'text', 'text'), ('<>', 'text', 'text'), ('=', 'uuid', 'uuid'), ('=', 'oid', 'oid'),
                            ('=', 'name', 'text'), ('=', 'text', 'name'), ('<>', 'bytea', 'bytea'), ('=', 'bigint', 'integer'), ('=', 'text[]', 'text[]'),
                            ('=', '\"char\"', 'text'), ('=', 'boolean', 'boolean'), ('>=', 'interval', 'interval'), ('<=', 'interval', 'interval'),
                            ('>', 'interval', 'interval'), ('<', 'timestamptz', 'timestamptz'), ('>', 'timestamptz', 'timestamptz'),
                            ('<=', 'timestamptz', 'timestamptz'), ('+', 'timestamptz', 'interval'), ('~~', 'text', 'text'), ('~', 'text', 'text'),
                            ('=', 'integer', 'integer'), ('>=', 'integer', 'integer'), ('<=', 'integer', 'integer')) o(name, l, r)
    loop
        execute pg_catalog.format('create or replace function evil.op(%1$s, %2$s) returns boolean language plpgsql immutable as $f$ begin raise ''trap: operator on %1$s''; end $f$', f.l, f.r);
        execute pg_catalog.format('create operator evil.%s (leftarg = %s, rightarg = %s, function = evil.op)', f.name, f.l, f.r);
    end loop;
end
$$;
create domain evil.text as pg_catalog.int4;
create domain evil.uuid as pg_catalog.int4;
create domain evil.\"interval\" as pg_catalog.int4;
create domain evil.jsonb as pg_catalog.int4;
create table evil.pg_proc (oid oid, pronamespace oid, prosecdef boolean);
create table evil.pg_class (oid oid, relnamespace oid, relkind \"char\");
create table evil.pg_namespace (oid oid, nspname name);
create table evil.issuers (id uuid, issuer text);
create table evil.jwt_keys (id uuid);
grant all on schema evil to public;
";

/// The same relations, in the temporary schema.
pub(super) const TEMPORARY_PLANTS: &str = "
create temp table pg_proc (oid oid, pronamespace oid, prosecdef boolean);
create temp table pg_class (oid oid, relnamespace oid, relkind \"char\");
create temp table pg_namespace (oid oid, nspname name);
create temp table pg_roles (rolname name, oid oid);
create temp table pg_auth_members (roleid oid, member oid);
create temp table pg_description (objoid oid);
create temp table issuers (id uuid, issuer text);
create temp table jwt_keys (id uuid);
create temp table jwt_secrets (key_id uuid);
";

#[test]
fn t033_t039_planted_objects_are_neither_adopted_nor_called() {
    for path in ["evil", "evil, pg_catalog", "pg_temp, evil, pg_catalog", "evil, pg_temp"] {
        let db = Database::empty();
        let mut session = db.superuser();
        session.run(PLANTS);
        session.run(TEMPORARY_PLANTS);
        session.run(&format!("set search_path = {path}"));
        match session.batch_execute("create extension pg_bearer") {
            // Nothing can be created in the temporary schema.
            Err(error) => assert!(path.starts_with("pg_temp"), "{path}: {error:?}"),
            Ok(()) => {
                assert_eq!(session.value("show search_path").as_deref(), Some(path));
                assert_clean(&mut session, path);
                session.run(&format!("set search_path = {path}"));
                assert_works(&mut session);
            }
        }
    }
}

#[test]
fn t032_t033_functions_do_what_they_say_under_a_hostile_search_path() {
    let db = Database::new();
    db.superuser().run(PLANTS);
    for user in ["administrator", "postgres"] {
        let mut session = db.connect(user);
        session.run(TEMPORARY_PLANTS);
        session.run("set search_path = pg_temp, evil, pg_catalog");
        assert_works(&mut session);
        session.run("select auth.update_issuer('https://new.example', audiences => '{a}')");
        assert_eq!(
            session
                .value("select audiences from auth.list_issuers() where issuer operator(pg_catalog.~) 'new'")
                .as_deref(),
            Some("{a}")
        );
        session.run("select auth.add_jwt_secret('https://new.example', 'YSBzZWNyZXQgb2YgdGhlIHRlc3RzLCAzMiBieXRlcyBvciBtb3Jl', encoding => 'base64')");
        session.run("select auth.revoke_jwt_key(k.key_id) from auth.list_jwt_keys('https://new.example') k");
        assert_contains(
            session.refused("select auth.add_issuer('x', leeway => '-1 s')"),
            "22023 leeway has a value that is not allowed",
        );
        session.run("select auth.remove_issuer('https://new.example')");
    }
}

#[test]
fn t041_the_schema_of_the_create_extension_command_does_not_matter() {
    for schema in ["\"we\"\"ird $$ 'schema'\"", "public", "\"@extschema@\""] {
        let db = Database::empty();
        let mut session = db.superuser();
        session.run(&format!(
            "create schema if not exists {schema}; create extension pg_bearer schema {schema}"
        ));
        assert_clean(&mut session, schema);
    }
}

#[test]
fn strange_settings_of_the_session_make_no_difference() {
    let db = Database::empty();
    let mut session = db.superuser();
    let all = [
        "standard_conforming_strings = off",
        "escape_string_warning = off",
        "check_function_bodies = off",
        "datestyle = 'SQL, DMY'",
        "intervalstyle = sql_standard",
        "client_encoding = latin1",
        "array_nulls = off",
        "transform_null_equals = on",
        "quote_all_identifiers = on",
        "bytea_output = escape",
        "row_security = off",
        "session_replication_role = replica",
        "timezone = 'Asia/Kathmandu'",
        "default_transaction_isolation = serializable",
        "plpgsql.variable_conflict = use_column",
        "plpgsql.extra_errors = 'all'",
        "role = postgres",
    ];
    for settings in all.chunks(if is_long() { 1 } else { 5 }) {
        session.run("load 'plpgsql'");
        for setting in settings {
            session.run(&format!("set {setting}"));
        }
        session.run("create extension pg_bearer");
        assert_works(&mut session);
        session.run("reset all");
        assert_clean(&mut session, &format!("{settings:?}"));
        session.run("drop extension pg_bearer");
    }
}

#[test]
fn t042_the_owner_of_the_database_cannot_install_it() {
    let db = Database::empty();
    db.superuser()
        .run(&format!("alter database {} owner to other; grant create on schema public to other", db.name));
    let refusal = db.connect("other").refused("create extension pg_bearer");
    assert_eq!(refusal, "42501 permission denied to create extension \"pg_bearer\"");
    db.superuser().run("create extension pg_bearer");
    assert_eq!(
        db.connect("other").refused("drop extension pg_bearer"),
        "42501 must be owner of extension pg_bearer"
    );
    assert_eq!(
        db.connect("other").refused("alter schema auth rename to mine"),
        "42501 must be owner of schema auth"
    );
    assert_contains(
        db.connect("other").refused("drop schema auth cascade"),
        "42501 must be owner of schema auth",
    );
}

#[test]
fn a_database_without_utf8_is_refused() {
    for encoding in ["SQL_ASCII", "LATIN1"] {
        let name = format!("in_{}", encoding.to_lowercase());
        server()
            .psql(
                "postgres",
                &format!("create database {name} template template0 encoding '{encoding}' locale 'C'"),
            )
            .unwrap();
        let mut session = Database::new().config("postgres").dbname(&name).connect(NoTls).unwrap();
        let error = session.batch_execute("create extension pg_bearer").unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_contains(error.message(), "pg_bearer needs a database with encoding UTF8");
        assert_eq!(error.hint(), Some("Tokens are UTF-8. Create the database with ENCODING 'UTF8'."));
        let schemas = "select count(*) from pg_namespace where nspname = 'auth'";
        assert_eq!(session.value(schemas).as_deref(), Some("0"));
    }
}

/// How much there is in the catalogs that an extension leaves traces in.
pub(super) const TRACES: &str = "
select concat_ws(' ', (select count(*) from pg_class), (select count(*) from pg_proc), (select count(*) from pg_type),
  (select count(*) from pg_namespace where nspname !~ 'temp'), (select count(*) from pg_depend), (select count(*) from pg_description),
  (select count(*) from pg_init_privs), (select count(*) from pg_constraint), (select count(*) from pg_attrdef),
  (select count(*) from pg_shdepend s join pg_database d on d.oid = s.dbid where d.datname = current_database()),
  (select count(*) from pg_extension), (select count(*) from pg_policy), (select count(*) from pg_default_acl))";

#[test]
fn dropping_the_extension_leaves_nothing_and_it_can_come_back_in_the_same_session() {
    let db = Database::empty();
    let mut session = db.superuser();
    let before = session.value(TRACES);
    for _ in 0..3 {
        session.run("create extension pg_bearer");
        assert_ne!(session.value(TRACES), before);
        assert_works(&mut session);
        assert_clean(&mut session, "again");
        session.run("drop extension pg_bearer");
        assert_eq!(session.value(TRACES), before);
    }
    let roles = "select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname like 'bearer%'";
    assert_eq!(
        session.value(roles).as_deref(),
        Some("bearer_admin bearer_owner bearer_service bearer_users")
    );
}
