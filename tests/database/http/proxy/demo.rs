//! `make demo-http` and `make demo SCENARIO=…` show what they say.

use pg_bearer_tests::database::installation;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A place of its own for the demo, so that one that somebody looks at stays; all of it ends with this value.
struct Demo {
    run_dir: PathBuf,
}

impl Demo {
    fn new() -> Demo {
        let run_dir = installation().run_dir().join(format!("http-{}", std::process::id()));
        Demo { run_dir }
    }

    fn xtask(&self, command: &[&str]) -> Output {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut xtask = Command::new(env!("CARGO"));
        xtask.args(["run", "--quiet", "--package", "xtask", "--"]).args(command);
        xtask.env("PG_BEARER_RUN_DIR", &self.run_dir).current_dir(root).output().unwrap()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.xtask(&["stop"]);
        fs::remove_dir_all(&self.run_dir).unwrap();
    }
}

/// Runs a command line in a shell, after these.
fn shell(before: &str, line: &str) -> String {
    let output = Command::new("/bin/sh").args(["-c", &format!("{before}\n{line}")]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Tries every line that a demo prints. Returns what one has to run before them, and the statuses that were promised.
fn try_lines(output: &Output) -> (String, Vec<String>) {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{output:?}");
    let before: Vec<_> = text
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("cd ") || line.starts_with("tls="))
        .collect();
    assert_eq!(before.len(), 2, "{text}");
    let before = before.join("\n");
    let mut statuses = Vec::new();
    for (status, line) in text.lines().filter_map(|line| line.trim().split_once("  curl ")) {
        let found = shell(&before, &format!("curl -s -o answer -w '%{{http_code}}' {line}"));
        assert_eq!(found, status, "{line}: {}", shell(&before, "cat answer"));
        statuses.push(found);
    }
    (before, statuses)
}

#[test]
fn the_demos_over_http_give_what_they_print() {
    let demo = Demo::new();
    // It can be repeated.
    assert!(demo.xtask(&["demo-http"]).status.success());
    let output = demo.xtask(&["demo-http"]);
    let (before, mut statuses) = try_lines(&output);
    statuses.dedup();
    assert_eq!(
        statuses,
        ["200", "201", "200", "204", "400", "401", "403", "404", "405", "429"],
        "{output:?}"
    );
    // What the first line shows are the notes of Acme.
    let notes = shell(&before, "curl -s --cacert certificate.pem -H @ada $tls/notes");
    assert!(notes.contains("of Acme") && notes.contains("mine") && !notes.contains("of Beta"), "{notes}");
    t168(&before);
    // The services of tests/scenarios run beside it.
    for (name, number) in
        [("api_example", 18), ("dramwell", 24), ("drivly", 22), ("infraaudit", 18), ("founder_sherpa", 16)]
    {
        let (_, statuses) = try_lines(&demo.xtask(&["demo", name]));
        assert_eq!(statuses.len(), number, "{name}");
    }
    let unknown = demo.xtask(&["demo", "x"]);
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("drivly"));
    let dir = before.strip_prefix("cd ").unwrap().lines().next().unwrap().to_owned();
    assert!(Path::new(&dir).exists());
    let output = demo.xtask(&["stop"]);
    assert!(output.status.success() && !Path::new(&dir).exists(), "{output:?}");
    assert_eq!(shell(&before, "curl -s -o /dev/null -w '%{http_code}' -k $tls/notes"), "000");
}

/// Behind a trusted proxy the address counts that nginx saw. Past it anybody could state one, so that nobody else gets there.
fn t168(before: &str) {
    let through =
        "curl -s -o /dev/null -w '%{http_code}' --cacert certificate.pem -H 'X-Forwarded-For: 192.0.2.9'";
    assert_eq!(shell(before, &format!("{through} -H @elsewhere $tls/notes")), "403");
    let past =
        "curl -s -o /dev/null -w '%{http_code}' --unix-socket private/http -H 'X-Forwarded-For: 192.0.2.9'";
    assert_eq!(shell(before, &format!("{past} -H @elsewhere http://localhost/notes")), "200");
}
