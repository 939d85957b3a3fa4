//! What a token says and what our tables say about its bearer: which organizations, which of them is the
//! current one, and as what.

mod many;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};

const ORG_C: &str = "0c000000-0000-4000-8000-00000000000c";
const NOWHERE: &str = "0f000000-0000-4000-8000-00000000000f";

/// Organizations A, B and C, which others call 42, beta and 007. User u is clerk in A and viewer in B, user
/// v is viewer in B, and somebody else in C.
fn prepared() -> (Database, Client) {
    let db = Database::new();
    let mut superuser = db.superuser();
    superuser.run(&format!(
        "insert into auth.organizations (id, name, external_id) values
             ('{ORG_A}', 'A', '42'), ('{ORG_B}', 'B', 'beta'), ('{ORG_C}', 'C', '007');
         select auth.define_role('clerk', '{{docs.*,mail.read}}');
         select auth.add_member('{ORG_A}', 'u', 'clerk'), auth.add_member('{ORG_B}', 'u', 'viewer'),
                auth.add_member('{ORG_B}', 'v', 'viewer'), auth.add_member('{ORG_C}', 'other', 'owner')"
    ));
    (db, superuser)
}

/// A token of this issuer and user that says this, too.
fn token(issuer: &str, user: &str, says: Value) -> String {
    hs256(&with(json!({"iss": issuer, "sub": user, "iat": now(), "exp": now() + 600}), says))
}

/// What the bearer of a token is told in a transaction of his own; nothing is "-".
fn told(session: &mut Client, token: &str, question: &str) -> String {
    session.run("begin");
    session.authenticate(token).unwrap();
    let answer = session.value(&format!("select coalesce(({question})::text, '-')")).unwrap();
    session.run("rollback");
    answer
}

/// The current organization, the role there, and all organizations, each by its letter.
const PLACE: &str =
    "select coalesce(substr(auth.current_org()::text, 2, 1), '-') || ' ' || coalesce(auth.org_role(), '-') || ' '
            || coalesce((select string_agg(substr(id::text, 2, 1), '' order by id) from unnest(auth.org_ids()) id), '-')";

#[test]
fn the_current_organization_is_the_one_that_the_claim_names_or_none() {
    let (db, _superuser) = prepared();
    let mut session = db.tenant();
    for (claim, expected) in [
        (json!(ORG_A), "a clerk ab"),
        (json!(ORG_B), "b viewer ab"),
        (json!(ORG_B.to_uppercase()), "b viewer ab"),
        (json!("42"), "a clerk ab"),
        (json!(42), "a clerk ab"),
        (json!("beta"), "b viewer ab"),
        (json!([ORG_A]), "a clerk ab"),
        (json!([42]), "a clerk ab"),
        (json!([ORG_A, ORG_A]), "a clerk ab"),
        // Several, even if they are one under two names, and what names nothing.
        (json!([ORG_A, ORG_B]), "- - ab"),
        (json!([ORG_A, "42"]), "- - ab"),
        (json!([ORG_A, NOWHERE]), "- - ab"),
        (json!([ORG_A, null, true, {}]), "- - ab"),
        (json!([]), "- - ab"),
        (json!({}), "- - ab"),
        (json!({"id": ORG_A}), "- - ab"),
        (json!(true), "- - ab"),
        (json!(""), "- - ab"),
        (json!(42.5), "- - ab"),
        (json!(42.0), "- - ab"),
        (json!("042"), "- - ab"),
        (json!(" 42"), "- - ab"),
        (json!("42 "), "- - ab"),
        (json!("Beta"), "- - ab"),
        (json!("beta%"), "- - ab"),
        (json!(ORG_A.replace('-', "")), "- - ab"),
        (json!(format!("{{{ORG_A}}}")), "- - ab"),
        (json!("x".repeat(255)), "- - ab"),
        (json!("x".repeat(5000)), "- - ab"),
        // Unknown, and somebody else's by each of its names.
        (json!(NOWHERE), "- - ab"),
        (json!(-1), "- - ab"),
        (json!(ORG_C), "- - ab"),
        (json!("007"), "- - ab"),
        (json!([ORG_C]), "- - ab"),
        (json!(7), "- - ab"),
    ] {
        let token =
            token(STRICT_ISSUER, "u", json!({"org_id": claim, "org_role": "owner", "permissions": ["*"]}));
        assert_eq!(told(&mut session, &token, PLACE), expected, "{claim}");
        let rights = "select auth.has_permission('org.delete') is true or cardinality(auth.org_ids_with('org.delete')) > 0";
        assert_eq!(told(&mut session, &token, rights), "false", "{claim}");
    }
}

#[test]
fn without_a_claim_it_is_the_only_one() {
    let (db, mut superuser) = prepared();
    let mut session = db.tenant();
    for says in [json!({}), json!({"org_id": null}), json!({"org": ORG_A})] {
        assert_eq!(told(&mut session, &token(STRICT_ISSUER, "u", says.clone()), PLACE), "- - ab");
        assert_eq!(told(&mut session, &token(STRICT_ISSUER, "v", says.clone()), PLACE), "b viewer b");
        assert_eq!(told(&mut session, &token(STRICT_ISSUER, "nobody", says), PLACE), "- - -");
    }
    superuser.run(&format!("select auth.disable_organization('{ORG_A}')"));
    assert_eq!(told(&mut session, &token(STRICT_ISSUER, "u", json!({})), PLACE), "b viewer b");
    for claim in [json!(ORG_A), json!(42)] {
        // It names one that is no longer there for him, never the one that is left.
        let token = token(STRICT_ISSUER, "u", json!({"org_id": claim}));
        assert_eq!(told(&mut session, &token, PLACE), "- - b");
    }
    superuser.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', org_claim => '{{where,org}}')"));
    let nested = token(STRICT_ISSUER, "v", json!({"org_id": ORG_C, "where": {"org": "beta"}}));
    assert_eq!(told(&mut session, &nested, PLACE), "b viewer b");
}

#[test]
fn where_there_is_a_row_the_row_counts_and_not_the_claims_of_a_believed_issuer() {
    let (db, mut superuser) = prepared();
    let mut session = db.tenant();
    let boast = |org: Value| json!({"org_id": org, "org_role": "owner", "permissions": ["*"]});
    let mut place = |user: &str, says: Value| told(&mut session, &token(ISSUER, user, says), PLACE);
    assert_eq!(place("v", boast(json!(ORG_B))), "b viewer b");
    assert_eq!(place("v", boast(json!("beta"))), "b viewer b");
    // Where there is none, the claims do: also for another name and for one without a row.
    assert_eq!(place("v", boast(json!(ORG_A))), "a owner ab");
    assert_eq!(place("v", boast(json!(42))), "a owner ab");
    assert_eq!(place("v", boast(json!(NOWHERE))), "f owner bf");
    assert_eq!(place("v", boast(json!("unknown"))), "- - b");
    // Several, with the role of none of them.
    assert_eq!(place("v", boast(json!([ORG_A, ORG_C, "beta"]))), "- - abc");
    superuser
        .run(&format!("select auth.disable_organization('{ORG_A}'), auth.disable_organization('{ORG_B}')"));
    assert_eq!(place("v", boast(json!(ORG_B))), "- - -");
    assert_eq!(place("v", boast(json!(42))), "- - -");
    assert_eq!(place("v", boast(json!([ORG_A, "beta", ORG_C]))), "- - c");
    superuser.run(&format!("select auth.enable_organization('{ORG_B}'), auth.remove_member('{ORG_B}', 'v')"));
    assert_eq!(place("v", boast(json!(ORG_B))), "b owner b");
    // The issuer that is not believed says nothing of its own.
    assert_eq!(told(&mut session, &token(STRICT_ISSUER, "v", boast(json!(ORG_B))), PLACE), "- - -");
}

#[test]
fn an_issuer_for_some_organizations_reaches_no_others() {
    let (db, mut superuser) = prepared();
    superuser.run(&format!(
        "select auth.add_workspace_member(auth.create_workspace('{ORG_B}', 'w'), 'u', 'viewer');
         create table members (u text, o text); create index on members (u);
         insert into members values ('u', '007'), ('u', '{NOWHERE}');
         select auth.register_membership_source('members', 'u', 'o')"
    ));
    let mut session = db.tenant();
    let all = "select cardinality(auth.org_ids()) || ' ' || cardinality(auth.workspace_ids())";
    let plain = token(STRICT_ISSUER, "u", json!({}));
    assert_eq!(told(&mut session, &plain, all), "4 1");
    for issuer in [ISSUER, STRICT_ISSUER] {
        superuser.run(&format!("update auth.issuers set org_ids = '{{{ORG_A}}}' where issuer = '{issuer}'"));
    }
    assert_eq!(told(&mut session, &plain, all), "1 0");
    assert_eq!(told(&mut session, &plain, PLACE), "a clerk a");
    for issuer in [ISSUER, STRICT_ISSUER] {
        for claim in
            [json!(ORG_B), json!("beta"), json!(ORG_C), json!("007"), json!(NOWHERE), json!([ORG_B, ORG_C])]
        {
            let says = json!({"org_id": claim, "workspace_id": [ORG_A, ORG_B], "org_role": "owner", "permissions": ["*"]});
            let token = token(issuer, "u", says);
            assert_eq!(told(&mut session, &token, PLACE), "- - a", "{issuer} {claim}");
            assert_eq!(told(&mut session, &token, all), "1 0", "{issuer} {claim}");
        }
    }
    let boast = token(ISSUER, "stranger", json!({"org_id": [ORG_B, 42], "org_role": "owner"}));
    assert_eq!(told(&mut session, &boast, PLACE), "- - a");
    session.run("begin");
    session.authenticate(&plain).unwrap();
    assert_eq!(
        session.refused(&format!("select auth.set_org('{ORG_B}')")),
        "42501 no such organization, or it is not yours"
    );
}

#[test]
fn users_of_two_issuers_with_prefixes_are_never_the_same() {
    let (db, mut superuser) = prepared();
    superuser.run(&format!(
        "select auth.update_issuer('{ISSUER}', memberships_from_claims => false);
         create table members (u text, o uuid); create index on members (u);
         insert into members values ('s|u', '{ORG_C}');
         select auth.register_membership_source('members', 'u', 'o')"
    ));
    let mut session = db.tenant();
    let mut place = |issuer: &str, user: &str| {
        told(&mut session, &token(issuer, user, json!({})), &format!("({PLACE}) || ' ' || auth.user_id()"))
    };
    assert_eq!(place(ISSUER, "u"), "- - ab u");
    assert_eq!(place(STRICT_ISSUER, "u"), "- - ab u");
    superuser.run(&format!(
        "select auth.update_issuer('{ISSUER}', user_id_prefix => 'i|'), auth.update_issuer('{STRICT_ISSUER}', user_id_prefix => 's|');
         select auth.add_member('{ORG_A}', 'i|u', 'clerk'), auth.add_member('{ORG_B}', 's|u', 'viewer')"
    ));
    assert_eq!(place(ISSUER, "u"), "a clerk a i|u");
    assert_eq!(place(STRICT_ISSUER, "u"), "- - bc s|u");
    for (issuer, user) in
        [(ISSUER, "s|u"), (STRICT_ISSUER, "i|u"), (ISSUER, "|u"), (ISSUER, "i|u"), (ISSUER, " u")]
    {
        assert!(place(issuer, user).starts_with("- - - "), "{issuer} {user}");
    }
    let long = format!("select auth.update_issuer('{ISSUER}', user_id_prefix => '{}')", "ü".repeat(127));
    superuser.run(&long);
    assert!(place(ISSUER, &"u".repeat(255)).starts_with("- - - ü"));
}

#[test]
fn a_change_of_the_prefix_counts_for_the_next_authenticate() {
    let (db, mut superuser) = prepared();
    superuser.run(&format!("select auth.add_member('{ORG_C}', 'p|u', 'admin')"));
    let mut session = db.tenant();
    let token = token(STRICT_ISSUER, "u", json!({}));
    session.run("begin isolation level repeatable read; select count(*) from docs");
    for (prefix, orgs) in [
        ("", format!("{{{ORG_A},{ORG_B}}}")),
        ("p|", format!("{{{ORG_C}}}")),
        ("P|", "{}".into()),
        ("p|", format!("{{{ORG_C}}}")),
    ] {
        superuser.run(&format!("select auth.update_issuer('{STRICT_ISSUER}', user_id_prefix => '{prefix}')"));
        session.authenticate(&token).unwrap();
        let user = format!("{prefix}u");
        assert_values(
            &mut session,
            &[("select auth.org_ids()", Some(&orgs)), ("select auth.user_id()", Some(&user))],
        );
    }
    // A subject that is a uuid is none with something before it.
    session.authenticate(&self::token(STRICT_ISSUER, USER_A, json!({}))).unwrap();
    assert_values(&mut session, &[("select auth.uid()", None)]);
}

#[test]
fn an_address_is_verified_only_where_the_issuer_says_so() {
    let (db, mut superuser) = prepared();
    let mut session = db.tenant();
    let mut verified =
        |says: Value| told(&mut session, &token(STRICT_ISSUER, "u", says), "select auth.email_verified()");
    for (claim, expected) in [
        (json!(true), "true"),
        (json!("true"), "true"),
        (json!(false), "false"),
        (json!("false"), "false"),
        (json!("TRUE"), "false"),
        (json!(1), "false"),
        (json!("1"), "false"),
        (json!([true]), "false"),
        (json!({"true": true}), "false"),
        (json!(null), "false"),
    ] {
        assert_eq!(verified(json!({"email": "u@x.example", "email_verified": claim})), expected, "{claim}");
    }
    assert_eq!(verified(json!({"email_verified": true})), "false");
    assert_eq!(verified(json!({"email": ["u@x.example"], "email_verified": true})), "false");
    for (path, says, expected) in [
        ("{profile,mail_ok}", json!({"email_verified": true}), "false"),
        ("{profile,mail_ok}", json!({"profile": {"mail_ok": true}}), "true"),
        ("{profile,mail_ok}", json!({"profile": {"mail_ok": {"x": true}}}), "false"),
        ("{profile}", json!({"profile": {"mail_ok": true}}), "false"),
        ("{https://x.example/email.verified}", json!({"https://x.example/email.verified": "true"}), "true"),
        ("{}", json!({"email_verified": false}), "true"),
        ("{}", json!({"email": null}), "false"),
    ] {
        superuser
            .run(&format!("select auth.update_issuer('{STRICT_ISSUER}', email_verified_claim => '{path}')"));
        assert_eq!(verified(with(json!({"email": "u@x.example"}), says.clone())), expected, "{path} {says}");
    }
    assert_values(&mut session, &[("select auth.email_verified()", None)]);
}

#[test]
fn the_identity_shows_the_role_of_the_row_and_every_organization_has_its_own() {
    let (db, mut superuser) = prepared();
    superuser.run(&format!("select auth.add_member('{ORG_C}', 'u', 'admin')"));
    let mut session = db.tenant();
    session.run("begin");
    let says = json!({"org_id": 42, "org_role": "owner", "permissions": ["everything"]});
    session.authenticate(&token(STRICT_ISSUER, "u", says)).unwrap();
    let list = |orgs: &[&str]| format!("{{{}}}", orgs.join(","));
    let may = |permission: &str, org: &str| format!("select auth.has_permission_in('{permission}', '{org}')");
    let cases = [
        ("select auth.identity()->>'org_id'".into(), ORG_A.into()),
        ("select auth.identity()->>'org_role'".into(), "clerk".into()),
        ("select auth.identity()->'permissions'".into(), "[\"docs.*\", \"mail.read\"]".into()),
        ("select auth.identity()->'claims'->>'org_role'".into(), "owner".into()),
        ("select auth.has_permission('everything')".into(), "f".into()),
        ("select auth.has_permission('docs.write')".into(), "t".into()),
        ("select auth.org_ids()".into(), list(&[ORG_A, ORG_B, ORG_C])),
        ("select auth.org_ids_with('docs.write')".into(), list(&[ORG_A, ORG_C])),
        ("select auth.org_ids_with('mail.write')".into(), list(&[ORG_C])),
        ("select auth.org_ids_with('members.read')".into(), list(&[ORG_B, ORG_C])),
        (may("members.read", ORG_B), "t".into()),
        (may("mail.read", ORG_B), "f".into()),
        (may("anything.at.all", ORG_C), "t".into()),
        (may("mail.read", NOWHERE), "f".into()),
    ];
    for (question, expected) in cases {
        assert_eq!(session.value(&question), Some(expected), "{question}");
    }
    session.run(&format!("select auth.set_org('{ORG_B}')"));
    assert_values(
        &mut session,
        &[
            ("select auth.identity()->>'org_role'", Some("viewer")),
            ("select auth.identity()->'permissions' ? 'members.read'", Some("t")),
            ("select auth.has_permission('docs.write')", Some("f")),
        ],
    );
}
