//! Every status that docs/postgrest.md lists, by asking for it.

use super::Site;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use serde_json::json;

const PAGE: &str = include_str!("../../../../docs/postgrest.md");
const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

/// Who and what the rows of the page speak of.
struct Cast {
    site: Site,
    own: String,
    foreign: String,
    token: String,
    key: String,
    revoked: String,
    publishable: String,
}

impl Cast {
    fn new() -> Cast {
        let mut site = Site::new();
        let (own, foreign) = (site.organization("acme", "ada"), site.organization("other", "eve"));
        let (key, revoked) =
            (site.key(&format!(", '{own}'")), site.key(&format!(", '{own}', metadata => '{{\"end\": 1}}'")));
        site.admin.run("select auth.revoke_api_key(id) from auth.list_api_keys() where metadata ? 'end'");
        let publishable = site.key(", kind => 'publishable'");
        Cast { site, own, foreign, token: format!("Bearer {}", token_of("ada")), key, revoked, publishable }
    }

    fn limited(&mut self, limit: &str) -> String {
        let key = self.site.key(&format!(", '{}', {limit}", self.own));
        format!("Bearer {key}")
    }

    fn sent(&mut self, what: &str) -> Vec<(&'static str, String)> {
        let (token, key) = (self.token.clone(), self.key.clone());
        let with = |name: &'static str, value: String| vec![("Authorization", token.clone()), (name, value)];
        let alone = |value: String| vec![("Authorization", value)];
        let expired = with_claims(json!({"exp": now() - 600, "iat": now() - 1200}));
        match what {
            "nothing" => vec![],
            "a publishable key" => vec![("apikey", self.publishable.clone())],
            "a publishable key in both headers" => vec![
                ("apikey", self.publishable.clone()),
                ("Authorization", format!("Bearer {}", self.publishable)),
            ],
            "a token" => alone(token),
            "an expired token" => alone(format!("Bearer {}", hs256(&expired))),
            "a token that somebody else signed" => {
                let claims = with_claims(json!({})).to_string();
                alone(format!(
                    "Bearer {}",
                    hs256_with(b"another secret, as long as the real", r#"{"alg":"HS256"}"#, &claims)
                ))
            }
            "a revoked key" => alone(format!("Bearer {}", self.revoked)),
            "text that is no credential" => alone("Bearer x.y".to_owned()),
            "`Bearer` and nothing" => alone("Bearer".to_owned()),
            "`Digest`" => alone(format!("Digest {key}")),
            "a key" => alone(format!("Bearer {key}")),
            "a key by `Basic`" => alone(format!("Basic {}", STANDARD.encode(format!("{key}:")))),
            "a key by `ApiKey`" => alone(format!("ApiKey {key}")),
            "a key alone in `Authorization`" => alone(key),
            "a key in `X-Api-Key`" => vec![("X-Api-Key", key)],
            "a key in `apikey`" => vec![("apikey", key)],
            "a key as the password of `Basic`" => {
                alone(format!("Basic {}", STANDARD.encode(format!("key:{key}"))))
            }
            "a key of another network" => alone(self.limited("allowed_cidrs => '{192.0.2.0/24}'")),
            "a key of another origin" => {
                alone(self.limited("allowed_origins => '{https://elsewhere.example}'"))
            }
            "a key of another endpoint" => alone(self.limited("allowed_endpoints => '{GET /elsewhere}'")),
            "a service key" => alone(format!("Bearer {}", self.site.key(", kind => 'service'"))),
            "a token and a publishable key" => with("apikey", self.publishable.clone()),
            "a token and a key" => with("apikey", key),
            "a token and a revoked key" => with("apikey", self.revoked.clone()),
            "`Authorization` twice" => with("Authorization", token.clone()),
            "a token and one's own organization by id" => with("X-Organization", self.own.clone()),
            "a token and one's own organization by slug" => with("X-Organization", "acme".to_owned()),
            "a token and an organization of others" => with("X-Organization", self.foreign.clone()),
            "a token and one that there is not" => with("X-Organization", UNKNOWN.to_owned()),
            "no token and an organization" => vec![("X-Organization", self.own.clone())],
            "a token and a name that is too long" => with("X-Organization", "x".repeat(300)),
            other => panic!("the page says {other:?}, and this test does not know what that is"),
        }
    }

    /// Method, path and body.
    fn request(&self, what: &str) -> (String, String, String) {
        let (request, more) = what.strip_prefix('`').and_then(|rest| rest.split_once('`')).unwrap();
        let (method, path) = request.split_once(' ').unwrap();
        let row = |org: &str| json!({"id": 9_000, "org_id": org, "body": "x"}).to_string();
        let demand = |org: &str| format!("{path}?what=member&id={org}");
        let (path, body) = match more {
            " with a row of one's own" => (path.to_owned(), row(&self.own)),
            " with a row of others" => (path.to_owned(), row(&self.foreign)),
            " for one's own organization" => (demand(&self.own), String::new()),
            " for an organization of others" => (demand(&self.foreign), String::new()),
            " for one that there is not" => (demand(UNKNOWN), String::new()),
            _ => (path.to_owned(), String::new()),
        };
        (method.to_owned(), path, body)
    }
}

/// Claims of a user whom our tables know.
fn with_claims(more: serde_json::Value) -> serde_json::Value {
    with(json!({"iss": STRICT_ISSUER, "sub": "ada", "iat": now(), "exp": now() + 600}), more)
}

#[test]
fn every_status_of_the_page_is_what_a_client_gets() {
    let mut cast = Cast::new();
    let (_, table) = PAGE.split_once("## Every status").unwrap();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(rows.len() > 40, "{}", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let (method, path, body) = cast.request(cells[0]);
        let headers = cast.sent(cells[1]);
        let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = cast.site.nginx.send(&method, &path, &headers, &body);
        if answer.status.to_string() != cells[2] {
            wrong.push(format!("{row} gave {}: {}", answer.status, answer.body));
        }
    }
    assert_eq!(wrong, [] as [String; 0]);
}
