//! The SQL of README and of docs/ runs as it stands there, in the order in which it stands there.

mod users;

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{installation, server};
use pg_bearer_tests::token::*;
use serde_json::json;
use std::io::Write;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

/// Roles belong to all databases of the server, and several pages make `app`.
static ROLES: Mutex<()> = Mutex::new(());

const README: &str = include_str!("../../README.md");

/// The blocks between ```sql and ```.
fn blocks(document: &str) -> Vec<&str> {
    document.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Runs a script as a superuser, with these variables; what it shows, line by line.
fn run(db: &Database, script: &str, variables: &[(&str, &str)]) -> Vec<String> {
    let mut command = installation().command(&installation().bin("psql"));
    command.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", &db.name]);
    command.arg("-h").arg(server().socket_dir()).arg("-p").arg(server().port().to_string());
    command.args(["-c", "\\pset footer off", "-f", "-"]);
    for (name, value) in variables {
        command.arg("-v").arg(format!("{name}={value}"));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}\n{shown}");
    shown.lines().map(str::to_owned).collect()
}

#[test]
fn the_sql_of_the_readme_runs_and_shows_what_it_says() {
    let _roles = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
    let db = Database::empty();
    let pair = Pair::es256();
    let claims = json!({"iss": "https://login.example", "aud": "api", "sub": USER_A, "exp": now() + 60,
                        "app_metadata": {"org_id": ORG_A}});
    let blocks = blocks(README);
    assert!(blocks.len() >= 5, "README has only {} blocks of SQL", blocks.len());
    let script = blocks.concat() + "reset role; drop owned by app; drop role app;";
    let (jwks, token) = (jwks(&[pair.jwk("k1")]), pair.sign("k1", &claims));
    let shown = run(&db, &script, &[("jwks", &jwks), ("secret", SECRET), ("token", &token)]);
    for line in [&format!("1|{ORG_A}|100"), "0", &format!("t||{USER_A}"), "k1|ES256|active|t"] {
        assert!(shown.iter().any(|shown| shown == line), "{line:?} is not shown: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_tenancy_runs_and_shows_what_it_says() {
    let db = Database::new();
    let blocks = blocks(include_str!("../../docs/tenancy.md"));
    assert!(blocks.len() >= 5, "it has only {} blocks of SQL", blocks.len());
    let (alice, bob) = (token_of("alice"), token_of("bob"));
    let shown = run(&db, &blocks.concat(), &[("alice", &alice), ("bob", &bob), ("bob_id", "bob")]);
    let lines = ["t|owner", "member|t", "alice|owner", "bob|member", "t|f", "t|2"];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_api_keys_runs_and_shows_what_it_says() {
    let _roles = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
    let db = Database::new();
    let blocks = blocks(include_str!("../../docs/api-keys.md"));
    assert!(blocks.len() >= 5, "it has only {} blocks of SQL", blocks.len());
    let script = blocks.concat() + "drop owned by app; drop role app;";
    let shown = run(&db, &script, &[("alice", &token_of("alice"))]);
    let lines = [
        "api_key",
        "alice|t|t",
        "t|live|{*}",
        "2|3",
        "charges|2",
        "the API key has been revoked|CI/CD Pipeline",
    ];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_policies_runs_and_shows_what_it_says() {
    let _roles = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
    let db = Database::empty();
    let blocks = blocks(include_str!("../../docs/policies.md"));
    assert!(blocks.len() >= 10, "it has only {} blocks of SQL", blocks.len());
    let made = "drop owned by app; drop role app; drop role worker;";
    let script = ["create extension pg_bearer;\n", &blocks.concat(), made].concat();
    let shown = run(&db, &script, &[]);
    let lines = [
        "run|alter table public.projects force row level security",
        "run|create index bearer_projects on public.projects (org_id);",
        "create index bearer_tasks on public.tasks (org_id);",
        "run|alter table public.tasks enable row level security",
        "suggested|do $fix$begin",
        "projects|org_id|||t",
        "tasks|org_id|environment|tasks|t",
        "DO",
        "alter table only public.tasks alter column assignee set default auth.user_id()",
        "tasks_project_id_fkey|0",
    ];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
    let denied = format!(
        "||||||denied: no permissive SELECT policy is true; auth.in_org(org_id) is false because the current organization of user u1 is {ORG_A}, not {ORG_B}"
    );
    let isolated = "public.invoices is isolated for role app: identities of 2 of its 2 organizations in live and test, a stranger, a user without organization and nobody see and may write no row of others; 4 of 4 identities saw rows of their own";
    let indexed = "warning|org_not_indexed|public.invoices|no index begins with column org_id: a query of one organization reads the rows of all, and EXPLAIN counts them|create index on public.invoices (org_id)";
    for line in [&denied, "1", "1", isolated, indexed, "DO"] {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_guards_runs_and_shows_what_it_says() {
    let _roles = ROLES.lock().unwrap_or_else(PoisonError::into_inner);
    let db = Database::empty();
    let blocks = blocks(include_str!("../../docs/guards.md"));
    assert!(blocks.len() >= 3, "it has only {} blocks of SQL", blocks.len());
    let made = "drop schema shop cascade; drop role app_owner;";
    let shown = run(&db, &["create extension pg_bearer;\n", &blocks.concat(), made].concat(), &[]);
    let mut rest = shown.iter();
    for line in ["|protect|t", "shop.clients|t", "shop.orders|t", "shop.orders_2026|t", "CREATE POLICY"] {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_tickets_runs_and_shows_what_it_says() {
    let db = Database::new();
    let blocks = blocks(include_str!("../../docs/tickets.md"));
    assert!(blocks.len() >= 2, "it has only {} blocks of SQL", blocks.len());
    let shown = run(&db, &blocks.concat(), &[("alice", &token_of("alice"))]);
    let mut rest = shown.iter();
    for line in ["t", "alice"] {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_sql_of_the_page_on_the_audit_log_runs_and_shows_what_it_says() {
    let db = Database::new();
    let page = include_str!("../../docs/audit.md");
    let blocks = blocks(page);
    assert!(blocks.len() >= 3, "it has only {} blocks of SQL", blocks.len());
    let shown = run(&db, &blocks.concat(), &[("alice", &token_of("alice"))]);
    let lines = [
        r#"member.set_role|alice|bob|{"was": "viewer", "role": "admin"}"#,
        r#"member.add|alice|bob|{"role": "viewer"}"#,
        "organization.create|alice|alice|{}",
        "member.set_role|alice",
        "member.add|alice",
        "0",
    ];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
        let printed: Vec<_> = line.split('|').collect();
        let is_printed = |text: &str| printed.iter().all(|part| text.contains(part));
        assert!(page.lines().any(is_printed), "the page does not print {line}");
    }
}

#[test]
fn the_sql_of_the_page_on_tokens_runs_and_shows_what_it_says() {
    let db = Database::new();
    let page = include_str!("../../docs/tokens.md");
    let blocks = blocks(page);
    assert!(blocks.len() >= 9, "it has only {} blocks of SQL", blocks.len());
    let shown = run(&db, &blocks.concat(), &[]);
    let lines = [
        "t",
        "alice",
        "1",
        "t|f",
        "t|t",
        "t",
        "alice|t",
        "f|the token has been revoked, or its session or user",
        "EdDSA|active",
        "ES256|retired",
    ];
    let mut rest = shown.iter();
    for line in lines {
        assert!(rest.any(|shown| shown == line), "{line:?} is not shown, or not in its place: {shown:#?}");
    }
}

#[test]
fn the_readme_is_short() {
    assert!(README.lines().count() <= 250);
}

#[test]
fn the_readme_and_the_pages_lead_to_the_reference() {
    assert!(README.contains("(docs/reference.md)") && README.contains("auth.help()"));
    for page in [
        include_str!("../../docs/tenancy.md"),
        include_str!("../../docs/api-keys.md"),
        include_str!("../../docs/policies.md"),
        include_str!("../../docs/migrations.md"),
        include_str!("../../docs/guards.md"),
        include_str!("../../docs/tickets.md"),
        include_str!("../../docs/tokens.md"),
        include_str!("../../docs/audit.md"),
        include_str!("../../docs/sessions.md"),
        include_str!("../../docs/postgrest.md"),
    ] {
        assert!(page.contains("(reference.md)") && page.contains("auth.help()") && !page.contains("\\df+"));
    }
}

/// The names before a bracket in the quotes of a document, such as `uid()`.
fn calls(document: &str) -> Vec<&str> {
    let quoted = document.split('`').skip(1).step_by(2);
    let names =
        quoted.filter_map(|quote| quote.split_once('(')).map(|(name, _)| name.trim_start_matches("auth."));
    names
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
        .collect()
}

#[test]
fn the_readme_names_functions_that_exist() {
    let db = Database::new();
    let mut session = db.superuser();
    let section = README.split_once("\n## Functions\n").unwrap().1.split_once("\n## ").unwrap().0;
    let named = calls(section);
    assert!(named.len() > 40, "{named:?}");
    for name in named {
        let found =
            session.query("select from pg_proc where oid = to_regproc('auth.' || $1)", &[&name]).unwrap();
        assert_eq!(found.len(), 1, "README mentions {name}()");
    }
    assert_eq!(calls("`uid()`, uid2(), `auth.in_org(org_id)` `x` `f(a)`"), ["uid", "in_org", "f"]);
}
