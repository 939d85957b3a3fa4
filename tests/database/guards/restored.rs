//! Guards in dumps.

use super::{PROTECTED, assert_refused, guarded, owner};
use crate::dump::{dump, restore};
use pg_bearer_tests::database::{Session, installation, server};

const PARTS: &str = "
create table shop.events (id int, org_id uuid, year int) partition by range (year);
create table shop.old partition of shop.events for values from (2000) to (2020);
select auth.protect('shop.events')";

#[test]
fn t315_a_dump_carries_guards_and_is_restored_under_them() {
    let source = guarded(PARTS);
    source.superuser().run("drop table docs; select auth.guard('{shop}', 'refuse')");
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j1"), ("-Fc", "-j4"), ("-Fc", "--single-transaction")] {
        let restored = restore(&dump(&source, format, ""), format, jobs);
        let mut session = restored.superuser();
        assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.events t, shop.invoices t, shop.old t"));
        let listed = "select concat_ws(' ', schemas::text, new_tables, intact) from auth.guards()";
        assert_eq!(session.value(listed).as_deref(), Some("{shop} refuse t"), "{format} {jobs}");
        let off = "alter table shop.invoices disable row level security";
        assert_refused(&mut owner(&restored), &[(off, "row-level security of shop.invoices is off")]);
    }
}

/// What a superuser restores into a database that has guards already.
#[test]
fn t315_tables_are_restored_into_a_guarded_database() {
    let source = guarded(PARTS);
    let file = dump(&source, "-Fc", "");
    let target = guarded("drop table shop.invoices");
    let restore = |options: &str| {
        installation()
            .command(&installation().bin("pg_restore"))
            .env("PGOPTIONS", options)
            .arg("-h")
            .arg(server().socket_dir())
            .args([
                "-p",
                &server().port().to_string(),
                "-U",
                "postgres",
                "--exit-on-error",
                "--single-transaction",
                "-n",
                "shop",
                "-d",
                &target.name,
            ])
            .arg(&file)
            .output()
            .unwrap()
    };
    let refused = restore("");
    assert!(!refused.status.success());
    let output = restore("-c pg_bearer.allow_changes=on");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut session = target.superuser();
    assert_eq!(session.value(PROTECTED).as_deref(), Some("shop.events t, shop.invoices t, shop.old t"));
    assert_refused(
        &mut session,
        &[("drop policy bearer_select on shop.old", "policy bearer_select of shop.old is missing")],
    );
}
