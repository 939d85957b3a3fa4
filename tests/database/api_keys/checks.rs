//! What whoever shows a key is told, and what administrators are.

use super::world::*;
use pg_bearer_tests::database::{Session, server};
use pg_bearer_tests::token::*;
use postgres::{Client, NoTls};
use std::sync::{Arc, Mutex};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The text with the checksum that belongs to all but its last six characters.
pub(super) fn checked(text: &str) -> String {
    let body = &text[..text.len() - 6];
    let mut crc = u32::MAX;
    for byte in body.bytes() {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    let mut rest = !crc;
    let mut digits = Vec::new();
    for _ in 0..6 {
        digits.insert(0, char::from(ALPHABET[(rest % 62) as usize]));
        rest /= 62;
    }
    format!("{body}{}", digits.into_iter().collect::<String>())
}

/// The text with another character at this place.
fn changed(text: &str, at: usize) -> String {
    let other = if &text[at..=at] == "x" { "y" } else { "x" };
    format!("{}{other}{}", &text[..at], &text[at + 1..])
}

/// Keys that are bad in every way, and why.
fn bad_keys(world: &mut World) -> Vec<(&'static str, Key, &'static str)> {
    let cara = Who::User("cara");
    let good = world.key(&cara, "");
    let mut bad = Vec::new();
    let with = |text: String| Key { id: String::new(), text };
    let unknown = checked(&changed(&changed(&good.text, 10), 40));
    bad.push(("unknown", with(unknown), "no such API key"));
    let wrong_secret = checked(&changed(&good.text, 40));
    bad.push(("wrong secret", with(wrong_secret), "no such API key"));
    let mistyped = "the checksum of the API key does not fit: it was mistyped or cut short";
    bad.push(("mistyped", with(changed(&good.text, 40)), mistyped));
    bad.push(("wrong environment", with(checked(&good.text.replace("_live_", "_test_"))), "no such API key"));
    bad.push(("imported and unknown", with("a-key-of-another-system".into()), "no such API key"));
    for (name, change, reason) in [
        ("revoked", "revoked_at = now()", "the API key has been revoked"),
        ("expired", "expires_at = now()", "the API key has expired"),
        ("environment", "environment = 'test'", "the API key names another environment than its row"),
        (
            "cidr",
            "allowed_cidrs = '{10.0.0.0/8}'",
            "the API key may not be used from this address, or the address is unknown",
        ),
        (
            "origin",
            "allowed_origins = '{https://a}'",
            "the API key may not be used from this origin, or the origin is unknown",
        ),
        (
            "endpoint",
            "allowed_endpoints = '{GET /a}'",
            "the API key may not be used for this method and path, or they are unknown",
        ),
        ("user", "user_id = 'eve'", "the user of the API key is banned, or no member of its organization"),
        ("organization", "org_id = gen_random_uuid()", "the organization of the API key is gone or disabled"),
        (
            "workspace",
            "workspace_id = gen_random_uuid()",
            "the workspace of the API key is gone or disabled, or its user is no member",
        ),
        ("role", "user_id = null, role_id = gen_random_uuid()", "the role of the API key is gone"),
    ] {
        let key = world.key(&cara, "");
        world.admin.run(&format!("update auth.api_keys set {change} where id = '{}'", key.id));
        bad.push((name, key, reason));
    }
    let publishable = world.key(&Who::Superuser, "kind => 'publishable', org_id => :north");
    bad.push(("publishable", publishable, "a publishable key is no identity"));
    bad
}

/// Everything that an error tells.
fn everything(session: &mut Client, key: &str) -> String {
    let error = session.authenticate(key).unwrap_err();
    let error = error.as_db_error().unwrap();
    let parts =
        (error.severity(), error.detail(), error.hint(), error.where_(), error.schema(), error.table());
    let place = (error.position(), error.constraint(), error.file(), error.line(), error.routine());
    format!("{} {} {parts:?} {place:?}", error.code().code(), error.message())
}

#[test]
fn t092_everything_wrong_with_a_key_is_the_same_error_and_its_reason_is_in_the_log() {
    let mut world = World::new();
    let bad = bad_keys(&mut world);
    let notices = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&notices);
    let mut config = world.db.config("tenant");
    let mut session = config
        .notice_callback(move |notice| heard.lock().unwrap().push(notice.message().to_owned()))
        .connect(NoTls)
        .unwrap();
    session.run("set client_min_messages = debug5");
    let pid = session.value("select pg_backend_pid()").unwrap();
    let first = everything(&mut session, &bad[0].1.text);
    assert!(first.starts_with(REFUSED), "{first}");
    for (name, key, reason) in &bad {
        assert_eq!(everything(&mut session, &key.text), first, "{name}");
        let log = server().log();
        let mine = log
            .lines()
            .rev()
            .find(|line| line.contains(&format!("[{pid}]")) && line.contains("pg_bearer refused"));
        let id = if key.id.is_empty() { String::new() } else { format!(" (API key {})", key.id) };
        let line = mine.unwrap();
        assert!(line.ends_with(&format!("pg_bearer refused a credential: {reason}{id}")), "{name}: {line}");
        assert!(!log.contains(&key.text), "{name}");
    }
    for notice in notices.lock().unwrap().iter() {
        assert!(!notice.contains("pg_bearer refused") && !notice.contains("API key"), "{notice}");
    }
}

#[test]
fn t092_a_check_has_one_row_of_one_shape_for_everything_that_is_wrong() {
    let mut world = World::new();
    let bad = bad_keys(&mut world);
    let good = world
        .key(&Who::Superuser, "org_id => :north, user_id => 'cara', scopes => '{docs.read,billing.pay}'");
    let mut session = world.db.tenant();
    let mut check = |text: Option<&str>| -> String {
        let rows = session.query("select t::text from auth.check_api_key($1) t", &[&text]).unwrap();
        assert_eq!(rows.len(), 1);
        rows[0].get(0)
    };
    let jwt = token_a();
    let long = "x".repeat(20_000);
    let texts = [
        None,
        Some(""),
        Some(" "),
        Some("Bearer"),
        Some("Bearer "),
        Some(jwt.as_str()),
        Some("eyJ"),
        Some("a.b.c"),
        Some("\u{1}\u{2}\u{7f}"),
        Some("schlüssel"),
        Some("'; drop table docs; --"),
        Some(&long),
        Some(&long[..513]),
        Some(&good.text[..8]),
        Some(&good.text[..25]),
        Some(&good.text[8..25]),
        Some(&good.text[..73]),
        Some(&good.text[1..]),
        Some(&good.id),
    ];
    for text in texts {
        assert_eq!(check(text), "(f,,,,)", "{text:?}");
    }
    for (name, key, _) in &bad {
        if *name == "publishable" {
            let north = world.id("north").to_owned();
            assert_eq!(check(Some(&key.text)), format!("(t,{},{north},live,{{}})", key.id));
        } else {
            assert_eq!(check(Some(&key.text)), "(f,,,,)", "{name}");
        }
    }
    let (north, id) = (world.id("north").to_owned(), &good.id);
    for text in [good.text.clone(), format!("Bearer {}", good.text), format!("  bearer  {} \n", good.text)] {
        assert_eq!(check(Some(&text)), format!("(t,{id},{north},live,{{docs.read}})"));
    }
    assert_eq!(session.value("select auth.identity()"), None);
    let service = world.key(&Who::Superuser, "kind => 'service', environment => 'test'");
    let row = session.query_one("select t::text from auth.check_api_key($1) t", &[&service.text]).unwrap();
    assert_eq!(row.get::<_, String>(0), format!("(t,{},,test,{{*}})", service.id));
}

#[test]
fn t092_a_check_needs_no_identity_writes_nothing_and_works_where_nothing_can_be_written() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut session = world.db.tenant();
    session.run("begin read only");
    session.authenticate(&key.text).unwrap();
    let row = session.query_one("select valid from auth.check_api_key($1)", &[&key.text]).unwrap();
    assert!(row.get::<_, bool>(0));
    assert_eq!(session.visible(), 500);
    assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
}

#[test]
fn t095_a_checksum_that_does_not_fit_is_refused_without_a_look_at_the_table() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let mut session = world.db.tenant();
    session.run("set statement_timeout = '2s'; select auth.is_authenticated()");
    world.admin.run("begin; lock table auth.api_keys in access exclusive mode");
    for at in [9, 30, 60, 70, 73] {
        assert_eq!(told(&session.authenticate(&changed(&key.text, at)).unwrap_err()), REFUSED, "{at}");
    }
    let long = "x".repeat(513);
    assert_eq!(told(&session.authenticate(&long).unwrap_err()), REFUSED);
    // A checksum is no secret: one that fits is looked up, and waits for the table.
    session.run("set statement_timeout = '300ms'");
    let waited = "57014 canceling statement due to statement timeout";
    for text in [checked(&changed(&key.text, 30)), "another-system".into(), key.text.clone()] {
        assert_eq!(told(&session.authenticate(&text).unwrap_err()), waited, "{text}");
    }
    world.admin.run("rollback");
    session.authenticate(&key.text).unwrap();
}

#[test]
fn t095_every_changed_character_of_a_key_is_refused() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    assert_eq!(checked(&key.text), key.text);
    let mut session = world.db.tenant();
    for at in 0..key.text.len() {
        for text in [changed(&key.text, at), checked(&changed(&key.text, at)), key.text[..at].to_owned()] {
            let refused = session.authenticate(&text).map_err(|error| told(&error).starts_with("28000 "));
            assert!(text == key.text || refused == Err(true), "{at}");
        }
    }
    session.authenticate(&key.text).unwrap();
}

#[test]
fn t103_what_of_a_key_is_no_secret_finds_nothing() {
    let mut world = World::new();
    let key = world.key(&Who::User("cara"), "");
    let text = &key.text;
    let hash = world.stored(&key, "encode(key_hash, 'hex')");
    let bytes = world.stored(&key, "key_hash");
    for part in [
        &text[..8],
        &text[..25],
        &text[8..25],
        &text[..68],
        &text[25..],
        &text[68..],
        &key.id,
        &hash,
        &bytes,
        &checked(&format!("{}{}", &text[..25], "0".repeat(49))),
    ] {
        assert_eq!(world.tell(&Who::Bearer(part.to_owned()), "1"), REFUSED, "{part}");
        assert_eq!(world.root(&format!("valid from auth.check_api_key('{part}')")), "f", "{part}");
    }
}

#[test]
fn administrators_learn_why_and_whose_key_it_is() {
    let mut world = World::new();
    let bad = bad_keys(&mut world);
    let facts = |text: &str| {
        format!(
            "concat_ws(' ', kind, valid, reason, key_id, key_name) from auth.explain_credential('{text}')"
        )
    };
    for (name, key, reason) in &bad {
        let reason = match *name {
            // Where a request comes from is not looked at unless it is said.
            "cidr" | "origin" | "endpoint" | "publishable" => format!("api_key t {} k", key.id),
            _ if key.id.is_empty() => format!("api_key f {reason}"),
            _ => format!("api_key f {reason} {} k", key.id),
        };
        let told = world.tell(&Who::Administrator, &facts(&key.text));
        // The one that is meant is named where it can be told.
        assert!(told.starts_with(&reason), "{name}: {told}");
    }
    let key = world.key(&Who::User("cara"), "environment => 'test'");
    let meant = format!(" {} k", key.id);
    for text in [
        &changed(&key.text, 50),
        &key.text[..30],
        &format!("{}x", key.text),
        &checked(&changed(&key.text, 50)),
    ] {
        let told = world.tell(&Who::Administrator, &facts(text));
        assert!(told.starts_with("api_key f ") && told.ends_with(&meant), "{text}: {told}");
    }
    for text in [&key.text[..20], &changed(&key.text, 10)] {
        assert!(!world.tell(&Who::Administrator, &facts(text)).contains(&key.id));
    }
    let place = format!(
        "concat_ws(' ', org_id = :north, environment, since) from auth.explain_credential('{}')",
        key.text
    );
    assert_eq!(world.root(&place), "t test");
    world.root(&format!("auth.revoke_api_key('{}')", key.id));
    let since = format!(
        "since = (select revoked_at from auth.api_keys where id = key_id) from auth.explain_credential('{}')",
        key.text
    );
    assert_eq!(world.root(&since), "t");
    for (text, expected) in [
        (token_a(), "jwt t"),
        ("a.b.c".into(), "jwt f a part of the token is not strict base64url"),
        (String::new(), "unknown f no credential was given"),
        ("x".repeat(20_000), "unknown f the token is longer than 16384 bytes"),
        ("a b".into(), "api_key f not an API key of 1 to 512 printable characters"),
    ] {
        assert_eq!(world.root(&facts(&text)), expected);
    }
    assert_eq!(world.root("kind || valid from auth.explain_credential(null)"), "unknownfalse");
    for who in [Who::User("ada"), Who::Nobody, Who::Service, world.key(&Who::User("ada"), "").bearer()] {
        let told = world.tell(&who, "auth.explain_credential('x')");
        assert_eq!(told, "42501 permission denied for function explain_credential", "{who:?}");
    }
}

#[test]
fn administrators_ask_about_a_key_in_a_request_that_they_describe() {
    let mut world = World::new();
    let key = world.key(
        &Who::User("cara"),
        "allowed_cidrs => '{10.0.0.0/8,2001:db8::/32}', allowed_origins => '{https://*.a.example}', allowed_endpoints => '{GET /a/*}'",
    );
    let address = "the API key may not be used from this address, or the address is unknown";
    let origin = "the API key may not be used from this origin, or the origin is unknown";
    let endpoint = "the API key may not be used for this method and path, or they are unknown";
    for (arguments, expected) in [
        ("", ""),
        (", '10.1.2.3', 'https://x.a.example', 'GET /a/b'", ""),
        (", '2001:db8::1', 'https://x.a.example', 'GET /a/b'", ""),
        (", '::ffff:10.1.2.3', 'https://x.a.example', 'GET /a/b'", ""),
        (", '11.1.2.3', 'https://x.a.example', 'GET /a/b'", address),
        (", null, 'https://x.a.example', 'GET /a/b'", address),
        (", '10.1.2.3', 'https://a.example', 'GET /a/b'", origin),
        (", '10.1.2.3', null, 'GET /a/b'", origin),
        (", '10.1.2.3', 'https://x.a.example', 'POST /a/b'", endpoint),
        (", '10.1.2.3', 'https://x.a.example'", endpoint),
    ] {
        let told = world
            .root(&format!("coalesce(reason, '') from auth.explain_credential('{}'{arguments})", key.text));
        assert_eq!(told, expected, "{arguments}");
    }
    for arguments in ["'10.0.0.0/8'", "'x'", "''", "null, null, 'GET'"] {
        let told =
            world.tell(&Who::Administrator, &format!("auth.explain_credential('{}', {arguments})", key.text));
        assert!(told.starts_with("22023 "), "{arguments}: {told}");
    }
}
