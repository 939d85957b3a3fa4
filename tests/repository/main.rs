//! Rules of the repository itself. Each rule is tried on a file that breaks it, too.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly")]

mod documents;
mod http_example;
mod postgresql_source;
mod promises;
mod releases;
mod sources;
mod versions;

use serde_json::Value;
use sources::{File, all, read};

/// What a rule holds against a file: lines, or remarks about the whole.
type Rule = fn(&File) -> Vec<String>;

/// Asserts that the rule finds fault with each of these examples, and with no file of ours.
fn hold(rule: Rule, examples: &[(&str, &str)]) {
    for (path, text) in examples {
        assert!(!rule(&File::new(path, text)).is_empty(), "the rule does not notice {text:?} in {path}");
    }
    let faults: Vec<String> = all()
        .iter()
        .flat_map(|file| rule(file).into_iter().map(|fault| format!("{}: {fault}", file.path)))
        .collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// The lines that contain one of these words: whole ones where the word begins or ends with a letter.
fn mentions<'a>(lines: impl Iterator<Item = (usize, &'a str)>, words: &[&str]) -> Vec<String> {
    lines
        .filter(|(_, line)| words.iter().any(|word| has_word(line, word)))
        .map(|(number, line)| format!("{number}: {}", line.trim()))
        .collect()
}

fn has_word(line: &str, word: &str) -> bool {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (line.get(..start).unwrap(), line.get(start + word.len()..).unwrap());
        let goes_on_before = word.starts_with(letter) && before.ends_with(letter);
        let goes_on_after = word.ends_with(letter) && after.starts_with(letter);
        !goes_on_before && !goes_on_after
    })
}

#[test]
fn verify_knows_no_postgres_clock_file_or_randomness() {
    let rule: Rule = |file| {
        if !file.is_in("src/verify") {
            return Vec::new();
        }
        let mut faults = mentions(
            file.code(),
            &[
                "pgrx",
                "pg_sys",
                "SystemTime",
                "Instant",
                "std::env",
                "std::fs",
                "std::net",
                "unsafe",
                "crate::pg",
            ],
        );
        faults.extend(mentions(file.production(), &["SystemRandom", "rand::", "thread_rng"]));
        faults
    };
    let path = "src/verify/token.rs";
    hold(
        rule,
        &[
            (path, "use pgrx::prelude::*;"),
            (path, "fn a() -> pg_sys::Oid {"),
            (path, "let now = SystemTime::now();"),
            (path, "let now = std::time::Instant::now();"),
            (path, "std::env::var(\"X\")"),
            (path, "    std::fs::read(path)"),
            (path, "unsafe { x() }"),
            (path, "use crate::pg::store;"),
            (path, "aws_lc_rs::rand::SystemRandom::new()"),
            ("src/verify/tests/times.rs", "let now = SystemTime::now();"),
        ],
    );
}

#[test]
fn unsafe_code_is_in_ffi_alone() {
    let rule: Rule = |file| {
        if file.is_in("src/pg/ffi") || !file.has_extension("rs") || file.is_in("tests/repository") {
            return Vec::new();
        }
        let beginnings =
            ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "unsafe trait", "#[unsafe"];
        [
            mentions(file.code(), &beginnings),
            mentions(file.code(), &["allow(unsafe_code", "expect(unsafe_code"]),
        ]
        .concat()
    };
    hold(
        rule,
        &[
            ("src/pg/identity.rs", "    unsafe { x() }"),
            ("xtask/src/server.rs", "unsafe fn a() {}"),
            ("src/pg/mod.rs", "#![allow(unsafe_code)]"),
        ],
    );
}

#[test]
fn unsafe_blocks_say_why_they_are_sound() {
    let rule: Rule = |file| {
        if !file.is_in("src") {
            return Vec::new();
        }
        let lines: Vec<&str> = file.text.lines().collect();
        let explained = |number: usize| {
            let above = lines.get(number.saturating_sub(5)..number).unwrap_or_default();
            above.iter().any(|line| line.trim_start().starts_with("// SAFETY: "))
        };
        let unexplained = file.code().filter(|(number, _)| !explained(*number));
        mentions(unexplained, &["unsafe {", "unsafe impl"])
    };
    let path = "src/pg/ffi/scan.rs";
    hold(
        rule,
        &[
            (path, "fn a() {\n    unsafe { b() }\n}"),
            (path, "// SAFETY: x\n\n\n\n\nunsafe impl Sync for A {}"),
            (path, "    let a = unsafe {"),
        ],
    );
    assert!(rule(&File::new(path, "// SAFETY: x\nlet a =\n    unsafe { b() };")).is_empty());
}

#[test]
fn input_never_reaches_a_panic() {
    let rule: Rule = |file| {
        if !file.is_in("src") {
            return Vec::new();
        }
        mentions(
            file.production(),
            &[
                ".unwrap()",
                ".expect(",
                ".unwrap_err()",
                ".expect_err(",
                "panic!",
                "unreachable!",
                "todo!",
                "unimplemented!",
                "dbg!",
                "println!",
                "eprintln!",
                "print!",
                "eprint!",
            ],
        )
    };
    let path = "src/pg/store.rs";
    hold(
        rule,
        &[
            (path, "    a.unwrap();"),
            (path, "    a.expect(\"b\");"),
            (path, "panic!(\"a\")"),
            (path, "todo!()"),
            (path, "dbg!(a)"),
            (path, "std::println!(\"a\")"),
            (path, "#[cfg(test)]\nmod tests {\n    fn a() {}\n}\n\nfn b() { c.unwrap() }"),
            (path, "#[cfg(test)]\nmod tests;\n\nfn b() { c.unwrap() }"),
        ],
    );
    assert!(
        rule(&File::new(path, "#[cfg(test)]\nmod tests {\n    use x;\n    fn a() { b.unwrap(); }\n}"))
            .is_empty()
    );
    assert!(rule(&File::new("src/verify/tests/a.rs", "a.unwrap()")).is_empty());
}

#[test]
fn tables_are_read_in_one_place() {
    let rule: Rule = |file| {
        // The scans themselves are unsafe code, so they are defined in ffi.
        let scans = ["src/pg/ffi/scan.rs", "src/pg/ffi/row.rs", "src/pg/ffi/source.rs", "src/pg/ffi/rows.rs"];
        let homes = [&["src/pg/store.rs", "src/pg/store"][..], &scans].concat();
        if !file.is_in("src") || homes.iter().any(|home| file.is_in(home)) {
            return Vec::new();
        }
        mentions(file.code(), &["scan::", "Latest", "Spi", "SpiClient", "spi", "pg_sys::SPI_"])
    };
    let path = "src/pg/credential.rs";
    hold(
        rule,
        &[
            (path, "use super::ffi::scan::Row;"),
            (path, "Latest::new()"),
            (path, "Spi::connect(|c| c.select(\"x\"))"),
            (path, "use pgrx::spi;"),
        ],
    );
}

#[test]
fn background_workers_begin_in_one_place() {
    let rule: Rule = |file| {
        // The launcher is connected to no database.
        let homes = ["src/pg/ffi/worker.rs", "src/pg/ffi/launcher.rs"];
        if !file.is_in("src") || homes.contains(&file.path.as_str()) {
            return Vec::new();
        }
        let beginnings = [
            "BackgroundWorkerUnblockSignals",
            "BackgroundWorkerInitializeConnection",
            "BackgroundWorkerInitializeConnectionByOid",
            "RegisterBackgroundWorker",
            "RegisterDynamicBackgroundWorker",
            "StartTransactionCommand",
            "BackgroundWorkerBuilder",
        ];
        mentions(file.code(), &beginnings)
    };
    let path = "src/pg/ffi/usage_worker.rs";
    hold(
        rule,
        &[
            (path, "    pg_sys::BackgroundWorkerInitializeConnectionByOid(database, user, 0);"),
            (path, "    pg_sys::StartTransactionCommand();"),
            ("src/pg/usage.rs", "use pgrx::bgworkers::BackgroundWorkerBuilder;"),
        ],
    );
}

/// Where else SQLSTATEs are named, and why.
const SQLSTATE_ELSEWHERE: &[(&str, &str)] =
    &[("src/pg/ffi/carrier.rs", "a check hook sets the code of its refusal as a number")];

#[test]
fn sqlstates_are_chosen_in_one_place() {
    let rule: Rule = |file| {
        let known = SQLSTATE_ELSEWHERE.iter().any(|(path, _)| *path == file.path);
        if !file.is_in("src") || file.is_in("src/pg/sqlstate.rs") || file.is_in("src/pg/sqlstate") || known {
            return Vec::new();
        }
        file.code()
            .filter(|(_, line)| line.contains("ERRCODE_"))
            .map(|(number, line)| format!("{number}: {line}"))
            .collect()
    };
    hold(rule, &[("src/pg/functions/keys.rs", "PgSqlErrorCode::ERRCODE_INTERNAL_ERROR")]);
    for (path, why) in SQLSTATE_ELSEWHERE {
        assert_eq!(read(path).matches("ERRCODE_").count(), 1, "{path}: {why}");
    }
}

#[test]
fn a_new_reason_does_not_compile_until_it_has_a_sqlstate() {
    let rule: Rule = |file| {
        if file.path != "src/pg/sqlstate.rs" {
            return Vec::new();
        }
        mentions(file.code(), &["_ =>"])
    };
    hold(rule, &[("src/pg/sqlstate.rs", "        _ => internal(),")]);
}

#[test]
fn files_are_short() {
    let rule: Rule = |file| {
        let ours = ["src", "tests", "xtask", "sql", "benches"].iter().any(|place| file.is_in(place));
        // Of another project, or as they were released. A step is one list of what a release changed, in order.
        let as_they_are = ["tests/upgrade/released", "tests/gotrue"].iter().any(|place| file.is_in(place))
            || file.is_in("sql/upgrade") && file.path.contains("--");
        let lines = file.text.lines().count();
        if ours && !as_they_are && (file.has_extension("rs") || file.has_extension("sql")) && lines > 400 {
            return vec![format!("{lines} lines, more than 400")];
        }
        Vec::new()
    };
    let long = "x\n".repeat(401);
    for path in ["src/pg/a.rs", "tests/database/a.rs", "xtask/src/a.rs", "sql/functions/a/a.sql"] {
        hold(rule, &[(path, &long)]);
    }
}

#[test]
fn no_function_says_which_of_two_meanings_a_name_has() {
    let rule: Rule = |file| {
        if !file.is_in("sql") {
            return Vec::new();
        }
        let lines = file.text.lines().enumerate();
        // PL/pgSQL takes capital letters, and a blank after the sign.
        lines
            .filter(|(_, line)| line.to_lowercase().contains("variable_conflict"))
            .map(|(index, line)| format!("{}: {line}", index + 1))
            .collect()
    };
    hold(
        rule,
        &[
            ("sql/functions/a/a.sql", "as $$\n#variable_conflict use_variable\nbegin"),
            ("sql/functions/a/b.sql", "as $$\n# Variable_Conflict use_column\ndeclare"),
            ("sql/upgrade/before.sql", "    set plpgsql.variable_conflict = error as $$"),
        ],
    );
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    let rule: Rule = |file| {
        // Taken apart, so that this file does not mention them either.
        let places = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
        let lines = file.text.lines().enumerate();
        lines
            .filter(|(_, line)| places.iter().any(|place| line.contains(place)))
            .map(|(index, line)| format!("{}: {}", index + 1, line.chars().take(200).collect::<String>()))
            .collect()
    };
    hold(
        rule,
        &[
            ("README.md", concat!("see /wo", "rk/main")),
            ("Makefile", concat!("cd /ro", "ot/x")),
            ("benches/a.sh", concat!("/ho", "me/me/x")),
        ],
    );
}

#[test]
fn no_test_is_switched_off() {
    let rule: Rule = |file| {
        if !file.has_extension("rs") || file.is_in("tests/repository") {
            return Vec::new();
        }
        let switched_off = |line: &str| line.contains("#[ignore") || line.contains("cfg(any())");
        file.code().filter(|(_, line)| switched_off(line)).map(|(number, _)| number.to_string()).collect()
    };
    hold(rule, &[("tests/database/a.rs", "#[test]\n#[ignore = \"slow\"]"), ("src/a.rs", "#[ignore]")]);
}

#[test]
fn test_vectors_hold_no_private_key() {
    fn is_private(value: &Value) -> bool {
        match value {
            Value::Object(members) => {
                ["d", "p", "q", "dp", "dq", "qi"].iter().any(|name| members.contains_key(*name))
                    || members.values().any(is_private)
            }
            Value::Array(values) => values.iter().any(is_private),
            Value::String(text) => text.contains("PRIVATE KEY"),
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }
    let rule: Rule = |file| {
        if !file.is_in("tests/vectors") || !file.has_extension("json") {
            return Vec::new();
        }
        match serde_json::from_str(&file.text) {
            Ok(value) if is_private(&value) => vec!["holds a private key".into()],
            Ok(_) => Vec::new(),
            Err(error) => vec![error.to_string()],
        }
    };
    let path = "tests/vectors/keys.json";
    hold(
        rule,
        &[
            (path, r#"[{"jwk": {"kty": "EC", "d": "AA"}}]"#),
            (path, r#"{"pem": "-----BEGIN PRIVATE KEY-----"}"#),
            (path, "{"),
        ],
    );
}

#[test]
fn every_file_of_tests_is_compiled() {
    let declared = |text: &str, name: &str| text.lines().any(|line| line.trim() == format!("mod {name};"));
    assert!(!declared("//mod a;\nmod ab;", "a"));
    for suite in ["database", "repository"] {
        let main = read(&format!("tests/{suite}/main.rs"));
        for file in all().iter().filter(|file| file.is_in(&format!("tests/{suite}"))) {
            let name = file.path.rsplit('/').next().unwrap().trim_end_matches(".rs");
            let top = file.path.matches('/').count() == 2;
            let found = name == "main" || !top || declared(&main, name);
            assert!(found, "{} is not declared in tests/{suite}/main.rs", file.path);
        }
    }
}
