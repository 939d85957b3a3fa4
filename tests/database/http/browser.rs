//! The page of `examples/page` in a browser, with the database and the servers of `make demo-http`.

use pg_bearer_tests::database::installation;
use pg_bearer_tests::nginx::Nginx;
use pg_bearer_tests::program;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::LazyLock;
use xtask::{Orms, Page, Server};

const PASSWORD: &str = "correct horse battery staple";

const SETTINGS: [(&str, &str); 3] = [
    ("shared_preload_libraries", "pg_bearer"),
    ("pg_bearer.trusted_proxies", "local"),
    ("pg_bearer.usage_flush_interval", "1"),
];

fn succeed(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let said = String::from_utf8_lossy(&stdout).into_owned();
    assert!(status.success(), "{said}{}", String::from_utf8_lossy(&stderr));
    said
}

/// Loads the example; the publishable key of the page.
fn load(server: &Server) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/postgrest/demo.sql");
    let mut psql = Command::new(installation().bin("psql"));
    psql.args(["--no-psqlrc", "--quiet", "--no-align", "--tuples-only", "--set=ON_ERROR_STOP=1"]);
    psql.args(["--username=postgres", "--dbname=shown", "--port", &server.port().to_string()]);
    let shown = succeed(psql.arg("--host").arg(server.socket_dir()).arg("--file").arg(script));
    let key = shown.lines().find_map(|line| line.strip_prefix("publishable|apikey: "));
    key.unwrap_or_else(|| panic!("there is no publishable key: {shown}")).to_owned()
}

/// What a browser shows, and what it kept. `before` is done to the database; with `notes_only` it leaves early.
fn visit(name: &str, before: &str, notes_only: bool) -> Value {
    let chromium = program("chromium", "chromium");
    let server = Server::start(installation(), name, &SETTINGS).unwrap();
    server.psql("postgres", "create database shown").unwrap();
    let key = load(&server);
    server.psql("shown", before).unwrap();
    let roles = ["authenticator", "web_anon", "web_user"];
    let nginx = Nginx::at(&server, "shown", roles, Some(&Page::rules()), &[]);
    Page::put(installation(), nginx.dir(), &key).unwrap();

    let orms = Orms::prepare().unwrap();
    let dir = orms.project(name).unwrap();
    let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("orms/clients");
    for file in ["page_in_browser.mjs", "nginx.mjs"] {
        fs::copy(programs.join(file), dir.join(file)).unwrap();
    }
    let mut command = orms.node();
    command.arg("page_in_browser.mjs").current_dir(&dir);
    command.env("SOCKET", nginx.socket("public")).env("CHROMIUM", chromium).env("PASSWORD", PASSWORD);
    // target/page.png
    command.env("PICTURE", dir.ancestors().nth(3).unwrap().join("page.png"));
    if notes_only {
        command.env("NOTES_ONLY", "yes");
    }
    let said = succeed(&mut command);
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// One visit, which several tests look at.
static VISIT: LazyLock<Value> = LazyLock::new(|| visit("page", "", false));

/// Asserts all of this of the visit.
fn assert_said(expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&VISIT[name], value, "{name}: {}", *VISIT);
    }
}

const MARKUP: &str =
    "<img src=x onerror=\"document.title = 'taken'\"><script>document.title = 'taken'</script>";

#[test]
fn people_do_on_the_page_what_it_offers() {
    assert_said(&json!({
        "status": 200,
        "signUp": ["", "cy@example.com", "", "", "di@example.com", ""],
        "invite": "", "hidden": "", "accept": ["", 2], "twice": "the invitation is not valid",
        "organizations": ["Acme Two", "Beta Two"], "members": ["owner", "member"],
        "createKey": "", "keys": ["deploy"], "read": "200: 2 notes", "usage": "1",
        "rotated": ["401: refused", "200: 2 notes", true], "revoked": [1, "401: refused"],
        "wrong": "Invalid login credentials",
        "again": ["", ["a note of A (Acme Two)", format!("{MARKUP} (Acme Two)")]],
    }));
}

#[test]
fn t670_the_page_shows_nothing_of_the_tenant_beside() {
    let beta = json!(["a note of B (Beta Two)"]);
    let none = json!([]);
    let refused = "no such organization, or it is not yours";
    assert_said(&json!({
        "notes": {"a": ["a note of A (Acme Two)", format!("{MARKUP} (Acme Two)")], "b": beta},
        "foreign": [refused, none, none, none], "foreignWrite": [refused, none],
        "back": beta, "own": beta, "stays": beta,
    }));
}

#[test]
fn t670_a_table_that_is_open_shows_on_the_page() {
    let said = visit("page_opened", "alter table api.notes disable row level security", true);
    let notes = said["notes"]["b"].as_array().unwrap();
    let of_a = notes.iter().filter(|note| note.as_str().unwrap().starts_with("a note of A"));
    // Three are of the example.
    assert_eq!((notes.len(), of_a.count()), (3 + 3, 1), "{said}");
}

#[test]
fn t671_what_people_write_is_no_markup_and_nothing_else_runs_on_the_page() {
    assert_said(&json!({
        "errors": [], "violations": [], "markup": ["Two tenants, one table", 0], "elsewhere": 0,
        "refused": ["connect-src", "img-src", "require-trusted-types-for", "style-src-attr"],
        "afterwards": "Two tenants, one table",
    }));
}

#[test]
fn t672_no_credential_is_in_an_address_or_stays_in_the_browser() {
    assert_said(&json!({
        "kept": [0, 0, "", 0, 0], "address": [true, 2], "inAddresses": 0, "told": 0,
        "queries": ["grant_type", "order", "scope", "select"],
    }));
    // Two tokens for each time that somebody signed in; an invitation, two keys, a password.
    assert_eq!(VISIT["secrets"], 2 * 3 + 4, "{}", *VISIT);
}

#[test]
fn t673_a_session_ends_when_its_user_signs_out_and_no_other_does() {
    assert_said(&json!({
        "before": [200, 200, 200, 200, 200, 200], "after": [401, 401, 401, 200, 200, 200],
        "signedOut": ["nobody", 0, false],
    }));
}
