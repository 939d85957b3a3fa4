//! A day of a developer: tables that were protected by an older version are developed further. Lint is quiet after each step,
//! and no tenant ever sees another's row.

use super::alembic::Alembic;
use super::drizzle::Drizzle;
use super::*;
use crate::dump::{dump, restore};
use crate::upgrade::{install, released, update, update_from};
use pg_bearer_tests::database::assert_contains;

/// Two rows of each table for one organization.
const ROWS: &str = "
with p as (insert into projects (org_id, name) values ($org, 'of ' || $org) returning id),
     t as (insert into tasks (org_id, project_id, title) select $org, p.id, ' task ' || n from p, generate_series(1, 2) n returning id),
     l as (insert into labels (org_id, name) values ($org, 'label') returning id),
     x as (insert into task_labels (org_id, task_id, label_id) select $org, t.id, l.id from t, l)
insert into events (org_id, at, task_id, what) select $org, '2026-05-01', t.id, 'made' from t;
";

/// A database of the first release, with protected tables of the owner's.
fn of_the_first_release() -> Database {
    let db = Database::empty();
    make_owner(&db);
    let mut session = db.superuser();
    let (version, script) = released().into_iter().next().unwrap();
    install(&mut session, &script, &update_from(&version));
    session.run(&format!(
        "select auth.add_issuer('{ISSUER}', memberships_from_claims => true); select auth.add_jwt_secret('{ISSUER}', '{SECRET}');
         grant all on schema public to {OWNER}"
    ));
    let mut owner = db.connect(OWNER);
    owner.run(TABLES);
    session.run("delete from projects");
    for org in [ORG_A, ORG_B] {
        session.run(&ROWS.replace("$org", &format!("'{org}'")));
    }
    for table in PROTECTED {
        owner.run(&format!("select auth.protect('{table}')"));
    }
    db
}

/// Lint says nothing, as many tables are protected and intact, and each tenant sees rows of his own in these and no others.
fn calm(db: &Database, step: &str, protected: usize, tables: &[&str]) {
    assert_eq!(found(db), "", "{step}");
    let intact = "select count(*) filter (where intact) || ' of ' || count(*) from auth.protected_tables()";
    let expected = format!("{protected} of {protected}");
    assert_eq!(db.connect(OWNER).value(intact).as_deref(), Some(expected.as_str()), "{step}");
    for (token, org) in [(token_a(), ORG_A), (token_b(), ORG_B)] {
        let mut session = db.tenant();
        session.run("begin");
        session.authenticate(&token).unwrap();
        for table in tables {
            let seen = format!("select string_agg(distinct org_id::text, ' ') from {table}");
            assert_eq!(session.value(&seen).as_deref(), Some(org), "{step}: {table}");
        }
    }
    for table in tables {
        let nobody = db.tenant().value(&format!("select count(*) from {table}"));
        assert_eq!(nobody.as_deref(), Some("0"), "{step}: {table}");
    }
}

#[test]
fn a_day_of_a_developer_leaves_lint_quiet_and_tenants_apart() {
    let db = of_the_first_release();
    let mut superuser = db.superuser();
    let mut owner = db.connect(OWNER);
    let tables = &PROTECTED[..];

    update(&mut superuser);
    assert_contains(found(&db), "foreign_key_unchecked tasks_project_id_fkey on public.tasks");
    protect(&db);
    calm(&db, "updated", 6, tables);

    superuser.run("select auth.guard('{public}')");
    calm(&db, "guarded", 6, tables);

    let drizzle = Drizzle::new("day_drizzle", &db);
    assert_contains(drizzle.push(), "No changes detected");
    drizzle.add_a_column();
    assert_contains(drizzle.push(), "Changes applied");
    calm(&db, "a column by drizzle-kit push", 6, tables);

    let alembic = Alembic::new("day_alembic", &db);
    let column = "    title: Mapped[str]\n";
    alembic.0.change("models.py", column, &format!("{column}    due: Mapped[str | None]\n"));
    assert_eq!(alembic.autogenerate("nothing"), ["pass"]);
    alembic.0.change("models.py", column, &format!("{column}    done: Mapped[bool | None]\n"));
    assert!(alembic.upgrade().0);
    alembic.autogenerate("done");
    let (success, said) = alembic.upgrade();
    assert!(success, "{said}");
    calm(&db, "a column by Alembic", 6, tables);

    let naive = Drizzle::naive("day_naive", &db);
    // It looks into tables before it drops columns, and would find them empty.
    assert_contains(naive.push(), "row security would hide all rows of public.tasks from its owner");
    let empty = format!("alter role {OWNER} in database {} set pg_bearer.owner_without_identity", db.name);
    superuser.run(&format!("{empty} = empty"));
    assert_contains(naive.push(), "a guard of pg_bearer refuses the command");
    superuser.run(&empty.replace("set pg", "reset pg"));
    calm(&db, "a push that the guard refuses", 6, tables);

    let backfill = "update tasks set title = trim(title), done = false";
    assert_eq!(&owner.refused(backfill)[..5], "55000");
    owner.run(&format!("begin; select auth.begin_data_migration('{{tasks}}'); {backfill}; commit"));
    assert_eq!(
        superuser.value("select count(*) from tasks where title ~ '^task' and not done").as_deref(),
        Some("4")
    );
    calm(&db, "a backfill", 6, tables);

    let key = "alter table tasks add column parent_id uuid, add foreign key (org_id, parent_id) references tasks (org_id, id)";
    owner.run(&format!("begin; select auth.begin_data_migration('{{tasks}}'); {key}; commit"));
    let validated = "alter table tasks drop constraint tasks_org_id_parent_id_fkey, add foreign key (org_id, parent_id) references tasks (org_id, id)";
    assert_eq!(&owner.refused(validated)[..5], "55000");
    calm(&db, "a foreign key", 6, tables);

    owner.run("alter table labels rename to tags; alter table tasks rename column title to name; alter table tags rename column org_id to tenant_id; alter table tags rename column tenant_id to org_id");
    let tables = &["projects", "tags", "tasks", "task_labels", "events"][..];
    calm(&db, "renamed", 6, tables);

    owner
        .run("create table events_2027 partition of events for values from ('2027-01-01') to ('2028-01-01')");
    calm(&db, "a partition", 7, tables);

    owner.run(
        "create table files (id uuid primary key default gen_random_uuid(), org_id uuid not null, task_id uuid, body text,
                             foreign key (org_id, task_id) references tasks (org_id, id));
         grant select, insert, update, delete on files to tenant;
         begin; select auth.begin_data_migration('{files,tasks}');
         insert into files (org_id, task_id, body) select org_id, id, 'file' from tasks; commit",
    );
    let tables = &["projects", "tags", "tasks", "task_labels", "events", "files"][..];
    calm(&db, "a new table", 8, tables);

    let file = dump(&db, "-Fc", "-c pg_bearer.dump_secrets=on");
    let restored = restore(&file, "-Fc", "-j2");
    calm(&restored, "restored", 8, tables);
    let told = restored.connect(OWNER).refused("alter table files disable row level security");
    assert_contains(told, "42501 a guard of pg_bearer refuses the command");
}
