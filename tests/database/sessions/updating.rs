//! Setting another password within a session that stays.

use super::world::{PASSWORD, REFUSED, World, member};
use pg_bearer_tests::database::Session;
use serde_json::{Value, json};

const OTHER: &str = "another password of hers";

fn update(new: &str, current: &str) -> String {
    format!("select auth.update_password('{new}', {current})::text")
}

fn quoted(text: &str) -> String {
    format!("'{text}'")
}

#[test]
fn the_session_stays_with_its_tokens_and_all_others_end() {
    let mut world = World::new();
    let first = world.sign_up("ada@example.com");
    let own = world.sign_in("ada@example.com", PASSWORD);
    assert_eq!(world.as_user(&own, &update(OTHER, &quoted(PASSWORD))), Ok(Some("{}".into())));
    assert!(world.is_good(&own) && !world.is_good(&first));
    assert!(world.refresh(member(&first, "refresh_token")).get("error").is_some());
    let next = world.refresh(member(&own, "refresh_token"));
    assert!(world.is_good(&next) && world.is_good(&own));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD).to_string(), as_json(REFUSED));
    let again = world.sign_in("ada@example.com", OTHER);
    // Another password ends it as ever.
    let changed = format!("select auth.change_password('{OTHER}', '{PASSWORD}') ? 'access_token'");
    assert!(world.as_user(&again, &format!("select ({})::text", &changed[7..])).is_ok());
    assert!(!world.is_good(&next));
}

fn as_json(text: &str) -> String {
    serde_json::from_str::<Value>(text).unwrap().to_string()
}

#[test]
fn t630_a_stolen_access_token_alone_sets_no_password() {
    let mut world = World::new();
    let own = world.sign_up("ada@example.com");
    for current in ["null", "''", "'wrong password'"] {
        let answer = world.as_user(&own, &update(OTHER, current)).unwrap().unwrap();
        assert_eq!(as_json(&answer), as_json(REFUSED), "{current}");
    }
    assert!(world.sign_in("ada@example.com", PASSWORD).get("access_token").is_some());
    // These are tries, like those to sign in.
    world.admin.run(&format!("alter database {} set pg_bearer.max_sign_in_tries = 3", world.db.name));
    let mut limited = world.db.tenant();
    let token = member(&own, "access_token").to_owned();
    let mut said = String::new();
    for _ in 0..5 {
        limited.run("begin");
        limited.value(&format!("select auth.authenticate('{token}')"));
        said = limited.value(&update(OTHER, "'wrong password'")).unwrap();
        limited.run("commit");
    }
    assert!(said.contains("too_many_requests"), "{said}");
}

#[test]
fn t631_only_a_session_that_a_reset_began_within_the_hour_sets_one_without_the_current_one() {
    let mut world = World::with_mail();
    world.admin.run(&format!(
        "select auth.create_user('ada@example.com', '{PASSWORD}', email_confirmed_at => now())"
    ));
    let mut session = |purpose: &str| {
        assert_eq!(world.call(&format!("send_{purpose}('ada@example.com')")), json!({}));
        let mail = world.mail();
        (world.call(&format!("redeem_token('{}')", member(&mail, "token"))), mail)
    };
    let (magic, _) = session("magic_link");
    let (recovery, mail) = session("password_reset");
    let (old, _) = session("password_reset");
    assert_eq!(
        world.call(&format!("redeem_token('{}')", member(&mail, "token")))["error"],
        "invalid_grant",
        "a token is good once"
    );
    assert_eq!(world.authenticate(&recovery).unwrap()["claims"]["amr"][0]["method"], "recovery");
    assert!(world.sign_in("ada@example.com", PASSWORD).get("access_token").is_some(), "it took nothing");
    let refused = world.as_user(&magic, &update(OTHER, "null")).unwrap().unwrap();
    assert_eq!(as_json(&refused), as_json(REFUSED));
    // In a session that is older, also when its tokens are new.
    let id = "(select id from auth.sessions order by created_at desc limit 1 offset 1)";
    world.admin.run(&format!(
        "update auth.sessions set created_at = now() - interval '61 minutes' where method = 'recovery' and id = {id}"
    ));
    let old = world.refresh(member(&old, "refresh_token"));
    let refused = world.as_user(&old, &update(OTHER, "null")).unwrap().unwrap();
    assert_eq!(as_json(&refused), as_json(REFUSED));
    assert_eq!(world.as_user(&recovery, &update(OTHER, "null")), Ok(Some("{}".into())));
    assert!(world.is_good(&recovery) && !world.is_good(&magic) && !world.is_good(&old));
    // Once: whoever steals its token later sets none.
    let refused = world.as_user(&recovery, &update(PASSWORD, "null")).unwrap().unwrap();
    assert_eq!(as_json(&refused), as_json(REFUSED));
    assert!(world.sign_in("ada@example.com", OTHER).get("access_token").is_some());
}

#[test]
fn t632_a_reset_of_an_unconfirmed_address_takes_the_password_away_that_somebody_else_chose() {
    let mut world = World::new();
    let thief = world.sign_up("ada@example.com");
    let token = member(
        &serde_json::from_str::<Value>(
            &world.admin.value("select auth.send_password_reset('ada@example.com')").unwrap(),
        )
        .unwrap(),
        "token",
    )
    .to_owned();
    let owner = world.call(&format!("redeem_token('{token}')"));
    assert!(world.is_good(&owner) && !world.is_good(&thief));
    assert_eq!(world.sign_in("ada@example.com", PASSWORD).to_string(), as_json(REFUSED));
    assert_eq!(world.as_user(&owner, &update(OTHER, "null")), Ok(Some("{}".into())));
    assert!(world.sign_in("ada@example.com", OTHER).get("access_token").is_some());
}

#[test]
fn a_password_is_set_in_a_session_of_ours_alone_and_has_its_length() {
    let mut world = World::new();
    let own = world.sign_up("ada@example.com");
    let refused = world.as_user(&own, &update("short", &quoted(PASSWORD))).unwrap_err();
    assert_eq!(refused, "22023 password has a value that is not allowed");
    let id = member(&own["user"], "id").to_owned();
    let minted = world.admin.value(&format!("select auth.issue_jwt('{id}')")).unwrap();
    let refused = world.as_user(&json!({"access_token": minted}), &update(OTHER, &quoted(PASSWORD)));
    assert_eq!(refused.unwrap_err(), "42501 the credential belongs to no session of this database");
    assert_eq!(world.session.refused(&update(OTHER, "null")), "28000 this transaction has no identity");
    // Whoever holds the row makes nobody wait for long.
    let mut holder = world.db.superuser();
    let mut transaction = holder.transaction().unwrap();
    transaction.query("select from auth.sessions for update", &[]).unwrap();
    let refused = world.as_user(&own, &update(OTHER, &quoted(PASSWORD))).unwrap_err();
    assert!(refused.starts_with("53400 "), "{refused}");
}
