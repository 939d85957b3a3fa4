//! A database behind a pooler, and programs that do what a page says.

use crate::usage::world::Counting;
use pg_bearer_tests::database::{Session, assert_contains};
use pg_bearer_tests::pooler::Pooler;
use pg_bearer_tests::token::*;
use postgres::Client;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use xtask::Orms;

/// Organization A begins without invoices, the other one has two.
const SETUP: &str = "
create table invoices (id bigint generated always as identity primary key, org_id uuid not null, amount numeric not null);
grant select, insert, update, delete on invoices to tenant;
";

pub(super) struct World {
    pub(super) db: Counting,
    pub(super) admin: Client,
    pub(super) pooler: Pooler,
    pub(super) orms: Orms,
    /// As the programs call them in their environment.
    credentials: Vec<(&'static str, String)>,
}

impl World {
    /// With a pooler of two sessions for each of these users.
    pub(super) fn new(users: &[&str]) -> World {
        let db = Counting::new();
        let mut admin = db.connect("postgres");
        admin.run(&format!(
            "select auth.add_issuer('{ISSUER}', memberships_from_claims => true); select auth.add_jwt_secret('{ISSUER}', '{SECRET}'); {SETUP}"
        ));
        admin.run("select auth.protect('invoices')");
        let mut value = |sql: String| admin.value(&sql).unwrap();
        let mut organization =
            |name: &str| value(format!("select auth.create_organization('{name}', owner_id => 'ada')"));
        let (own, other) = (organization("own"), organization("other"));
        let mut key = |more: &str| value(format!("select key from auth.create_api_key('k', '{own}'{more})"));
        let (key, limited) = (key(""), key(", rate_limit => 1, rate_period => '1 hour'"));
        admin.run(&format!("insert into invoices (org_id, amount) values ('{other}', 1), ('{other}', 2)"));
        let of = |org: &str| with(claims_a(), json!({"org_id": org}));
        let forged =
            hs256_with(b"another secret, as long as the real", r#"{"alg":"HS256"}"#, &of(&own).to_string());
        let credentials = vec![
            ("TOKEN", hs256(&of(&own))),
            ("OTHER", hs256(&of(&other))),
            ("FORGED", forged),
            ("KEY", key),
            ("LIMITED", limited),
        ];
        let pooler = Pooler::start_before(db.server, 2, users);
        World { db, admin, pooler, orms: Orms::prepare().unwrap(), credentials }
    }

    /// What a program of `tests/orms/clients` prints that does what the page says. `exports` are names that are taken out of
    /// snippets, `environment` is what it gets besides.
    pub(super) fn run(
        &self,
        page: &Page,
        mut program: Command,
        exports: &[(&str, &str)],
        environment: &[(&str, &str)],
    ) -> Value {
        let dir = self.orms.project(&format!("clients_{}", page.program.split('.').next().unwrap())).unwrap();
        for (name, text) in page.files() {
            let taken = exports.iter().find(|(file, _)| *file == name);
            let export = taken.map(|(_, names)| format!("export {{ {names} }}\n")).unwrap_or_default();
            fs::write(dir.join(name), format!("{text}\n{export}")).unwrap();
        }
        for name in [page.program, "proxy.mjs"] {
            fs::copy(ours().join(name), dir.join(name)).unwrap();
        }
        program.arg(page.program).current_dir(&dir).envs(environment.iter().copied());
        program.envs(self.credentials.iter().map(|(name, text)| (name, text)));
        program.env("HOST", self.pooler.dir()).env("DATABASE", &self.db.name);
        let output = program.output().unwrap();
        let (said, logged) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{logged}\n{said}");
        self.assert_unlogged(&[("the program", &said), ("its log", &logged)]);
        let said = in_an_hour(&said);
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    /// Asserts that neither these texts nor a log have a credential.
    pub(super) fn assert_unlogged(&self, texts: &[(&str, &str)]) {
        let pooled = fs::read_to_string(self.pooler.dir().join("log")).unwrap();
        let server = self.db.server.log();
        assert_contains(&server, "the credential was refused");
        for (name, text) in
            texts.iter().chain(&[("the server", server.as_str()), ("the pooler", pooled.as_str())])
        {
            for (credential, secret) in &self.credentials {
                assert!(!text.contains(secret.as_str()), "{credential} is in what {name} says");
            }
        }
    }
}

/// The seconds that a hint names are those of an hour, less the ones that have passed.
fn in_an_hour(said: &str) -> String {
    let (mut parts, mut text) = (said.split("Try again in "), String::new());
    text += parts.next().unwrap_or_default();
    for part in parts {
        let (seconds, rest) = part.split_once(' ').unwrap();
        assert!((3500..=3600).contains(&seconds.parse().unwrap()), "{said}");
        text += &format!("Try again in 3600 {rest}");
    }
    text
}

/// Where the programs are.
fn ours() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("orms/clients")
}

/// A page of docs/clients, and the program that does what it says.
pub(super) struct Page {
    pub(super) text: &'static str,
    pub(super) program: &'static str,
}

impl Page {
    /// Its blocks of code: language and text.
    fn blocks(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.text.split("\n```").skip(1).step_by(2).filter_map(|block| block.split_once('\n'))
    }

    /// The blocks that name a file in their first line.
    fn files(&self) -> Vec<(&'static str, &'static str)> {
        let named = |(_, text): (&str, &'static str)| {
            let (first, _) = text.split_once('\n')?;
            let name = first.strip_prefix("// ").or_else(|| first.strip_prefix("# "))?;
            (name.ends_with(".mjs") || name.ends_with(".py")).then_some(())?;
            Some((first.rsplit(' ').next()?, text))
        };
        let files: Vec<_> = self.blocks().filter_map(|(language, text)| named((language, text))).collect();
        assert!(files.len() >= 2, "a page with {files:?}");
        files
    }

    /// The blocks in this language.
    pub(super) fn in_language(&self, language: &str) -> Vec<&'static str> {
        let found: Vec<_> =
            self.blocks().filter(|(found, _)| *found == language).map(|(_, text)| text).collect();
        assert!(!found.is_empty(), "no block in {language:?}");
        found
    }
}
