//! drizzle-kit: push compares with the database, generate with the last snapshot.

use super::*;
use pg_bearer_tests::database::assert_contains;

pub(super) struct Drizzle(pub(super) Project);

impl Drizzle {
    /// A project with the schema of the page, and the rest of the tables.
    pub(super) fn new(name: &str, db: &Database) -> Drizzle {
        let project = Project::new(name, "postgresql", db);
        for file in ["drizzle.config.ts", "keys.ts", "schema/bearer.ts", "schema/projects.ts"] {
            project.write(file, snippet(file));
        }
        project.write("schema/labels.ts", &file("drizzle/schema/labels.ts"));
        Drizzle(project)
    }

    /// The same by somebody who has not heard of auth.protect().
    pub(super) fn naive(name: &str, db: &Database) -> Drizzle {
        let drizzle = Drizzle::new(name, db);
        drizzle.0.write("schema/bearer.ts", &file("drizzle/naive/bearer.ts"));
        drizzle
    }

    pub(super) fn add_a_column(&self) {
        let column = "title: text(\"title\").notNull(),\n";
        self.0.change("schema/projects.ts", column, &format!("{column}    due: text(\"due\"),\n"));
    }

    /// Makes the database like the schema, unasked; what drizzle-kit says. It ends with success whatever happens.
    pub(super) fn push(&self) -> String {
        self.push_with("")
    }

    /// The same with settings of the session.
    pub(super) fn push_with(&self, settings: &str) -> String {
        let mut drizzle_kit = orms().drizzle_kit();
        drizzle_kit.env("PGOPTIONS", settings);
        let (success, said) = self.0.run(drizzle_kit, &["push", "--force"]);
        assert!(success && said.contains("Pulling schema from database"), "{said}");
        said
    }

    /// The migration from the last snapshot to the schema.
    pub(super) fn generate(&self, number: u32, name: &str, options: &[&str]) -> String {
        let name_option = format!("--name={name}");
        let (success, said) =
            self.0.run(orms().drizzle_kit(), &[&["generate", &name_option], options].concat());
        assert!(success, "{said}");
        self.0.read(&format!("migrations/{number:04}_{name}.sql"))
    }

    pub(super) fn migrate(&self) {
        let (success, said) = self.0.run(orms().drizzle_kit(), &["migrate"]);
        assert!(success && said.contains("migrations applied successfully"), "{said}");
    }
}

/// The statements that push shows.
fn statements(said: &str) -> Vec<&str> {
    said.lines()
        .map(str::trim)
        .filter(|line| line.ends_with(';') && line.starts_with(char::is_uppercase))
        .collect()
}

#[test]
fn drizzle_push_leaves_what_protect_made_and_adds_what_is_new() {
    let db = protected();
    let drizzle = Drizzle::new("drizzle_push", &db);
    // Each plan gives the columns of keys in another order.
    for settings in ["", "-c enable_nestloop=off", "-c enable_indexscan=off", "-c enable_bitmapscan=off"] {
        assert_contains(drizzle.push_with(settings), "No changes detected");
    }
    is_intact(&db);
    drizzle.add_a_column();
    let said = drizzle.push();
    assert_eq!(statements(&said), ["ALTER TABLE \"tasks\" ADD COLUMN \"due\" text;"], "{said}");
    assert_contains(&said, "Changes applied");
    assert_contains(drizzle.push(), "No changes detected");
    is_intact(&db);
}

#[test]
fn drizzle_generate_has_nothing_of_ours_and_migrates_a_database_that_a_migration_protects() {
    let db = empty();
    let drizzle = Drizzle::new("drizzle_generate", &db);
    let first = drizzle.generate(0, "tables", &[]);
    assert!(first.contains("CREATE TABLE \"tasks\"") && !first.contains("POLICY"), "{first}");
    assert!(!first.contains("ROW LEVEL SECURITY"), "{first}");
    drizzle.generate(1, "protect", &["--custom"]);
    drizzle.0.write("migrations/0001_protect.sql", protection());
    drizzle.migrate();
    let protected =
        "select string_agg(source::text || ' ' || intact, ', ' order by 1) from auth.protected_tables()";
    let mut session = db.connect(OWNER);
    let both = Some("projects true, tasks true");
    assert_eq!(session.value(protected).as_deref(), both);

    drizzle.add_a_column();
    assert_eq!(drizzle.generate(2, "due", &[]), "ALTER TABLE \"tasks\" ADD COLUMN \"due\" text;");
    drizzle.migrate();
    db.superuser().run("select due from tasks");
    assert_eq!(session.value(protected).as_deref(), both);
}

#[test]
fn t340_what_a_push_without_our_policies_opens_is_found_and_repaired() {
    let db = protected();
    let said = Drizzle::naive("drizzle_naive", &db).push();
    for table in ["projects", "labels", "tasks", "task_labels"] {
        for statement in [
            format!("ALTER TABLE \"{table}\" DISABLE ROW LEVEL SECURITY;"),
            format!("ALTER TABLE \"{table}\" ALTER COLUMN \"org_id\" DROP DEFAULT;"),
            format!("DROP INDEX \"bearer_{table}\";"),
            format!("DROP POLICY \"bearer_select\" ON \"{table}\" CASCADE;"),
        ] {
            assert_contains(&said, &statement);
        }
    }
    assert_contains(&said, "Changes applied");
    assert_eq!(projects(&db), "of A, of B", "they are open");
    let findings = found(&db);
    for table in ["projects", "labels", "tasks", "task_labels"] {
        assert_contains(&findings, &format!("rls_off public.{table}"));
    }
    let left = "select string_agg(source::text, ' ' order by 1) from auth.protected_tables()";
    assert_eq!(db.connect(OWNER).value(left).as_deref(), Some("events events_2026"));
    protect(&db);
    is_intact(&db);
}

#[test]
fn policies_that_a_push_made_before_protect_let_nobody_in() {
    let db = empty();
    Drizzle::new("drizzle_early", &db).push();
    let mut session = db.connect(OWNER);
    session.run("grant select, insert on projects to tenant; insert into projects (org_id, name) values (gen_random_uuid(), 'x')");
    assert_eq!(projects(&db), "");
    let refusal = session.refused("select auth.protect('projects')");
    assert_contains(
        &refusal,
        "42710 policy \"bearer_select\" of public.projects was not made by auth.protect()",
    );
}
