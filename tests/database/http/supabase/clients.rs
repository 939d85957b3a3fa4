//! supabase-js as it comes from npm.

use super::{MAIL, PASSWORD, Site};
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Stdio;
use xtask::Orms;

/// What the program prints last. Whenever it asks, it gets the token of the last mail.
fn run(site: &mut Site) -> Value {
    let orms = Orms::prepare().unwrap();
    let dir = orms.project("supabase_js").unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("orms/clients");
    for name in ["supabase_js.mjs", "nginx.mjs"] {
        fs::copy(programs.join(name), dir.join(name)).unwrap();
    }
    let mut command = orms.node();
    command.arg("supabase_js.mjs").current_dir(&dir).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.env("SOCKET", site.nginx.socket("public")).env("APIKEY", &site.apikey).env("PASSWORD", PASSWORD);
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        last = line.unwrap();
        if last == "mail?" {
            let token = site.mail()["token"].as_str().unwrap().to_owned();
            writeln!(input, "{token}").unwrap();
        }
    }
    assert!(child.wait().unwrap().success(), "{last}");
    serde_json::from_str(&last).unwrap_or_else(|error| panic!("{error}: {last}"))
}

#[test]
fn supabase_js_does_what_its_users_expect() {
    let mut site = Site::new(MAIL);
    let said = run(&mut site);
    let refused = |status: u16, code: &str| json!([status, code, "AuthApiError"]);
    let one = |body: &str| json!([{"body": body}]);
    let expected = json!({
        "nobody": [null, [400, null, "AuthSessionMissingError"]],
        "hidden": "42501",
        "signUp": [null, null, "ada@example.com", 1],
        "unconfirmed": refused(400, "invalid_credentials"),
        "verifyOtp": [null, {"name": "Ada"}],
        "wrong": refused(400, "invalid_credentials"),
        "signInWithPassword": [null, "bearer", 3600],
        "getUser": [null, "ada@example.com", "authenticated"],
        "getClaims": [null, "ES256", true, "aal1"],
        "insert": one("one"), "upsert": one("one"), "update": one("two"), "select": one("two"), "rpc": [null, true],
        "refreshSession": [null, true], "afterwards": one("two"),
        "updateUser": [null, {"age": 36, "name": "Ada"}],
        "stolen": refused(400, "reauthentication_needed"),
        "signInAnonymously": [null, true], "apart": [],
        "reset": {"data": {}, "error": null},
        "recovered": [null, null, "ada@example.com"],
        "ended": refused(401, "bad_jwt"),
        "magic": [null, null], "again": null, "delete": one("two"), "signOut": null,
        "signedOut": [null, "42501"], "late": 401,
        "events": ["INITIAL_SESSION", "SIGNED_IN", "SIGNED_IN", "TOKEN_REFRESHED", "USER_UPDATED", "SIGNED_IN", "SIGNED_OUT"],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}: {said}");
    }
    assert_eq!(said.as_object().unwrap().len(), expected.as_object().unwrap().len(), "{said}");
}
