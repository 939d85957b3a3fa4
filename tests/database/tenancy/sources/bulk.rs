//! Many rows for one user, which are read in another way than few; and rows of unusual shape.

use super::{A, B, of, place, prepared, with_members};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};

/// The id of an organization.
const ID: &str = "('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid";

/// A database with this many organizations: every fifth is disabled, every seventh has a role clerk of its
/// own. User u<k> is in the first k of them, every third of which the table calls by its other name, with
/// role editor, clerk, an unknown one or none in turn.
fn organizations(count: usize, rows: &[usize]) -> (Database, Client) {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "insert into auth.organizations (id, name, external_id, disabled_at)
         select {ID}, 'n', 'org ' || n, case when n % 5 = 0 then now() end from generate_series(1, {count}) n;
         select auth.define_role('editor', '{{docs.*}}');
         select auth.define_role('clerk', '{{docs.write}}', {ID}) from generate_series(7, {count}, 7) n;
         create table members (u text, o text, r text);
         create index on members (u);
         select auth.register_membership_source('members', 'u', 'o', 'r')"
    ));
    for rows in rows {
        superuser.run(&format!(
            "insert into members
             select 'u{rows}', case when n % 3 = 0 then 'org ' || n else {ID}::text end,
                    (array['editor', 'clerk', 'nobody', null])[n % 4 + 1]
               from generate_series(1, {rows}) n"
        ));
    }
    (db, superuser)
}

/// What u<k> must be told, without asking the library.
fn expected(superuser: &mut Client, rows: usize) -> String {
    let sql = format!(
        "select string_agg(n || case when n % 4 = 0 or n % 4 = 1 and n % 7 = 0 then '+' else '' end, ' ' order by n)
           from generate_series(1, {rows}) n where n % 5 <> 0"
    );
    superuser.value(&sql).unwrap()
}

const TOLD: &str = "select string_agg(ltrim(right(id::text, 12), '0') || case when auth.has_permission_in('docs.write', id) then '+' else '' end, ' ' order by id)
                      from unnest(auth.org_ids()) id";

#[test]
fn few_and_many_rows_are_read_in_two_ways_that_agree() {
    const ROWS: [usize; 9] = [1, 4, 5, 7, 8, 9, 14, 50, 150];
    for count in [150, 1000] {
        let (db, mut superuser) = organizations(count, &ROWS);
        let mut session = db.tenant();
        // A client can ask not to use indexes.
        let mut config = db.config("tenant");
        let mut without = config.options("-c ignore_system_indexes=on").connect(NoTls).unwrap();
        for rows in ROWS {
            let expected = expected(&mut superuser, rows);
            for session in [&mut session, &mut without] {
                let told = of(session, &format!("u{rows}"), TOLD);
                assert_eq!(told.as_deref(), Some(expected.as_str()), "{rows} of {count}");
            }
        }
    }
}

#[test]
fn ten_thousand_rows_are_all_seen() {
    let (db, mut superuser) = with_members();
    superuser.run(&format!("insert into members select 'many', {ID}, (array['editor', 'reader'])[n % 2 + 1] from generate_series(1, 10000) n"));
    let mut session = db.tenant();
    let seen = "select cardinality(auth.org_ids()) || ' ' || cardinality(auth.org_ids_with('docs.read')) || ' ' || cardinality(auth.org_ids_with('docs.write'))";
    assert_eq!(of(&mut session, "many", seen).as_deref(), Some("10000 10000 5000"));
    let of_each = format!("select count(*) from generate_series(0, 10001) n where auth.is_member({ID})");
    assert_eq!(of(&mut session, "many", &of_each).as_deref(), Some("10000"));
    superuser.run(&format!("update auth.organizations set disabled_at = now(); insert into auth.organizations (id, name, disabled_at) values ({}, 'n', now())", ID.replace('n', "5000")));
    assert_eq!(of(&mut session, "many", seen).as_deref(), Some("9999 9999 4999"));
}

#[test]
fn more_rows_than_an_identity_holds_are_left_out() {
    let (db, mut superuser) = with_members();
    superuser
        .run(&format!("insert into members select 'many', {ID}, 'editor' from generate_series(1, 50000) n"));
    let mut session = db.tenant();
    assert_eq!(of(&mut session, "many", "select cardinality(auth.org_ids())").as_deref(), Some("50000"));
    superuser
        .run(&format!("insert into members select 'many', {ID}, 'reader' from generate_series(1, 30000) n"));
    assert_eq!(
        of(
            &mut session,
            "many",
            "select concat_ws(' ', cardinality(auth.org_ids()), cardinality(auth.org_ids_with('docs.write')))"
        )
        .as_deref(),
        Some("50000 20000"),
        "of two rows that differ none permits anything"
    );
    superuser.run(&format!("insert into members values ('many', '{ORG_A}')"));
    let facts = format!("select concat_ws(' ', cardinality(auth.org_ids()), auth.is_member('{ORG_A}'))");
    assert_eq!(of(&mut session, "many", &facts).as_deref(), Some("50000 f"));
    // Our own rows come first.
    superuser.run(&format!("select auth.add_member('{ORG_A}', 'many')"));
    assert_eq!(of(&mut session, "many", &facts).as_deref(), Some("50000 t"));
}

#[test]
fn wide_tables_dropped_columns_and_columns_that_came_later_are_read_where_they_are() {
    let (db, mut superuser) = prepared();
    let columns = |from: i32, to: i32| {
        (from..=to).map(|n| format!("c{n} text default 'x{n}'")).collect::<Vec<_>>().join(", ")
    };
    superuser.run(&format!(
        "create table wide ({}, u text, {}, n bigint, r varchar, {});
         create index on wide (u);
         insert into wide (u, n, r) values ('u', 42, 'editor'), ('v', 43, null), ('w', null, 'editor');
         alter table wide {};
         insert into wide (u, n, r) values ('x', 43, 'editor'), (null, 43, 'editor');
         select auth.register_membership_source('wide', 'u', 'n', 'r')",
        columns(1, 40),
        columns(41, 80),
        columns(81, 120),
        (2..=39).chain(42..=79).map(|n| format!("drop c{n}")).collect::<Vec<_>>().join(", "),
    ));
    let mut session = db.tenant();
    for (user, expected) in
        [("u", format!("{A}+")), ("v", B.into()), ("w", String::new()), ("x", format!("{B}+"))]
    {
        assert_eq!(place(&mut session, user), expected, "{user}");
    }
    // Rows that are older than the column have its default without holding it.
    superuser.run(&format!(
        "alter table wide add late uuid default '{ORG_A}', add later text default 'reader', add latest text default 'u';
         create index on wide (latest);
         select auth.register_membership_source('wide', 'u', 'late', 'later')"
    ));
    assert_eq!(place(&mut session, "v"), A);
    superuser.run("select auth.register_membership_source('wide', 'latest', 'n', 'r')");
    assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
    superuser.run("drop index wide_latest_idx");
    assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
}

#[test]
fn long_and_strange_texts_are_what_they_are() {
    let (db, mut superuser) = prepared();
    let (id, external) = ("ü".repeat(128), "é".repeat(127));
    superuser.run(&format!(
        "update auth.organizations set external_id = '{external}' where id = '{ORG_A}';
         create table long (filler text, u text, o text, r text);
         alter table long alter filler set storage external, alter r set storage external;
         create index on long (u);
         insert into long values (repeat('f', 1000000), '{id}', '{external}', repeat('r', 1000000)),
                                 (repeat('f', 1000000), '{id}', repeat('o', 1000000), 'editor'),
                                 (repeat('f', 1000000), '{id}', '{ORG_B}', ''),
                                 ('', 'short', '{ORG_A}', 'it''s \"a\" role; -- \\ ' || chr(10) || '€');
         select auth.register_membership_source('long', 'u', 'o', 'r')"
    ));
    let mut session = db.tenant();
    for _ in 0..2 {
        assert_eq!(place(&mut session, &id), format!("{A} {B}"));
        let role = format!("select auth.set_org('{ORG_A}')::text || length(auth.org_role())");
        assert_eq!(of(&mut session, &id, &role).as_deref(), Some("1000000"));
        assert_eq!(
            of(&mut session, "short", "select auth.org_role()").as_deref(),
            Some("it's \"a\" role; -- \\ \n€")
        );
        // The same without the index, comparing texts that lie elsewhere.
        superuser.run(
            "drop index if exists long_u_idx; alter table long alter u set storage external;
                       insert into long values ('', repeat('u', 1000000), '43', 'editor')",
        );
    }
}
