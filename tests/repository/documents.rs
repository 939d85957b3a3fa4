//! What Cargo.toml, CHANGELOG.md, README.md, ARCHITECTURE.md and tests/THREATS.md must say.

use crate::sources::{all, read, root};

/// The value of a key in one section of a TOML file that is written plainly.
fn setting<'a>(toml: &'a str, section: &str, key: &str) -> Option<&'a str> {
    let (_, after) = toml.split_once(&format!("\n[{section}]\n"))?;
    let section = after.split("\n[").next()?;
    let values = section.lines().filter_map(|line| line.split_once('='));
    values
        .map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| *name == key)
        .map(|(_, value)| value)
}

#[test]
fn a_panic_unwinds_and_numbers_do_not_wrap() {
    let toml = read("Cargo.toml");
    for profile in ["profile.release", "profile.dev"] {
        assert_eq!(setting(&toml, profile, "panic"), Some("\"unwind\""), "{profile}");
    }
    assert_eq!(setting(&toml, "profile.release", "overflow-checks"), Some("true"));
    assert_eq!(setting(&toml, "workspace.lints.rust", "unsafe_code"), Some("\"deny\""));

    let planted = "\n[profile.release]\npanic = \"abort\"\n\n[other]\noverflow-checks = true\n";
    assert_eq!(setting(planted, "profile.release", "panic"), Some("\"abort\""));
    assert_eq!(setting(planted, "profile.release", "overflow-checks"), None);
}

fn has_heading(changelog: &str, version: &str) -> bool {
    let headings = changelog.lines().filter(|line| line.starts_with('#'));
    let mut words = headings.flat_map(|line| line.split(|c: char| c.is_whitespace() || "[](),".contains(c)));
    words.any(|word| word == version || word == "Unreleased")
}

#[test]
fn the_version_is_in_the_changelog() {
    let manifest = format!("\n{}", read("Cargo.toml"));
    let version = setting(&manifest, "package", "version").unwrap().trim_matches('"').to_owned();
    assert!(has_heading(&read("CHANGELOG.md"), &version), "CHANGELOG.md has no heading for {version}");
    assert!(!has_heading("# Changelog\n## 0.1.0\nUnreleased", "0.2.0"));
    assert!(has_heading("# Changelog\n## [0.2.0] (2026)", "0.2.0"));
}

/// The files and folders of ours that a document names in backticks. A name with a placeholder stands for
/// the folder it is in.
fn paths(document: &str) -> Vec<String> {
    let quoted = document.split('`').skip(1).step_by(2).flat_map(str::split_whitespace);
    let ours = |word: &&str| {
        ["src/", "sql/", "tests/", "xtask/", "benches/", "examples/", "docs/"]
            .iter()
            .any(|place| word.starts_with(place))
    };
    let plain = |word: &str| {
        let word = word.trim_end_matches(['.', ',', ';', ':', ')']);
        match word.find(['*', '<', '{', '…']).or_else(|| word.find("--a--b")) {
            Some(at) => {
                word.get(..at).unwrap().rsplit_once('/').map_or(word, |(folder, _)| folder).to_owned()
            }
            None => word.to_owned(),
        }
    };
    quoted.filter(ours).map(plain).collect()
}

#[test]
fn the_documents_name_files_that_exist() {
    let named = |document: &str, text: &str| {
        for path in paths(text) {
            assert!(root().join(&path).exists(), "{document} mentions {path}, which does not exist");
        }
    };
    for document in ["README.md", "ARCHITECTURE.md", "docs/versions.md"] {
        named(document, &read(document));
    }
    for file in all().iter().filter(|file| file.is_in("src")) {
        for line in file.text.lines().filter(|line| line.trim_start().starts_with("//")) {
            named(&file.path, line);
        }
    }
    let example = "In src/no.rs: `src/a.rs`, `b`, `tests/x/*.rs` and\n```\ncat sql/c.sql\n``` or `src/d/`.";
    assert_eq!(paths(example), ["src/a.rs", "tests/x", "sql/c.sql", "src/d/"]);
}

/// The rows of tests/THREATS.md: the number of an attack, and what keeps it off.
fn threats(document: &str) -> Vec<(u32, &str)> {
    let rows = document.lines().filter_map(|line| {
        let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|');
        let number = cells.next()?.trim().parse().ok()?;
        Some((number, cells.nth(1)?.trim()))
    });
    rows.collect()
}

/// The attacks that a test is numbered after: of `t010_t021_a` 10 and 21.
fn numbers(test: &str) -> Vec<u32> {
    let number = |part: &str| part.strip_prefix('t').filter(|digits| digits.len() == 3)?.parse().ok();
    test.split('_').map_while(number).collect()
}

/// The tests that exist, as the table names them.
fn tests() -> Vec<String> {
    let mut tests = Vec::new();
    for file in all() {
        let module = match file.path.strip_suffix(".rs").unwrap_or_default() {
            "tests/repository/main" => "repository".into(),
            path => match (path.strip_prefix("tests/database/"), path.strip_prefix("src/verify/tests/")) {
                (Some(module), _) => module.replace('/', "::"),
                (_, Some(module)) => format!("verify::tests::{module}"),
                (None, None) => match path.strip_prefix("tests/repository/") {
                    Some(module) => format!("repository::{module}"),
                    None => continue,
                },
            },
        };
        let functions =
            file.text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split('(').next());
        tests.extend(functions.map(|function| format!("{module}::{function}")));
    }
    tests
}

/// What is wrong with the table, if these are the tests and this is what SECURITY.md says.
fn faults(table: &str, tests: &[String], security: &str) -> Vec<String> {
    let rows = threats(table);
    let numbered = tests.iter().flat_map(|test| numbers(test.rsplit("::").next().unwrap_or_default()));
    let mut expected: Vec<u32> = numbered.chain(1..=111).collect();
    expected.sort_unstable();
    expected.dedup();
    let mut faults: Vec<String> = expected
        .iter()
        .filter(|number| rows.iter().filter(|(found, _)| found == *number).count() != 1)
        .map(|number| format!("attack {number} has not exactly one row"))
        .collect();
    for (number, defence) in rows {
        let named = defence.split('`').skip(1).step_by(2).filter(|word| word.contains("::"));
        let unknown = named.filter(|name| !tests.iter().any(|test| test == name));
        faults.extend(unknown.map(|name| format!("attack {number}: there is no test {name}")));
        let heading = defence.split_once("SECURITY.md: ").map(|(_, heading)| heading);
        if defence.is_empty() || heading.is_some_and(|heading| !security.contains(&format!("**{heading}"))) {
            faults.push(format!("attack {number}: {defence:?} keeps nothing off"));
        }
    }
    faults
}

#[test]
fn every_attack_that_tests_are_numbered_after_is_listed_with_tests_that_exist() {
    let (table, tests, security) = (read("tests/THREATS.md"), tests(), read("SECURITY.md"));
    assert!(tests.iter().filter(|test| test.contains("::t0")).count() > 100, "{} tests", tests.len());
    let found = faults(&table, &tests, &security);
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    assert_eq!(numbers("t010_t021_a_b"), [10, 21]);
    for (what, changed) in [
        ("a row is missing", table.replace("\n| 27 |", "\n| x |")),
        ("a row is there twice", table.replace("\n| 27 |", "\n| 26 |")),
        ("a test has another name", table.replace("::t001_set_", "::t001_sit_")),
        ("a test is elsewhere", table.replace("tokens::t089", "identity::t089")),
        ("a heading has another name", table.replace("SECURITY.md: Replay", "SECURITY.md: Display")),
        ("nothing keeps it off", table.replace("| SECURITY.md: Replay |", "| |")),
    ] {
        assert!(!faults(&changed, &tests, &security).is_empty(), "not noticed: {what}");
    }
}
