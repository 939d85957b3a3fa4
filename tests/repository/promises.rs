//! Each sentence of what SECURITY.md promises names the tests that keep it.

use crate::sources::{read, root};

/// The sentences of the numbered promises.
fn promises(document: &str) -> Vec<String> {
    let (_, after) = document.split_once("## What is promised").unwrap();
    let section = after.split("\n## ").next().unwrap();
    let (_, numbered) = section.split_once("\n1. ").unwrap();
    let line = |line: &str| {
        let line = line.trim();
        let (number, rest) = line.split_once(". ").unwrap_or(("", line));
        if number.len() <= 2 && number.parse::<u8>().is_ok() { rest.to_owned() } else { line.to_owned() }
    };
    let text = numbered.lines().map(line).collect::<Vec<String>>().join(" ");
    // A sentence ends with its brackets.
    text.split_inclusive(". ")
        .map(|sentence| sentence.trim().to_owned())
        .filter(|sentence| !sentence.is_empty())
        .collect()
}

/// What is wrong with a sentence.
fn fault(sentence: &str) -> Option<String> {
    let named = sentence.strip_suffix("`).").and_then(|sentence| sentence.rsplit_once("(`"));
    let Some((_, named)) = named else { return Some(format!("names no test: {sentence}")) };
    let missing = named.split("`, `").find(|name| !root().join(format!("tests/database/{name}.rs")).exists());
    missing.map(|name| format!("there is no tests/database/{name}.rs: {sentence}"))
}

#[test]
fn every_promise_names_the_tests_that_keep_it() {
    let sentences = promises(&read("SECURITY.md"));
    assert!(sentences.len() > 15, "{sentences:#?}");
    let faults: Vec<String> = sentences.iter().filter_map(|sentence| fault(sentence)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    for wrong in [
        "It holds.",
        "It holds (`forging`, `nothing`).",
        "It holds (forging).",
        "It holds (`forging`) mostly.",
    ] {
        assert!(fault(wrong).is_some(), "{wrong}");
    }
    assert_eq!(fault("It holds (`forging`, `tenancy/races`)."), None);
}
