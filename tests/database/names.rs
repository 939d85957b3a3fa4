//! What a name means in our functions does not depend on `plpgsql.variable_conflict`, which a database may set.

mod steps;

use crate::catalog::rows;
use pg_bearer_tests::database::Session;
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use postgres::{Client, SimpleQueryMessage};
use serde_json::json;
use steps::{REFUSED, STEPS};
use uuid::Uuid;

const SETTINGS: [&str; 3] = ["error", "use_variable", "use_column"];

/// A name with two meanings, and a table that one of them is in.
const AMBIGUOUS: &str = "
create function pg_temp.meaning() returns text language plpgsql as $$
declare
    word text := 'a variable';
begin
    return (select word from (values ('a column')) v (word));
end
$$;
";

/// What the steps are about, besides our own tables.
const TABLES: &str = "
create table notes (id int primary key, org_id uuid, body text, about int references notes);
create table belongs (who text, org text, role text);
create index on belongs (who);
create table trials (id int primary key, environment text default auth.environment());
insert into trials values (1, 'live'), (2, 'test');
create schema mail;
create table mail.outbox (event jsonb);
create function mail.send(event jsonb) returns void language sql as 'insert into mail.outbox values ($1)';
alter function mail.send(jsonb) owner to table_owner;
grant usage on schema mail to table_owner;
grant insert on mail.outbox to table_owner;
";

/// A database where names mean what this setting says.
fn database(setting: &str) -> Database {
    let db = Database::new();
    db.superuser().run(&format!(
        "alter database {0} set plpgsql.variable_conflict = '{setting}';
         alter database {0} set pg_bearer.api_key_creation = 'any';
         alter database {0} set pg_bearer.user_creation = 'anonymous';
         alter database {0} set pg_bearer.password_time = 20;
         {TABLES}",
        db.name
    ));
    let mut session = db.superuser();
    session.run(AMBIGUOUS);
    let meaning = match session.query_one("select pg_temp.meaning()", &[]) {
        Ok(row) => row.get(0),
        Err(error) => refusal::<()>(Err(error)),
    };
    let expected = match setting {
        "use_variable" => "a variable",
        "use_column" => "a column",
        _ => "42702 column reference \"word\" is ambiguous",
    };
    assert_eq!(meaning, expected, "{setting}");
    db
}

/// The steps in a database, and what they gave.
struct Story {
    superuser: Client,
    tenant: Client,
    named: Vec<(String, String)>,
    // Dropped last, when nobody is connected any more.
    _db: Database,
}

impl Story {
    fn new(setting: &str) -> Story {
        let db = database(setting);
        let pair = Pair::es256();
        let set = jwks(&[pair.jwk("first"), Pair::ed25519().jwk("second")]);
        let named = [
            ("first_key", pair.jwk("first").to_string()),
            ("both_keys", set),
            ("one_key", jwks(&[pair.jwk("first")])),
            ("another", Pair::ed25519().jwk("another").to_string()),
            ("database", db.name.clone()),
            ("somebody", json!({"user_id": "ada", "org_id": ORG_A}).to_string()),
        ];
        Story {
            superuser: db.superuser(),
            tenant: db.tenant(),
            named: named.map(|(name, value)| (name.to_owned(), value)).into(),
            _db: db,
        }
    }

    /// Puts values in the places of `:name`.
    fn fill(&self, text: &str) -> String {
        let put = |text: String, (name, value): &(String, String)| {
            text.replace(&format!(":{name}"), &format!("'{value}'"))
        };
        self.named.iter().fold(text.to_owned(), put)
    }

    /// Does what `who: sql` or `who: name = sql` says. Root is a superuser without an identity; others show a token,
    /// or the API key that has this name.
    fn step(&mut self, step: &str) -> String {
        let (who, what) = step.split_once(": ").unwrap();
        let (name, sql) = match what.split_once(" = select ") {
            Some((name, sql)) if !name.contains(' ') => (Some(name), format!("select {sql}")),
            _ => (None, what.to_owned()),
        };
        let sql = self.fill(&sql);
        let key = self.named.iter().find(|(known, _)| known == who).map(|(_, key)| key.clone());
        let result = if who == "root" {
            self.superuser.simple_query(&sql)
        } else {
            self.tenant.run("begin");
            self.tenant.authenticate(&key.unwrap_or_else(|| token_of(who))).unwrap();
            let result = self.tenant.simple_query(&sql);
            self.tenant.run(if result.is_ok() { "commit" } else { "rollback" });
            result
        };
        match (result, name) {
            (Err(error), _) => refusal::<()>(Err(error)),
            (Ok(messages), Some(name)) => {
                let value = lines(&messages).concat();
                self.named.push((name.to_owned(), value));
                format!(":{name}")
            }
            (Ok(messages), None) => self.plain(&lines(&messages).join("\n")),
        }
    }

    /// The text without what differs from one run to the next.
    fn plain(&self, text: &str) -> String {
        let end_of_word = |c: char| " \n\"(){}[],".contains(c);
        let plain = |piece: &str| {
            let word = piece.trim_end_matches(end_of_word);
            let known = self.named.iter().find(|(_, value)| value == word);
            let is_time = word.len() >= 10 && word.starts_with("20") && word.get(4..5) == Some("-");
            let stands_for = match known {
                Some((name, _)) => format!(":{name}"),
                None if Uuid::parse_str(word).is_ok() => "an id".to_owned(),
                None if is_time => "a time".to_owned(),
                None => return piece.to_owned(),
            };
            piece.replace(word, &stands_for)
        };
        text.split_inclusive(end_of_word).map(plain).collect()
    }
}

/// Every row on a line.
fn lines(messages: &[SimpleQueryMessage]) -> Vec<String> {
    let line = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = (0..row.len()).map(|at| row.get(at).unwrap_or("NULL"));
            Some(columns.collect::<Vec<_>>().join(" "))
        }
        _ => None,
    };
    messages.iter().filter_map(line).collect()
}

/// Every step with what it gave under this setting.
fn told(mut story: Story) -> Vec<String> {
    STEPS.iter().map(|step| format!("{step}\n{}", story.step(step))).collect()
}

/// The refusals among what steps gave.
fn refusals(answers: &[String]) -> Vec<&str> {
    let is_refusal = |answer: &&str| {
        let code = answer.split_once(' ').map_or("", |(code, _)| code);
        code.len() == 5 && code.starts_with(|c: char| c.is_ascii_digit())
    };
    answers.iter().filter_map(|answer| Some(answer.split_once('\n')?.1)).filter(is_refusal).collect()
}

#[test]
fn every_function_gives_the_same_whatever_names_with_two_meanings_mean() {
    let [expected, rest @ ..] = SETTINGS.map(|setting| told(Story::new(setting)));
    assert_eq!(refusals(&expected), REFUSED);
    for (setting, found) in SETTINGS.iter().skip(1).zip(rest) {
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found, expected, "{setting}");
        }
    }
    // It is noticed when a parameter is not told apart from a column.
    for setting in ["error", "use_column"] {
        let mut story = Story::new(setting);
        let of = "select pg_get_functiondef('auth.update_workspace'::regproc)";
        let definition = story.superuser.value(of).unwrap().replace("update_workspace.", "");
        story.superuser.run(&definition);
        assert_ne!(told(story), expected, "{setting}");
    }
}

#[test]
fn every_function_that_a_name_could_mislead_is_in_the_story() {
    let db = Database::new();
    let functions = rows(
        &mut db.superuser(),
        "select p.oid::regproc::text from pg_proc p join pg_language l on l.oid = p.prolang
          where p.pronamespace = 'auth'::regnamespace and l.lanname = 'plpgsql'",
    );
    assert!(functions.len() > 50, "{functions:?}");
    let is_told = |name: &String| STEPS.iter().any(|step| step.contains(&format!("{name}(")));
    let untold: Vec<_> = functions.into_iter().filter(|name| !is_told(name)).collect();
    assert_eq!(untold, [] as [String; 0]);
}

/// Scripts of extensions run without looking at bodies.
#[test]
fn every_body_passes_the_check_that_extension_scripts_go_without() {
    for setting in SETTINGS {
        let db = database(setting);
        let mut session = db.superuser();
        session.run("set check_function_bodies = on");
        let definitions = rows(
            &mut session,
            "select pg_get_functiondef(p.oid) from pg_proc p join pg_language l on l.oid = p.prolang
              where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace)
                and l.lanname in ('sql', 'plpgsql')",
        );
        assert!(definitions.len() > 150, "{}", definitions.len());
        for definition in definitions {
            session.run(&definition);
        }
    }
}
