//! Invitations of those who sign in here: a mail address counts once it is confirmed.

use super::callers::{Callers, told};
use super::world::{PASSWORD, World, member};
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::token_of;
use serde_json::Value;

/// An organization that invites this address: the ids of organization and invitation, and the token.
fn invited(world: &mut World, email: &str) -> (String, String, String) {
    let org = world.admin.value("select auth.create_organization('o', owner_id => 'olga')").unwrap();
    let sql = format!(
        "select invitation_id || ' ' || token from auth.create_invitation('{org}', 'member', '{email}')"
    );
    let made = world.admin.value(&sql).unwrap();
    let (id, token) = made.split_once(' ').unwrap();
    (org, id.to_owned(), token.to_owned())
}

const LISTED: &str = "select string_agg(invitation_id::text, ',') from auth.list_own_invitations()";

#[test]
fn t141_an_address_that_nobody_confirmed_is_invited_to_nothing() {
    let mut world = World::new();
    let (org, id, token) = invited(&mut world, "ada@example.com");
    let answer = world.sign_up("Ada@example.com");
    let accept = format!("select auth.accept_invitation('{token}')::text");
    let decline = format!("select auth.decline_invitation('{id}')::text");
    assert_eq!(world.as_user(&answer, LISTED).unwrap(), None);
    assert_eq!(world.as_user(&answer, &accept).unwrap_err(), "42501 the invitation is not valid");
    let refused = "42501 no such invitation, or it is not yours";
    assert_eq!(world.as_user(&answer, &decline).unwrap_err(), refused);
    // An administrator says so; the token says so after the next refresh.
    let user = member(&answer["user"], "id");
    world.admin.run(&format!("select auth.update_user('{user}', email_confirmed => true)"));
    assert_eq!(world.as_user(&answer, LISTED).unwrap(), None);
    let answer = world.refresh(member(&answer, "refresh_token"));
    assert_eq!(world.as_user(&answer, LISTED).unwrap(), Some(id));
    assert_eq!(world.as_user(&answer, &accept).unwrap(), Some(org));
    assert_eq!(world.as_user(&answer, LISTED).unwrap(), None);
}

#[test]
fn t141_nothing_is_merged_by_address() {
    let mut world = World::with_mail();
    let (_, id, _) = invited(&mut world, "ada@users.example");
    // Somebody with this address who signs in elsewhere is somebody else, and stays it.
    world.session.run("begin");
    world.session.authenticate(&token_of("ada")).unwrap();
    assert_eq!(world.session.value(LISTED), Some(id.clone()));
    assert_values(
        &mut world.session,
        &[("select auth.current_user_record()", None), ("select auth.user_id()", Some("ada"))],
    );
    let refused = told(&mut world.session, "select auth.update_user(data => '{}')");
    assert_eq!(refused, "22023 no such user");
    world.session.run("rollback; begin");
    world.session.authenticate(&token_of("ada")).unwrap();
    world.sign_up("ada@users.example");
    world.session.run("commit");
    let mail = world.mail();
    assert_eq!(mail["purpose"], "confirm_email");
    let answer = world.call(&format!("redeem_token('{}')", member(&mail, "token")));
    assert_ne!(answer["user"]["id"], "ada");
    assert_eq!(world.as_user(&answer, LISTED).unwrap(), Some(id));
    assert_values(&mut world.admin, &[("select count(*) from auth.users", Some("1"))]);
    // Nor is a session for an id of another issuer one of this user.
    let issued = world.admin.value("select auth.issue_session('github|ada', method => 'oauth')").unwrap();
    let issued: Value = serde_json::from_str(&issued).unwrap();
    assert_eq!(world.as_user(&issued, "select auth.current_user_record()::text").unwrap(), None);
    assert_eq!(world.as_user(&issued, LISTED).unwrap(), None);
}

#[test]
fn an_invitation_is_declined_by_whom_it_is_for() {
    let mut world = World::with_mail();
    let (_, id, token) = invited(&mut world, "ada@example.com");
    for name in ["ada", "bob"] {
        world.admin.run(&format!(
            "select auth.create_user('{name}@example.com', '{PASSWORD}', email_confirmed_at => now())"
        ));
    }
    let [ada, bob] = ["ada", "bob"].map(|name| world.sign_in(&format!("{name}@example.com"), PASSWORD));
    let refused = "42501 no such invitation, or it is not yours";
    for (who, argument) in
        [(&bob, format!("'{id}'")), (&ada, "null".to_owned()), (&ada, "gen_random_uuid()".to_owned())]
    {
        let sql = format!("select auth.decline_invitation({argument})::text");
        assert_eq!(world.as_user(who, &sql).unwrap_err(), refused, "{argument}");
    }
    assert_eq!(world.as_user(&bob, LISTED).unwrap(), None);
    assert_eq!(world.as_user(&ada, LISTED).unwrap(), Some(id.clone()));
    let decline = format!("select auth.decline_invitation('{id}')::text");
    world.as_user(&ada, &decline).unwrap();
    assert_eq!(world.as_user(&ada, LISTED).unwrap(), None);
    assert_eq!(world.as_user(&ada, &decline).unwrap_err(), refused);
    let accept = format!("select auth.accept_invitation('{token}')::text");
    assert_eq!(world.as_user(&ada, &accept).unwrap_err(), "42501 the invitation is not valid");
    assert_values(
        &mut world.admin,
        &[("select count(*) from auth.audit_log where action = 'invitation.revoke'", Some("1"))],
    );
}

#[test]
fn who_may_see_and_decline_invitations() {
    let mut world = World::new();
    let (_, id, _) = invited(&mut world, "ada@example.com");
    let callers = Callers::new(&mut world);
    let listed = callers.asked(&mut world.session, "list_own_invitations()");
    assert_eq!(
        listed,
        "nobody: 28000, user: ok, key: 42501, acting: ok, less: ok, test service: ok, service: ok"
    );
    let declined = callers.asked(&mut world.session, &format!("decline_invitation('{id}')"));
    assert_eq!(
        declined,
        "nobody: 28000, user: 42501, key: 42501, acting: 42501, less: 42501, test service: 42501, service: 42501"
    );
    let user = &callers.id;
    world.admin.run(&format!("select auth.update_user('{user}', email_confirmed => true)"));
    let callers_too = world.refresh(member(&callers.ada, "refresh_token"));
    assert_eq!(world.as_user(&callers_too, LISTED).unwrap(), Some(id.clone()));
    let refused = world.admin.refused(&format!("select auth.decline_invitation('{id}')"));
    assert!(refused.starts_with("28000"), "{refused}");
}

#[test]
fn t425_an_issuer_for_one_organization_declines_no_invitation_of_another() {
    let mut world = World::new();
    let (_, id, _) = invited(&mut world, "ada@users.example");
    let (own, own_id, _) = invited(&mut world, "ada@users.example");
    let strict = pg_bearer_tests::token::STRICT_ISSUER;
    let decline = |id: &str| format!("select auth.decline_invitation('{id}')");
    world.admin.run(&format!(
        "select auth.update_issuer('{strict}', org_ids => '{{{own}}}', user_id_prefix => 'own:')"
    ));
    world.session.run("begin");
    world.session.authenticate(&token_of("ada")).unwrap();
    assert_eq!(world.session.value(LISTED), Some(own_id.clone()));
    world.session.run("savepoint s");
    let refused = told(&mut world.session, &decline(&id));
    assert_eq!(refused, "42501 no such invitation, or it is not yours");
    world.session.run("rollback to s");
    world.session.run(&decline(&own_id));
    world.session.run("commit");
}

#[test]
fn t151_who_is_deleted_is_invited_no_more() {
    let mut world = World::with_mail();
    let (_, id, token) = invited(&mut world, "ada@example.com");
    let made =
        format!("select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now())");
    world.admin.run(&made);
    let old = world.sign_in("ada@example.com", PASSWORD);
    assert_eq!(world.as_user(&old, LISTED).unwrap(), Some(id));
    let sql = "select auth.delete_user(auth.user_id())::text";
    world.as_user(&old, sql).unwrap();
    assert!(!world.is_good(&old));
    assert_eq!(world.refresh(member(&old, "refresh_token"))["error"], "invalid_grant");
    // Whoever gets the mailbox, or the address, later.
    world.admin.run(&made);
    let new = world.sign_in("ada@example.com", PASSWORD);
    assert_ne!(new["user"]["id"], old["user"]["id"]);
    assert_eq!(world.as_user(&new, LISTED).unwrap(), None);
    let accept = format!("select auth.accept_invitation('{token}')::text");
    assert_eq!(world.as_user(&new, &accept).unwrap_err(), "42501 the invitation is not valid");
    assert_values(
        &mut world.admin,
        &[(
            "select count(*) from auth.users where deleted_at is not null and email is null and raw_user_meta_data = '{}'",
            Some("1"),
        )],
    );
}
