//! What the repository says about versions of PostgreSQL agrees, and the code knows them in one place.

use crate::sources::read;
use crate::{Rule, hold};

/// The major versions that there is a feature for.
fn majors(manifest: &str) -> Vec<&str> {
    manifest
        .lines()
        .filter_map(|line| line.strip_prefix("pg")?.split_once(" = [\"pgrx/pg"))
        .map(|(n, _)| n)
        .collect()
}

/// The words for these versions.
type Told = fn(&[&str]) -> Vec<String>;

/// Where the versions are told, and how each of them is told there.
const TOLD: &[(&str, Told)] = &[
    ("xtask/src/pg_config.rs", |all| vec![format!("SUPPORTED: &[u32] = &[{}];", all.join(", "))]),
    ("xtask/build_postgresql.sh", |all| all.iter().map(|major| format!("\n{major}) suites=")).collect()),
    ("xtask/setup.sh", |all| vec![format!("\n{}) ;;", all.join(" | "))]),
    ("docs/versions.md", |all| all.iter().map(|major| format!("\n| {major} |")).collect()),
    (".github/workflows/test.yml", |all| vec![format!("pg: [{}]", all.join(", "))]),
    ("Makefile", |all| vec![format!("PG={} ", all.join("|"))]),
];

#[test]
fn every_version_is_told_everywhere() {
    let manifest = read("Cargo.toml");
    let majors = majors(&manifest);
    assert!(majors.len() > 1, "{majors:?}");
    for (path, told) in TOLD {
        let text = read(path);
        for part in told(&majors) {
            assert!(text.contains(&part), "{path} does not say {part:?}");
        }
        let mut more = majors.clone();
        more.push("99");
        assert!(told(&more).iter().any(|part| !text.contains(part)), "{path} would say anything");
    }
}

#[test]
fn versions_differ_in_one_module() {
    let rule: Rule = |file| {
        if !file.is_in("src") || file.is_in("src/pg/ffi/version.rs") {
            return Vec::new();
        }
        let told = |line: &str| line.contains("feature = \"pg") || line.contains("VERSION_NUM");
        file.code().filter(|(_, line)| told(line)).map(|(number, line)| format!("{number}: {line}")).collect()
    };
    hold(
        rule,
        &[
            ("src/pg/store.rs", "#[cfg(feature = \"pg15\")]"),
            ("src/pg/ffi/scan.rs", "if cfg!(not(feature = \"pg18\")) {"),
            ("src/pg/ffi/scan.rs", "if pg_sys::PG_VERSION_NUM > 160000 {"),
        ],
    );
}
