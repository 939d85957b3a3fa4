//! Users who are deleted, and those who come after them.

use super::session_callers::{GONE, as_bearer, id, organization, service, verdict};
use super::world::{NOT_REFRESHED, PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::{STRICT_ISSUER, hs256, now};
use serde_json::{Value, json};

fn read(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn t151_whoever_takes_the_address_of_a_deleted_user_has_nothing_of_theirs() {
    let mut world = World::with_mail();
    let eve = world.admin.value("select auth.create_user('eve@example.com')").unwrap();
    let org = organization(&mut world, &eve);
    world.sign_up("ada@example.com");
    let confirm = member(&world.mail(), "token").to_owned();
    let first = world.call(&format!("redeem_token('{confirm}')"));
    let user = id(&first);
    world.admin.run(&format!("select auth.add_member('{org}', '{user}', 'admin')"));
    let invite = format!("select token from auth.create_invitation('{org}', email => 'ada@example.com')");
    let invitation = world.admin.value(&invite).unwrap();
    let key = world
        .as_user(&first, &format!("select key from auth.create_api_key('k', '{org}', 'live')"))
        .unwrap()
        .unwrap();
    let minted = world.as_user(&first, "select auth.issue_jwt()").unwrap().unwrap();
    world.call("send_password_reset('ada@example.com')");
    let reset = member(&world.mail(), "token").to_owned();

    world.as_user(&first, &format!("select auth.delete_user('{user}')")).unwrap();
    for credential in [member(&first, "access_token"), &key, &minted] {
        assert_eq!(verdict(&mut world.session, credential), Err(GONE.to_owned()));
    }
    assert_eq!(world.refresh(member(&first, "refresh_token")), read(NOT_REFRESHED));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD), read(REFUSED));
    let redeem = format!("redeem_token('{reset}', 'a new password')");
    assert_eq!(world.call(&redeem)["error"], "invalid_grant");

    world.sign_up("ada@example.com");
    let confirm = member(&world.mail(), "token").to_owned();
    let second = world.call(&format!("redeem_token('{confirm}')"));
    assert_ne!(id(&second), user);
    assert_eq!(world.call(&redeem)["error"], "invalid_grant");
    let orgs = world.as_user(&second, "select auth.org_ids()::text").unwrap();
    assert_eq!(orgs.as_deref(), Some("{}"));
    let accept = format!("select auth.accept_invitation('{invitation}')::text");
    assert!(world.as_user(&second, &accept).is_err());
    let sessions = world.as_user(&second, "select count(*)::text from auth.list_sessions()").unwrap();
    assert_eq!(sessions.as_deref(), Some("1"));
    // Nor is the deleted one there again with a token of another issuer, or by the hand of a service.
    let claims = json!({"iss": STRICT_ISSUER, "sub": user, "iat": now(), "exp": now() + 600});
    assert_eq!(verdict(&mut world.session, &hs256(&claims)), Err(GONE.to_owned()));
    world.admin.run(&format!("select auth.ban_user('{user}', null)"));
    assert_eq!(verdict(&mut world.session, &hs256(&claims)), Err(GONE.to_owned()));
    assert!(world.admin.refused(&format!("select auth.issue_session('{user}')")).starts_with("42501 "));
    let again = format!("select auth.create_user('x@example.com', id => '{user}')");
    assert!(world.admin.refused(&again).starts_with("23505 "));
    assert!(
        world
            .admin
            .refused(&format!("select auth.update_user('{user}', phone => '1')"))
            .starts_with("22023 ")
    );
}

#[test]
fn t151_the_row_keeps_the_id_and_nothing_of_the_user() {
    let mut world = World::new();
    let answer = world.call(&format!("sign_up('ada@example.com', '{PASSWORD}', '{{\"name\": \"Ada\"}}')"));
    let user = id(&answer);
    world.admin.run(&format!(
        "select auth.update_user('{user}', phone => '123', app_metadata => '{{\"plan\": \"gold\"}}', email_confirmed => true)"
    ));
    world.admin.run(&format!("select auth.delete_user('{user}')"));
    let row =
        world.admin.value(&format!("select to_jsonb(u) from auth.users u where id = '{user}'")).unwrap();
    let row: Value = serde_json::from_str(&row).unwrap();
    for (name, expected) in [
        ("email", Value::Null),
        ("email_confirmed_at", Value::Null),
        ("phone", Value::Null),
        ("raw_app_meta_data", json!({})),
        ("raw_user_meta_data", json!({})),
        ("last_sign_in_at", Value::Null),
    ] {
        assert_eq!(row[name], expected, "{name}");
    }
    let left = "select (select count(*) from auth.user_passwords) + (select count(*) from auth.sessions)
                     + (select count(*) from auth.one_time_tokens where used_at is null and email is not null)";
    assert_eq!(world.admin.value(left).as_deref(), Some("0"));
    // Once more is no error.
    world.admin.run(&format!("select auth.delete_user('{user}')"));
}

#[test]
fn t151_t163_who_may_delete_whom() {
    let mut world = World::new();
    let (ada, bob) = (world.sign_up("ada@example.com"), world.sign_up("bob@example.com"));
    let delete = |user: &Value| format!("select auth.delete_user('{}')", id(user));
    assert!(world.as_user(&bob, &delete(&ada)).unwrap_err().starts_with("42501 "));
    assert!(world.session.refused(&delete(&ada)).starts_with("28000 "));
    let service = service(&mut world);
    let impersonate = format!("select auth.impersonate('{}', 'asked for help')", id(&ada));
    let act = as_bearer(&mut world.session, &service, &impersonate).unwrap().unwrap();
    assert!(as_bearer(&mut world.session, &act, &delete(&ada)).unwrap_err().starts_with("42501 "));
    let limited =
        world.as_user(&ada, "select auth.issue_jwt(permissions => '{docs.read}')").unwrap().unwrap();
    assert!(as_bearer(&mut world.session, &limited, &delete(&ada)).unwrap_err().starts_with("42501 "));
    // The last owner of an organization stays.
    let org = organization(&mut world, &id(&ada));
    assert!(world.as_user(&ada, &delete(&ada)).unwrap_err().starts_with("42501 "));
    world.admin.run(&format!("select auth.add_member('{org}', '{}', 'owner')", id(&bob)));
    assert!(world.is_good(&ada));
    as_bearer(&mut world.session, &service, &delete(&ada)).unwrap();
    assert!(!world.is_good(&ada) && world.is_good(&bob));
    for user in ["null", "''", "'github|1'"] {
        let refused = world.admin.refused(&format!("select auth.delete_user({user})"));
        assert_eq!(refused, "22023 no such user");
    }
}

#[test]
fn t151_a_session_that_was_begun_meanwhile_is_no_use() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let mut other = world.db.tenant();
    other.run("begin");
    let call = format!("sign_in_with_password('ada@example.com', '{PASSWORD}')");
    let begun = super::session_callers::call(&mut other, &call);
    world.admin.run(&format!("select auth.delete_user('{}')", id(&first)));
    other.run("commit");
    assert!(!world.is_good(&begun));
    assert_eq!(world.refresh(member(&begun, "refresh_token")), read(NOT_REFRESHED));
    // Its row was held: whoever signs up with the address empties it, and is somebody else.
    let second = world.sign_up("ada@example.com");
    assert!(world.is_good(&second));
    assert_ne!(id(&first), id(&second));
    let rows = world.admin.value("select count(*) from auth.users where email = 'ada@example.com'");
    assert_eq!(rows.as_deref(), Some("1"));
}
