//! Test data beside live data, and its end.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use postgres::Client;

/// Payments and the refunds of them, of two organizations, live and test.
const TABLES: &str = r#"
create schema shop;
create table shop.payments (id int primary key, org_id uuid default auth.current_org(),
                            "Env" text not null default auth.environment());
create table shop.refunds (id int primary key, payment int references shop.payments,
                           org_id uuid default auth.current_org(), environment text default auth.environment());
create table shop.notes (id int, environment text default 'test', made text default 'in ' || auth.environment());
alter table shop.payments enable row level security;
alter table shop.payments force row level security;
create policy own on shop.payments using (auth.in_org(org_id) and "Env" = auth.environment());
alter table shop.refunds enable row level security;
alter table shop.refunds force row level security;
create policy own on shop.refunds using (auth.in_org(org_id) and environment = auth.environment());
grant usage on schema shop to tenant;
grant select, insert, delete on shop.payments, shop.refunds to tenant;
insert into shop.notes values (1), (2);
"#;

/// Keys of alice's organization and of bob's, live and test.
fn keys(db: &Database) -> [[String; 2]; 2] {
    let mut superuser = db.superuser();
    superuser.run(TABLES);
    ["alice", "bob"].map(|user| {
        let create = format!("select auth.create_organization('Org', owner_id => '{user}')");
        let org = superuser.value(&create).unwrap();
        ["live", "test"].map(|environment| {
            let create = format!(
                "select key from auth.create_api_key('k', '{org}', '{environment}', user_id => '{user}')"
            );
            superuser.value(&create).unwrap()
        })
    })
}

fn with_key(session: &mut Client, key: &str, work: impl FnOnce(&mut Client)) {
    session.run("begin");
    session.authenticate(key).unwrap();
    work(session);
    session.run("commit");
}

#[test]
fn t096_a_key_sees_writes_and_purges_rows_of_its_own_environment_and_organization() {
    let db = Database::new();
    let keys = keys(&db);
    let mut session = db.tenant();
    for (number, key) in keys.iter().flatten().enumerate() {
        with_key(&mut session, key, |session| {
            session.run(&format!(
                "insert into shop.payments values ({number}); insert into shop.refunds values ({number}, {number})"
            ));
            assert_values(session, &[("select count(*)::text from shop.refunds", Some("1"))]);
        });
    }
    let [[live, test], _] = &keys;
    let purge = "select string_agg(source || ' ' || deleted, ', ') from auth.purge_sandbox('{shop.payments,shop.refunds}')";
    with_key(&mut session, live, |session| {
        assert_values(session, &[(purge, Some("shop.refunds 0, shop.payments 0"))]);
        let refused = session.refused("insert into shop.payments values (9, default, 'test')");
        assert!(refused.starts_with("42501 new row violates row-level security policy"), "{refused}");
        session.run("rollback; begin");
    });
    with_key(&mut session, test, |session| {
        assert_values(session, &[(purge, Some("shop.refunds 1, shop.payments 1"))]);
    });
    let mut superuser = db.superuser();
    let left = "select string_agg(id || \"Env\", ' ' order by id) from shop.payments";
    assert_values(
        &mut superuser,
        &[(left, Some("0live 2live 3test")), (purge, Some("shop.refunds 1, shop.payments 1"))],
    );
    assert_values(&mut superuser, &[(left, Some("0live 2live"))]);
}

#[test]
fn only_tables_with_a_column_for_the_environment_are_purged() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(TABLES);
    let refused = "22023 a table has no column for the environment";
    for tables in
        ["'{shop.notes}'", "'{shop.payments,shop.notes}'", "null", "array[null::regclass]", "'{pg_class}'"]
    {
        assert_eq!(superuser.refused(&format!("select auth.purge_sandbox({tables})")), refused, "{tables}");
    }
    assert_values(
        &mut superuser,
        &[
            ("select count(*)::text from auth.purge_sandbox('{}')", Some("0")),
            ("select count(*)::text from shop.notes", Some("2")),
            ("select auth.environment_column('shop.payments'::regclass)::text", Some("Env")),
            ("select auth.environment_column('shop.notes'::regclass)::text", None),
            ("select auth.environment_column(0)::text", None),
        ],
    );
    superuser.run("grant usage on schema shop to other");
    let refused = db.connect("other").refused("select auth.purge_sandbox('{shop.payments}')");
    assert_eq!(refused, "42501 permission denied for table payments");
}

#[test]
fn triggers_of_purged_rows_run_as_the_caller_with_his_search_path() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(TABLES);
    superuser.run(
        "insert into shop.payments values (1, null, 'test');
         create table shop.log (line text);
         create function shop.note() returns trigger language plpgsql as
             $$begin insert into log select current_user || ' ' || current_setting('search_path'); return old; end$$;
         create trigger note before delete on shop.payments for each row execute function shop.note();
         set search_path = shop, public;
         select auth.purge_sandbox('{payments}')",
    );
    assert_values(
        &mut superuser,
        &[
            ("select line from shop.log", Some("postgres shop, public")),
            ("show search_path", Some("shop, public")),
        ],
    );
}

#[test]
fn rows_that_are_younger_and_those_without_a_time_stay() {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(TABLES);
    superuser.run(
        "alter table shop.payments add \"made At\" timestamptz, add made_on date, add note text;
         insert into shop.payments (id, \"Env\", \"made At\", made_on)
         select n, case n when 5 then 'live' else 'test' end, now() - a.age, (now() - a.age)::date
           from unnest(array['3 days', '25 hours', '23 hours', null, '9 days']::interval[]) with ordinality a (age, n)",
    );
    let purge = |arguments: &str| {
        format!(
            "select string_agg(deleted::text, ' ') from auth.purge_sandbox('{{shop.payments}}', {arguments})"
        )
    };
    let unpaired = "22023 time_column and older_than do not go together";
    let no_time = "22023 a table has no such column with a time";
    for (arguments, refused) in [
        ("'made At'", unpaired),
        ("older_than => '1 day'", unpaired),
        ("'made At', '-1 day'", "22023 older_than is 0 to 100 years"),
        ("'made At', '101 years'", "22023 older_than is 0 to 100 years"),
        ("'note', '1 day'", no_time),
        ("'nothing', '1 day'", no_time),
        ("'ctid', '1 day'", no_time),
        ("'made At\" or true --', '1 day'", no_time),
    ] {
        assert_eq!(superuser.refused(&purge(arguments)), refused, "{arguments}");
    }
    let left = "select string_agg(id::text, ' ' order by id) from shop.payments";
    assert_values(
        &mut superuser,
        &[
            (&purge("'made At', '1 day'"), Some("2")),
            (left, Some("3 4 5")),
            (&purge("'made_on', older_than => '10 days'"), Some("0")),
            (&purge("time_column => null"), Some("2")),
            (left, Some("5")),
        ],
    );
}
