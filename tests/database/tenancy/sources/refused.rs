//! Who may register a table, and which.

use super::{A, B, place, with_members};
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::token::*;

const NOT_PLAIN: &str = "22023 the source is not a plain table";
const NO_INDEX: &str = "22023 the table has no index that finds the rows of a user";

#[test]
fn only_a_plain_table_is_registered() {
    let (db, mut superuser) = with_members();
    superuser.run(
        "create view v as select * from members; create materialized view m as select * from members;
         create index on m (u);
         create table p (u text, o uuid) partition by list (u); create index on p (u);
         create foreign data wrapper w; create server s foreign data wrapper w;
         create foreign table f (u text, o uuid) server s;
         create temp table t (u text, o uuid); create index on t (u);
         create sequence q; create type c as (u text, o uuid)",
    );
    let toast =
        superuser.value("select reltoastrelid::regclass from pg_class where relname = 'members'").unwrap();
    let temporary = superuser.value("select 't'::regclass::oid").unwrap();
    for source in [
        "v",
        "m",
        "p",
        "f",
        "t",
        "q",
        "c",
        "members_u",
        "auth.memberships",
        "auth.organizations",
        "auth.issuers",
        "auth.membership_sources",
        "pg_authid",
        "pg_class",
        &toast,
        "0",
        "4294967295",
    ] {
        let sql = format!("select auth.register_membership_source('{source}', 'u', 'o')");
        assert_eq!(superuser.refused(&sql), NOT_PLAIN, "{source}");
    }
    let mut other = db.superuser();
    let sql = format!("select auth.register_membership_source({temporary}, 'u', 'o')");
    assert_eq!(other.refused(&sql), NOT_PLAIN);
    assert_eq!(other.refused("select auth.register_membership_source(null, 'u', 'o')"), NOT_PLAIN);
    superuser.run("create unlogged table l (u text, o uuid); create index on l (u); insert into l values ('w', gen_random_uuid());
                   select auth.register_membership_source('l', 'u', 'o'); truncate members");
    assert_eq!(place(&mut db.tenant(), "w").len(), 36);
}

#[test]
fn columns_must_be_there_and_of_a_type_that_is_compared_exactly() {
    let (_db, mut superuser) = with_members();
    superuser.run(
        "create domain d as text; create type e as enum ('editor');
         create collation inexact (provider = libc, locale = 'C');
         update pg_collation set collisdeterministic = false where collname = 'inexact';
         create table t (u text, o uuid, r text, dropped text, e e, d d, n numeric, s smallint, b char(8), a text[],
                         x text collate inexact, v varchar collate inexact, name name, j jsonb, \"Case\" text, i int);
         alter table t drop dropped; create index on t (u); create index on t (x); create index on t (d); create index on t (e)",
    );
    let missing = [
        "nothing",
        "ctid",
        "xmin",
        "tableoid",
        "dropped",
        "........pg.dropped.4........",
        "case",
        "CASE",
        "\"Case\"",
        "",
        "t.u",
    ];
    for (at, argument) in ["user_column", "org_column", "role_column"].into_iter().enumerate() {
        let call = |column: &str| {
            let mut columns = ["u", "o", "r"].map(|name| format!("'{name}'"));
            columns[at] = column.to_owned();
            format!("select auth.register_membership_source('t', {})", columns.join(", "))
        };
        for column in missing {
            let refused = superuser.refused(&call(&format!("'{column}'")));
            assert_eq!(refused, format!("22023 {argument} is not a column of the table"), "{column}");
        }
        let mut unfit = vec!["d", "n", "s", "b", "a", "name", "j"];
        unfit.extend(if argument == "role_column" { vec!["o", "i"] } else { vec!["e"] });
        for column in unfit {
            let refused = superuser.refused(&call(&format!("'{column}'")));
            assert_eq!(
                refused,
                format!("22023 the column for {argument} has a type that is not allowed"),
                "{column}"
            );
        }
        for column in ["x", "v"] {
            let refused = superuser.refused(&call(&format!("'{column}'")));
            assert_eq!(
                refused,
                format!("22023 the column for {argument} must be stored and compared exactly")
            );
        }
        if argument != "role_column" {
            let refused = superuser.refused(&call("null"));
            assert_eq!(refused, format!("22023 {argument} is not a column of the table"));
        }
    }
    superuser.run("select auth.register_membership_source('t', 'u', 'Case', 'e')");
}

#[test]
fn an_index_must_find_the_rows_of_a_user() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    superuser.run("delete from auth.membership_sources");
    for (index, is_good) in [
        ("select", false),
        ("create index on t (o, u)", false),
        ("create index on t (u collate \"C\")", false),
        ("create index on t (u text_pattern_ops)", false),
        ("create index on t (u) where u <> ''", false),
        ("create index on t (lower(u), u)", false),
        ("create index on t (o) include (u)", false),
        ("create index on t using hash (u)", false),
        ("create index on t using brin (u)", false),
        (
            "create index i on t (u); update pg_index set indisvalid = false where indexrelid = 'i'::regclass",
            false,
        ),
        (
            "create index i on t (u); update pg_index set indisready = false where indexrelid = 'i'::regclass",
            false,
        ),
        ("create index on t (u desc nulls last, o) include (r)", true),
        ("alter table t add primary key (u, o)", true),
    ] {
        superuser.run(&format!(
            "create table t (u text, o uuid, r text); insert into t values ('u', '{ORG_A}', 'editor'); {index}"
        ));
        let register = "select auth.register_membership_source('t', 'u', 'o', 'r')";
        if is_good {
            superuser.run(register);
            assert_eq!(place(&mut session, "u"), format!("{A}+"), "{index}");
        } else {
            assert_eq!(superuser.refused(register), NO_INDEX, "{index}");
            assert_eq!(place(&mut session, "u"), "", "{index}");
        }
        superuser.run("delete from auth.membership_sources; drop table t");
    }
    // The failed build of a unique index leaves an invalid one behind.
    superuser.run("create table t (u text, o uuid); insert into t values ('u'), ('u')");
    assert_contains(superuser.refused("create unique index concurrently i on t (u)"), "23505");
    assert_eq!(superuser.refused("select auth.register_membership_source('t', 'u', 'o')"), NO_INDEX);
    superuser.run("drop index i; create table child () inherits (t); create index on child (u)");
    assert_eq!(superuser.refused("select auth.register_membership_source('t', 'u', 'o')"), NO_INDEX);
}

#[test]
fn administrators_register_their_own_tables_and_nobody_else_does() {
    let (db, mut superuser) = with_members();
    superuser.run(
        "create table foreigns (u text, o uuid); create index on foreigns (u); alter table foreigns owner to other;
         grant all on foreigns to administrator, tenant, bearer_admin, bearer_owner",
    );
    let register = "select auth.register_membership_source('foreigns', 'u', 'o')";
    let mut administrator = db.connect("administrator");
    assert_eq!(administrator.refused(register), "42501 the table is not yours");
    // Its owner, who is no administrator; tenants; and what a token says changes nothing.
    for user in ["other", "tenant"] {
        let mut session = db.connect(user);
        for call in [
            register,
            "select auth.unregister_membership_source('members')",
            "select auth.list_membership_sources()",
        ] {
            session.run("begin");
            session.authenticate(&token_of("u")).unwrap();
            assert!(
                session.refused(call).starts_with("42501 permission denied for function"),
                "{user} {call}"
            );
            session.run("rollback");
        }
    }
    // Whoever was granted the functions all the same.
    superuser.run(
        "grant execute on function auth.register_membership_source(regclass, name, name, name), auth.unregister_membership_source(regclass),
                                   auth.list_membership_sources() to other",
    );
    let mut owner = db.connect("other");
    for call in [
        register,
        "select auth.unregister_membership_source('members')",
        "select auth.list_membership_sources()",
    ] {
        assert_eq!(owner.refused(call), "42501 this needs an administrator of pg_bearer", "{call}");
    }
    administrator.run("create temp table kept (u text, o uuid)");
    superuser.run("alter table foreigns owner to administrator");
    administrator.run(register);
    superuser.run(&format!("insert into foreigns values ('w', '{ORG_B}')"));
    assert_eq!(place(&mut db.tenant(), "w"), B);
    // One who owns nothing of it takes it out: that makes nobody a member.
    superuser.run("alter table foreigns owner to other");
    assert_eq!(administrator.refused(register), "42501 the table is not yours");
    administrator.run("select auth.unregister_membership_source('foreigns')");
    assert_eq!(place(&mut db.tenant(), "w"), "");
}
