//! Passwords that come from elsewhere, and what counts as one.

use super::session_callers::{id, set};
use super::world::{REFUSED, World, member};
use pg_bearer_tests::database::Session;
use serde_json::Value;
use std::time::{Duration, Instant};

/// Of `correct horse battery staple`.
const BCRYPT: &str = "$2b$04$LDR6TPgUvBIcO2e4ltf9WuCg.JhaAcNDGAggie5uDavFF.eInGxua";
const STAPLE: &str = "correct horse battery staple";
const HEAVY: &str = "$argon2id$v=19$m=131072,t=6,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI";
/// Of 72 times `x`, and of whatever begins so.
const SEVENTY_TWO: &str = "$2b$04$LDR6TPgUvBIcO2e4ltf9Wutia5DdqRShD1Qbi8FpjhAcbRSUTj8Ay";

fn refused() -> Value {
    serde_json::from_str(REFUSED).unwrap()
}

fn import(world: &mut World, email: &str, hash: &str) -> String {
    world.admin.value(&format!("select auth.create_user('{email}', password_hash => '{hash}')")).unwrap()
}

fn stored(world: &mut World, user: &str) -> (String, String) {
    let sql = format!("select id::text, hash from auth.user_passwords where user_id = '{user}'");
    let row = world.admin.query_one(&sql, &[]).unwrap();
    (row.get(0), row.get(1))
}

/// Puts a hash into the table, whatever it is.
fn plant(world: &mut World, user: &str, hash: &str) {
    world.admin.run(&format!(
        "delete from auth.user_passwords where user_id = '{user}';
         insert into auth.user_passwords (user_id, hash) values ('{user}', '{hash}')"
    ));
}

#[test]
fn t135_no_hash_is_taken_that_would_take_more_than_a_second() {
    let mut world = World::new();
    let beyond = [
        HEAVY.replace("m=131072,t=6", "m=4194304,t=1"),
        HEAVY.replace("m=131072,t=6", "m=4294967295,t=1"),
        HEAVY.replace("m=131072,t=6", "m=131072,t=4294967295"),
        HEAVY.replace("t=6", "t=7"),
        HEAVY.replace("p=1", "p=255"),
        BCRYPT.replace("$04$", "$14$"),
        BCRYPT.replace("$04$", "$31$"),
        "$scrypt$ln=30,r=8,p=1$c29tZXNhbHQ$FqGkmHNGCd0BRW2kBt6fPZ2pPmyGwwChL8FGUhTOSSI".to_owned(),
        "$7$30..../....somesalt$x".to_owned(),
        "plain".to_owned(),
        "$".repeat(1024),
    ];
    let user = world.admin.value("select auth.create_user('planted@example.com')").unwrap();
    for (at, hash) in beyond.iter().enumerate() {
        let create = format!("select auth.create_user('u{at}@example.com', password_hash => '{hash}')");
        assert_eq!(world.admin.refused(&create), "22023 password_hash has a value that is not allowed");
        plant(&mut world, &user, hash);
        let start = Instant::now();
        assert_eq!(world.sign_in("planted@example.com", STAPLE), refused(), "{hash}");
        assert!(start.elapsed() < Duration::from_millis(900), "{hash}: {:?}", start.elapsed());
    }
    assert_eq!(world.admin.value("select count(*) from auth.users").as_deref(), Some("1"));
    let (_, hash) = stored(&mut world, &user);
    assert_eq!(hash, beyond[beyond.len() - 1]);
}

#[test]
fn t137_a_password_of_another_system_is_hashed_anew_and_stays_the_same() {
    let mut world = World::new();
    let argon2 = "select auth_internal.hash_password('correct horse battery staple')";
    world.admin.run("set pg_bearer.password_memory = '16MB'; set pg_bearer.password_passes = 2");
    let old = world.admin.value(argon2).unwrap();
    for (email, hash) in [("b@example.com", BCRYPT), ("a@example.com", &old)] {
        let user = import(&mut world, email, hash);
        let (id, _) = stored(&mut world, &user);
        assert_eq!(world.sign_in(email, "wrong"), refused());
        assert_eq!(stored(&mut world, &user).1, hash);
        let first = world.sign_in(email, STAPLE);
        assert!(world.is_good(&first), "{email}");
        let (now, anew) = stored(&mut world, &user);
        assert_eq!(now, id);
        assert!(anew.starts_with("$argon2id$v=19$m=8192,t=1,p=1$"), "{anew}");
        let second = world.sign_in(email, STAPLE);
        assert!(world.is_good(&first) && world.is_good(&second));
        assert_eq!(stored(&mut world, &user).1, anew);
        assert_eq!(world.sign_in(email, "correct horse battery staplf"), refused());
    }
    // Other settings: once more.
    set(&mut world, "password_passes = 2");
    let answer = world.sign_in("b@example.com", STAPLE);
    assert!(stored(&mut world, &id(&answer)).1.starts_with("$argon2id$v=19$m=8192,t=2,p=1$"));
}

#[test]
fn t137_what_bcrypt_does_not_look_at_is_not_made_the_password() {
    let mut world = World::new();
    let long = "x".repeat(80);
    let user = import(&mut world, "long@example.com", SEVENTY_TWO);
    for password in [&long, &format!("{}{}", "x".repeat(72), "the end of another"), &"x".repeat(72)] {
        let answer = world.sign_in("long@example.com", password);
        assert!(world.is_good(&answer), "{password}");
        assert_eq!(stored(&mut world, &user).1, SEVENTY_TWO);
    }
    assert_eq!(world.sign_in("long@example.com", &"x".repeat(71)), refused());
    // One of our own counts to its end.
    let answer = world.sign_in("long@example.com", &long);
    let change = format!("select auth.change_password('{long}', '{long}')::text");
    world.as_user(&answer, &change).unwrap();
    assert_eq!(world.sign_in("long@example.com", &"x".repeat(79)), refused());
    assert!(world.sign_in("long@example.com", &long)["access_token"].is_string());
}

#[test]
fn t137_passwords_are_bytes_and_nothing_is_none() {
    let mut world = World::new();
    let (composed, decomposed) = ("p\u{e4}ssw\u{f6}rd", "pa\u{308}sswo\u{308}rd");
    world.call(&format!("sign_up('nfc@example.com', '{composed}')"));
    assert_eq!(world.sign_in("nfc@example.com", decomposed), refused());
    assert!(world.sign_in("nfc@example.com", composed)["access_token"].is_string());
    for hash in ["password_hash => ''", "password_hash => null", "email => null"] {
        let sql = match hash {
            "email => null" => "select auth.create_user()".to_owned(),
            _ => format!("select auth.create_user('none@example.com', {hash})"),
        };
        let user = world.admin.value(&sql).unwrap();
        for password in ["''", "null", "'x'", "' '", "repeat(' ', 8)"] {
            for email in ["'none@example.com'", "''", "null"] {
                assert_eq!(world.call(&format!("sign_in_with_password({email}, {password})")), refused());
            }
        }
        world.admin.run(&format!("select auth.delete_user('{user}')"));
    }
    // An empty hash in the table is none either.
    let answer = world.sign_up("ada@example.com");
    for hash in ["", " ", "$argon2id$", "$2b$04$"] {
        plant(&mut world, &id(&answer), hash);
        for password in ["", " ", hash] {
            assert_eq!(world.sign_in("ada@example.com", password), refused(), "{hash:?} {password:?}");
        }
    }
    assert!(member(&answer, "access_token").len() > 100);
}

#[test]
fn t137_a_first_password_is_set_soon_after_signing_in_alone() {
    let mut world = World::new();
    let user = world.admin.value("select auth.create_user('ada@example.com')").unwrap();
    let issue = format!("select auth.issue_session('{user}', method => 'oauth')");
    let answer: Value = serde_json::from_str(&world.admin.value(&issue).unwrap()).unwrap();
    let change = "select auth.change_password(null, 'a first password')::text";
    let first = world.as_user(&answer, change).unwrap().unwrap();
    let first: Value = serde_json::from_str(&first).unwrap();
    assert!(!world.is_good(&answer) && world.is_good(&first));
    assert_eq!(
        world.as_user(&first, change).unwrap().map(|text| serde_json::from_str(&text).unwrap()),
        Some(refused())
    );
    world.admin.run("delete from auth.user_passwords");
    assert!(!world.is_good(&first));
}
