//! The pages about users who sign in here.

use super::{blocks, run};
use crate::dump::program;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, server};
use postgres::Client;

const GOTRUE: [&str; 2] = [include_str!("../../gotrue/schema.sql"), include_str!("../../gotrue/users.sql")];
const NEW: &str = "create extension pg_bearer;
    select auth.add_issuer('https://app.example/auth', own => true), auth.create_signing_key();\n";

#[test]
fn the_sql_of_the_page_on_sessions_runs_and_shows_what_it_says() {
    let db = Database::new();
    let page = include_str!("../../../docs/sessions.md");
    let blocks = blocks(page);
    assert!(blocks.len() >= 9, "it has only {} blocks of SQL", blocks.len());
    let script =
        blocks.concat() + "select count(*) from app.outbox; drop owned by app_mail; drop role app_mail;";
    let shown = run(&db, &script, &[]);
    let lines = [
        "t",
        "bearer 3600 ada@example.com",
        r#"t|ada@example.com|{"name": "Ada"}"#,
        r#"{"error": "invalid_grant", "error_description": "Invalid login credentials"}"#,
        "t|password|f",
        "t|password|t",
        "3600",
        // Nobody is signed in before the address is confirmed.
        "",
        "t",
        "1",
    ];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

/// The settings that a page names, and the value that its tables say is the default: `8` of `| `a` | `8` characters |`.
fn settings(page: &str) -> Vec<(&str, String)> {
    let (_, table) = page.split_once("\n## Settings\n").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once(" | "));
    let each = rows.flat_map(|(names, rest)| {
        let values = rest.split(" | ").next().unwrap().split('`').skip(1).step_by(2);
        let values: Vec<String> = values.map(str::to_owned).collect();
        let names = names.split(['`', ',', ' ']).filter(|name| name.starts_with("pg_bearer."));
        let names: Vec<&str> = names.collect();
        let at = |at: usize| values.get(at).or(values.first()).cloned().unwrap_or_default();
        names.into_iter().enumerate().map(|(place, name)| (name, at(place))).collect::<Vec<_>>()
    });
    each.collect()
}

#[test]
fn the_page_on_sessions_says_what_the_settings_are() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run("load 'pg_bearer'");
    let settings = settings(include_str!("../../../docs/sessions.md"));
    assert!(settings.len() > 12, "{settings:?}");
    for (name, said) in settings {
        let found = session.value(&format!("select boot_val from pg_settings where name = '{name}'"));
        assert_eq!(found, Some(said), "{name}");
    }
}

/// What GoTrue has, with a table of an application that refers to its users.
fn old() -> Database {
    let db = Database::empty();
    run(&db, &GOTRUE.concat(), &[]);
    db.superuser().run(
        "create schema shop;
         create table shop.profiles (id uuid primary key references auth.users (id) on delete cascade, name text);
         alter table shop.profiles enable row level security;
         create policy own on shop.profiles using (id = auth.uid() and auth.role() = 'authenticated');
         insert into shop.profiles select id, email from auth.users;
         grant usage on schema shop to tenant; grant select on shop.profiles to tenant",
    );
    db
}

/// A new database with the users of the old one, as the page brings them.
fn moved(old: &Database, directory: &str) -> (Database, Vec<String>) {
    let new = Database::empty();
    new.superuser().run(NEW);
    let blocks = blocks(include_str!("../../../docs/migrating-from-gotrue.md"));
    let (first, others) = blocks.split_first().unwrap();
    assert!(others.len() >= 2, "the page has only {} blocks of SQL", blocks.len());
    let there = format!("\\cd {}/{directory}\n", server().socket_dir().display());
    let mkdir = format!("\\! mkdir {}/{directory}\n", server().socket_dir().display());
    let taken = run(old, &[&mkdir, &there, *first].concat(), &[]);
    assert_eq!(taken, ["COPY 5"]);
    let shown = run(&new, &[&there, &*others.concat()].concat(), &[]);
    (new, shown)
}

fn sign_in(session: &mut Client, user: &str) -> Option<String> {
    session.value(&format!(
        "select coalesce(a ->> 'error', a ->> 'token_type')
           from auth.sign_in_with_password('{user}@example.com', 'correct horse battery staple') a"
    ))
}

#[test]
fn users_of_gotrue_move_as_the_page_says() {
    let (new, shown) = moved(&old(), "users_of_gotrue");
    for line in ["COPY 5", "5", "1", "0"] {
        assert!(shown.iter().any(|shown| shown == line), "{line:?} is not shown: {shown:#?}");
    }
    let mut session = new.superuser();
    let users = "select string_agg(concat_ws(' ', coalesce(split_part(u.email, '@', 1), 'nobody'), u.email_confirmed_at is not null,
                                             u.is_anonymous, u.banned, left(p.hash, 9)), ', ' order by u.id)
                   from auth.list_users() u left join auth.user_passwords p on p.user_id = u.id";
    let expected =
        "alice t f f $2a$10$Lb, bob t f f $argon2id, carol t f f, nobody f t f, eve t f t $2a$10$EJ";
    assert_eq!(session.value(users).as_deref(), Some(expected));
    for (user, expected) in [
        ("alice", "bearer"),
        ("bob", "bearer"),
        ("eve", "invalid_grant"),
        ("carol", "invalid_grant"),
        ("frank", "invalid_grant"),
    ] {
        assert_eq!(sign_in(&mut session, user).as_deref(), Some(expected), "{user}");
    }
    // Hashed anew, and signed in again with that.
    let hashes = "select string_agg(left(hash, 30), ' ' order by user_id) from auth.user_passwords";
    let expected =
        "$argon2id$v=19$m=19456,t=2,p=1 $argon2id$v=19$m=19456,t=2,p=1 $2a$10$EJ2s4WjV0oeX66Mwlo1ue.4";
    assert_eq!(session.value(hashes).as_deref(), Some(expected));
    assert_eq!(sign_in(&mut session, "bob").as_deref(), Some("bearer"));
    assert_eq!(
        session
            .value("select raw_app_meta_data ->> 'provider' from auth.users where email like 'carol@%'")
            .as_deref(),
        Some("google")
    );
}

/// Restores the old database but its schema auth into the new one, as this role.
fn bring(old: &Database, new: &Database, role: &str) {
    let file = server().socket_dir().join(format!("application_of_{}", old.name));
    let mut dump = program("pg_dump", "postgres");
    dump.args(["-Fc", "--exclude-schema=auth", "-f"]).arg(&file).arg(&old.name);
    let mut restore = program("pg_restore", role);
    restore.args(["--exit-on-error", "--no-owner", "-d", &new.name]).arg(&file);
    for mut command in [dump, restore] {
        let output = command.output().unwrap();
        assert!(output.status.success(), "{role}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn tables_that_refer_to_users_of_gotrue_follow_them_as_the_page_says() {
    let old = old();
    for (role, directory) in [("postgres", "tables_of_gotrue"), ("tenant", "tables_of_tenant")] {
        let (new, _) = moved(&old, directory);
        let mut session = new.superuser();
        let frank = "a1a1a1a1-0000-4000-8000-000000000006";
        session.run(&format!("select auth.create_user(id => '{frank}'); select auth.delete_user('{frank}')"));
        session.run(&format!(
            "grant create on database {} to tenant; grant references (id) on auth.users to tenant",
            new.name
        ));
        bring(&old, &new, role);
        let keys = "select pg_get_constraintdef(oid) from pg_constraint where conrelid = 'shop.profiles'::regclass and contype = 'f' and convalidated";
        let expected = "FOREIGN KEY (id) REFERENCES auth.users(id) ON DELETE CASCADE";
        assert_eq!(session.value(keys).as_deref(), Some(expected), "{role}");
        assert_eq!(session.value("select count(*) from shop.profiles").as_deref(), Some("6"), "{role}");
        let stranger = "insert into shop.profiles values (gen_random_uuid(), 'nobody')";
        assert!(session.refused(stranger).starts_with("23503 "), "{role}");
        // The policy finds who is signed in.
        let answer = session
            .value("select a ->> 'access_token' from auth.sign_in_with_password('alice@example.com', 'correct horse battery staple') a");
        let mut tenant = new.connect("other");
        session.run("grant usage on schema shop to other; grant select on shop.profiles to other");
        tenant.run("begin");
        tenant.authenticate(&answer.unwrap()).unwrap();
        let seen = tenant.value("select string_agg(name, ' ') from shop.profiles");
        assert_eq!(seen.as_deref(), Some("alice@example.com"), "{role}");
    }
}
