//! Backups: what is in them, what is not, and that a restored database works.

mod users;

pub(super) use users::SIGNED_UP;

use super::install::catalog;
use pg_bearer_tests::database::{Session, installation, server};
use pg_bearer_tests::token::*;
use pg_bearer_tests::{Database, refusal};
use serde_json::json;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// The secrets come last: they are not always in a dump.
pub(super) const TABLES: [&str; 26] = [
    "issuers",
    "jwt_keys",
    "organizations",
    "workspaces",
    "roles",
    "memberships",
    "workspace_memberships",
    "invitations",
    "endings",
    "guard_settings",
    "membership_sources",
    "api_key_uses",
    "api_key_usage",
    "api_keys",
    "api_key_settings",
    "api_key_revocations",
    "audit_log",
    "minted_tokens",
    "revocations",
    "users",
    "user_passwords",
    "user_bans",
    "one_time_tokens",
    "hooks",
    "sessions",
    "jwt_secrets",
];

/// Organizations, one of them disabled, with everything that they can have.
pub(super) const TENANTS: &str = r#"
create table staff (login text not null, company uuid not null, position text, primary key (login, company));
select auth.register_membership_source('staff', 'login', 'company', 'position');
do $$
declare
    acme uuid := auth.create_organization('Acme', 'acme', 'cus_1', '{"plan": [1, null]}', 'alice');
    shut uuid := auth.create_organization(E'Été \\ "x"', owner_id => 'alice');
    desk uuid := auth.create_workspace(acme, 'Desk', 'desk');
    closed uuid := auth.create_workspace(acme, 'Closed');
begin
    perform auth.define_role('auditor', '{reports.*,a.b}', acme, 350, '{viewer}');
    perform auth.define_role('clerk', '{}');
    -- A built-in role that is changed, and one that was.
    perform auth.define_role('member', '{docs.read}', rank => 410);
    perform auth.define_role('viewer', '{*}', rank => 1);
    perform auth.drop_role('viewer');
    perform auth.add_member(acme, 'bob');
    perform auth.add_member(acme, 'carol', 'auditor');
    perform auth.add_member(shut, 'bob', 'admin');
    perform auth.add_workspace_member(desk, 'bob', 'clerk');
    perform auth.add_workspace_member(closed, 'bob', 'owner');
    perform auth.disable_workspace(closed);
    perform auth.disable_organization(shut);
    perform auth.create_invitation(acme, 'auditor', 'guest@users.example', desk);
    perform auth.revoke_invitation((auth.create_invitation(acme)).invitation_id);
    if to_regclass('auth.endings') is not null then
    insert into auth.endings (kind, target_id, org_id, user_id, role_id, deleted, rank, permissions, grantable, ended_by)
    values ('membership', gen_random_uuid(), gen_random_uuid(), 'x', gen_random_uuid(), true, 1, '{a,b}', '{}', E'it''s \\ held');
    end if;
    if to_regclass('auth.guard_settings') is not null then
    insert into auth.guard_settings values (true, '{public,"a \"b\" c"}', 'ignore');
    end if;
    insert into auth.api_key_revocations values (gen_random_uuid(), gen_random_uuid(), now(), 'x', E'it''s \\ held');
    insert into auth.api_key_uses values (gen_random_uuid(), null), (gen_random_uuid(), now());
    insert into auth.api_key_usage values (gen_random_uuid(), '2026-01-31', 5000000000);
    perform auth.create_api_key('Robot', acme, 'test', '{reports.*}', desk, '2126-01-01', '{10.0.0.0/8,::1/128}',
        '{https://a.example}', '{GET /a/*}', '{staff}', '{"a": [1]}', 'auditor');
    perform auth.revoke_api_key((auth.create_api_key('Old', shut, kind => 'service')).id, E'it''s \\ old');
    perform auth.rotate_api_key((auth.create_api_key('Shop', kind => 'publishable')).id, '1 day');
    perform auth.import_api_key('bob''s', encode(sha256('key-of-bob'), 'hex'), acme, user_id => 'bob', last4 => '-bob');
    perform auth.set_api_key_settings(acme, 'acme', 7);
    insert into staff values ('sam', acme, 'auditor'), ('sam', '0c000000-0000-4000-8000-00000000000c', 'unknown');
end $$;
"#;

/// One of the server's programs, connecting as this role.
pub(super) fn program(name: &str, role: &str) -> Command {
    let mut command = installation().command(&installation().bin(name));
    command.arg("-h").arg(server().socket_dir()).args(["-p", &server().port().to_string(), "-U", role]);
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// A dump of a database in this format, with these options for the server.
pub(super) fn dump(db: &Database, format: &str, options: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let file = server().socket_dir().join(format!("dump_{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    let output = succeed(
        program("pg_dump", "postgres")
            .env("PGOPTIONS", options)
            .arg(format)
            .arg("-f")
            .arg(&file)
            .arg(&db.name),
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "pg_dump warns");
    file
}

/// A new database with what is in a dump.
pub(super) fn restore(file: &PathBuf, format: &str, jobs: &str) -> Database {
    let db = Database::empty();
    let mut command = match format {
        "-Fp" => program("psql", "postgres"),
        _ => program("pg_restore", "postgres"),
    };
    match format {
        "-Fp" => command.args(["-X", "-v", "ON_ERROR_STOP=1", "-q", "-f"]).arg(file).args(["-d", &db.name]),
        _ => command.args(["--exit-on-error", jobs, "-d", &db.name]).arg(file),
    };
    succeed(&mut command);
    db
}

/// The dump as text, unpacked.
fn text(file: &PathBuf, format: &str) -> String {
    match format {
        "-Fp" => fs::read_to_string(file).unwrap(),
        _ => String::from_utf8(succeed(program("pg_restore", "postgres").args(["-f", "-"]).arg(file)).stdout)
            .unwrap(),
    }
}

/// A database with keys of every kind, and the one that signs.
fn source() -> (Database, Pair) {
    let db = Database::new();
    let pair = Pair::es256();
    let mut session = db.superuser();
    let keys = jwks(&[pair.jwk("es"), Pair::ed25519().jwk("ed"), Pair::rs256().jwk("rs")]);
    session.execute("select auth.load_jwks($1, $2)", &[&ISSUER, &keys]).unwrap();
    let revoked = session.query_one(
        "select auth.add_jwt_key($1, $2)::text",
        &[&ISSUER, &Pair::es256().jwk("old").to_string()],
    );
    session.run(&format!("select auth.revoke_jwt_key('{}')", revoked.unwrap().get::<_, String>(0)));
    session.run(&format!(
        "select auth.update_issuer('{STRICT_ISSUER}', audiences => '{{a, \"b, \\\"c\\\"\"}}', leeway => '1 second', org_claim => '{{a.b,c}}')"
    ));
    session.run(TENANTS);
    session.run(SIGNED_UP);
    (db, pair)
}

/// What is in a table of ours, order aside, and when roles came that came with the extension.
fn content(db: &Database, table: &str) -> Option<String> {
    let row = match table {
        "roles" => "case when builtin then (to_jsonb(t) - 'created_at')::text else t::text end",
        _ => "t::text",
    };
    db.superuser().value(&format!("select string_agg({row}, E'\\n' order by {row}) from auth.{table} t"))
}

/// What the token of a user of [`TENANTS`] makes of a transaction.
fn place(db: &Database, pair: &Pair, user: &str) -> String {
    let mut session = db.tenant();
    session.run("begin");
    let claims = json!({"iss": ISSUER, "sub": user, "iat": now(), "exp": now() + 600});
    session.authenticate(&pair.sign("es", &claims)).unwrap();
    let facts = "select concat_ws(' ', auth.org_role(), auth.workspace_role(), cardinality(auth.org_ids()),
                                  cardinality(auth.workspace_ids()), auth.identity() ->> 'permissions')";
    session.value(facts).unwrap()
}

/// The secret as it could be written in a dump.
fn spellings() -> [String; 3] {
    use base64::Engine;
    [SECRET.into(), hex::encode(SECRET), base64::engine::general_purpose::STANDARD_NO_PAD.encode(SECRET)]
}

/// Asserts that a restored database is what its source was, with or without secrets.
fn assert_same(found: &Database, source: &Database, pair: &Pair, with_secrets: bool) {
    for table in &TABLES[..TABLES.len() - usize::from(!with_secrets)] {
        assert!(content(source, table).is_some());
        assert_eq!(content(found, table), content(source, table), "{table}");
    }
    assert_eq!(catalog(&mut found.superuser()), catalog(&mut source.superuser()));
    for (user, expected) in [
        ("alice", r#"owner 1 0 ["*"]"#),
        ("bob", r#"member clerk 1 1 ["docs.read"]"#),
        ("carol", r#"auditor 1 0 ["reports.*", "a.b"]"#),
        ("sam", "2 0 []"),
        ("nobody", "0 0 []"),
    ] {
        assert_eq!(place(found, pair, user), expected, "{user}");
    }
    let mut session = found.tenant();
    session.run("begin");
    session.authenticate(&pair.sign("es", &claims_a())).unwrap();
    assert_eq!(session.visible(), 500);
    session.run("rollback; begin");
    session.authenticate("key-of-bob").unwrap();
    let bearer = session
        .value("select concat_ws(' ', auth.user_id(), auth.org_role(), auth.identity() -> 'permissions')");
    assert_eq!(bearer.as_deref(), Some(r#"bob member ["docs.read"]"#));
    session.run("rollback");
    let usable = "select distinct usable from auth.list_jwt_keys() where alg = 'HS256'";
    if with_secrets {
        session.authenticate(&token_a()).unwrap();
        assert_eq!(found.superuser().value(usable).as_deref(), Some("t"));
    } else {
        assert_eq!(content(found, "jwt_secrets"), None);
        assert_eq!(refusal(session.authenticate(&token_a())), "28000 the credential was refused");
        assert_eq!(found.superuser().value(usable).as_deref(), Some("f"));
    }
}

#[test]
fn t071_a_dump_has_no_secrets_and_restores_everything_else() {
    let (source, pair) = source();
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j1"), ("-Fc", "-j4"), ("-Fc", "--single-transaction")] {
        let file = dump(&source, format, "");
        let text = text(&file, format);
        assert!(text.contains(ISSUER) && text.contains("COPY auth.jwt_secrets"), "{format}");
        for spelling in spellings() {
            assert!(!text.contains(&spelling), "{format} {spelling}");
        }
        assert_same(&restore(&file, format, jobs), &source, &pair, false);
    }
}

#[test]
fn t071_a_dump_with_dump_secrets_on_restores_all() {
    let (source, pair) = source();
    for (format, jobs) in [("-Fp", ""), ("-Fc", "-j1"), ("-Fc", "-j4")] {
        let file = dump(&source, format, "-c pg_bearer.dump_secrets=on");
        assert!(text(&file, format).contains(&hex::encode(SECRET)), "{format}");
        assert_same(&restore(&file, format, jobs), &source, &pair, true);
    }
}

#[test]
fn a_restored_database_goes_on_where_its_source_stopped() {
    let (source, pair) = source();
    let org = "(select id from auth.organizations where slug = 'acme')";
    let invite = format!("select token from auth.create_invitation({org}, 'clerk')");
    let token = source.superuser().value(&invite).unwrap();
    let file = dump(&source, "-Fc", "");
    let restored = restore(&file, "-Fc", "-j4");
    let mut guest = restored.tenant();
    guest.run("begin");
    let claims = json!({"iss": ISSUER, "sub": "guest", "iat": now(), "exp": now() + 600});
    guest.authenticate(&pair.sign("es", &claims)).unwrap();
    guest.run(&format!("select auth.accept_invitation('{token}'); commit"));
    assert_eq!(place(&restored, &pair, "guest"), "clerk 1 0 []");
    let mut session = restored.superuser();
    for (change, user, expected) in [
        ("define_role('member', '{x}')", "bob", r#"member clerk 1 1 ["x"]"#),
        ("drop_role('member')", "guest", "clerk 1 0 []"),
        ("define_role('clerk', '{y}')", "guest", r#"clerk 1 0 ["y"]"#),
        ("enable_organization(id) from auth.organizations where disabled_at is not null", "alice", "2 0 []"),
        ("unregister_membership_source('staff')", "sam", "0 0 []"),
    ] {
        session.run(&format!("select auth.{change}"));
        assert_eq!(place(&restored, &pair, user), expected, "{change}");
    }
    let roles = "select string_agg(role || ' ' || builtin, ', ' order by role) from auth.list_roles()";
    let expected = "admin true, clerk false, member true, owner true, viewer true";
    assert_eq!(session.value(roles).as_deref(), Some(expected));
}

#[test]
fn t071_the_setting_works_from_the_database_and_whether_or_not_the_library_is_loaded() {
    let (source, _) = source();
    let name = &source.name;
    for loaded in [false, true] {
        let mut session = source.superuser();
        if loaded {
            session.run(&format!("alter database {name} set session_preload_libraries = pg_bearer"));
        }
        for (settings, options, expected) in [
            ("", "", false),
            ("", "-c pg_bearer.dump_secrets=on", true),
            ("", "-c pg_bearer.dump_secrets=off", false),
            ("on", "", true),
            ("on", "-c pg_bearer.dump_secrets=off", false),
            ("off", "", false),
        ] {
            session.run(&match settings {
                "" => format!("alter database {name} reset pg_bearer.dump_secrets"),
                value => format!("alter database {name} set pg_bearer.dump_secrets = {value}"),
            });
            let found = text(&dump(&source, "-Fp", options), "-Fp").contains(&hex::encode(SECRET));
            assert_eq!(found, expected, "loaded: {loaded}, database: {settings:?}, options: {options:?}");
        }
    }
}

#[test]
fn t071_only_a_superuser_can_dump_the_tables() {
    let (source, _) = source();
    source.superuser().run(
        "do $$ begin create role backup login in role pg_read_all_data; exception when duplicate_object then null; end $$",
    );
    for role in ["backup", "tenant", "administrator"] {
        let output = program("pg_dump", role)
            .env("PGOPTIONS", "-c pg_bearer.dump_secrets=on")
            .arg(&source.name)
            .output()
            .unwrap();
        assert!(!output.status.success(), "{role}");
        let everything = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            everything.contains("row-level security") || everything.contains("permission denied"),
            "{everything}"
        );
        for spelling in spellings() {
            assert!(!everything.contains(&spelling), "{role}");
        }
    }
    // Who reads all data still sees no row of these tables, because row security has no policy for it.
    let mut session = source.connect("backup");
    for table in TABLES {
        session.run("grant usage on schema auth to public");
        assert_eq!(session.value(&format!("select count(*) from auth.{table}")).as_deref(), Some("0"));
    }
}

#[test]
fn a_registered_table_that_is_gone_is_not_in_a_dump() {
    let (db, _) = source();
    let dumped = || text(&dump(&db, "-Fp", ""), "-Fp");
    assert!(dumped().contains("public.staff\tlogin\tcompany\tposition"));
    db.superuser().run("drop table staff");
    assert!(!dumped().contains("\tlogin\tcompany\tposition"));
}

#[test]
fn a_dump_of_the_schema_alone_restores_an_extension_that_refuses_everything() {
    let (source, pair) = source();
    let file = dump(&source, "-Fp", "");
    assert!(fs::metadata(&file).unwrap().len() > 1000);
    let schema_only = server().socket_dir().join("schema_only");
    succeed(program("pg_dump", "postgres").args(["-s", "-f"]).arg(&schema_only).arg(&source.name));
    assert!(!fs::read_to_string(&schema_only).unwrap().contains("COPY auth."));
    let restored = restore(&schema_only, "-Fp", "");
    let mut session = restored.tenant();
    assert_eq!(
        refusal(session.authenticate(&pair.sign("es", &claims_a()))),
        "F0000 no issuer of tokens is configured"
    );
    assert_eq!(session.visible(), 0);
}
