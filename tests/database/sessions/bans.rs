//! Users who are banned: whatever they have is refused, and nobody holds that up.

use super::session_callers::{GONE, as_bearer, id, organization, refreshes, service, verdict};
use super::world::{NOT_REFRESHED, PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::{STRICT_ISSUER, hs256, now};
use postgres::Client;
use serde_json::{Value, json};

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Everything that a user may have, by its name; a ticket for each time that it is tried.
struct Credentials {
    lasting: Vec<(&'static str, String)>,
    tickets: Vec<String>,
}

fn credentials(world: &mut World, answer: &Value) -> Credentials {
    let user = id(answer);
    let org = organization(world, &user);
    let access = member(answer, "access_token").to_owned();
    let session = &mut world.db.tenant();
    let mut get = |credential: &str, query: &str| {
        as_bearer(session, credential, query).unwrap().unwrap_or_else(|| panic!("nothing: {query}"))
    };
    let key = get(&access, &format!("select key from auth.create_api_key('k', '{org}', 'live')"));
    let exchanged = get(&key, "select auth.exchange_api_key()");
    let minted = get(&access, "select auth.issue_jwt()");
    let again = get(&minted, "select auth.issue_jwt()");
    let tickets = (0..2).map(|_| get(&access, "select auth.issue_ticket(interval '1 minute')")).collect();
    let service = service(world);
    let act = as_bearer(
        &mut world.session,
        &service,
        &format!("select auth.impersonate('{user}', 'asked for help')"),
    );
    let issued =
        world.admin.value(&format!("select auth.issue_session('{user}', '{org}') ->> 'access_token'"));
    let claims = json!({"iss": STRICT_ISSUER, "sub": user, "iat": now(), "exp": now() + 600});
    let lasting = vec![
        ("access token", access),
        ("API key", key),
        ("exchanged token", exchanged),
        ("token of a token", minted),
        ("token of a token's token", again),
        ("act token", act.unwrap().unwrap()),
        ("issued session", issued.unwrap()),
        ("token of another issuer", hs256(&claims)),
    ];
    Credentials { lasting, tickets }
}

fn assert_all(session: &mut Client, credentials: &mut Credentials, is_good: bool) {
    for (name, credential) in &credentials.lasting {
        let found = verdict(session, credential);
        assert!(if is_good { found.is_ok() } else { found == Err(GONE.to_owned()) }, "{name}: {found:?}");
    }
    if let Some(ticket) = credentials.tickets.pop() {
        let found = verdict(session, &ticket);
        assert!(if is_good { found.is_ok() } else { found == Err(GONE.to_owned()) }, "ticket: {found:?}");
    }
}

#[test]
fn t151_a_ban_refuses_whatever_the_user_has_until_it_ends() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let user = id(&answer);
    let mut all = credentials(&mut world, &answer);
    let mut session = world.db.tenant();
    assert_all(&mut session, &mut Credentials { lasting: all.lasting.clone(), tickets: vec![] }, true);
    for until in ["default", "interval '1 hour'"] {
        let until = if until == "default" { String::new() } else { format!(", clock_timestamp() + {until}") };
        world.admin.run(&format!("select auth.ban_user('{user}'{until})"));
        assert_all(&mut session, &mut all, false);
        assert_eq!(world.refresh(member(&answer, "refresh_token")), read(NOT_REFRESHED));
        assert_eq!(world.sign_in("ada@example.com", PASSWORD), read(REFUSED));
        let issue = format!("select auth.issue_session('{user}')");
        assert_eq!(world.admin.refused(&issue), "42501 the user is banned or deleted");
        world.admin.run(&format!("select auth.ban_user('{user}', null)"));
    }
    let mut lasting = Credentials { lasting: all.lasting, tickets: vec![] };
    assert_all(&mut session, &mut lasting, true);
    let second = world.refresh(member(&answer, "refresh_token"));
    assert!(world.is_good(&second));
    // One that has ended is none.
    world.admin.run(&format!("select auth.ban_user('{user}', now() - interval '1 second')"));
    assert!(world.is_good(&second));
    assert_eq!(world.admin.value("select count(*) from auth.user_bans").as_deref(), Some("1"));
}

#[test]
fn t151_a_ban_counts_whatever_a_session_remembers() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let mut old = world.db.tenant();
    for (level, begin) in [("read committed", "commit; begin"), ("repeatable read", "select 1")] {
        old.run(&format!("begin isolation level {level}; select auth.uid()"));
        world.authenticate(&answer).unwrap();
        world.admin.run(&format!("select auth.ban_user('{}')", id(&answer)));
        old.run(begin);
        let sql = format!("select auth.authenticate('{}')", member(&answer, "access_token"));
        assert_eq!(old.refused(&sql), GONE, "{level}");
        old.run("rollback");
        world.admin.run(&format!("select auth.ban_user('{}', null)", id(&answer)));
        assert!(world.is_good(&answer));
    }
    // Users of other issuers are banned by the same name.
    let claims = json!({"iss": STRICT_ISSUER, "sub": "github|1", "iat": now(), "exp": now() + 600});
    let token = hs256(&claims);
    assert!(verdict(&mut world.session, &token).is_ok());
    world.admin.run("select auth.ban_user('github|1')");
    assert_eq!(verdict(&mut world.session, &token), Err(GONE.to_owned()));
}

#[test]
fn only_services_and_administrators_ban() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let ban = format!("select auth.ban_user('{}')", id(&answer));
    let unrestricted = "42501 this needs a service credential or an administrator";
    assert_eq!(world.as_user(&answer, &ban).unwrap_err(), unrestricted);
    assert!(world.session.refused(&ban).starts_with("28000 "));
    let service = service(&mut world);
    as_bearer(&mut world.session, &service, &ban).unwrap();
    assert!(!world.is_good(&answer));
    for user in ["null", "''", "repeat('x', 1025)"] {
        assert!(world.admin.refused(&format!("select auth.ban_user({user})")).starts_with("22023 "));
    }
}

/// What somebody may hold in an open transaction while a user is banned. `:id` is the user, `:token` a refresh token.
const HELD: &[&str] = &[
    "insert into app.profiles values (':id')",
    "select auth.update_user(':id', phone => '1')",
    "select auth.refresh_session(':token')",
    "select auth.sign_in_with_password('ada@example.com', ':password')",
    "select auth.ban_user(':id', null)",
    "alter table app.others add foreign key (id) references auth.users (id)",
    "select from auth.users for update",
    "select from auth.user_bans for update",
    "select from auth.user_passwords for update",
    "select from auth.sessions where user_id = ':id' and method = 'held' for update",
    "lock table auth.users in share mode",
];

#[test]
fn t149_t441_nobody_holds_up_a_ban_a_sign_out_a_sign_in_or_a_deletion() {
    let mut world = World::new();
    world.admin.run(
        "create schema app; create table app.profiles (id uuid primary key references auth.users (id));
         create table app.others (id uuid primary key)",
    );
    for held in HELD {
        let answer = world.sign_up("ada@example.com");
        let other = world.sign_in("ada@example.com", PASSWORD);
        let user = id(&answer);
        world.admin.run(&format!("select auth.ban_user('{user}', null)"));
        let mut holder = world.db.superuser();
        let held = held.replace(":id", &user).replace(":token", member(&answer, "refresh_token"));
        holder.run(&format!("begin; {}", held.replace(":password", PASSWORD)));
        for session in [&mut world.admin, &mut world.session] {
            session.run("set statement_timeout = '1.5 s'");
        }
        let third = world.sign_in("ada@example.com", PASSWORD);
        assert!(world.is_good(&third), "{held}");
        assert!(refreshes(&mut world, &other), "{held}");
        world.as_user(&third, "select auth.sign_out_session('others')").unwrap();
        assert!(!world.is_good(&answer) && !world.is_good(&other) && world.is_good(&third), "{held}");
        world.admin.run(&format!("select auth.ban_user('{user}')"));
        assert!(!world.is_good(&third), "{held}");
        world.admin.run(&format!("select auth.ban_user('{user}', null)"));
        assert!(world.is_good(&third), "{held}");
        world.admin.run(&format!("select auth.delete_user('{user}')"));
        assert!(!world.is_good(&third), "{held}");
        holder.run("rollback");
        // The row is emptied once nobody holds it.
        world.admin.run(&format!("select auth.delete_user('{user}')"));
        let left = world.admin.value(&format!("select count(email) from auth.users where id = '{user}'"));
        assert_eq!(left.as_deref(), Some("0"), "{held}");
    }
}

#[test]
fn t149_changing_a_user_waits_for_a_moment_only() {
    let mut world = World::new();
    let answer = world.sign_up("ada@example.com");
    let mut holder = world.db.superuser();
    holder.run(&format!("begin; select auth.update_user('{}', phone => '1')", id(&answer)));
    world.session.run("set statement_timeout = '8 s'");
    let refused = world.as_user(&answer, "select auth.update_user(data => '{\"a\": 1}')::text").unwrap_err();
    assert_eq!(refused, "53400 somebody else is changing the same");
    holder.run("rollback");
    world.as_user(&answer, "select auth.update_user(data => '{\"a\": 1}')::text").unwrap();
}
