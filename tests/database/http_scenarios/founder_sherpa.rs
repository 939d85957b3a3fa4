//! Founder Sherpa: what tests/scenarios/founder_sherpa/README.md says its page says.

mod attacks;

use super::{Service, asked_for_one, expect, refused, text};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::token::{hs256_with, now};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::OnceLock;

/// The JWT secret of the Supabase project.
const SUPABASE: &str = "the JWT secret of a Supabase project, 32 bytes or more";
const PASSWORD: &str = "your-password";

struct Sherpa {
    service: Service,
    /// The project's key.
    apikey: String,
}

fn sherpa() -> &'static Sherpa {
    static SHERPA: OnceLock<Sherpa> = OnceLock::new();
    SHERPA.get_or_init(|| {
        let service = Service::start("founder_sherpa", &format!("\\set supabase_secret '{SUPABASE}'\n"));
        service.admin().run("update auth.issuers set leeway = '0'");
        let apikey = service.ask("select key from auth.create_api_key('web', kind => 'publishable')");
        Sherpa { service, apikey }
    })
}

impl Sherpa {
    /// A request with both headers, or without a token.
    fn send(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with_key(&self.apikey, token, method, path, body)
    }

    fn send_with_key(&self, key: &str, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend((!key.is_empty()).then_some(("apikey", key)));
        headers.extend((!token.is_empty()).then_some(("Authorization", bearer.as_str())));
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.service.nginx.send(method, path, &headers, &body)
    }

    fn get(&self, token: &str, path: &str) -> Answer {
        self.send(token, "GET", path, &Value::Null)
    }

    fn token(&self, grant: &str, body: &Value) -> Answer {
        self.send("", "POST", &format!("/auth/v1/token?grant_type={grant}"), body)
    }

    fn sign_in(&self, email: &str) -> Value {
        expect(self.token("password", &json!({"email": email, "password": PASSWORD})), 200)
    }

    fn refresh(&self, token: &Value) -> Answer {
        self.token("refresh_token", &json!({"refresh_token": token}))
    }

    /// A new user, by id.
    fn user(&self, email: &str) -> String {
        self.service.ask(&format!("select auth.create_user('{email}', '{PASSWORD}')::text"))
    }

    /// A workspace of this organization with this member.
    fn workspace(&self, org: &str, user: &str, name: &str) -> String {
        let id = self.service.ask(&format!("select auth.create_workspace('{org}', '{name}')::text"));
        self.service.admin().run(&format!("select auth.add_workspace_member('{id}', '{user}')"));
        id
    }

    /// A founder who signed in, with a workspace of an organization that is theirs, in which there is a document.
    fn founder(&self, name: &str) -> Founder {
        let id = self.user(&format!("{name}@example.com"));
        let org = self.service.organization(&id);
        let workspace = self.workspace(&org, &id, &format!("of {name}"));
        let session = self.sign_in(&format!("{name}@example.com"));
        let founder = Founder { id, org, workspace, token: text(&session["access_token"]) };
        assert_eq!(founder.write(&founder.workspace, &format!("deck of {name}")).status, 201);
        founder
    }
}

struct Founder {
    id: String,
    org: String,
    workspace: String,
    token: String,
}

impl Founder {
    fn write(&self, workspace: &str, title: &str) -> Answer {
        let body = json!({"workspace_id": workspace, "title": title});
        sherpa().send(&self.token, "POST", "/rest/v1/documents", &body)
    }

    /// The titles of all documents that there are for them.
    fn titles(&self) -> Vec<String> {
        let rows = expect(sherpa().get(&self.token, "/rest/v1/documents?select=title&order=title"), 200);
        rows.as_array().unwrap().iter().map(|row| text(&row["title"])).collect()
    }
}

fn claims(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// What the Supabase project signed with this secret; its anonymous key says nothing but `role`.
fn signed(secret: &str, more: Value) -> String {
    let mut claims = json!({"iss": "supabase", "ref": "abcdefghijklmnopqrst", "role": "anon", "iat": now(), "exp": now() + 315_360_000});
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    hs256_with(secret.as_bytes(), r#"{"alg":"HS256","typ":"JWT"}"#, &claims.to_string())
}

/// The page's own command lines, at nginx's socket with TLS.
fn curl(arguments: &[&str]) -> (u16, Value) {
    let nginx = &sherpa().service.nginx;
    let mut curl = Command::new("curl");
    curl.args(["-s", "-w", "\n%{http_code}", "--unix-socket"]).arg(nginx.socket("tls"));
    curl.arg("--cacert").arg(nginx.dir().join("certificate.pem")).args(arguments);
    let output = curl.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (body, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {said}")))
}

#[test]
fn the_page_s_curl_signs_in_for_an_hour_and_refreshes() {
    let id = sherpa().user("user@example.com");
    sherpa().service.organization(&id);
    let apikey = format!("apikey: {}", sherpa().apikey);
    let ask = |grant: &str, body: &str| {
        let url = format!("https://localhost/auth/v1/token?grant_type={grant}");
        curl(&["-X", "POST", &url, "-H", &apikey, "-H", "Content-Type: application/json", "-d", body])
    };
    let body = |password: &str| {
        format!("{{\n    \"email\": \"user@example.com\",\n    \"password\": \"{password}\"\n  }}")
    };
    let (status, first) = ask("password", &body(PASSWORD));
    let (refreshed_status, next) =
        ask("refresh_token", &format!("{{\n    \"refresh_token\": {}\n  }}", first["refresh_token"]));
    assert_eq!((status, refreshed_status), (200, 200), "{first} {next}");
    for answer in [&first, &next] {
        assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(3600)));
        let token = text(&answer["access_token"]);
        let said = claims(&token);
        assert_eq!(said["exp"].as_i64().unwrap() - said["iat"].as_i64().unwrap(), 3600);
        assert_eq!((&said["sub"], text(&answer["refresh_token"]).len() > 20), (&json!(id), true));
        assert_eq!(expect(sherpa().get(&token, "/rest/v1/documents"), 200), json!([]));
    }
    assert_ne!(first["refresh_token"], next["refresh_token"]);
    // The example of an error.
    let (status, wrong) = ask("password", &body("wrong"));
    assert_eq!(status, 400);
    assert_eq!(
        (&wrong["error"], &wrong["error_description"]),
        (&json!("invalid_grant"), &json!("Invalid login credentials"))
    );
    let missing = ask("password", r#"{"email": "nobody@example.com", "password": "your-password"}"#);
    assert_eq!(missing, (400, wrong));
    assert_eq!(
        (ask("refresh_token", r#"{"refresh_token": "v1.MDE3YjM2..."}"#).0, ask("password", "[]").0),
        (400, 400)
    );
}

#[test]
fn all_workspaces_of_a_user_are_there_without_a_header() {
    let (ann, bob) = (sherpa().founder("ann"), sherpa().founder("bob"));
    let second = sherpa().workspace(&ann.org, &ann.id, "another of ann");
    assert_eq!(ann.write(&second, "plan").status, 201);
    assert_eq!(
        (ann.titles(), bob.titles()),
        (vec!["deck of ann".into(), "plan".into()], vec!["deck of bob".into()])
    );
    // Whoever is let into a workspace of another organization has it too, and not the others there.
    sherpa().service.admin().run(&format!(
        "select auth.add_member('{}', '{}', 'member'), auth.add_workspace_member('{second}', '{}')",
        ann.org, bob.id, bob.id
    ));
    assert_eq!(bob.titles(), ["deck of bob", "plan"]);
    let listed = expect(sherpa().get(&bob.token, "/rest/v1/workspaces?select=id,name&order=name"), 200);
    let expected = json!([{"id": second, "name": "another of ann"}, {"id": bob.workspace, "name": "of bob"}]);
    assert_eq!(listed, expected);
    let one = expect(sherpa().get(&bob.token, &format!("/rest/v1/rpc/workspace?id={second}")), 200);
    assert_eq!(one, json!({"id": second, "name": "another of ann", "documents": 1}));
    assert_eq!(bob.write(&second, "comment").status, 201);
    assert_eq!(ann.titles(), ["comment", "deck of ann", "plan"]);
    // A new one is its maker's.
    let name = json!({"name": "Series A"});
    let made = expect(sherpa().send(&ann.token, "POST", "/rest/v1/rpc/create_workspace", &name), 201);
    assert_eq!((&made["name"], ann.write(&text(&made["id"]), "list").status), (&json!("Series A"), 201));
    assert_eq!(bob.write(&text(&made["id"]), "x").status, 403);
}

#[test]
fn every_status_of_the_page() {
    let (ann, bob) = (sherpa().founder("status-ann"), sherpa().founder("status-bob"));
    let documents = "/rest/v1/documents";
    // 401: missing, invalid, expired.
    asked_for_one(&sherpa().get("", documents));
    refused(&sherpa().get("eyJhbGciOiJIUzI1NiIs...", documents));
    refused(&sherpa().get(&format!("{}x", ann.token), documents));
    let soon = format!("select auth.issue_jwt('{}', expires_at => now() + interval '2 seconds')", ann.id);
    let expired = sherpa().service.ask(&soon);
    std::thread::sleep(std::time::Duration::from_secs(3));
    refused(&sherpa().get(&expired, documents));
    let (session, user) = (sherpa().sign_in("status-ann@example.com"), "/auth/v1/user");
    let token = text(&session["access_token"]);
    assert_eq!(sherpa().get(&token, user).status, 200);
    assert_eq!(sherpa().send(&token, "POST", "/auth/v1/logout?scope=local", &Value::Null).status, 204);
    for path in [documents, user] {
        assert_eq!(sherpa().get(&token, path).status, 401, "{path}");
    }
    // 403: another workspace.
    let other = format!("/rest/v1/rpc/workspace?id={}", bob.workspace);
    for answer in [ann.write(&bob.workspace, "x"), sherpa().get(&ann.token, &other)] {
        assert_eq!((answer.status, answer.header("www-authenticate")), (403, None), "{answer:?}");
    }
    // 400: body and parameters.
    let bearer = format!("Bearer {}", ann.token);
    let headers = [
        ("apikey", sherpa().apikey.as_str()),
        ("Authorization", &bearer),
        ("Content-Type", "application/json"),
    ];
    for body in [
        "{",
        "x",
        r#"{"title": }"#,
        r#"{"workspace_id": "x", "title": "x"}"#,
        r#"{"colour": "red"}"#,
        r#"{"title": ""}"#,
    ] {
        let answer = sherpa().service.nginx.send("POST", documents, &headers, body);
        assert_eq!(answer.status, 400, "{body}: {answer:?}");
    }
    for query in ["workspace_id=eq.x", "id=eq.x", "id=like", "select=nothing"] {
        assert_eq!(sherpa().get(&ann.token, &format!("{documents}?{query}")).status, 400, "{query}");
    }
}

#[test]
fn the_anonymous_key_of_the_project_and_a_publishable_one_are_as_good() {
    let ann = sherpa().founder("keys");
    let anon = signed(SUPABASE, json!({}));
    for key in [&sherpa().apikey, &anon] {
        let ask = |token: &str| {
            sherpa().send_with_key(key, token, "GET", "/rest/v1/documents?select=title", &Value::Null)
        };
        assert_eq!(expect(ask(&ann.token), 200), json!([{"title": "deck of keys"}]));
        asked_for_one(&ask(""));
        // supabase-js sends the key as a token too, as long as nobody is signed in.
        asked_for_one(&ask(key));
        let body = json!({"email": "keys@example.com", "password": PASSWORD});
        let signed_in = sherpa().send_with_key(key, key, "POST", "/auth/v1/token?grant_type=password", &body);
        assert_eq!(signed_in.status, 200, "{signed_in:?}");
    }
    // The service role key, in both headers, has all workspaces.
    let server = sherpa().service.ask("select key from auth.create_api_key('server', kind => 'service')");
    let path = format!("/rest/v1/documents?select=title&workspace_id=eq.{}", ann.workspace);
    let all = sherpa().send_with_key(&server, &server, "GET", &path, &Value::Null);
    assert_eq!(expect(all, 200), json!([{"title": "deck of keys"}]));
}
