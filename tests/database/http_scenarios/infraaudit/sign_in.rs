//! Three ways to get a token, and two kinds of them.

use super::{ISSUER, PASSWORD, add_owner, claims, expect, login, names, service, signed, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::token::{now, with};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use xtask::Orms;

/// Where programs find the service, and what they trust.
fn site() -> (String, PathBuf) {
    (format!("https://127.0.0.1:{}", service().nginx.port()), service().nginx.dir().join("certificate.pem"))
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn supabase_js_signs_in_and_an_event_source_reads() {
    let (url, certificate) = site();
    let key = service().ask("select key from auth.create_api_key('web', kind => 'publishable')");
    let orms = Orms::prepare().unwrap();
    let dir = orms.project("infraaudit").unwrap();
    fs::copy(super::super::directory("infraaudit").join("client.mjs"), dir.join("client.mjs")).unwrap();
    let mut node = orms.node();
    node.args(["--experimental-eventsource", "--no-warnings", "client.mjs"]).current_dir(&dir);
    node.env("SUPABASE_URL", url).env("SUPABASE_ANON_KEY", key).env("NODE_EXTRA_CA_CERTS", certificate);
    let output = node.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    let drifts = json!(["web-1: port 22 is open", "web-1: no backup"]);
    let expected = json!({
        "wrong": [400, "invalid_credentials"],
        "signIn": [null, "bearer", 3600, "user@example.com"],
        "getClaims": [null, "ES256"],
        "resources": [{"id": 1, "name": "web-1"}],
        "withToken": drifts, "withTicket": drifts, "twice": "closed", "spoiled": "closed",
        "signOut": null, "late": "closed",
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&said[name], value, "{name}: {said}");
    }
    assert_eq!(said.as_object().unwrap().len(), expected.as_object().unwrap().len(), "{said}");
}

#[test]
fn the_api_signs_in_with_the_answer_of_the_page() {
    let body = format!(r#"{{"email": "user@example.com", "password": "{PASSWORD}"}}"#);
    for path in ["/v1/api/login", "/api/login"] {
        let answer = service().nginx.send("POST", path, &[], &body);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{answer:?}");
        let token = text(&answer.json()["token"]);
        let user = json!({"id": 1, "email": "user@example.com", "role": "user"});
        assert_eq!(answer.json(), json!({"user": user, "token": token}));
        let head = part(&token, 0);
        assert_eq!((&head["alg"], &head["typ"]), (&json!("ES256"), &json!("JWT")));
        assert!(token.starts_with("eyJ"));
        let said = part(&token, 1);
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 3600);
        assert_eq!(names(&token), json!([{"name": "web-1"}]));
        // The key set has the key that verifies it.
        let keys = expect(service().nginx.send("GET", "/auth/v1/.well-known/jwks.json", &[], ""), 200);
        assert_eq!((&keys["keys"][0]["kid"], &keys["keys"][0]["alg"]), (&head["kid"], &json!("ES256")));
    }
    let refused = |answer: Answer| {
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")), "{answer:?}");
        answer.json()
    };
    let wrong = refused(login("user@example.com", "wrong"));
    assert_eq!(
        (&wrong["error"], refused(login("nobody@example.com", PASSWORD))),
        (&json!("invalid_grant"), wrong.clone())
    );
    for body in ["{", r#""x""#, "{}"] {
        let answer = service().nginx.send("POST", "/v1/api/login", &[], body);
        assert!([400, 401].contains(&answer.status), "{body}: {answer:?}");
    }
}

fn cli(home: &Path, arguments: &[&str]) -> Output {
    let (url, certificate) = site();
    let program = super::super::directory("infraaudit").join("infraudit");
    let mut command = Command::new("python3");
    command.arg(program).args(arguments).env("HOME", home);
    command.env("INFRAUDIT_URL", url).env("SSL_CERT_FILE", certificate).output().unwrap()
}

#[test]
fn the_cli_keeps_the_token_for_the_commands_after_it() {
    let home =
        pg_bearer_tests::database::installation().run_dir().join(format!("infraudit-{}", std::process::id()));
    fs::create_dir_all(home.join(".infraudit")).unwrap();
    let config = home.join(".infraudit/config.yaml");
    // What was there before keeps nothing open.
    fs::write(&config, "token: old\n").unwrap();
    fs::set_permissions(&config, fs::Permissions::from_mode(0o666)).unwrap();
    let login = ["auth", "login", "--email", "user@example.com", "--password"];
    let wrong = cli(&home, &[&login[..], &["wrong"]].concat());
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("401"), "{wrong:?}");
    let signed_in = cli(&home, &[&login[..], &[PASSWORD]].concat());
    assert!(signed_in.status.success() && signed_in.stdout.is_empty(), "{signed_in:?}");
    assert_eq!(fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = fs::read_to_string(&config).unwrap();
    assert!(kept.starts_with("token: eyJ"), "no token is kept");
    let listed = cli(&home, &["resources"]);
    let rows: Value = serde_json::from_slice(&listed.stdout).unwrap_or_else(|_| panic!("{listed:?}"));
    assert_eq!(rows, json!([{"id": 1, "name": "web-1"}]));
    fs::write(&config, "token: eyJhbGciOi...\n").unwrap();
    assert!(!cli(&home, &["resources"]).status.success());
    fs::remove_dir_all(home).unwrap();
}

/// HS256 beside ES256: tokens of the Supabase project are those of the same users.
#[test]
fn tokens_of_the_supabase_project_are_taken_for_an_hour() {
    let (id, org) = add_owner(service(), "moved@example.com");
    super::add_drifts(service(), &org, "old-1");
    let good = claims(&id);
    assert_eq!(names(&signed(&good)), json!([{"name": "old-1"}]));
    let ours = text(&expect(login("moved@example.com", PASSWORD), 200)["token"]);
    assert_eq!(names(&ours), json!([{"name": "old-1"}]));
    for (what, changes) in [
        ("expired", json!({"iat": now() - 3700, "exp": now() - 100})),
        ("for a day", json!({"exp": now() + 86400})),
        ("for somebody else", json!({"aud": "other"})),
        ("of another project", json!({"iss": ISSUER.replace("abc", "xyz")})),
        ("of nobody's", json!({"iss": null})),
    ] {
        let answer = service().get(&signed(&with(good.clone(), changes)), "/v1/resources");
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        super::refused(&answer);
    }
}
