//! The paths of `examples/postgrest/locations_auth_http.conf`.

mod attacks;
mod paths;
mod settings;

use super::Site;
use crate::http::world::token;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use serde_json::Value;

/// No id of anything.
const UNKNOWN: &str = "00000000-0000-4000-8000-0000000000ff";

/// A site whose database makes tokens, with an organization `acme` of ada's.
struct Rest {
    site: Site,
    org: String,
    ada: String,
}

impl Rest {
    fn new() -> Rest {
        Rest::with("")
    }

    /// With something more in the database.
    fn with(more: &str) -> Rest {
        let mut site = Site::with(more);
        let org = site.organization("acme", "ada");
        site.admin.run(
            "select auth.add_issuer('https://own.example', own => true); select auth.create_signing_key()",
        );
        Rest { site, org, ada: token("ada") }
    }

    fn send(&self, credential: &str, method: &str, path: &str, body: &Value) -> Answer {
        self.send_with(credential, &[], method, path, body)
    }

    /// With more headers; no credential is an empty one, no body is null.
    fn send_with(
        &self,
        credential: &str,
        headers: &[(&str, &str)],
        method: &str,
        path: &str,
        body: &Value,
    ) -> Answer {
        let bearer = format!("Bearer {credential}");
        let mut all = headers.to_vec();
        if !credential.is_empty() {
            all.push(("Authorization", &bearer));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.site.nginx.send(method, path, &all, &body)
    }

    /// As ada, with this status.
    fn ada(&self, status: u16, method: &str, path: &str, body: Value) -> Value {
        let answer = self.send(&self.ada, method, path, &body);
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
        answer.json()
    }

    /// A path of the organization.
    fn of_org(&self, path: &str) -> String {
        format!("/organizations/{}{path}", self.org)
    }

    /// The id and the text of a key that ada made in the organization.
    fn made_key(&self) -> (String, String) {
        let headers = [("X-Organization", self.org.as_str())];
        let body = serde_json::json!({"name": "k"});
        let made = self.send_with(&self.ada, &headers, "POST", "/api-keys", &body);
        assert_eq!(made.status, 201, "{made:?}");
        let made = made.json();
        (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
    }
}
