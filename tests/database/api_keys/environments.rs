//! t096: keys of tests see and write the rows of tests, and servers say which keys are good on them.

use super::world::*;
use pg_bearer_tests::database::{Session, installation};
use postgres::{Client, Config, NoTls};
use std::time::Duration;
use xtask::Server;

const SANDBOX: &str = "
create table bills (id int primary key, org_id uuid not null default auth.current_org(),
                    environment text not null default auth.environment());
insert into bills values (1, :north, 'live'), (2, :north, 'live'), (3, :north, 'test'), (4, :south, 'test'), (5, :south, 'live');
alter table bills owner to table_owner;
alter table bills enable row level security;
alter table bills force row level security;
create policy own_rows on bills using (auth.in_org(org_id) and environment = auth.environment())
    with check (auth.in_org(org_id) and environment = auth.environment());
grant select, insert, update, delete on bills to tenant";

#[test]
fn t096_every_environment_has_its_own_rows() {
    let mut world = World::new();
    let sandbox = world.fill(SANDBOX);
    world.admin.run(&sandbox);
    let live = world.key(&Who::User("ada"), "").bearer();
    let test = world.key(&Who::User("ada"), "environment => 'test'").bearer();
    let account = world.key(&Who::User("ada"), "environment => 'test', role => 'admin'").bearer();
    let south = world.key(&Who::User("dan"), "org_id => :south, environment => 'test'").bearer();
    for (who, environment, other, seen) in [
        (live, "live", "test", "1 2"),
        (test, "test", "live", "3"),
        (account, "test", "live", "3"),
        (south, "test", "live", "4"),
        (Who::User("ada"), "live", "test", "1 2"),
        (Who::Tester("ada"), "test", "live", "3"),
    ] {
        let session = world.begin(&who).unwrap();
        let all = "select string_agg(id::text, ' ' order by id) from bills";
        assert_eq!(session.value(all).as_deref(), Some(seen), "{who:?}");
        session.run("insert into bills (id) values (9)");
        let row = session
            .value("select concat_ws(' ', environment, org_id = auth.current_org()) from bills where id = 9");
        assert_eq!(row, Some(format!("{environment} t")), "{who:?}");
        let touched =
            format!("select concat_ws(' ', (select count(*) from bills where environment = '{other}'))");
        assert_eq!(session.value(&touched).as_deref(), Some("0"));
        session.run("delete from bills; savepoint s");
        for sql in [
            format!("insert into bills (id, environment) values (10, '{other}')"),
            format!("insert into bills (id) values (10); update bills set environment = '{other}'"),
        ] {
            let told = session.refused(&sql);
            assert_eq!(
                told, "42501 new row violates row-level security policy for table \"bills\"",
                "{who:?}"
            );
            session.run("rollback to s");
        }
        session.run("commit");
        let left = world.root("count(*) from bills");
        assert_eq!(left, (5 - seen.split(' ').count()).to_string(), "{who:?}");
        world.admin.run(&format!("truncate bills; {}", world.fill(SANDBOX).lines().nth(3).unwrap()));
    }
    assert_eq!(world.tell(&Who::Nobody, "count(*) from bills"), "0");
}

#[test]
fn t096_the_key_and_its_row_have_to_agree() {
    let mut world = World::new();
    for (environment, other) in [("live", "test"), ("test", "live")] {
        let key = world.key(&Who::User("ada"), &format!("environment => '{environment}'"));
        assert!(key.text.contains(&format!("_{environment}_")));
        assert_eq!(world.tell(&key.bearer(), "auth.environment()"), environment);
        // The same key under the other name is no key, also with a checksum that fits.
        let renamed = key.text.replace(&format!("_{environment}_"), &format!("_{other}_"));
        for text in [super::checks::checked(&renamed), renamed] {
            assert_eq!(world.tell(&Who::Bearer(text), "1"), REFUSED);
        }
        world.admin.run(&format!("update auth.api_keys set environment = '{other}' where id = '{}'", key.id));
        assert_eq!(world.reason(&key), "the API key names another environment than its row");
        assert!(!world.works(&key));
    }
}

fn connect(server: &Server, user: &str) -> Client {
    Config::new()
        .host_path(server.socket_dir())
        .port(server.port())
        .dbname("postgres")
        .user(user)
        .connect(NoTls)
        .unwrap()
}

#[test]
fn t096_a_server_refuses_keys_of_environments_that_it_does_not_allow() {
    let server =
        Server::start(installation(), "staging", &[("pg_bearer.allowed_environments", "test")]).unwrap();
    let mut admin = connect(&server, "postgres");
    admin.run("create extension pg_bearer; create role tenant login");
    let org = admin.value("select auth.create_organization('o')").unwrap();
    let mut make = |arguments: &str| {
        admin.value(&format!("select key from auth.create_api_key('k', {arguments})")).unwrap()
    };
    let live = make(&format!("'{org}', 'live'"));
    let test = make(&format!("'{org}', 'test'"));
    let service = make("kind => 'service', environment => 'live'");
    let mut session = connect(&server, "tenant");
    let good = |session: &mut Client, key: &str| match session.authenticate(key) {
        Ok(()) => true,
        Err(error) => {
            assert_eq!(told(&error), REFUSED);
            false
        }
    };
    for (setting, live_is_good, test_is_good) in [
        ("test", false, true),
        ("live, test", true, true),
        ("live", true, false),
        ("", false, false),
        ("prod", false, false),
        ("Live", false, false),
        ("test,live", true, true),
    ] {
        admin.run(&format!("alter system set pg_bearer.allowed_environments = '{setting}'"));
        admin.run("select pg_reload_conf()");
        let current = "select current_setting('pg_bearer.allowed_environments')";
        while session.value(current).as_deref() != Some(setting) {
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(good(&mut session, &live), live_is_good, "{setting}");
        assert_eq!(good(&mut session, &service), live_is_good, "{setting}");
        assert_eq!(good(&mut session, &test), test_is_good, "{setting}");
    }
    admin.run("alter system set pg_bearer.allowed_environments = 'test'; ");
    for user in ["tenant", "postgres"] {
        let told = connect(&server, user)
            .refused("select auth.is_authenticated(); set pg_bearer.allowed_environments = 'live'");
        assert!(told.starts_with("55P02 "), "{user}: {told}");
    }
}
