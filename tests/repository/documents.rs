//! What Cargo.toml, CHANGELOG.md, README.md and ARCHITECTURE.md must say.

use crate::sources::{read, root};

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
        ["src/", "sql/", "tests/", "xtask/", "benches/", "examples/"]
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
    for document in ["README.md", "ARCHITECTURE.md"] {
        for path in paths(&read(document)) {
            assert!(root().join(&path).exists(), "{document} mentions {path}, which does not exist");
        }
    }
    let example = "In src/no.rs: `src/a.rs`, `b`, `tests/x/*.rs` and\n```\ncat sql/c.sql\n``` or `src/d/`.";
    assert_eq!(paths(example), ["src/a.rs", "tests/x", "sql/c.sql", "src/d/"]);
}
