//! Protecting again, otherwise, and no more.

use super::{STATE, TABLES, VISIBLE, only, shop, statements, tell};
use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, assert_values};
use pg_bearer_tests::token::*;

/// Arguments in which calls differ.
const FORMS: &[&str] = &[
    "",
    ", environment_column => 'environment'",
    ", workspace_column => 'workspace_id', owner_column => 'owner', environment_column => 'environment', resource => 'a.b'",
    ", all_orgs => true",
    ", all_orgs => true, resource => 'x', environment_column => 'environment'",
    ", all_orgs => true, owner_column => 'owner', resource => 'x'",
    ", roles => '{tenant,other}'",
    ", org_column => null, owner_column => 'owner'",
    ", org_column => null, workspace_column => 'workspace_id', environment_column => 'environment'",
    ", resource => 'x', roles => '{other}'",
];

fn call(form: &str) -> String {
    format!("protect('shop.invoices'{form})")
}

#[test]
fn protecting_again_with_the_same_arguments_changes_nothing() {
    for form in FORMS {
        let db = shop("");
        let mut session = db.superuser();
        let dry = statements(&mut session, &call(&format!("{form}, dry_run => true")));
        let ran = statements(&mut session, &call(form));
        assert_eq!(dry, ran, "{form}");
        assert!(only("run", &ran).len() > 8, "{form}: {ran:?}");
        let state = session.value(STATE);
        let written = "select max(c.xmin::text::bigint) || ' ' || max(p.xmin::text::bigint) from pg_class c, pg_policy p";
        let before = session.value(written);
        session.run("begin");
        assert_eq!(only("run", &statements(&mut session, &call(form))), [] as [String; 0], "{form}");
        let locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'shop.invoices'::regclass
                        and mode not in ('AccessShareLock')";
        assert_eq!(session.value(locks).as_deref(), Some("0"), "{form}");
        session.run("commit");
        assert_eq!(session.value(written), before, "{form}");
        assert_eq!(session.value(STATE), state, "{form}");
        let intact = "select intact from auth.protected_tables()";
        assert_eq!(session.value(intact).as_deref(), Some("t"), "{form}");
    }
}

#[test]
fn a_dry_run_changes_and_locks_nothing() {
    let db = shop("");
    let mut session = db.superuser();
    let state = session.value(STATE);
    session.run("begin");
    assert!(!statements(&mut session, "protect('shop.invoices', dry_run => true)").is_empty());
    let locks = "select count(*) from pg_locks where pid = pg_backend_pid() and relation = 'shop.invoices'::regclass and mode not in ('AccessShareLock')";
    assert_values(&mut session, &[(locks, Some("0"))]);
    session.run("commit; select auth.protect('shop.invoices')");
    let protected = session.value(STATE);
    assert_ne!(protected, state);
    assert!(!statements(&mut session, "unprotect('shop.invoices', dry_run => true)").is_empty());
    assert_eq!(session.value(STATE), protected);
}

#[test]
fn from_any_arguments_to_any_others_is_as_if_the_first_had_never_been() {
    let db = shop("");
    let mut session = db.superuser();
    // An index that serves the new arguments is there, another may be left from the old ones.
    let state = |session: &mut postgres::Client| {
        let state = session.value(STATE).unwrap();
        let is_index = |line: &str| line.starts_with("bearer_") || line.starts_with("shop.bearer_");
        state.lines().filter(|line| !is_index(line)).map(str::to_owned).collect::<Vec<_>>().join("\n")
    };
    for (number, to) in FORMS.iter().enumerate() {
        session.run(&format!("begin; select auth.{}", call(to)));
        let expected = state(&mut session);
        assert!(expected.contains(" bearer_update w t "), "{expected}");
        session.run("rollback");
        for step in [1, 3, 6] {
            let from = FORMS[(number + step) % FORMS.len()];
            session.run(&format!("begin; select auth.{}; select auth.{}", call(from), call(to)));
            assert_eq!(state(&mut session), expected, "{from} to {to}");
            session.run("rollback");
        }
    }
}

#[test]
fn unprotecting_takes_exactly_its_own_away() {
    for setup in [
        "",
        "alter table shop.invoices enable row level security",
        "alter table shop.invoices enable row level security, force row level security; create policy own on shop.invoices using (auth.in_org(org_id))",
        "alter table shop.invoices alter org_id set default auth.current_org(), alter owner set default 'x'",
        "create index on shop.invoices (org_id)",
        "create index bearer_invoices on shop.invoices (body)",
    ] {
        let db = shop(setup);
        let mut session = db.superuser();
        let before = session.value(STATE);
        for form in FORMS.iter().step_by(3) {
            session.run(&format!("begin; select auth.{}; select auth.{}", call(form), call(FORMS[2])));
            assert_ne!(session.value(STATE), before);
            session.run("select auth.unprotect('shop.invoices')");
            assert_eq!(session.value(STATE), before, "{setup} {form}");
            assert_eq!(statements(&mut session, "unprotect('shop.invoices')"), [] as [String; 0]);
            session.run("rollback");
        }
    }
}

#[test]
fn unprotecting_says_who_can_read_everything_afterwards() {
    let db = shop("grant select on shop.invoices to public; select auth.protect('shop.invoices')");
    let mut session = db.superuser();
    let said = only("suggested", &statements(&mut session, "unprotect('shop.invoices')"));
    assert_eq!(
        said,
        [
            "revoke all on table shop.invoices from bearer_service",
            "revoke all on table shop.invoices from public",
            "revoke all on table shop.invoices from tenant",
        ]
    );
    assert_eq!(db.tenant().value(VISIBLE).as_deref(), Some("1 2 3 4"));
    for statement in said {
        session.run(&statement);
    }
    assert_eq!(db.tenant().refused(VISIBLE), "42501 permission denied for table invoices");
}

#[test]
fn policies_that_came_later_stay_in_force_after_unprotecting() {
    let db =
        shop("select auth.protect('shop.invoices'); create policy first on shop.invoices using (id = 1)");
    let mut session = db.superuser();
    let said = only("suggested", &statements(&mut session, "unprotect('shop.invoices')"));
    assert_eq!(said, ["alter table shop.invoices disable row level security"]);
    assert_eq!(db.tenant().value(VISIBLE).as_deref(), Some("1"));
}

#[test]
fn defaults_of_the_application_are_kept() {
    let db = shop(
        "alter table shop.invoices drop id, add id int generated always as identity, alter org_id set default gen_random_uuid(),
            drop owner, add owner text generated always as (body || 'x') stored",
    );
    let mut session = db.superuser();
    let defaults = "select string_agg(a.attname || ' ' || pg_get_expr(d.adbin, d.adrelid), ', ' order by 1) from pg_attrdef d
                      join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum where d.adrelid = 'shop.invoices'::regclass";
    let before = session.value(defaults);
    let call = "protect('shop.invoices', owner_column => 'owner')";
    session.run(&format!("select auth.{call}"));
    assert_eq!(session.value(defaults), before);
    // One that somebody set after us is his.
    session.run("select auth.protect('shop.invoices', environment_column => 'environment');
                 alter table shop.invoices alter environment set default 'live'; select auth.unprotect('shop.invoices')");
    let set = "select pg_get_expr(d.adbin, d.adrelid) from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
                where d.adrelid = 'shop.invoices'::regclass and a.attname = 'environment'";
    assert_eq!(session.value(set).as_deref(), Some("'live'::text"));
}

/// What leaves a table less than protected.
const BREAKING: [&str; 12] = [
    "alter policy bearer_update on shop.invoices using (true)",
    "alter policy bearer_select on shop.invoices using (true)",
    "alter policy bearer_insert on shop.invoices with check (true)",
    "alter policy bearer_delete on shop.invoices to other",
    "drop policy bearer_select on shop.invoices",
    "drop policy bearer_service on shop.invoices",
    "drop policy bearer_delete on shop.invoices; create policy bearer_delete on shop.invoices as restrictive for delete using (auth.in_org(org_id))",
    "comment on policy bearer_insert on shop.invoices is 'mine'",
    "alter table shop.invoices disable row level security",
    "alter table shop.invoices no force row level security",
    "alter table shop.invoices alter org_id drop default",
    "drop index shop.bearer_invoices",
];

#[test]
fn t333_what_somebody_changed_shows_and_is_repaired() {
    for change in BREAKING {
        let db = shop(
            "select auth.protect('shop.invoices', resource => 'r', environment_column => 'environment')",
        );
        let mut session = db.superuser();
        let state = session.value(STATE);
        session.run(change);
        let row = "select concat_ws(' ', source, org_column, environment_column, resource, intact) from auth.protected_tables()";
        assert_eq!(session.value(row).as_deref(), Some("shop.invoices org_id environment r f"), "{change}");
        let again =
            "select auth.protect('shop.invoices', resource => 'r', environment_column => 'environment')";
        if change.contains("'mine'") || change.contains("restrictive") {
            let refused = session.refused(again);
            assert!(refused.starts_with("42710 policy \"bearer_"), "{refused}");
            assert!(refused.ends_with(" of shop.invoices was not made by auth.protect()"), "{refused}");
        } else {
            session.run(again);
            assert_eq!(session.value(STATE), state, "{change}");
        }
    }
}

#[test]
fn t333_guards_and_intact_agree_on_what_breaks_a_table() {
    let db =
        shop("select auth.protect('shop.invoices', resource => 'r', environment_column => 'environment')");
    let mut session = db.superuser();
    let harmless = [
        "alter table shop.invoices add column more int",
        "alter table shop.invoices rename org_id to company",
        "alter table shop.invoices alter body set default 'x', alter workspace_id set not null",
        "create index on shop.invoices (body)",
        "create policy narrow on shop.invoices as restrictive using (id <> 2)",
        "alter table shop.invoices rename to bills; alter table shop.bills rename to invoices",
    ];
    let verdicts = "select intact::text || ' ' ||
            not (exists (select from auth_internal.guard_table(source))
                 or exists (select from auth_internal.guard_index('shop', 'bearer_invoices')))
       from auth.protected_tables()";
    session.run("truncate shop.invoices");
    for (changes, expected) in [(&BREAKING[..], "false false"), (&harmless, "true true")] {
        for change in changes {
            session.run(&format!("begin; {change}"));
            assert_eq!(session.value(verdicts).as_deref(), Some(expected), "{change}");
            session.run("rollback");
        }
    }
}

#[test]
fn policies_that_would_open_the_table_are_pointed_out() {
    let db = shop(
        "create policy everybody on shop.invoices for select using (true); create policy \"Bad \"\"one\" on shop.invoices to tenant using (id = 3);
         create policy narrow on shop.invoices as restrictive using (id <> 2)",
    );
    let mut session = db.superuser();
    let call = "protect('shop.invoices')";
    let said = only("suggested", &statements(&mut session, call));
    assert_eq!(
        said[..2],
        ["drop policy \"Bad \"\"one\" on shop.invoices", "drop policy everybody on shop.invoices"]
    );
    assert_eq!(tell(&mut db.tenant(), &token_a(), VISIBLE).as_deref(), Some("1 3 4"));
    super::follow(&mut session, call);
    assert_eq!(tell(&mut db.tenant(), &token_a(), VISIBLE).as_deref(), Some("1"));
}

#[test]
fn a_name_that_is_taken_is_an_error_and_nothing_is_changed() {
    let db = Database::new();
    let mut session = db.superuser();
    session.run(&format!("{TABLES} create policy bearer_delete on shop.invoices using (true)"));
    let state = session.value(STATE);
    let refused = session.refused("select auth.protect('shop.invoices')");
    assert_eq!(refused, "42710 policy \"bearer_delete\" of shop.invoices was not made by auth.protect()");
    assert_eq!(session.value(STATE), state);
    session.run("begin; select auth.unprotect('shop.invoices'); commit");
    assert_eq!(session.value(STATE), state);
}

#[test]
fn the_way_in_which_names_are_printed_changes_nothing() {
    let db = shop("");
    let mut session = db.superuser();
    let call = "protect('shop.invoices', environment_column => 'environment')";
    session.run(&format!("select auth.{call}"));
    let state = session.value(STATE);
    session.run("set quote_all_identifiers = on");
    assert_eq!(only("run", &statements(&mut session, call)), [] as [String; 0]);
    let row = "select concat_ws(' ', org_column, environment_column, intact) from auth.protected_tables()";
    assert_values(
        &mut session,
        &[(row, Some("org_id environment t")), ("show quote_all_identifiers", Some("on"))],
    );
    session.run("select auth.unprotect('shop.invoices')");
    assert_values(&mut session, &[("select count(*) from auth.protected_tables()", Some("0"))]);
    session.run(&format!("select auth.{call}; reset quote_all_identifiers"));
    assert_eq!(session.value(STATE), state);
}

#[test]
fn a_step_has_its_comment_and_fits_into_120_columns_of_psql() {
    let db = shop("");
    let mut session = db.superuser();
    let call = "protect('shop.invoices', resource => 'invoices')";
    let ran = only("run", &statements(&mut session, call));
    let firsts: Vec<_> =
        ran.iter().map(|step| step.split_whitespace().take(3).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        firsts,
        [
            "alter table shop.invoices",
            "alter table shop.invoices",
            "create policy bearer_select",
            "create policy bearer_insert",
            "create policy bearer_update",
            "create policy bearer_delete",
            "create policy bearer_service",
            "alter table only",
            "create index bearer_invoices",
        ]
    );
    // psql puts the number and the action before it.
    let long: Vec<_> = ran.iter().flat_map(|step| step.lines()).filter(|line| line.len() > 99).collect();
    assert_eq!(long, [] as [&str; 0]);
    let comments = ran.iter().filter(|step| step.contains(";\ncomment on ")).count();
    assert_eq!(comments, 6);
    // What is only a comment is a step too.
    session.run("comment on policy bearer_delete on shop.invoices is '{\"by\": \"auth.protect\", \"forced\": true, \"enabled\": true, \"defaults\": []}'");
    let again = only("run", &statements(&mut session, call));
    assert!(
        again.iter().all(|step| step.starts_with("comment on policy ")) && !again.is_empty(),
        "{again:?}"
    );
}
