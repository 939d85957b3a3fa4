//! auth.install_postgrest() and auth.uninstall_postgrest(): what is told is what is done, and all of it is taken away.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_contains};
use postgres::Client;

/// Roles belong to the server: each database has its own.
pub(super) fn roles(db: &Database, names: &[&str]) -> String {
    let named = names.iter().map(|name| format!("'{}_{name}'", db.name));
    named.collect::<Vec<_>>().join(", ")
}

fn all_roles(db: &Database) -> String {
    roles(db, &["login", "anon", "user", "key", "service"])
}

/// The text with names of this database's own in place of capitals.
pub(super) fn fill(db: &Database, text: &str) -> String {
    let put = |text: String, role: &str| text.replace(role, &format!("{}_{}", db.name, role.to_lowercase()));
    let text = ["LOGIN", "ANON", "USER", "KEY", "SERVICE", "VICTIM"].into_iter().fold(text.to_owned(), put);
    text.replace("DATABASE", &db.name)
}

/// The lines of what was told, with this action.
fn told(session: &mut Client, call: &str, action: &str) -> Vec<String> {
    let sql = format!("select line from {call} where action = '{action}' order by step");
    session.query(&sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

/// The roles of this database's name, what they are members of, what is stored, and grants on schemas and the database.
fn state(session: &mut Client, db: &Database) -> String {
    let sql = "select string_agg(line, E'\n' order by line collate \"C\") from (
        select concat_ws(' ', 'role', r.rolname, r.rolsuper, r.rolinherit, r.rolcreaterole, r.rolcreatedb, r.rolcanlogin, r.rolreplication,
                         r.rolbypassrls, r.rolconnlimit, shobj_description(r.oid, 'pg_authid')) as line
          from pg_roles r where r.rolname ~ '^NAME_'
        union all select concat_ws(' ', 'member', m.roleid::regrole, m.member::regrole, m.admin_option)
          from pg_auth_members m where pg_get_userbyid(m.member) ~ '^NAME_' or pg_get_userbyid(m.roleid) ~ '^NAME_'
        union all select concat_ws(' ', 'stored', d.datname, pg_get_userbyid(s.setrole), s.setconfig)
          from pg_db_role_setting s left join pg_database d on d.oid = s.setdatabase
         where d.datname = 'NAME' or pg_get_userbyid(s.setrole) ~ '^NAME_'
        union all select concat_ws(' ', 'schema', n.nspname, pg_get_userbyid(x.grantor), pg_get_userbyid(x.grantee), x.privilege_type)
          from pg_namespace n cross join lateral aclexplode(coalesce(n.nspacl, acldefault('n', n.nspowner))) x
         where n.nspname !~ '^pg_'
        union all select concat_ws(' ', 'database', pg_get_userbyid(x.grantee), x.privilege_type)
          from pg_database d cross join lateral aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) x
         where d.datname = 'NAME') all_of_it";
    session.value(&sql.replace("NAME", &db.name)).unwrap().replace(&db.name, "DB")
}

#[test]
fn what_is_told_is_what_is_done_and_the_second_time_nothing() {
    let (db, other) = (Database::new(), Database::new());
    let (mut admin, mut replayed) = (db.superuser(), other.superuser());
    for (session, of) in [(&mut admin, &db), (&mut replayed, &other)] {
        session.run(&fill(of, "create schema api; revoke connect on database DATABASE from public"));
    }
    let before = state(&mut admin, &db);
    let call = |more: &str| format!("auth.install_postgrest('{{api,later}}', {}{more})", all_roles(&db));
    let would = told(&mut admin, &call(", dry_run => true"), "run");
    assert_eq!(state(&mut admin, &db), before);
    let done = told(&mut admin, &call(""), "run");
    assert_eq!((&would, done.len()), (&done, 23));
    replayed.run(&done.join("; ").replace(&db.name, &other.name));
    let after = state(&mut admin, &db);
    assert_ne!(after, before);
    assert_eq!(state(&mut replayed, &other), after);
    assert_eq!(told(&mut admin, &call(""), "run"), [] as [&str; 0]);
    assert_eq!(state(&mut admin, &db), after);
    let suggested = told(&mut admin, &call(""), "suggested");
    assert_eq!(suggested[0], "create schema later");
    admin.run(&suggested.join("; "));
    assert_eq!(told(&mut admin, &call(""), "suggested"), [] as [&str; 0]);
    assert_eq!(admin.value("select count(*) from auth.lint() where code ~ '^http_'").as_deref(), Some("0"));
    admin.run("drop schema later");
    assert!(!told(&mut admin, &fill(&db, "auth.uninstall_postgrest('LOGIN')"), "run").is_empty());
    assert_eq!(state(&mut admin, &db), before);
    replayed.run(&fill(&other, "select auth.uninstall_postgrest('LOGIN')"));
    assert_eq!(state(&mut replayed, &other), before);
}

#[test]
fn what_else_depends_on_a_role_keeps_it_until_it_is_gone() {
    let (db, other) = (Database::new(), Database::new());
    let (mut admin, mut second) = (db.superuser(), other.superuser());
    admin.run("create schema api; create table api.notes (id int)");
    let before = state(&mut admin, &db);
    admin.run(&format!("select auth.install_postgrest('{{api}}', {})", all_roles(&db)));
    admin.run(&fill(
        &db,
        "grant select on api.notes to USER; grant KEY to tenant; grant usage on schema api to ANON with grant option",
    ));
    let stored = format!("alter database {} set pg_bearer.http_service_role = 'SERVICE'", other.name);
    admin.run(&fill(&db, &stored));
    let uninstall = fill(&db, "auth.uninstall_postgrest('LOGIN')");
    let would = told(&mut admin, &fill(&db, "auth.uninstall_postgrest('LOGIN', dry_run => true)"), "kept");
    let kept = told(&mut admin, &uninstall, "kept");
    assert_eq!(kept, would);
    let settings = format!("SERVICE: settings of database {}", other.name);
    let expected = ["ANON: schema api", "KEY: member tenant", &settings, "USER: table api.notes"];
    assert_eq!(kept, expected.map(|line| fill(&db, line)));
    // Nobody gets there any more.
    let login = fill(&db, "select count(*) from pg_roles where rolname = 'LOGIN'");
    assert_eq!(admin.value(&login).as_deref(), Some("0"));
    assert_eq!(told(&mut admin, &uninstall, "run"), [] as [&str; 0]);
    admin.run(&fill(
        &db,
        "revoke select on api.notes from USER; revoke KEY from tenant; revoke usage on schema api from ANON",
    ));
    second.run(&format!("alter database {} reset pg_bearer.http_service_role", other.name));
    assert_eq!(told(&mut admin, &uninstall, "kept"), [] as [&str; 0]);
    assert_eq!(state(&mut admin, &db), before);
}

#[test]
fn what_was_there_before_stays() {
    let db = Database::new();
    let mut admin = db.superuser();
    admin.run(&fill(
        &db,
        "create schema api; create role LOGIN login noinherit; create role USER; grant USER to LOGIN;
         grant usage on schema api to USER; alter role LOGIN set log_parameter_max_length = 0; comment on role USER is 'mine'",
    ));
    let before = state(&mut admin, &db);
    let roles = roles(&db, &["login", "anon", "user"]);
    admin.run(&format!("select auth.install_postgrest('{{api}}', {roles})"));
    let would =
        told(&mut admin, &fill(&db, "auth.uninstall_postgrest('LOGIN', dry_run => true)"), "suggested");
    let expected = [
        "alter role LOGIN reset log_parameter_max_length",
        "alter role LOGIN reset log_parameter_max_length_on_error",
        "revoke USER from LOGIN",
    ];
    assert_eq!(would, expected.map(|line| fill(&db, line)));
    admin.run(&fill(&db, "select auth.uninstall_postgrest('LOGIN')"));
    admin.run(&fill(&db, "alter role LOGIN reset log_parameter_max_length_on_error"));
    assert_eq!(state(&mut admin, &db), before);
    admin.run(&fill(&db, "drop owned by USER; drop role LOGIN, USER"));
}

/// A role with our comment, which whoever may create roles can write.
#[test]
fn t580_a_role_that_others_mark_as_ours_stays_while_anything_depends_on_it() {
    let db = Database::new();
    let mut admin = db.superuser();
    let roles = roles(&db, &["login", "anon", "user"]);
    admin.run(&format!("create schema api; select auth.install_postgrest('{{api}}', {roles})"));
    admin.run(&fill(
        &db,
        "create role VICTIM; create table api.own (); alter table api.own owner to VICTIM;
         do $$ begin execute format('comment on role VICTIM is %L', shobj_description('USER'::regrole, 'pg_authid')); end $$",
    ));
    let kept = told(&mut admin, &fill(&db, "auth.uninstall_postgrest('LOGIN')"), "kept");
    assert_eq!(kept, [fill(&db, "VICTIM: table api.own")]);
    admin.run(&fill(&db, "drop table api.own; drop role VICTIM"));
}

#[test]
fn t582_names_are_names_in_statements_and_in_the_configuration() {
    let db = Database::new();
    let mut admin = db.superuser();
    admin.run(r#"create schema "o'd\""d"; create table public.kept ()"#);
    let before = state(&mut admin, &db);
    let odd = |role: &str| fill(&db, &format!(r#"'{role}; drop table kept; --\''"%s'"#));
    let call = format!(
        r#"auth.install_postgrest(array[$$o'd\"d$$], {})"#,
        ["LOGIN", "ANON", "USER"].map(odd).join(", ")
    );
    let lines = told(&mut admin, &call, "configure").join("\n");
    assert_contains(
        &lines,
        &fill(&db, r#"db-uri = "postgres://LOGIN%3B%20drop%20table%20kept%3B%20--%5C%27%22%25s@/DATABASE"#),
    );
    assert_contains(&lines, r#"db-schemas = "o'd\\\"d""#);
    assert_contains(&lines, &fill(&db, r#"db-anon-role = "ANON; drop table kept; --\\'\"%s""#));
    assert_eq!(told(&mut admin, &call, "run"), [] as [&str; 0]);
    admin.run(&format!("table public.kept; select auth.uninstall_postgrest({})", odd("LOGIN")));
    assert_eq!(state(&mut admin, &db), before);
}
