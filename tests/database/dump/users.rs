//! Users who sign in here, in a dump, and an application that refers to them.

use super::{content, dump, restore, text};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use postgres::Client;

/// Everything that there can be about users and tokens of ours. The owner of the hooks belongs to all databases of the server.
pub(crate) const SIGNED_UP: &str = r#"
select auth.add_issuer('https://ours.example', own => true), auth.create_signing_key();
select auth.issue_jwt('alice'), auth.revoke_user('somebody');
do $$ begin create role people_app nologin; exception when duplicate_object or unique_violation then null; end $$;
create schema people authorization people_app;
create table people.outbox (mail jsonb); alter table people.outbox owner to people_app;
create function people.send(event jsonb) returns void language sql begin atomic insert into people.outbox values (event); end;
alter function people.send(jsonb) owner to people_app;
select auth.create_user('ann@people.example', 'ann''s \ password', email_confirmed_at => now(), data => '{"name": "Ann \\ \"x\""}'),
       auth.create_user('bo@people.example', 'bo''s \ password'),
       auth.create_user('cy@people.example', 'cy''s \ password', email_confirmed_at => now(), phone => '+1'),
       auth.create_user('di@people.example', 'di''s \ password', email_confirmed_at => now());
select auth.ban_user(id::text, '2126-01-01') from auth.users where email = 'cy@people.example';
select auth.delete_user(id::text) from auth.users where email = 'di@people.example';
select auth.ban_user('of|another issuer');
select auth.set_hook('send_email', 'people.send');
select auth.send_password_reset('ann@people.example'), auth.send_confirmation('bo@people.example');
select auth.sign_in_with_password('ann@people.example', 'ann''s \ password') is not null;
select auth.issue_session('of|somebody', method => 'oauth', permissions => '{a.b}') is not null;
"#;

/// An application whose owner an administrator let refer to users, and a trigger that the page on sessions warns of.
const APPLICATION: &str = "
grant references (id) on auth.users to people_app;
set role people_app;
create table people.profiles (id uuid primary key references auth.users (id), name text);
create function people.note() returns trigger language plpgsql security definer set search_path = pg_catalog
    as $$ begin insert into people.profiles values (new.id, 'by the trigger'); return null; end $$;
reset role;
create trigger on_new after insert on auth.users for each row execute function people.note();
select auth.create_user('eve@people.example');
insert into people.profiles select id, email from auth.users where email like 'ann@%'";

fn sign_in(session: &mut Client, name: &str) -> Option<String> {
    session.value(&format!(
        r"select coalesce(a ->> 'error', a ->> 'token_type')
            from auth.sign_in_with_password('{name}@people.example', '{name}''s \ password') a"
    ))
}

fn profiles(db: &Database) -> Option<String> {
    db.superuser().value("select string_agg(p::text, ' ' order by p) from people.profiles p")
}

/// A key of this database's own, since a dump has no private keys.
const NEW_KEY: &str = "select auth.create_signing_key(); select * from auth.rotate_signing_key()";

#[test]
fn t147_users_sessions_and_hooks_are_restored_and_go_on() {
    let (db, _) = super::source();
    let mut session = db.superuser();
    let first =
        session.value(r"select auth.sign_in_with_password('ann@people.example', 'ann''s \ password')");
    let first: serde_json::Value = serde_json::from_str(&first.unwrap()).unwrap();
    let mailed = session
        .value("select mail ->> 'token' from people.outbox where mail ->> 'purpose' = 'reset_password'");
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j1"), ("-Fc", "-j2")] {
        let restored = restore(&dump(&db, format, ""), format, jobs);
        for table in ["users", "user_passwords", "user_bans", "one_time_tokens", "hooks", "sessions"] {
            assert_eq!(content(&restored, table), content(&db, table), "{format} {jobs}: {table}");
        }
        let mut session = restored.superuser();
        let hooks =
            "select string_agg(concat_ws(' ', name, function, owner, intact), ',') from auth.list_hooks()";
        assert_eq!(session.value(hooks).as_deref(), Some("send_email people.send people_app t"));
        // Sessions are there, and what they have been given; new tokens need a key of this database.
        let mut tenant = restored.tenant();
        assert!(tenant.authenticate(first["access_token"].as_str().unwrap()).is_ok(), "{format}");
        let refused =
            session.refused(r"select auth.sign_in_with_password('ann@people.example', 'ann''s \ password')");
        assert!(refused.starts_with("55000 "), "{refused}");
        session.run(NEW_KEY);
        for (name, expected) in
            [("ann", "bearer"), ("bo", "invalid_grant"), ("cy", "invalid_grant"), ("di", "invalid_grant")]
        {
            assert_eq!(sign_in(&mut session, name).as_deref(), Some(expected), "{format}: {name}");
        }
        let refresh = format!(
            "select auth.refresh_session('{}') ->> 'token_type'",
            first["refresh_token"].as_str().unwrap()
        );
        assert_eq!(session.value(&refresh).as_deref(), Some("bearer"), "{format}");
        let redeem = format!(
            "select auth.redeem_token('{}', 'another password') ->> 'token_type'",
            mailed.as_ref().unwrap()
        );
        assert_eq!(session.value(&redeem).as_deref(), Some("bearer"), "{format}");
        session.run("select auth.send_magic_link('ann@people.example')");
        let mails = "select count(*) from people.outbox where mail ->> 'purpose' = 'magic_link'";
        assert_eq!(session.value(mails).as_deref(), Some("1"));
        // Banned for good, whoever says so.
        let banned = "select bool_and(auth_internal.is_banned(u)) from (select 'of|another issuer' union all
                          select id::text from auth.users where email like 'cy@%' or deleted_at is not null) b (u)";
        assert_eq!(session.value(banned).as_deref(), Some("t"));
    }
}

#[test]
fn t148_tables_that_refer_to_users_are_restored_and_nothing_fires() {
    let (db, _) = super::source();
    db.superuser().run(APPLICATION);
    let expected = profiles(&db);
    assert!(
        expected.as_ref().is_some_and(|rows| rows.contains("by the trigger") && rows.contains("ann@")),
        "{expected:?}"
    );
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j1"), ("-Fc", "-j2")] {
        let file = dump(&db, format, "");
        assert!(!text(&file, format).contains("CREATE TRIGGER on_new"), "{format}");
        let restored = restore(&file, format, jobs);
        assert_eq!(profiles(&restored), expected, "{format} {jobs}");
        let mut session = restored.superuser();
        let triggers =
            "select count(*) from pg_trigger where tgrelid = 'auth.users'::regclass and not tgisinternal";
        assert_eq!(session.value(triggers).as_deref(), Some("0"), "{format}");
        let keys =
            "select concat_ws(' ', conrelid::regclass, confrelid::regclass, convalidated) from pg_constraint
                     where contype = 'f' and confrelid = 'auth.users'::regclass";
        assert_eq!(session.value(keys).as_deref(), Some("people.profiles auth.users t"), "{format}");
        // What administrators granted is there, and what owns the users can do what it could.
        let acl = "select string_agg(concat_ws(' ', a.grantee::regrole, a.privilege_type), ',' order by 1)
                     from (select x.* from pg_class c, aclexplode(c.relacl) x where c.oid = 'auth.users'::regclass
                           union all select x.* from pg_attribute c, aclexplode(c.attacl) x where c.attrelid = 'auth.users'::regclass) a
                    where a.grantee <> 'bearer_users'::regrole";
        assert_eq!(session.value(acl), db.superuser().value(acl), "{format}");
        let stranger =
            "set role people_app; insert into people.profiles values (gen_random_uuid(), 'nobody')";
        assert!(session.refused(stranger).starts_with("23503 "), "{format}");
        session.run("reset role; select auth.create_user('fay@people.example')");
        let known = "set role people_app; insert into people.profiles values ('{}', 'fay'); reset role";
        let fay = session.value("select id from auth.users where email = 'fay@people.example'").unwrap();
        session.run(&known.replace("{}", &fay));
        assert_eq!(
            session.value("select count(*) from people.profiles where name = 'fay'").as_deref(),
            Some("1")
        );
    }
}

/// A trigger of the application runs with the rights of bearer_users, which has none.
#[test]
fn t460_a_trigger_on_users_has_no_rights_of_ours() {
    let (db, _) = super::source();
    let mut session = db.superuser();
    session.run(
        "create function people.steal() returns trigger language plpgsql as $$
         begin
             raise exception using message = concat_ws(' ', current_user, (select hash from auth.user_passwords limit 1));
         end $$;
         create trigger steal after insert on auth.users for each row execute function people.steal()",
    );
    let refused = session.refused("select auth.create_user('gil@people.example')");
    assert!(refused.starts_with("55000 ") && !refused.contains("argon2"), "{refused}");
    assert_eq!(
        session.value("select count(*) from auth.users where email like 'gil@%'").as_deref(),
        Some("0")
    );
}
