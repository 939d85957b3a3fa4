//! No finding that auth.lint() can make is left without a plant.

use super::all_cases;

#[test]
fn every_finding_that_lint_can_make_is_planted_here() {
    let mut made = Vec::new();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../sql/functions/linting");
    for file in [
        "tables",
        "open",
        "policies",
        "keys",
        "relations",
        "roles",
        "signing_keys",
        "users",
        "tenancy",
        "tenants",
        "guards",
        "postgrest",
    ] {
        let sql = std::fs::read_to_string(format!("{root}/{file}.sql")).unwrap();
        for line in sql.lines() {
            let parts: Vec<_> = line.split('\'').collect();
            let is_severity = |part: &str| ["error", "warning", "info"].contains(&part);
            for window in parts.windows(3).filter(|window| window[1] == ", " && is_severity(window[2])) {
                made.push(window[0].to_owned());
            }
        }
    }
    assert!(made.len() > 30, "{made:?}");
    for code in made {
        assert!(all_cases().any(|case| case.0 == code), "{code} is never planted");
    }
}
