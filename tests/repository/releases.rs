//! What was released never changes: the install script of every release and the steps that lead to one.

use crate::sources::{File, all, read};
use crate::{Rule, has_word, hold};
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

/// What of a step Postgres refuses while anybody's table, be it a temporary one, has a column of a row type of ours: it would
/// have to write that table anew.
fn rewrites(file: &File) -> Vec<String> {
    if !file.path.starts_with("sql/upgrade/") {
        return Vec::new();
    }
    let code: String = file
        .text
        .lines()
        .map(|line| line.split("--").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join(" ");
    let code = code.to_lowercase();
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut faults = Vec::new();
    for statement in code.split(';').map(words).filter(|statement| statement.contains("alter table")) {
        for part in statement.split("add ").skip(1) {
            let part = part.strip_prefix("column ").unwrap_or(part);
            let others = ["constraint ", "check ", "primary ", "unique ", "exclude ", "foreign "];
            if others.iter().any(|other| part.starts_with(other)) {
                continue;
            }
            // The next part of the statement begins with a verb of its own.
            let end = [", alter ", ", drop "].iter().filter_map(|next| part.find(next)).min();
            let column = part.get(..end.unwrap_or(part.len())).unwrap_or_default();
            if ["default", "generated"].iter().any(|word| has_word(column, word)) || column.contains("serial")
            {
                faults.push(format!("add column {column}"));
            }
        }
        if statement.contains("alter column")
            && (has_word(&statement, "type") || statement.contains("set data type"))
            || statement.contains("set unlogged")
            || statement.contains("set logged")
        {
            faults.push(statement);
        }
    }
    faults
}

#[test]
fn no_step_writes_a_table_anew() {
    let path = "sql/upgrade/1.0--1.1.sql";
    hold(
        rewrites,
        &[
            (path, "alter table auth.roles add column a int default 1;"),
            (
                path,
                "alter table auth.roles\n    add column a int,\n    add column b uuid not null\n    default gen_random_uuid();",
            ),
            (path, "ALTER TABLE auth.roles ADD COLUMN a int GENERATED always as (1) stored, add b int;"),
            (path, "alter table auth.roles add a int, add b int default 1;"),
            (path, "alter table auth.roles add column a bigserial;"),
            (path, "alter table auth.roles alter column rank type bigint;"),
            (path, "alter table auth.roles alter column rank set data type bigint;"),
        ],
    );
    let right = "alter table a add column b int, alter column b set default 1, alter column b set not null;
                 alter table a add column \"default_b\" int; -- add column c int default 1
                 create table c (d int default 1);";
    assert_eq!(rewrites(&File::new(path, right)), [] as [String; 0]);
}

/// What keeps a database of a release from being updated to the current version, if these are the steps.
fn chain_faults(released: &[&str], current: &str, steps: &[&str]) -> Vec<String> {
    let ends: Vec<_> = steps.iter().filter_map(|step| step.split_once("--")).collect();
    let mut faults = Vec::new();
    for (from, to) in &ends {
        if !released.contains(from) || !(released.contains(to) || *to == current) || from == to {
            faults.push(format!("{from}--{to} does not lead from a release to a later one or to {current}"));
        }
        if ends.iter().filter(|(other, _)| other == from).count() > 1 {
            faults.push(format!("more than one step begins at {from}"));
        }
    }
    for version in released {
        let mut at = *version;
        // A circle never ends.
        for _ in 0..=ends.len() {
            at = ends.iter().find(|(from, _)| *from == at && at != current).map_or(at, |(_, to)| to);
        }
        if at != current {
            faults.push(format!("the steps from {version} end at {at} instead of {current}"));
        }
    }
    faults
}

#[test]
fn the_steps_lead_from_every_release_to_this_version() {
    let manifest = read("Cargo.toml");
    let current =
        manifest.lines().find_map(|line| line.strip_prefix("version = ")).unwrap().trim_matches('"');
    let files = all();
    let versions_in = |place: &str| -> Vec<&str> {
        let files = files.iter().filter(|file| file.path.starts_with(place));
        files.filter_map(|file| version_of(&file.path)).collect()
    };
    let (released, upgrades) = (versions_in(RELEASED), versions_in("sql/upgrade/"));
    let steps: Vec<_> = upgrades.into_iter().filter(|name| !["before", "after"].contains(name)).collect();
    assert!(!released.is_empty() && steps.iter().all(|step| step.contains("--")), "{steps:?}");
    assert_eq!(chain_faults(&released, current, &steps), [] as [String; 0]);
}

#[test]
fn a_step_that_leads_nowhere_is_noticed() {
    let released = ["1", "2"];
    let faults = |current: &str, steps: &[&str]| chain_faults(&released, current, steps).len();
    assert_eq!(faults("3", &["1--2", "2--3"]), 0);
    // Released just now.
    assert_eq!(faults("2", &["1--2"]), 0);
    assert_eq!(faults("3", &["1--3", "2--3"]), 0);
    for steps in [
        &["1--2"][..],
        &["2--3"],
        &["1--2", "2--3-dev"],
        &["1--2", "2--1"],
        &["1--2", "2--3", "0--1"],
        &["1--2", "2--3", "1--3"],
        &["1--2", "2--2"],
    ] {
        assert!(faults("3", steps) > 0, "{steps:?}");
    }
}

/// What an update itself calls, and what it leaves in the place of a function that it could not drop.
const OF_UPDATES: [&str; 3] =
    ["auth_internal.move_function(", "auth_internal.retire_function(", "auth_internal.%I("];

#[test]
fn updates_hold_no_function_that_sql_functions_is_the_home_of() {
    let rule: Rule = |file| {
        if !file.is_in("sql/upgrade") {
            return Vec::new();
        }
        let words = |line: &str| line.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let text: Vec<_> =
            file.text.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
        let text = words(&text.join("\n"));
        let created = [
            "create function ",
            "create or replace function ",
            "create procedure ",
            "create or replace procedure ",
        ];
        let made = created.iter().flat_map(|begin| text.split(begin).skip(1));
        let ours = made.filter(|rest| !OF_UPDATES.iter().any(|name| rest.starts_with(&name.to_lowercase())));
        ours.map(|rest| rest.chars().take(60).collect()).collect()
    };
    let path = "sql/upgrade/1--2.sql";
    hold(
        rule,
        &[
            (path, "create or replace function auth.uid() returns uuid"),
            (path, "create function auth.uid() returns uuid"),
            (path, "CREATE OR REPLACE\n  FUNCTION auth_internal.role_in(uuid)"),
            ("sql/upgrade/before.sql", "create function auth_internal.other() returns void"),
        ],
    );
    assert!(
        rule(&File::new(path, "-- create function auth.uid()\nalter table auth.roles add x int;")).is_empty()
    );
}
