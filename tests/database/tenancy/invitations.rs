//! t108: an invitation is worth something to whom it is meant for, once, while everything about it holds;
//! whatever is wrong with it, the answer is the same.

mod inviter;
mod place;
mod workspaces;

use super::races::stage::{LEVELS, at_once, attempt, enter};
use pg_bearer_tests::database::{Session, assert_contains, assert_values, rounds, server};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use place::{INVALID, Place};
use postgres::Client;
use serde_json::{Value, json};

/// The tables, settings and statements in which a superuser finds this text.
fn places_with(session: &mut Client, text: &str) -> Vec<String> {
    session.run(
        "create or replace function pg_temp.places_with(wanted text) returns setof text language plpgsql as $$
         declare place text; found boolean; begin
           for place in select c.oid::regclass::text from pg_class c where c.relkind = 'r'
                        union all values ('pg_stat_activity'), ('pg_settings'), ('pg_cursors'), ('pg_prepared_statements')
           loop
             execute format('select exists (select from %s x where strpos(x::text, $1) > 0)', place)
               into found using wanted;
             if found then return next place; end if;
           end loop;
         end $$",
    );
    let rows = session.query("select pg_temp.places_with($1)", &[&text]).unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn t108_a_token_is_shown_once_and_only_its_hash_is_kept() {
    let mut place = Place::new();
    let token = place.invite("dave", ", email => 'guest@users.example'");
    let secret = token.strip_prefix("inv_").unwrap();
    assert!(
        secret.len() == 43
            && secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    );
    assert_ne!(place.invite("dave", ""), token);
    place.log_all();
    let hash = place.admin.query_one("select encode(sha256($1), 'hex')", &[&token.as_bytes()]).unwrap();
    let hash: String = hash.get(0);
    for told in [None, Some(INVALID)] {
        assert_eq!(places_with(&mut place.admin, &hash), ["auth.invitations"]);
        assert_eq!(places_with(&mut place.admin, secret), [] as [String; 0]);
        // What auth.list_invitations() shows has neither.
        enter(&mut place.session, LEVELS[0], "dave");
        let org = &place.org;
        let list = format!("select string_agg(i::text, ';') from auth.list_invitations('{org}') i");
        let shown = place.session.value(&list).unwrap();
        assert!(shown.contains("guest@users.example") && !shown.contains(&hash) && !shown.contains(secret));
        place.session.run("commit");
        let found = place.show(&token_of("guest"), Some(&token));
        match told {
            None => assert_eq!(found.unwrap(), place.org),
            Some(told) => assert_eq!(refusal(found), told),
        }
    }
    let log = server().log();
    assert_contains(&log, ": select auth.accept_invitation($1)::text");
    assert!(!log.contains(secret) && !log.contains(&hash));
}

#[test]
fn t108_of_sixteen_who_show_a_token_at_once_one_gets_in() {
    let mut place = Place::new();
    let names: Vec<_> = (0..16).map(|at| format!("guest{at}")).collect();
    let mut sessions: Vec<_> = names.iter().map(|_| place.db.tenant()).collect();
    let mut tokens = Vec::new();
    for round in 0..rounds(1000) {
        let token = place.invite("dave", "");
        for (at, session) in sessions.iter_mut().enumerate() {
            enter(session, LEVELS[(at + round) % 3], &names[at]);
        }
        let accept = format!("select auth.accept_invitation('{token}')");
        let told = at_once(sessions.iter_mut().map(|session| (session, accept.clone())));
        let winner = told.iter().position(|told| told == "ok").unwrap();
        for (at, told) in told.iter().enumerate().filter(|(at, _)| *at != winner) {
            let conflict = (at + round) % 3 > 0 && told.starts_with("40001");
            assert!(conflict || told == INVALID, "round {round}, {at}: {told}");
        }
        let members = "select string_agg(user_id, ' ') from auth.memberships where user_id like 'guest%'";
        let accepted = "select accepted_by from auth.invitations";
        let winner = Some(names[winner].as_str());
        assert_values(&mut place.admin, &[(members, winner), (accepted, winner)]);
        place
            .admin
            .run("delete from auth.memberships where user_id like 'guest%'; delete from auth.invitations");
        tokens.push(token);
    }
    // Although they stood in statements that failed.
    let log = server().log();
    assert!(log.contains("ERROR:  the invitation is not valid"));
    for token in tokens {
        assert!(!log.contains(&token), "the log holds a token");
    }
}

#[test]
fn t108_one_user_is_admitted_once_and_a_revoked_invitation_admits_nobody() {
    let mut place = Place::new();
    let (mut first, mut second) = (place.db.tenant(), place.db.tenant());
    let state = "select string_agg(concat_ws(' ', accepted_by, case when revoked_at is not null then 'revoked' end), ', '
                                   order by accepted_by, revoked_at) from auth.invitations";
    for _ in 0..rounds(500) {
        let accept = |token| format!("select auth.accept_invitation('{token}')");
        let tokens = [(); 2].map(|()| place.invite("dave", ""));
        enter(&mut first, LEVELS[0], "guest");
        enter(&mut second, LEVELS[0], "guest");
        let mut told = at_once([(&mut first, accept(&tokens[0])), (&mut second, accept(&tokens[1]))]);
        told.sort();
        assert_eq!(told, ["23505 already a member", "ok"]);
        assert_values(&mut place.admin, &[(state, Some("guest, "))]);
        place.admin.run("delete from auth.memberships where user_id = 'guest'; delete from auth.invitations");

        let token = place.invite("dave", "");
        let revoke = "select auth.revoke_invitation(invitation_id) from auth.list_invitations()".to_owned();
        enter(&mut first, LEVELS[0], "guest");
        enter(&mut second, LEVELS[0], "alice");
        let told = at_once([(&mut first, accept(&token)), (&mut second, revoke)]);
        // Whoever revokes waits for nobody: an acceptance that was under way comes to nothing.
        let came_too_late = ["ok", "22023 the invitation was accepted"];
        assert!([came_too_late, [INVALID, "ok"], ["ok", "ok"]].iter().any(|one| told == *one), "{told:?}");
        place.admin.run("select auth.purge_endings()");
        let is_in = told == came_too_late;
        let member = "select string_agg(user_id, ' ') from auth.memberships where user_id = 'guest'";
        let left = if told[0] == "ok" { "guest" } else { "revoked" };
        let members = if is_in { Some("guest") } else { None };
        assert_values(&mut place.admin, &[(state, Some(left)), (member, members)]);
        first.run("begin");
        first.authenticate(&token_of("guest")).unwrap();
        let orgs = if is_in { "1" } else { "0" };
        assert_values(&mut first, &[("select cardinality(auth.org_ids())", Some(orgs))]);
        first.run("rollback");
        place.admin.run("delete from auth.memberships where user_id = 'guest'; delete from auth.invitations");
    }
}

#[test]
fn t108_everything_wrong_with_a_token_is_the_same_error() {
    let mut place = Place::new();
    let open = place.invite("dave", "");
    let id = place.admin.value("select id from auth.invitations").unwrap();
    let hash = place.admin.value("select encode(token_hash, 'hex') from auth.invitations").unwrap();
    let bound = place.invite("dave", ", email => 'somebody@users.example'");
    let expired = place.invite("dave", "");
    place.admin.run("update auth.invitations set expires_at = clock_timestamp() where created_at = (select max(created_at) from auth.invitations)");
    let revoked = place.invite("dave", "");
    place.admin.run("select auth.revoke_invitation(id) from auth.invitations where created_at = (select max(created_at) from auth.invitations)");
    let used = place.invite("dave", "");
    place.show(&token_of("early"), Some(&used)).unwrap();
    let texts = [
        bound,
        expired,
        revoked,
        used,
        id,
        hash,
        String::new(),
        " ".into(),
        "inv_".into(),
        "%".into(),
        "inv_%".into(),
        "a.b.c".into(),
        token_of("guest"),
        format!("inv_{}", "A".repeat(43)),
        format!("inv_{}", "_".repeat(43)),
        format!("inv_{}", "é".repeat(43)),
        open[..46].into(),
        open[4..].into(),
        open[1..].into(),
        open.to_uppercase(),
        format!("INV_{}", &open[4..]),
        format!("{open}A"),
        format!("{open}="),
        format!("{open}\n"),
        format!(" {open}"),
        format!("{open} "),
        format!("Bearer {open}"),
        format!("x\n{open}"),
        format!("'{open}'"),
        format!("{}!", &open[..46]),
        "inv_".repeat(1 << 18),
    ];
    let before = place.rows();
    let mut errors = Vec::new();
    for text in texts.iter().map(|text| Some(text.as_str())).chain([None]) {
        let error = place.show(&token_of("guest"), text).expect_err(text.unwrap_or("NULL"));
        errors.push((text, format!("{:?}", error.as_db_error().unwrap())));
    }
    for (text, error) in &errors {
        assert_eq!(*error, errors[0].1, "{text:?}");
    }
    assert_eq!(refusal(place.show(&token_of("guest"), None)), INVALID);
    enter(&mut place.session, LEVELS[0], "guest");
    // As many bytes as would not fit into memory as characters.
    assert_eq!(
        attempt(&mut place.session, "select auth.accept_invitation(repeat(repeat('x', 1000), 300000))"),
        INVALID
    );
    // A text with NUL is none for Postgres.
    let nul = place.show(&token_of("guest"), Some(&format!("{open}\0")));
    assert_eq!(refusal(nul), "22021 invalid byte sequence for encoding \"UTF8\": 0x00");
    assert_eq!(place.rows(), before);
    place.show(&token_of("guest"), Some(&open)).unwrap();
}

#[test]
fn t108_an_invitation_for_an_address_is_for_its_verified_owner() {
    let mut place = Place::new();
    let guest = json!({"iss": STRICT_ISSUER, "sub": "guest", "email": "guest@users.example",
                       "email_verified": true, "iat": now(), "exp": now() + 600});
    let mut accepts = |invited: &str, changes: Value| {
        let token = place.invite("dave", &format!(", email => '{invited}'"));
        let told = place.show(&hs256(&with(guest.clone(), changes)), Some(&token));
        place.admin.run("delete from auth.memberships where user_id = 'guest'");
        told.is_ok() || {
            assert_eq!(refusal(told), INVALID);
            false
        }
    };
    for changes in [json!({}), json!({"email": "GUEST@Users.Example"}), json!({"email_verified": "true"})] {
        assert!(accepts("Guest@USERS.example", changes.clone()), "{changes}");
    }
    for changes in [
        json!({"email": null}),
        json!({"email": ""}),
        json!({"email": "other@users.example"}),
        json!({"email": " guest@users.example"}),
        json!({"email": "guest@users.example\n"}),
        json!({"email": "guest@users.example.evil.example"}),
        json!({"email": "guest+1@users.example"}),
        json!({"email": ["guest@users.example"]}),
        json!({"email_verified": null}),
        json!({"email_verified": false}),
        json!({"email_verified": "false"}),
        json!({"email_verified": "True"}),
        json!({"email_verified": 1}),
        json!({"email_verified": [true]}),
        json!({"email_verified": null, "verified": true}),
    ] {
        assert!(!accepts("guest@users.example", changes.clone()), "{changes}");
    }
    // Letters that Unicode, but no mail server, takes for the same: the Kelvin sign, a long s, and accents.
    for (invited, shown) in [
        ("kim@users.example", "\u{212a}im@users.example"),
        ("sam@users.example", "\u{17f}am@users.example"),
        ("é@users.example", "É@users.example"),
    ] {
        assert!(!accepts(invited, json!({"email": shown})), "{shown}");
        assert!(accepts(invited, json!({"email": invited})), "{invited}");
    }
}

#[test]
fn t108_an_invitation_gives_its_role_and_its_workspace() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    for (user, inviter, rest, expected) in [
        ("one", "dave", ", 'viewer'".into(), format!("viewer {org} - - dave")),
        ("two", "alice", ", 'owner'".into(), format!("owner {org} - - alice")),
        (
            "three",
            "service",
            format!(", workspace_id => '{workspace}'"),
            format!("member {org} member {workspace} -"),
        ),
        (
            "four",
            "dave",
            format!(", 'viewer', workspace_id => '{workspace}'"),
            format!("viewer {org} viewer {workspace} dave"),
        ),
    ] {
        let token = place.invite(inviter, &rest);
        let session = &mut place.session;
        enter(session, LEVELS[0], user);
        session.run(&format!("select auth.accept_invitation('{token}')"));
        // The identity is what it was when it was verified.
        assert_values(session, &[("select auth.org_ids()", Some("{}"))]);
        session.authenticate(&token_of(user)).unwrap();
        let found = session.value(
            "select concat_ws(' ', auth.org_role(), auth.current_org(), coalesce(auth.workspace_role(), '-'),
                                                    coalesce(auth.current_workspace()::text, '-'))",
        );
        session.run("commit");
        let by = format!("select coalesce(created_by, '-') from auth.memberships where user_id = '{user}'");
        assert_eq!(format!("{} {}", found.unwrap(), place.admin.value(&by).unwrap()), expected);
    }
}

#[test]
fn t108_a_member_does_not_use_up_an_invitation() {
    let mut place = Place::new();
    let workspace = place.workspace.clone();
    for rest in [String::new(), format!(", workspace_id => '{workspace}'")] {
        let token = place.invite("dave", &rest);
        let before = place.rows();
        for member in ["bob", "dave", "alice"] {
            assert_eq!(refusal(place.show(&token_of(member), Some(&token))), "23505 already a member");
        }
        assert_eq!(place.rows(), before);
        let org = place.org.clone();
        assert_eq!(place.show(&token_of("guest"), Some(&token)).unwrap(), org);
        place.admin.run(&format!("select auth.remove_member('{org}', 'guest')"));
    }
}

#[test]
fn t108_only_users_accept() {
    let mut place = Place::new();
    let token = place.invite("dave", "");
    let accept = format!("select auth.accept_invitation('{token}')");
    for session in [&mut place.session, &mut place.admin] {
        assert_eq!(session.refused(&accept), "28000 this transaction has no identity");
        assert_eq!(
            session.refused("select auth.accept_invitation(null)"),
            "28000 this transaction has no identity"
        );
    }
    let service = with(claims_a(), json!({"role": "service_role"}));
    let nobody = with(claims_a(), json!({"sub": null}));
    for claims in [service, nobody] {
        let told = place.show(&hs256(&claims), Some(&token));
        assert_eq!(refusal(told), "42501 only a user can accept an invitation", "{claims}");
    }
    place.show(&token_of("guest"), Some(&token)).unwrap();
}

#[test]
fn t108_what_an_invitation_may_say_is_limited() {
    let mut place = Place::new();
    let (org, workspace) = (place.org.clone(), place.workspace.clone());
    place.admin.run(&format!(
        "select auth.define_role('host', '{{invitations.write}}', '{org}', 500);
         select auth.add_member('{org}', 'henry', 'host')"
    ));
    let mut create = |user: &str, rest: &str| {
        enter(&mut place.session, LEVELS[0], user);
        let sql = format!("select from auth.create_invitation('{org}', {rest})");
        let told = attempt(&mut place.session, &sql);
        place.session.run("rollback");
        told
    };
    for duration in ["1 minute", "60 seconds", "365 days", "1 year", "12 months"] {
        assert_eq!(create("dave", &format!("expires_in => '{duration}'")), "ok", "{duration}");
    }
    for duration in [
        "59.999999 seconds",
        "0",
        "-7 days",
        "1 year 1 second",
        "367 days",
        "1 month -40 days",
        "178000000 years",
        "-178000000 years",
    ] {
        let told = create("dave", &format!("expires_in => '{duration}'"));
        assert_eq!(told, "22023 expires_in has a value that is not allowed", "{duration}");
    }
    for (user, rest, expected) in [
        ("dave", "expires_in => null", "22023 expires_in has a value that is not allowed"),
        ("dave", "email => ''", "22023 email has a value that is not allowed"),
        ("dave", "email => 'nobody'", "22023 email has a value that is not allowed"),
        ("dave", "email => 'a@b@c'", "22023 email has a value that is not allowed"),
        ("dave", "email => E'a@b\\n'", "22023 email has a value that is not allowed"),
        ("dave", "email => repeat('a', 320) || '@b'", "22023 email has a value that is not allowed"),
        ("dave", "'nothing'", "22023 no such role"),
        ("dave", "null", "22023 no such role"),
        ("dave", "'admin'", "42501 you cannot grant this role"),
        ("dave", "'owner'", "42501 you cannot grant this role"),
        ("bob", "'viewer'", "42501 your role in this organization does not allow this"),
        ("guest", "'viewer'", "42501 no such organization, or it is not yours"),
    ] {
        assert_eq!(create(user, rest), expected, "{user}: {rest}");
    }
    let to_workspace = format!("workspace_id => '{workspace}'");
    let no_workspaces = "42501 your role in this organization does not allow this";
    for (user, rest, expected) in [
        ("dave", to_workspace.as_str(), "ok"),
        ("henry", "'member'", "ok"),
        ("henry", &to_workspace, no_workspaces),
    ] {
        assert_eq!(create(user, rest), expected, "{user}: {rest}");
    }
    let days = "select bool_and(expires_at between now() + '6 days 23 hours' and now() + '7 days') from auth.invitations";
    place.invite("dave", "");
    assert_values(&mut place.admin, &[(days, Some("t"))]);
}
