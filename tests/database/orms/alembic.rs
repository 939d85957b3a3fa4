//! Alembic: autogenerate compares with the database, and knows no policies.

use super::*;

pub(super) struct Alembic(pub(super) Project);

impl Alembic {
    /// A project with the models of the page, and the rest of the tables.
    pub(super) fn new(name: &str, db: &Database) -> Alembic {
        let project = Project::new(name, "postgresql+psycopg", db);
        project.write("env.py", snippet("env.py"));
        project.write("models.py", &(snippet("models.py").to_owned() + &file("alembic/labels.py")));
        for name in ["alembic.ini", "script.py.mako"] {
            project.write(name, &file(&format!("alembic/{name}")));
        }
        fs::create_dir(project.dir.join("versions")).unwrap();
        Alembic(project)
    }

    /// The same by somebody who has not heard of auth.protect().
    pub(super) fn naive(name: &str, db: &Database) -> Alembic {
        let alembic = Alembic::new(name, db);
        alembic.0.change("env.py", "include_name=include_name,", "");
        alembic.0.change("models.py", "server_default=text(\"auth.current_org()\")", "");
        alembic
    }

    /// What a new revision would do, line by line.
    pub(super) fn autogenerate(&self, name: &str) -> Vec<String> {
        let arguments = ["revision", "--autogenerate", "--message", name, "--rev-id", name];
        let (success, said) = self.0.run(orms().alembic(), &arguments);
        assert!(success, "{said}");
        let revision = self.0.read(&format!("versions/{name}_{name}.py"));
        let upgrade = revision.split("def upgrade():\n").nth(1).unwrap().split("\n\n").next().unwrap();
        let lines = upgrade.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    pub(super) fn upgrade(&self) -> (bool, String) {
        self.0.run(orms().alembic(), &["upgrade", "head"])
    }
}

/// Asserts that a revision has these lines.
fn assert_proposes(revision: &[String], lines: &[&str]) {
    for line in lines {
        assert!(revision.iter().any(|found| found == line), "{line} is not in {revision:#?}");
    }
}

#[test]
fn alembic_proposes_nothing_of_ours_and_what_is_new() {
    let db = protected();
    let alembic = Alembic::new("alembic", &db);
    assert_eq!(alembic.autogenerate("nothing"), ["pass"]);
    let (success, said) = alembic.upgrade();
    assert!(success, "{said}");
    alembic.0.change(
        "models.py",
        "    title: Mapped[str]\n",
        "    title: Mapped[str]\n    due: Mapped[str | None]\n",
    );
    let due = "op.add_column('tasks', sa.Column('due', sa.Text(), nullable=True))";
    assert_eq!(alembic.autogenerate("due"), [due]);
    let (success, said) = alembic.upgrade();
    assert!(success, "{said}");
    db.superuser().run("select due from tasks");
    is_intact(&db);
}

#[test]
fn alembic_without_our_keys_proposes_to_drop_them_and_fails_whole() {
    let db = protected();
    let alembic = Alembic::naive("alembic_keys", &db);
    for (from, to) in [("\"org_id\", ", ""), ("\"projects.org_id\", ", ""), ("\"tasks.org_id\", ", "")] {
        alembic.0.change("models.py", from, to);
    }
    alembic.0.change("models.py", "\"labels.org_id\", ", "");
    let revision = alembic.autogenerate("keys");
    let lines = [
        "op.drop_index(op.f('bearer_tasks'), table_name='tasks')",
        "op.drop_constraint(op.f('tasks_org_id_id_key'), 'tasks', type_='unique')",
        "op.drop_constraint(op.f('projects_name_key'), 'projects', type_='unique')",
        "op.drop_constraint(op.f('tasks_project_id_fkey'), 'tasks', type_='foreignkey')",
        "op.drop_table('events_2026')",
        "op.alter_column('tasks', 'org_id',",
        "server_default=None,",
    ];
    assert_proposes(&revision, &lines);
    let (success, said) = alembic.upgrade();
    assert!(!success && said.contains("DependentObjectsStillExist"), "{said}");
    is_intact(&db);
}

#[test]
fn t341_what_alembic_takes_away_opens_nothing_and_is_found_and_repaired() {
    let db = protected();
    let alembic = Alembic::naive("alembic_naive", &db);
    // Whoever has dropped a partition has no table to repair.
    alembic.0.change(
        "env.py",
        "compare_server_default=True,",
        "include_name=lambda name, kind, _: name not in partitions, compare_server_default=True,",
    );
    let revision = alembic.autogenerate("naive");
    for table in PROTECTED {
        let index = format!("op.drop_index(op.f('bearer_{table}'), table_name='{table}')");
        assert_proposes(&revision, &[&index, &format!("op.alter_column('{table}', 'org_id',")]);
    }
    let (success, said) = alembic.upgrade();
    assert!(success, "{said}");
    assert_eq!(projects(&db), "of A");
    assert_eq!(found(&db), "org_not_indexed public.events, org_not_indexed public.task_labels");
    protect(&db);
    is_intact(&db);
}
