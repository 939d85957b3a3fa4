//! What people read about functions: auth.help() in psql, and docs/reference.md, both of the declarations, grants and
//! comments in the catalog.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, installation, server};
use postgres::Client;
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;

/// What psql has left of 100 columns between its borders.
const WIDTH: usize = 96;

/// Writes docs/reference.md instead of looking whether it is right: `cargo xtask reference`.
const WRITE: &str = "PG_BEARER_WRITE_REFERENCE";

/// Functions that people may call, whoever they are.
const PUBLIC: &str = "
    select p.proname::text from pg_proc p
     where p.pronamespace = 'auth'::regnamespace and obj_description(p.oid, 'pg_proc') not like 'Internal:%' order by 1";

/// All that is said of one function.
struct Entry {
    topic: String,
    title: String,
    name: String,
    signature: Vec<String>,
    promise: Vec<String>,
    callers: String,
    errors: Vec<String>,
    comment: String,
    /// Everybody was granted it.
    public: bool,
}

fn entries(session: &mut Client) -> Vec<Entry> {
    let sql = "
        select r.topic, r.title, r.name, r.signature, r.promise, r.callers, r.errors,
               obj_description(('auth.' || r.name)::regproc, 'pg_proc'),
               exists (select from pg_proc p, aclexplode(p.proacl) a where p.oid = ('auth.' || r.name)::regproc and a.grantee = 0)
          from auth_internal.reference() r order by r.place";
    let rows = session.query(sql, &[]).unwrap();
    let entry = |row: &postgres::Row| Entry {
        topic: row.get(0),
        title: row.get(1),
        name: row.get(2),
        signature: row.get(3),
        promise: row.get(4),
        callers: row.get(5),
        errors: row.get(6),
        comment: row.get(7),
        public: row.get(8),
    };
    rows.iter().map(entry).collect()
}

fn lines(session: &mut Client, sql: &str) -> Vec<String> {
    session.query(sql, &[]).unwrap().iter().map(|row| row.get(0)).collect()
}

fn help(session: &mut Client, topic: &str) -> Vec<String> {
    lines(session, &format!("select auth.help('{topic}')"))
}

#[test]
fn every_function_that_people_may_call_has_one_topic() {
    let db = Database::new();
    let mut session = db.superuser();
    let mut described: Vec<_> = entries(&mut session).into_iter().map(|entry| entry.name).collect();
    described.sort();
    assert_eq!(described, lines(&mut session, PUBLIC));
    // One word would mean both.
    let sql = "select t.topic from auth_internal.topics() t where to_regproc('auth.' || t.topic) is not null";
    assert_eq!(lines(&mut session, sql), [] as [String; 0]);
}

/// The words of a text, without the marks at their ends and as if none began a sentence.
fn words(text: &str) -> Vec<String> {
    let word = |word: &str| word.trim_end_matches(['.', ',', ';', ':']).to_lowercase();
    text.split_whitespace().map(word).collect()
}

/// What people are told of a function, without what is added to its comment.
fn said(entry: &Entry) -> Vec<String> {
    let added = [
        " (superusers and members of bearer_admin)",
        "; services and administrators too",
        "whoever has the permission ",
    ];
    let with = if entry.comment.starts_with("With ") { "with " } else { "" };
    let mut callers = entry.callers.clone();
    for text in added {
        callers = callers.replace(text, "");
    }
    let callers = if callers == "everybody" { String::new() } else { format!("{with}{callers}") };
    words(&[&[callers][..], &entry.promise, &entry.errors].concat().join(" "))
}

/// What is wrong with a comment, if these are the SQLSTATEs that README explains.
fn faults(entry: &Entry, known: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: &str| faults.push(format!("{}: {what}: {}", entry.name, entry.comment));
    let state = |error: &String| error.split(' ').next().unwrap_or_default().to_owned();
    if entry.errors.iter().any(|error| !known.contains(&state(error).as_str())) {
        fault("a SQLSTATE that README does not explain");
    }
    let is_state = |word: &str| known.contains(&word.trim_matches(|c: char| !c.is_alphanumeric()));
    if entry.promise.iter().any(|sentence| sentence.split(' ').any(is_state)) {
        fault("a SQLSTATE that does not begin a sentence");
    }
    if entry.promise.is_empty() || !entry.comment.ends_with(['.', '?']) {
        fault("no whole sentences");
    }
    if entry.public == entry.comment.starts_with("Administrators") || entry.callers.starts_with("only ") {
        fault("the grants are other than the comment says");
    }
    let needs = |state: &str| entry.errors.iter().any(|error| error.starts_with(state));
    if entry.callers != "everybody" && !needs("42501") {
        fault("what others get is not said (42501)");
    }
    if entry.callers.contains("services") && !needs("28000") {
        fault("what comes without an identity is not said (28000)");
    }
    let (mut said, mut comment) = (said(entry), words(&entry.comment));
    said.sort();
    comment.sort();
    if said != comment {
        fault("something is lost or added");
    }
    faults
}

#[test]
fn comments_on_functions_follow_their_form() {
    let db = Database::new();
    let mut session = db.superuser();
    let (_, errors) = include_str!("../../README.md").split_once("\n## Errors\n").unwrap();
    let (errors, _) = errors.split_once("\n## ").unwrap();
    let rows = errors.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let known: Vec<_> = rows.map(|(state, _)| state).collect();
    assert!(known.len() > 10, "{known:?}");
    let found: Vec<_> = entries(&mut session).iter().flat_map(|entry| faults(entry, &known)).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));

    for (function, comment) in [
        ("uid", "The id; 22023 without one."),
        ("uid", "The id. 22098 without one."),
        ("uid", "The id"),
        ("uid", "Administrators: the id. 42501 for others."),
        ("list_issuers", "The issuers. 42501 for others."),
        ("list_issuers", "Administrators: the issuers."),
        ("add_member", "With members.write: adds one. 42501 for others."),
        ("list_members", "22023 for everything."),
    ] {
        session.run(&format!("comment on function auth.{function} is '{comment}'"));
        let entry = entries(&mut session).into_iter().find(|entry| entry.name == function).unwrap();
        assert!(!faults(&entry, &known).is_empty(), "not noticed: {function}: {comment}");
    }
}

#[test]
fn help_fits_into_100_columns_of_psql_and_loses_nothing() {
    let db = Database::new();
    let mut session = db.tenant();
    let superuser = &mut db.superuser();
    let mut of_topics = HashMap::new();
    for entry in entries(superuser) {
        let shown = help(&mut session, &entry.name);
        // What only psql can show is not in the comment.
        let joined = shown.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
        let (before, rest) = joined.split_once(" (\\d+ ").unwrap_or((&joined, ""));
        let text = [before, rest.split_once(" shows them)").map_or(rest, |(_, rest)| rest)].concat();
        let all = [&entry.signature[..], &entry.promise, &[entry.callers], &entry.errors].concat().join(" ");
        for word in all.split_whitespace() {
            assert!(text.contains(word), "{}: {word} is missing: {shown:#?}", entry.name);
        }
        let words = |text: &str| text.split_whitespace().count();
        let labels = words("Who may call it:") + usize::from(!entry.errors.is_empty());
        assert_eq!(words(&text), words(&all) + labels, "{}: {shown:#?}", entry.name);
        let of_topic =
            of_topics.entry(entry.topic.clone()).or_insert_with(|| help(&mut session, &entry.topic));
        assert!(
            of_topic.windows(shown.len()).any(|window| window == shown),
            "{} in {}",
            entry.name,
            entry.topic
        );
    }
    let topics = lines(&mut session, "select topic from auth_internal.topics()");
    for topic in &topics {
        let shown = help(&mut session, topic);
        assert!(shown[0].starts_with(&format!("{topic}: ")), "{shown:#?}");
        let wide = shown.iter().find(|line| line.chars().count() > WIDTH || line.ends_with(' '));
        assert_eq!(wide, None, "{topic}");
    }
    for (settings, outermost) in [("border 1", 1), ("border 2", 2)] {
        for topic in &topics {
            let columns = printed(&db, settings, topic);
            assert!((1 + WIDTH / 2..=WIDTH + 2 * outermost).contains(&columns), "{topic}: {columns} columns");
        }
    }
}

/// How many columns psql needs for a topic.
fn printed(db: &Database, settings: &str, topic: &str) -> usize {
    let mut command = installation().command(&installation().bin("psql"));
    command.args(["-X", "-U", "tenant", "-d", &db.name, "-c", &format!("\\pset {settings}")]);
    command.arg("-h").arg(server().socket_dir()).arg("-p").arg(server().port().to_string());
    let output = command.arg("-c").arg(format!("select auth.help('{topic}')")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.lines().count() > 5, "{shown}");
    shown.lines().map(|line| line.trim_end().chars().count()).max().unwrap()
}

#[test]
fn help_finds_functions_and_topics_however_they_are_written() {
    let db = Database::new();
    let mut session = db.tenant();
    let uid = help(&mut session, "uid");
    assert_eq!(uid[0], "auth.uid() returns uuid");
    for name in ["auth.uid", "UID", " uid ", "uid()", "auth.uid()"] {
        assert_eq!(help(&mut session, name), uid, "{name}");
    }
    let keys = help(&mut session, "api_keys");
    for name in ["api-keys", "API keys"] {
        assert_eq!(help(&mut session, name), keys, "{name}");
    }
    let all = lines(&mut session, "select auth.help()");
    for topic in lines(&mut db.superuser(), "select topic from auth_internal.topics()") {
        assert!(all.iter().any(|line| line.starts_with(&format!("{topic} "))), "{topic}: {all:#?}");
    }
    assert!(all[0].contains("auth.help('api_keys')"), "{all:#?}");
    let column = session.query("select * from auth.help()", &[]).unwrap()[0].columns()[0].name().to_owned();
    assert_eq!(column, "help");
}

#[test]
fn help_refuses_what_it_does_not_know_and_lists_the_topics() {
    let db = Database::new();
    let mut session = db.tenant();
    let internal = ["auth_internal.wrapped", "wrapped", "id_lists", "support_once"];
    for unknown in ["", " ", "auth.", "()", "uids", "%", "_", "E'", "pg_catalog.now"].iter().chain(&internal)
    {
        let sql = format!("select auth.help('{}')", unknown.replace('\'', "''"));
        let error = session.query(&sql, &[]).unwrap_err();
        let error = error.as_db_error().unwrap();
        assert_eq!(error.code().code(), "22023", "{unknown}");
        assert_eq!(
            error.message(),
            "there is no such topic, and no such function in schema auth",
            "{unknown}"
        );
        assert!(error.hint().unwrap().contains("credentials, identities, policies,"), "{error:?}");
    }
}

#[test]
fn help_says_who_was_granted_a_function() {
    let db = Database::new();
    let mut session = db.superuser();
    for (change, who) in [
        ("revoke execute on function auth.uid from public", "superusers only"),
        ("grant execute on function auth.uid to tenant", "only tenant"),
        ("grant execute on function auth.uid to \"other\", tenant", "only other, tenant"),
        ("grant execute on function auth.uid to public", "everybody"),
    ] {
        session.run(change);
        let line = format!("  Who may call it: {who}");
        assert!(help(&mut session, "uid").contains(&line), "{change}: {:#?}", help(&mut session, "uid"));
    }
    session.run("grant execute on function auth.list_issuers to tenant");
    let shown = help(&mut session, "list_issuers").join(" ");
    assert!(shown.contains("only bearer_admin, tenant: administrators"), "{shown}");
}

/// Text as Markdown shows it.
fn plain(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('*', "\\*").replace('<', "\\<");
    escaped.replace(" _", " \\_")
}

/// The tables that are said to explain arguments.
fn tables(entries: &[Entry]) -> Vec<String> {
    let texts = entries.iter().flat_map(|entry| &entry.promise);
    let named = texts.filter_map(|text| text.split_once("columns of auth.")?.1.split(' ').next());
    let mut tables: Vec<_> = named.map(str::to_owned).collect();
    tables.sort();
    tables.dedup();
    tables
}

fn reference(session: &mut Client) -> String {
    let entries = entries(session);
    let mut page = "# Reference

Every function of schema `auth`, as `select auth.help()` shows it too: `cargo xtask reference` made this page of the comments
in the database. Administrators are superusers and members of `bearer_admin` (beside services: only in a transaction
without an identity); services are service credentials.
"
    .to_owned();
    let mut topic = "";
    for entry in &entries {
        if entry.topic != topic {
            topic = &entry.topic;
            let of_topic = entries.iter().filter(|other| other.topic == topic);
            let links: Vec<_> = of_topic.map(|other| format!("[{0}](#{0})", other.name)).collect();
            let (title, links) = (&entry.title, links.join(", "));
            write!(page, "\n## {topic}\n\n{title}.\n\n{links}\n").unwrap();
        }
        let signature = entry.signature.join("\n");
        let mut promise = plain(&entry.promise.join("\n"));
        for table in tables(&entries) {
            let link = format!("[columns of auth.{table}](#auth{table}) ");
            promise = promise.replace(&format!("columns of auth.{table} "), &link);
        }
        let callers = plain(&entry.callers);
        write!(page, "\n### {}\n\n```sql\n{signature}\n```\n\n{promise}\n\n", entry.name).unwrap();
        writeln!(page, "Who may call it: {callers}.").unwrap();
        for (index, error) in entry.errors.iter().enumerate() {
            let heading = if index == 0 { "\nErrors:\n\n" } else { "" };
            let (state, when) = error.split_once(' ').unwrap();
            writeln!(page, "{heading}- `{state}` {}", plain(when)).unwrap();
        }
    }
    page += "\n## Columns\n\nArguments that are called like a column take what that column takes.\n";
    for table in tables(&entries) {
        write!(page, "\n### auth.{table}\n\n| column | |\n|---|---|\n").unwrap();
        let sql = format!(
            "select format('| `%s` | %s |', a.attname, replace(col_description(a.attrelid, a.attnum), '|', '\\|'))
               from pg_attribute a where a.attrelid = 'auth.{table}'::regclass and a.attnum > 0 order by a.attnum"
        );
        for line in lines(session, &sql) {
            writeln!(page, "{}", plain(&line)).unwrap();
        }
    }
    page
}

#[test]
fn the_page_with_the_reference_is_what_the_database_says() {
    let db = Database::new();
    let page = reference(&mut db.superuser());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference.md");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(path, page).unwrap();
        return;
    }
    let stored = std::fs::read_to_string(path).unwrap_or_default();
    let differs = page.lines().zip(stored.lines()).find(|(made, stored)| made != stored);
    assert_eq!(differs, None, "docs/reference.md is stale: run `cargo xtask reference`");
    assert!(page == stored, "docs/reference.md is stale: run `cargo xtask reference`");
}
