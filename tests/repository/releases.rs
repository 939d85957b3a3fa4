//! What was released never changes: the install script of every release and the steps that lead to one.

use crate::sources::{File, all, read};
use aws_lc_rs::digest::{SHA256, digest};

const RELEASED: &str = "tests/upgrade/released/";

/// The versions that CHANGELOG.md has a heading with a date for.
fn versions(changelog: &str) -> Vec<&str> {
    let headings = changelog.lines().filter_map(|line| line.strip_prefix("## ")?.split_once(" ("));
    headings.filter(|(version, _)| *version != "Unreleased").map(|(version, _)| version).collect()
}

/// The version of a released script, or the two versions of a step.
fn version_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(RELEASED).and_then(|name| name.strip_prefix("pg_bearer--"));
    name.or(path.strip_prefix("sql/upgrade/"))?.strip_suffix(".sql")
}

/// What is wrong with these files if `sums` (lines of sha256sum) is what they were at their release.
fn faults(changelog: &str, sums: &str, files: &[File]) -> Vec<String> {
    let released = versions(changelog);
    let frozen = |file: &&File| match version_of(&file.path) {
        Some(version) if file.path.starts_with(RELEASED) => released.contains(&version),
        Some(step) => step.split_once("--").is_some_and(|(_, to)| released.contains(&to)),
        None => false,
    };
    let mut faults = Vec::new();
    for version in &released {
        let script = format!("{RELEASED}pg_bearer--{version}.sql");
        if !files.iter().any(|file| file.path == script) {
            faults.push(format!("{version} was released, and {script} is missing"));
        }
    }
    for file in files.iter().filter(frozen) {
        let sum = hex::encode(digest(&SHA256, file.text.as_bytes()));
        if !sums.lines().any(|line| line == format!("{sum}  {}", file.path)) {
            faults.push(format!("{} is not what was released ({sum})", file.path));
        }
    }
    for line in sums.lines() {
        let path = line.split_once("  ").map_or("", |(_, path)| path);
        if !files.iter().any(|file| file.path == path) {
            faults.push(format!("{path} was released, and is gone"));
        }
    }
    faults
}

#[test]
fn what_was_released_is_as_it_was() {
    let (changelog, sums) = (read("CHANGELOG.md"), read(&format!("{RELEASED}SHA256SUMS")));
    let found = faults(&changelog, &sums, &all());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    assert!(!versions(&changelog).is_empty(), "no version was released");
}

#[test]
fn a_changed_release_is_noticed() {
    let script = File::new("tests/upgrade/released/pg_bearer--1.0.sql", "select 1;\n");
    let step = File::new("sql/upgrade/0.9--1.0.sql", "select 2;\n");
    let later = File::new("sql/upgrade/1.0--1.1.sql", "select 3;\n");
    let changelog = "# Changelog\n\n## Unreleased (1.1)\n\n## 1.0 (2026-01-31)\n\n- x\n";
    let sum =
        |file: &File| format!("{}  {}\n", hex::encode(digest(&SHA256, file.text.as_bytes())), file.path);
    let sums = sum(&script) + &sum(&step);
    let files = |changed: &str| vec![File::new(&script.path, changed), File::new(&step.path, &step.text)];
    assert_eq!(faults(changelog, &sums, &[files("select 1;\n"), vec![later]].concat()), [] as [String; 0]);
    assert_eq!(faults(changelog, &sums, &files("select 1 ;\n")).len(), 1);
    assert_eq!(faults(changelog, &sum(&script), &files("select 1;\n")).len(), 1);
    let all = files("select 1;\n");
    let (first, second) = all.split_at(1);
    assert_eq!(faults(changelog, &sums, first).len(), 1);
    assert_eq!(faults(changelog, &sums, second).len(), 2);
}
