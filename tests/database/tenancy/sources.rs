//! Tables of the application that say who belongs where: what they make of a user.

mod broken;
mod bulk;
mod freshness;
mod hostile;
mod refused;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;

/// A session of a superuser in a database with organizations A (which others call 42) and B (43), and two
/// roles of every organization.
fn prepared() -> (Database, Client) {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "insert into auth.organizations (id, name, external_id) values ('{ORG_A}', 'A', '42'), ('{ORG_B}', 'B', '43');
         select auth.define_role('editor', '{{docs.*}}');
         select auth.define_role('reader', '{{docs.read}}')"
    ));
    (db, superuser)
}

/// The same with a registered table: u is in A as editor and in B as reader, v in B as editor.
fn with_members() -> (Database, Client) {
    let (db, mut superuser) = prepared();
    superuser.run(&format!(
        "create table members (u text, o uuid, r text);
         create index members_u on members (u);
         insert into members values ('u', '{ORG_A}', 'editor'), ('u', '{ORG_B}', 'reader'), ('v', '{ORG_B}', 'editor');
         select auth.register_membership_source('members', 'u', 'o', 'r')"
    ));
    (db, superuser)
}

/// The answer to a question in a transaction of this user's own.
fn of(session: &mut Client, user: &str, sql: &str) -> Option<String> {
    session.run("begin");
    session.authenticate(&token_of(user)).unwrap();
    let value = session.value(sql);
    session.run("rollback");
    value
}

const A: &str = "a";
const B: &str = "b";

/// The organizations of a user, A and B by these names, with his roles there and whether he writes documents.
fn place(session: &mut Client, user: &str) -> String {
    let sql = format!(
        "select string_agg(case id when '{ORG_A}' then '{A}' when '{ORG_B}' then '{B}' else id::text end
                           || case when auth.has_permission_in('docs.write', id) then '+' else '' end, ' ' order by id)
           from unnest(auth.org_ids()) id"
    );
    of(session, user, &sql).unwrap_or_default()
}

const IDS: [(&str, &str); 5] = [
    ("text", "auth0|7"),
    ("varchar(80)", "auth0|7"),
    ("uuid", USER_A),
    ("bigint", "-9223372036854775808"),
    ("integer", "42"),
];

/// What every reader says of an editor, of a member without a role, and of one with an unknown role.
fn readers(role: Option<&str>) -> String {
    match role {
        Some("editor") => format!("{{{ORG_A}}} t f {ORG_A} editor t f t f {{{ORG_A}}} docs.*"),
        Some(role) => format!("{{{ORG_A}}} t f {ORG_A} {role} f f f f {{}} -"),
        None => format!("{{{ORG_A}}} t f {ORG_A} - f f f f {{}} -"),
    }
}

#[test]
fn every_kind_of_column_says_the_same_to_every_reader() {
    let (db, mut superuser) = prepared();
    superuser.run("create type job as enum ('editor', 'stranger')");
    let mut session = db.tenant();
    let question = format!(
        "select concat_ws(' ', auth.org_ids(), auth.is_member('{ORG_A}'), auth.is_member('{ORG_B}'), auth.current_org(),
                coalesce(auth.org_role(), '-'), auth.has_permission('docs.read'), auth.has_permission('users.read'),
                auth.has_permission_in('docs.read', '{ORG_A}'), auth.has_permission_in('docs.read', '{ORG_B}'),
                auth.org_ids_with('docs.read'), coalesce(nullif(auth.identity()->'permissions'->>0, ''), '-'))"
    );
    for (user_type, user) in IDS {
        for (org_type, _) in IDS {
            let org = if ["text", "uuid"].contains(&org_type) { ORG_A } else { "42" };
            for role_type in ["", "text", "varchar(20)", "job"] {
                let case = format!("{user_type} {org_type} {role_type}");
                let (column, argument) = if role_type.is_empty() { ("", "null") } else { (role_type, "'r'") };
                superuser.run(&format!(
                    "create table t (x int, u {user_type}, o {org_type}, r {});
                     create index on t (u);
                     insert into t values (1, '{user}', '{org}', 'editor'), (2, null, '{org}', 'editor');
                     select auth.register_membership_source('t', 'u', 'o', {argument})",
                    if column.is_empty() { "text" } else { column },
                ));
                let role = Some("editor").filter(|_| !role_type.is_empty());
                assert_eq!(of(&mut session, user, &question).unwrap(), readers(role), "{case}");
                superuser.run("update t set r = 'stranger'");
                let role = Some("stranger").filter(|_| !role_type.is_empty());
                assert_eq!(of(&mut session, user, &question).unwrap(), readers(role), "{case}");
                assert_eq!(place(&mut session, "somebody else"), "", "{case}");
                superuser.run("select auth.unregister_membership_source('t'); drop table t");
            }
        }
    }
}

#[test]
fn a_number_is_written_in_one_way_only() {
    let (db, mut superuser) = prepared();
    let mut session = db.tenant();
    for kind in ["bigint", "integer"] {
        superuser.run(&format!(
            "create table t (u {kind}, o uuid); create index on t (u);
             insert into t values (7, '{ORG_A}'), (0, '{ORG_A}'), (-1, '{ORG_A}');
             select auth.register_membership_source('t', 'u', 'o')"
        ));
        for user in ["7", "0", "-1"] {
            assert_eq!(place(&mut session, user), A, "{kind} {user}");
        }
        for user in [
            "007",
            "+7",
            " 7",
            "7 ",
            "7\n",
            "-7",
            "--7",
            "7.0",
            "7e0",
            "0x7",
            "0b111",
            "٧",
            "-0",
            "00",
            "-01",
            "4294967303",
            "18446744073709551623",
            "99999999999999999999999999",
            "-",
            "NaN",
            "7;",
            "7\u{a0}",
            USER_A,
        ] {
            assert_eq!(place(&mut session, user), "", "{kind} {user}");
        }
        superuser.run("select auth.unregister_membership_source('t'); drop table t");
    }
}

#[test]
fn a_uuid_may_be_in_capitals_and_a_text_is_compared_byte_for_byte() {
    let (db, mut superuser) = prepared();
    let mut session = db.tenant();
    superuser.run(&format!(
        "create table t (u uuid, o uuid); create index on t (u);
         insert into t values ('{USER_A}', '{ORG_A}');
         select auth.register_membership_source('t', 'u', 'o')"
    ));
    assert_eq!(place(&mut session, &USER_A.to_uppercase()), A);
    let compact = USER_A.replace('-', "");
    for user in [&compact, &format!("{{{USER_A}}}"), &format!(" {USER_A}"), "7a000000", ""] {
        if !user.is_empty() {
            assert_eq!(place(&mut session, user), "", "{user}");
        }
    }
    superuser.run(&format!(
        "create table s (u text, o text); create index on s (u);
         insert into s values ('Zoë', '{}'), ('é', '42'), ('007', '43'), ('spaced', ' 42'), ('spaced', '042'), ('spaced', '');
         select auth.register_membership_source('s', 'u', 'o')",
        ORG_A.to_uppercase()
    ));
    for (user, expected) in [
        ("Zoë", A),
        ("zoë", ""),
        ("Zoe\u{308}", ""),
        ("é", A),
        ("e\u{301}", ""),
        ("007", B),
        ("7", ""),
        ("007 ", ""),
        ("spaced", ""),
    ] {
        assert_eq!(place(&mut session, user), expected, "{user}");
    }
}

#[test]
fn rows_add_to_our_own_memberships_which_come_first() {
    let (db, mut superuser) = with_members();
    superuser.run(&format!(
        "select auth.add_member('{ORG_A}', 'u', 'viewer'), auth.add_member('{ORG_A}', 'w', 'admin')"
    ));
    let mut session = db.tenant();
    // The row of A makes him an editor; the membership, which comes first, does not.
    assert_eq!(place(&mut session, "u"), format!("{A} {B}"));
    assert_eq!(place(&mut session, "v"), format!("{B}+"));
    assert_eq!(place(&mut session, "w"), format!("{A}+"));
    let role = format!("select auth.set_org('{ORG_A}'); select auth.org_role()");
    superuser.run(&format!("select auth.remove_member('{ORG_A}', 'u')"));
    assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
    // Two tables: the union of both.
    superuser.run(
        "create table more (u text, o int); create index on more (u);
         insert into more values ('v', 42), ('v', 44), ('x', 43);
         select auth.register_membership_source('more', 'u', 'o')",
    );
    assert_eq!(place(&mut session, "v"), format!("{A} {B}+"));
    assert_eq!(place(&mut session, "x"), B);
    session.run("begin");
    session.authenticate(&token_of("u")).unwrap();
    session.run(&role);
    assert_values(&mut session, &[("select auth.org_role()", Some("editor"))]);
}

#[test]
fn an_organization_that_is_disabled_counts_in_no_table() {
    let (db, mut superuser) = with_members();
    superuser.run(&format!(
        "create table others (u text, o text); create index on others (u);
         insert into others values ('u', '42'), ('w', '{ORG_A}'), ('w', '43');
         select auth.register_membership_source('others', 'u', 'o')"
    ));
    let mut session = db.tenant();
    superuser.run(&format!("select auth.disable_organization('{ORG_A}')"));
    assert_eq!(place(&mut session, "u"), B);
    assert_eq!(place(&mut session, "w"), B);
    superuser.run(&format!("select auth.enable_organization('{ORG_A}')"));
    assert_eq!(place(&mut session, "u"), format!("{A}+ {B}"));
    assert_eq!(place(&mut session, "w"), format!("{A} {B}"));
    // One that is deleted is unknown by its other name, and by its id one that we know nothing of.
    superuser.run(&format!("select auth.delete_organization('{ORG_A}')"));
    assert_eq!(place(&mut session, "w"), format!("{A} {B}"));
    superuser.run("delete from others where o <> '42'");
    assert_eq!(place(&mut session, "w"), "");
}

#[test]
fn nulls_say_nothing_and_duplicates_nothing_new() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    superuser.run(&format!(
        "delete from members;
         insert into members values (null, '{ORG_A}', 'editor'), (null, null, null), ('u', null, 'editor'), ('u', null, null),
                                    ('v', '{ORG_A}', null), ('v', '{ORG_A}', null), ('v', '{ORG_B}', 'editor');
         insert into members select 'v', '{ORG_B}', 'editor' from generate_series(1, 1000)"
    ));
    assert_eq!(place(&mut session, "u"), "");
    assert_eq!(place(&mut session, "v"), format!("{A} {B}+"));
    assert_eq!(of(&mut session, "v", "select cardinality(auth.org_ids())").as_deref(), Some("2"));
    let claims = serde_json::json!({"iss": STRICT_ISSUER, "iat": now(), "exp": now() + 600});
    session.run("begin");
    session.authenticate(&hs256(&claims)).unwrap();
    assert_values(&mut session, &[("select auth.org_ids()", Some("{}")), ("select auth.user_id()", None)]);
}

#[test]
fn what_is_registered_is_listed_changed_and_taken_back() {
    let (db, mut superuser) = with_members();
    let mut session = db.tenant();
    let list = "select string_agg(concat_ws(' ', s, s.created_at <= now()), ', ')
                  from (select source, user_column, org_column, role_column, created_at from auth.list_membership_sources()) s";
    assert!(superuser.value(list).unwrap().starts_with("(members,u,o,r,"));
    superuser.run("select auth.register_membership_source('members', 'u', 'o')");
    assert!(superuser.value(list).unwrap().starts_with("(members,u,o,,"));
    assert_eq!(place(&mut session, "u"), format!("{A} {B}"));
    superuser.run("begin; select auth.unregister_membership_source('members')");
    assert_eq!(place(&mut session, "u"), format!("{A} {B}"));
    superuser.run("commit");
    assert_eq!(place(&mut session, "u"), "");
    assert_eq!(superuser.value(list), None);
    let refused = superuser.refused("select auth.unregister_membership_source('members')");
    assert_eq!(refused, "22023 the table is not registered");
    assert_eq!(
        superuser.refused("select auth.unregister_membership_source(null)"),
        "22023 the table is not registered"
    );
}
