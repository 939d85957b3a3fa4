//! A registered table that changes afterwards: what can still be read counts, everything else lets nobody in.

use super::{A, B, of, place, with_members};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use postgres::Client;

const UNREADABLE: &str = "F0000 a table that memberships come from cannot be read";

/// Takes out whatever is registered, and what is called `members`.
fn clear(superuser: &mut Client) {
    superuser.run(
        "select auth.unregister_membership_source(source) from auth.list_membership_sources();
         do $$ begin
           if (select relkind = 'v' from pg_class where oid = to_regclass('members')) then drop view members; end if;
         end $$;
         drop table if exists members, former, parent cascade; drop schema if exists elsewhere cascade",
    );
}

fn register(superuser: &mut Client) {
    clear(superuser);
    superuser.run(&format!(
        "create table members (n int, u text, o text, r text);
         create index members_u on members (u);
         insert into members values (1, '42', '{ORG_A}', 'editor'), (2, '42', '43', 'reader');
         select auth.register_membership_source('members', 'u', 'o', 'r')"
    ));
}

const UNFIT: [&str; 10] = [
    "char(80)",
    "name",
    "\"char\"",
    "numeric",
    "bytea",
    "jsonb",
    "text[]",
    "smallint",
    "a_domain",
    "text collate inexact",
];

/// What makes it unreadable.
fn ruins(superuser: &mut Client) -> Vec<String> {
    let mut ruins: Vec<String> = Vec::new();
    for column in ["u", "o", "r"] {
        ruins.push(format!("alter table members rename {column} to x"));
        ruins.push(format!("alter table members rename {column} to \"{}\"", column.to_uppercase()));
        ruins.push(format!("alter table members drop {column}"));
        for kind in UNFIT {
            ruins
                .push(format!("truncate members; alter table members alter {column} type {kind} using null"));
        }
    }
    for kind in ["int", "bigint", "uuid"] {
        ruins.push(format!("alter table members alter r type {kind} using null"));
    }
    for column in ["u", "o"] {
        ruins.push(format!("alter table members alter {column} type an_enum using null"));
    }
    for again in [
        "",
        "create view members as select u, o, r from former",
        "create table members (u text, o text, r text) partition by list (u)",
        "create table members (u text, o text, r text)",
    ] {
        ruins.push(format!("alter table members rename to former; drop table former; create table former (u text, o text, r text); {again}"));
    }
    // Numbers that a table had, and that something else has now.
    for other in [
        "'members_u'",
        "'auth.memberships_pkey'",
        "'a_composite'",
        "'a_sequence'",
        "'a_view'",
        "0",
        "4294967295",
    ] {
        ruins.push(format!("update auth.membership_sources set source = {other}::regclass"));
    }
    let version: i32 = superuser.value("show server_version_num").unwrap().parse().unwrap();
    if version < 160_000 {
        ruins.push("truncate members; drop index members_u; update pg_class set relhasindex = false where relname = 'members'; create rule \"_RETURN\" as on select to members do instead select 1 as n, ''::text as u, ''::text as o, ''::text as r".into());
    }
    if version >= 180_000 {
        for column in ["u", "o", "r"] {
            ruins.push(format!(
                "alter table members drop {column}, add {column} text generated always as (n::text) virtual"
            ));
        }
    }
    ruins
}

#[test]
fn a_table_that_is_no_longer_what_was_registered_lets_nobody_in() {
    let (db, mut superuser) = with_members();
    superuser.run(
        "create collation inexact (provider = libc, locale = 'C');
         update pg_collation set collisdeterministic = false where collname = 'inexact';
         create domain a_domain as text; create type an_enum as enum ('editor'); create type a_composite as (u text, o text, r text);
         create sequence a_sequence; create view a_view as select ''::text as u, ''::text as o, ''::text as r",
    );
    let mut session = db.tenant();
    for ruin in ruins(&mut superuser) {
        register(&mut superuser);
        assert_eq!(place(&mut session, "42"), format!("{A}+ {B}"), "before {ruin}");
        session.run("begin isolation level repeatable read");
        session.authenticate(&token_of("42")).unwrap();
        session.run("savepoint s");
        superuser.run(&ruin);
        // Nobody at all: who else the table would have named, nothing says.
        for token in [token_of("42"), token_of("somebody"), token_a()] {
            assert_eq!(refusal(session.authenticate(&token)), UNREADABLE, "{ruin}");
            session.run("rollback to s");
            assert_eq!(session.value("select cardinality(auth.org_ids())").as_deref(), Some("2"), "{ruin}");
        }
        session.run("rollback");
        assert_eq!(refusal(session.authenticate(&token_of("42"))), UNREADABLE, "{ruin}");
        assert_eq!(session.value("select auth.identity()"), None);
    }
    clear(&mut superuser);
    assert_eq!(place(&mut session, "42"), "");
}

#[test]
fn a_table_is_known_by_its_number_and_columns_by_their_names() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    for change in [
        "alter table members rename to former; create table members (u text, o text, r text)",
        "create schema elsewhere; alter table members set schema elsewhere",
        "alter table members owner to other; revoke all on members from other",
        "alter table members rename u to old; alter table members add u text; update members set u = old",
        "alter table members alter u type varchar(100)",
        "alter table members alter u type int using u::int",
        "alter table members alter u type bigint using u::bigint",
        "alter table members alter o type varchar(40), alter r type an_enum using r::an_enum",
        "alter table members set unlogged",
        "vacuum full members",
        "create table parent (n int, u text, o text, r text); alter table members inherit parent",
        "create table parent () inherits (members); insert into parent values (3, '42', '44', 'editor'), (4, 'child', '42', 'editor')",
        "drop table members; create table members (u int, o uuid)",
    ] {
        superuser
            .run("drop type if exists an_enum cascade; create type an_enum as enum ('reader', 'editor')");
        register(&mut superuser);
        assert_eq!(place(&mut session, "42"), format!("{A}+ {B}"), "before {change}");
        superuser.run(change);
        let gone = change.starts_with("drop table");
        if gone {
            assert_eq!(refusal(session.authenticate(&token_of("42"))), UNREADABLE);
            let list = "select source::text ~ '^[0-9]+$' from auth.list_membership_sources()";
            assert_values(&mut superuser, &[(list, Some("t"))]);
            let number = superuser.value("select source::oid from auth.list_membership_sources()").unwrap();
            superuser.run(&format!("select auth.unregister_membership_source({number})"));
        }
        assert_eq!(
            place(&mut session, "42"),
            if gone { String::new() } else { format!("{A}+ {B}") },
            "{change}"
        );
    }
}

/// Whether the rows of this user are found through an index.
fn by_index(session: &mut Client, user: &str) -> bool {
    // What the session has not reported yet is counted too, so only the difference says something.
    let scans = "select coalesce(seq_scan, 0) || ' ' || coalesce(idx_scan, 0) from pg_stat_xact_all_tables where relname = 'members'";
    let count = |session: &mut Client| -> Vec<i64> {
        let text = session.value(scans).unwrap();
        text.split(' ').map(|number| number.parse().unwrap()).collect()
    };
    session.run("begin");
    let before = count(session);
    session.authenticate(&token_of(user)).unwrap();
    let after = count(session);
    session.run("rollback");
    assert_eq!(after[0] - before[0] + after[1] - before[1], 1, "{before:?} {after:?}");
    after[1] > before[1]
}

#[test]
fn only_an_index_that_finds_every_row_is_used() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    superuser.run("create extension if not exists btree_gin");
    for (index, used) in [
        ("", false),
        ("create index i on members (u)", true),
        ("create index i on members (u desc nulls first)", true),
        ("create unique index i on members (u, o, r)", true),
        ("create index i on members (u) include (o, r)", true),
        ("create index i on members (u varchar_ops) with (fillfactor = 10)", true),
        ("create index concurrently i on members (u, (lower(o::text)))", true),
        ("create index i on members (o, u)", false),
        ("create index i on members ((u || ''))", false),
        ("create index i on members (lower(u))", false),
        ("create index i on members (u collate \"C\")", false),
        ("create index i on members (u text_pattern_ops)", false),
        ("create index i on members (u) where u > 'a'", false),
        // Postgres drops such a condition itself.
        ("create index i on members (u) where true", true),
        ("create index i on members (o) include (u)", false),
        ("create index i on members using hash (u)", false),
        ("create index i on members using brin (u)", false),
        ("create index i on members using gin (u)", false),
        (
            "create index i on members (u); update pg_index set indisvalid = false where indexrelid = 'i'::regclass",
            false,
        ),
        ("create index i on members (u collate \"C\"); create index j on members (u)", true),
    ] {
        superuser.run(&format!(
            "drop table if exists members;
             create table members (u text, o uuid, r text);
             create index members_u on members (u);
             insert into members values ('u', '{ORG_A}', 'editor'), ('U', '{ORG_B}', 'editor'), ('v', '{ORG_B}', 'editor');
             delete from auth.membership_sources;
             select auth.register_membership_source('members', 'u', 'o', 'r');
             drop index members_u"
        ));
        superuser.run(index);
        assert_eq!(place(&mut session, "u"), format!("{A}+"), "{index}");
        assert_eq!(place(&mut session, "v"), format!("{B}+"), "{index}");
        assert_eq!(place(&mut session, "w"), "", "{index}");
        assert_eq!(by_index(&mut session, "u"), used, "{index}");
    }
}

#[test]
fn an_index_that_lies_makes_nobody_a_member() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    let ready = |yes: bool| {
        format!("update pg_index set indisready = {yes} where indexrelid = 'members_u'::regclass")
    };
    // Another row takes the place of one whose entry is still in the index.
    superuser.run("create table place (tid tid); insert into place select ctid from members where u = 'v'");
    superuser.run(&ready(false));
    superuser.run("delete from members where u = 'v'");
    superuser.run("vacuum members");
    superuser.run(&format!("insert into members values ('w', '{ORG_B}', 'editor')"));
    superuser.run(&ready(true));
    superuser.run("update pg_class set relhasindex = true where oid = 'members'::regclass");
    assert_values(&mut superuser, &[("select m.u from members m, place p where m.ctid = p.tid", Some("w"))]);
    superuser.run("set enable_seqscan = off; set enable_bitmapscan = off");
    assert_values(&mut superuser, &[("select o from members where u = 'v'", Some(ORG_B))]);
    assert!(by_index(&mut session, "v"));
    assert_eq!(place(&mut session, "v"), "");
    assert_eq!(of(&mut session, "u", "select cardinality(auth.org_ids())").as_deref(), Some("2"));
}
