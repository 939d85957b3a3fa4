//! What library and SQL must agree on: the tables as it reads them past the executor, and its symbols.

mod columns;

use super::catalog::rows;
use super::upgrade::released;
use columns::COLUMNS;
use pg_bearer_tests::Database;
use pg_bearer_tests::database::installation;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The indexes that it names, and the columns it looks for in them.
const INDEXES: [&str; 23] = [
    "CREATE INDEX api_key_revocations_key ON auth.api_key_revocations USING btree (key_id)",
    "CREATE INDEX jwt_keys_issuer ON auth.jwt_keys USING btree (issuer_id, kid)",
    "CREATE INDEX memberships_accepted ON auth.memberships USING btree (user_id, accepted, created_at)",
    "CREATE INDEX revocations_value ON auth.revocations USING btree (value)",
    "CREATE INDEX user_bans_user ON auth.user_bans USING btree (user_id)",
    "CREATE INDEX user_passwords_user ON auth.user_passwords USING btree (user_id)",
    "CREATE INDEX workspace_memberships_accepted ON auth.workspace_memberships USING btree (user_id, accepted, created_at)",
    "CREATE UNIQUE INDEX api_key_settings_pkey ON auth.api_key_settings USING btree (org_id)",
    "CREATE UNIQUE INDEX api_keys_key_hash_key ON auth.api_keys USING btree (key_hash)",
    "CREATE UNIQUE INDEX api_keys_pkey ON auth.api_keys USING btree (id)",
    "CREATE UNIQUE INDEX api_keys_public_id_key ON auth.api_keys USING btree (public_id)",
    "CREATE UNIQUE INDEX issuers_issuer_key ON auth.issuers USING btree (issuer)",
    "CREATE UNIQUE INDEX jwt_secrets_pkey ON auth.jwt_secrets USING btree (key_id)",
    "CREATE UNIQUE INDEX membership_sources_pkey ON auth.membership_sources USING btree (source)",
    "CREATE UNIQUE INDEX memberships_pkey ON auth.memberships USING btree (user_id, org_id)",
    "CREATE UNIQUE INDEX minted_tokens_pkey ON auth.minted_tokens USING btree (id)",
    "CREATE UNIQUE INDEX organizations_external_id_key ON auth.organizations USING btree (external_id)",
    "CREATE UNIQUE INDEX organizations_pkey ON auth.organizations USING btree (id)",
    "CREATE UNIQUE INDEX roles_org_id_name_builtin_key ON auth.roles USING btree (org_id, name, builtin) NULLS NOT DISTINCT",
    "CREATE UNIQUE INDEX roles_pkey ON auth.roles USING btree (id, builtin)",
    "CREATE UNIQUE INDEX sessions_pkey ON auth.sessions USING btree (id)",
    "CREATE UNIQUE INDEX ticket_secret_pkey ON auth.ticket_secret USING btree (single)",
    "CREATE UNIQUE INDEX workspace_memberships_pkey ON auth.workspace_memberships USING btree (user_id, workspace_id)",
];

#[test]
fn tables_and_indexes_are_laid_out_as_the_library_reads_them() {
    let db = Database::new();
    let mut session = db.superuser();
    let found = rows(
        &mut session,
        "select c.relname || ' ' || a.attnum || ' ' || a.attname || ' ' || format_type(a.atttypid, -1)
                || case when a.attcollation = '\"C\"'::regcollation then ' \"C\"' else '' end || case when a.attnotnull then '' else ' null' end
           from pg_attribute a join pg_class c on c.oid = a.attrelid
          where c.relnamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace) and c.relkind = 'r' and a.attnum > 0
          order by c.relname, a.attnum",
    );
    let expected: Vec<_> = COLUMNS
        .iter()
        .flat_map(|(table, columns)| {
            columns.iter().enumerate().map(move |(at, column)| format!("{table} {} {column}", at + 1))
        })
        .collect();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(found), sorted(expected));
    let found = rows(
        &mut session,
        "select pg_get_indexdef(i.indexrelid) from pg_index i
          where i.indexrelid::regclass::text in (
              'auth.issuers_issuer_key', 'auth.jwt_keys_issuer', 'auth.jwt_secrets_pkey',
              'auth.organizations_pkey', 'auth.organizations_external_id_key', 'auth.memberships_pkey',
              'auth.memberships_accepted', 'auth.workspace_memberships_accepted',
              'auth.workspace_memberships_pkey', 'auth.roles_pkey', 'auth.roles_org_id_name_builtin_key',
              'auth.membership_sources_pkey', 'auth.api_keys_key_hash_key', 'auth.api_keys_public_id_key',
              'auth.api_key_settings_pkey', 'auth.api_key_revocations_key', 'auth.api_keys_pkey',
              'auth.minted_tokens_pkey', 'auth.revocations_value', 'auth.ticket_secret_pkey',
              'auth.sessions_pkey', 'auth.user_bans_user', 'auth.user_passwords_user')
            and i.indisvalid and i.indpred is null
          order by pg_get_indexdef(i.indexrelid) collate \"C\"",
    );
    assert_eq!(found, INDEXES);
}

#[test]
fn t013_the_library_exports_nothing_but_what_sql_declares() {
    let db = Database::new();
    let mut session = db.superuser();
    let symbols = rows(
        &mut session,
        "select p.prosrc from pg_proc p where p.pronamespace in ('auth'::regnamespace, 'auth_internal'::regnamespace) and p.probin is not null",
    );
    let mut expected: BTreeSet<String> =
        ["Pg_magic_func", "_PG_init", "pg_bearer_launcher", "pg_bearer_sessions", "pg_bearer_usage"]
            .map(str::to_owned)
            .into();
    // Databases that were not updated yet call what releases declared.
    let symbols = symbols.into_iter().chain(released().into_values().flat_map(|script| symbols_in(&script)));
    expected.extend(symbols.flat_map(|symbol| [format!("pg_finfo_{symbol}"), symbol]));
    assert_eq!(exported(), expected);
}

/// The names that the library offers to servers.
fn exported() -> BTreeSet<String> {
    let library = directory("--pkglibdir").join("pg_bearer.so");
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().unwrap();
    assert!(output.status.success(), "nm: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| line.rsplit(' ').next().unwrap().to_owned()).collect()
}

/// The C symbols that a script declares functions with.
fn symbols_in(script: &str) -> Vec<String> {
    let declared = script.split("'MODULE_PATHNAME', '").skip(1);
    declared.map(|rest| rest.split_once('\'').unwrap().0.to_owned()).collect()
}

/// Those of them that a library without these names could not call.
fn missing(script: &str, exported: &BTreeSet<String>) -> Vec<String> {
    let is_there =
        |symbol: &String| exported.contains(symbol) && exported.contains(&format!("pg_finfo_{symbol}"));
    symbols_in(script).into_iter().filter(|symbol| !is_there(symbol)).collect()
}

#[test]
fn t199_the_library_has_every_symbol_that_a_release_declared() {
    let exported = exported();
    for (version, script) in released() {
        let declared = symbols_in(&script);
        assert!(declared.len() > 50 && declared.len() == script.matches("MODULE_PATHNAME").count());
        assert_eq!(missing(&script, &exported), [] as [String; 0], "of {version}");
        // Without one of them, or without what says how it is called, it would be noticed.
        for name in [declared[0].clone(), format!("pg_finfo_{}", declared[0])] {
            let mut fewer = exported.clone();
            fewer.remove(&name);
            assert_eq!(missing(&script, &fewer), [declared[0].clone()]);
        }
    }
    let gone = "create function auth.gone() returns int language c as 'MODULE_PATHNAME', 'pg_bearer_gone';";
    assert_eq!(missing(gone, &exported), ["pg_bearer_gone"]);
}

#[test]
fn t041_t050_t061_the_sources_use_no_substitution_advisory_lock_or_notification() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = files_below(&root.join("sql"));
    files.extend(files_below(&root.join("src")));
    assert!(files.len() > 30, "{files:?}");
    let version = installation().extension_version().unwrap();
    let script = directory("--sharedir").join(format!("extension/pg_bearer--{version}.sql"));
    files.push(script.clone());
    for file in files {
        let mut text = fs::read_to_string(&file).unwrap().to_lowercase();
        if file.ends_with("src/pg/ffi/version.rs") {
            // The numbers of the functions that are refused to policies that are explained.
            text = text.replace("pg_sys::f_pg_advisory_", "").replace("pg_sys::f_pg_try_advisory_", "");
        }
        for word in ["@extschema", "@extowner", "advisory", "pg_notify", "notify "] {
            assert!(!text.contains(word), "{word:?} in {}", file.display());
        }
    }
    // An install adopts nothing that is there already.
    let text = fs::read_to_string(&script).unwrap().to_lowercase();
    let code = |line: &&str| !line.trim_start().starts_with("--");
    let text: String = text.lines().filter(code).map(|line| format!("{line}\n")).collect();
    for word in ["create or replace", "if not exists"] {
        assert!(!text.contains(word), "{word:?} in {}", script.display());
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

/// A directory of the installation that the tests use.
fn directory(option: &str) -> PathBuf {
    let output = installation().command(&installation().bin("pg_config")).arg(option).output().unwrap();
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}
