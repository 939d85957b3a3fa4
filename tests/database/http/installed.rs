//! What auth.install_postgrest() made, behind a real PostgREST that listens to the database.

use super::install::{fill, roles};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::http::Answer;
use pg_bearer_tests::postgrest::Postgrest;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::json;
use std::time::{Duration, Instant};

/// Nothing but a table with a grant, and functions that show and run what they are told.
const SERVED: &str = "
create table api.notes (id bigint generated always as identity, org_id uuid not null default auth.current_org(), body text);
select auth.protect('api.notes');
grant select, insert on api.notes to USER;
create function api.run(sql text) returns void language plpgsql as $$ begin execute sql; end $$;
create function api.whoami() returns text language sql as $$ select current_user::text || coalesce(auth.user_id(), '') $$;";

struct Served {
    postgrest: Option<Postgrest>,
    admin: Client,
    db: Database,
}

impl Served {
    fn new() -> Served {
        let db = Database::new();
        let mut admin = db.superuser();
        let roles = roles(&db, &["login", "anon", "user"]);
        admin.run(&format!("create schema api; select auth.install_postgrest('{{api}}', {roles})"));
        admin.run(&fill(&db, SERVED));
        let name = |role: &str| fill(&db, role);
        let postgrest = Postgrest::start_with(&db, &name("LOGIN"), &name("ANON"), &name("USER"), "api", "");
        Served { postgrest: Some(postgrest), admin, db }
    }

    fn postgrest(&self) -> &Postgrest {
        self.postgrest.as_ref().unwrap()
    }

    /// Runs SQL of the sender's own.
    fn run(&self, sql: &str) -> Answer {
        let bearer = format!("Bearer {}", token_a());
        let body = json!({ "sql": fill(&self.db, sql) }).to_string();
        self.postgrest().proxied("POST", "/rpc/run", &[("Authorization", &bearer)], &body)
    }

    /// Asserts that requests are still those of whoever sends them, whichever connection serves them.
    fn assert_right(&self, after: &str) {
        for _ in 0..8 {
            let nobody = self.postgrest().proxied("GET", "/rpc/whoami", &[], "");
            assert_eq!(nobody.json(), json!(fill(&self.db, "ANON")), "{after}");
            assert_eq!(self.postgrest().proxied("GET", "/notes", &[], "").status, 401, "{after}");
            assert_eq!(self.postgrest().get("/notes?select=body", token_b()).body, "[]", "{after}");
            let refused = self.postgrest().get("/rpc/whoami", "no.good.token");
            assert_eq!(refused.status, 401, "{after}: {refused:?}");
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.postgrest.take());
        let sql = fill(&self.db, "drop schema api cascade; select auth.uninstall_postgrest('LOGIN')");
        let _ = self.admin.batch_execute(&sql);
    }
}

#[test]
fn postgrest_works_with_a_table_and_a_grant_after_it() {
    let served = Served::new();
    let bearer = format!("Bearer {}", token_a());
    let sent = [("Authorization", bearer.as_str())];
    let written = served.postgrest().proxied("POST", "/notes", &sent, r#"{"body": "hello"}"#);
    assert_eq!(written.status, 201, "{written:?}");
    let read = served.postgrest().get("/notes?select=body", token_a());
    assert_eq!(read.body, r#"[{"body":"hello"}]"#);
    served.assert_right("installed");
}

/// SQL of a request that is allowed, and changes nothing for others.
const IDLE: &[&str] = &[
    "set pgrst.db_pre_request = ''",
    "select set_config('pgrst.db_pre_request', '', false), set_config('pgrst.db_anon_role', 'USER', false)",
    "reset role; set session pgrst.db_schemas = 'api, auth'",
    "notify pgrst, 'reload config'",
    "notify pgrst, 'reload schema'; notify pgrst",
];

/// SQL of a request that is refused.
const REFUSED: &[&str] = &[
    "alter role LOGIN set pgrst.db_pre_request = ''",
    "reset role; alter role LOGIN set pgrst.db_pre_request = ''",
    "reset role; set pgrst.db_pre_request = ''; alter role LOGIN set pgrst.db_pre_request from current",
    "reset role; alter role LOGIN set pg_bearer.http_anonymous_role = ''",
    "reset role; alter role LOGIN set log_parameter_max_length = -1",
    "reset role; alter role LOGIN superuser",
    "alter role LOGIN password 'x'",
    "alter role LOGIN set statement_timeout = 1",
];

#[test]
fn t185_nothing_that_is_set_stored_or_said_for_postgrest_changes_who_sends_a_request() {
    let mut served = Served::new();
    for sql in IDLE {
        assert_eq!(served.run(sql).status, 204, "{sql}");
        served.assert_right(sql);
    }
    for sql in REFUSED {
        let answer = served.run(sql);
        assert_eq!(
            (answer.status, answer.json()["code"].as_str()),
            (403, Some("42501")),
            "{sql}: {answer:?}"
        );
    }
    // Nor what an administrator stores, who may.
    let reloads = |served: &Served| served.postgrest().log().matches("Config reloaded").count();
    let before = reloads(&served);
    served.admin.run(&fill(
        &served.db,
        "alter role LOGIN in database DATABASE set pgrst.db_pre_request = ''; alter role LOGIN in database DATABASE set pgrst.db_anon_role = 'USER';
         notify pgrst, 'reload config'",
    ));
    let deadline = Instant::now() + Duration::from_secs(10);
    while reloads(&served) == before {
        assert!(Instant::now() < deadline, "it does not listen: {}", served.postgrest().log());
        std::thread::sleep(Duration::from_millis(20));
    }
    served.assert_right("stored");
    // What a login may always do to itself. Lint tells.
    assert_eq!(served.run("reset role; alter role LOGIN set statement_timeout = '1h'").status, 204);
    let found = "select string_agg(code, ' ' order by code) from auth.lint() where object ~ '_login'";
    assert_eq!(
        served.admin.value(found).as_deref(),
        Some("http_login_setting postgrest_stored pre_request_other")
    );
}
