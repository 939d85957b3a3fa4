//! README's SQL runs as it stands there, in the order in which it stands there.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{installation, server};
use pg_bearer_tests::token::*;
use serde_json::json;

const README: &str = include_str!("../../README.md");

/// The blocks between ```sql and ```.
fn blocks() -> Vec<&'static str> {
    README.split("```sql\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

#[test]
fn the_sql_of_the_readme_runs_and_shows_what_it_says() {
    let db = Database::empty();
    let pair = Pair::es256();
    let claims = json!({"iss": "https://login.example", "aud": "api", "sub": USER_A, "exp": now() + 60,
                        "app_metadata": {"org_id": ORG_A}});
    let blocks = blocks();
    assert!(blocks.len() >= 5, "README has only {} blocks of SQL", blocks.len());
    let script = blocks.concat() + "reset role; drop owned by app; drop role app;";
    let psql = installation().bin("psql");
    let mut command = installation().command(&psql);
    command
        .args([
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "postgres",
            "-d",
            &db.name,
            "-c",
            "\\pset footer off",
        ])
        .arg("-h")
        .arg(server().socket_dir())
        .arg("-p")
        .arg(server().port().to_string())
        .args(["-f", "-"])
        .arg("-v")
        .arg(format!("jwks={}", jwks(&[pair.jwk("k1")])))
        .arg("-v")
        .arg(format!("secret={SECRET}"))
        .arg("-v")
        .arg(format!("token={}", pair.sign("k1", &claims)))
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), script.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{errors}\n{shown}");
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines.contains(&format!("1|{ORG_A}|100").as_str()), "no invoice is shown:\n{shown}");
    assert!(lines.contains(&"0"), "the identity is not gone:\n{shown}");
    assert!(lines.contains(&format!("t||{USER_A}").as_str()), "check_jwt says otherwise:\n{shown}");
    assert!(lines.contains(&"k1|ES256|active|t"), "the key is not listed:\n{shown}");
}

#[test]
fn the_readme_is_short() {
    assert!(README.lines().count() <= 250);
}

#[test]
fn the_readme_names_every_function_that_people_may_call() {
    let db = Database::new();
    let rows = db
        .superuser()
        .query(
            "select proname::text from pg_proc p
              where pronamespace = 'auth'::regnamespace
                and (has_function_privilege('tenant', p.oid, 'execute') or has_function_privilege('administrator', p.oid, 'execute'))",
            &[],
        )
        .unwrap();
    assert!(rows.len() > 30);
    for row in rows {
        let name: String = row.get(0);
        assert!(README.contains(&format!("`{name}(")), "README does not mention {name}");
    }
}
