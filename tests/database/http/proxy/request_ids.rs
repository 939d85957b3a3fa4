//! One id for a request: in its answer, in nginx's log, in the server log and in the audit log.

use super::Site;
use crate::http::world::token;
use crate::usage::world::until;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::server;

const MORE: &str = "
create function api.make(org uuid) returns uuid language sql as $$ select auth.create_workspace(org, 'w') $$;
create function api.fail() returns void language plpgsql as $$ begin raise 'of the application' using detail = 'its own'; end $$;
create function api.nobody() returns void language sql as $$ select auth.require_authenticated() $$;";

#[test]
fn t610_an_answer_leads_to_the_audit_log_and_the_server_log() {
    let mut site = Site::with(MORE);
    let org = site.organization("acme", "ada");
    let bearer = format!("Bearer {}", token("ada"));
    let forged = "00000000000000000000000000000000";
    let post = |site: &Site, path: &str, credential: &str, body: &str| {
        let headers =
            [("Authorization", credential), ("X-Request-Id", forged), ("Content-Type", "application/json")];
        let answer = site.nginx.send("POST", path, &headers, body);
        (answer.header("x-request-id").unwrap().to_owned(), answer)
    };
    let (id, answer) = post(&site, "/rpc/make", &bearer, &format!(r#"{{"org": "{org}"}}"#));
    assert_eq!(answer.status, 200, "{answer:?}");
    let row = "select action || ' ' || request_id from auth.list_audit_log(user_id => 'ada', max_rows => 1)";
    assert_eq!(site.admin.value(row), Some(format!("workspace.create {id}")));
    for (path, credential, status, said) in [
        ("/rpc/fail", bearer.as_str(), 400, "its own"),
        ("/rpc/nobody", "", 401, "\"status\":401"),
        ("/rpc/fail", "Bearer x.y.z", 401, "\"status\":401"),
    ] {
        let (id, answer) = post(&site, path, credential, "{}");
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.body.contains(&id), "{answer:?}");
        let log = server().log();
        let line = format!("\n\tHTTP request {id}\n");
        let before = log.find(&line).unwrap_or_else(|| panic!("{id} is not in {log}"));
        assert!(log[..before].lines().next_back().unwrap().contains(said), "{path}: {log}");
        // nginx writes its line when the answer is on its way.
        until(&id, || site.nginx.log().contains(&id));
    }
    assert!(!server().log().contains(forged) && !site.nginx.log().contains(forged));
}
