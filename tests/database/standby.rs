//! A hot standby, on which nothing can be written, and a primary on which nothing is.

use pg_bearer_tests::database::{Session, assert_values, installation};
use pg_bearer_tests::refusal;
use pg_bearer_tests::token::*;
use postgres::{Client, Config, NoTls};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xtask::Server;

const REFUSED: &str = "28000 the credential was refused";

const SETUP: &str = "
create extension pg_bearer;
create role tenant login;
create role table_owner nologin;
create table docs (id int primary key, org_id uuid);
insert into docs select n, case when n % 2 = 0 then '0a000000-0000-4000-8000-00000000000a'::uuid
                                else '0b000000-0000-4000-8000-00000000000b' end from generate_series(1, 1000) n;
alter table docs owner to table_owner;
alter table docs enable row level security;
alter table docs force row level security;
create policy own_organization on docs using (auth.in_org(org_id));
grant select on docs to tenant;
";

/// A server of its own with this extension and organizations A and B.
fn primary(name: &str, settings: &[(&str, &str)]) -> Server {
    let server = Server::start(installation(), name, settings).unwrap();
    server.psql("postgres", SETUP).unwrap();
    let sql = format!(
        "select auth.add_issuer('{ISSUER}', memberships_from_claims => true);
         select auth.add_jwt_secret('{ISSUER}', '{SECRET}')"
    );
    server.psql("postgres", &sql).unwrap();
    server
}

fn connect(dir: &Path, user: &str) -> Client {
    Config::new().host_path(dir).port(5432).dbname("postgres").user(user).connect(NoTls).unwrap()
}

/// A standby of a server, below the server's own directory; its socket lies in its data directory.
pub(super) struct Standby(pub(super) PathBuf);

impl Standby {
    pub(super) fn of(primary: &Server) -> Standby {
        let standby = Standby(primary.socket_dir().join("standby"));
        let mut backup = installation().command(&installation().bin("pg_basebackup"));
        backup.args(["--checkpoint=fast", "--wal-method=stream", "--write-recovery-conf", "--no-sync"]);
        backup.arg("--host").arg(primary.socket_dir()).args(["--port", "5432", "--username", "postgres"]);
        let output = backup.arg("--pgdata").arg(&standby.0).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let options = format!("-c unix_socket_directories={}", standby.0.display());
        standby.pg_ctl(&["start", "--options", &options, "--log", &standby.0.join("log").to_string_lossy()]);
        standby
    }

    fn pg_ctl(&self, arguments: &[&str]) {
        let mut command = installation().command(&installation().bin("pg_ctl"));
        let status =
            command.args(arguments).args(["--wait", "--silent", "--pgdata"]).arg(&self.0).status().unwrap();
        assert!(status.success(), "{}", std::fs::read_to_string(self.0.join("log")).unwrap_or_default());
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        self.pg_ctl(&["stop", "--mode=immediate"]);
    }
}

/// Waits until a transaction that begins with this token ends as expected; how long that took.
fn until(session: &mut Client, token: &str, is_good: bool) -> Duration {
    let begin = Instant::now();
    loop {
        session.run("begin");
        let found = session.authenticate(token);
        if found.is_ok() == is_good {
            assert!(is_good || refusal(found) == REFUSED);
            session.run("rollback");
            return begin.elapsed();
        }
        session.run("rollback");
        assert!(begin.elapsed() < Duration::from_secs(30), "still not {is_good} after 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until this user has this role in a transaction of the session.
fn until_role(session: &mut Client, user: &str, expected: Option<&str>) {
    let token = hs256(&with(claims_a(), json!({"sub": user, "org_id": null})));
    let begin = Instant::now();
    loop {
        session.run("begin");
        session.authenticate(&token).unwrap();
        let found = session.value("select auth.org_role()");
        if found.as_deref() == expected {
            return;
        }
        session.run("rollback");
        assert!(begin.elapsed() < Duration::from_secs(30), "still {found:?} after 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Memberships reach the standby, and nobody changes them there.
fn assert_memberships_follow(administrator: &mut Client, session: &mut Client) {
    let org = administrator.value("select auth.create_organization('o', owner_id => 'alice')").unwrap();
    administrator.run(&format!("select auth.add_member('{org}', 'bob')"));
    until_role(session, "bob", Some("member"));
    session.run("rollback");
    until_role(session, "alice", Some("owner"));
    let cases = [
        ("select auth.current_org()", Some(org.as_str())),
        ("select auth.has_permission('members.write')", Some("t")),
        ("select string_agg(user_id, ' ') from auth.list_members()", Some("alice bob")),
        ("select count(*) from auth.list_organizations()", Some("1")),
        ("select count(*) from auth.list_invitations()", Some("0")),
    ];
    assert_values(session, &cases);
    session.run("savepoint s");
    let token = format!("inv_{}", "A".repeat(43));
    for change in [format!("remove_member('{org}', 'bob')"), format!("accept_invitation('{token}')")] {
        let told = session.refused(&format!("select auth.{change}"));
        assert_eq!(told, "25006 cannot execute UPDATE in a read-only transaction", "{change}");
        session.run("rollback to s");
    }
    session.run("rollback");
    administrator.run(&format!("select auth.set_member_role('{org}', 'bob', 'viewer')"));
    until_role(session, "bob", Some("viewer"));
    session.run("rollback");
    administrator.run(&format!("select auth.remove_member('{org}', 'bob')"));
    until_role(session, "bob", None);
    session.run("rollback");
}

/// Policies are explained and tried on the standby, which takes no writes.
fn assert_access_is_explained(session: &mut Client) {
    let who = format!(r#"'{{"org_id": "{ORG_A}"}}'"#);
    let explained = format!(
        "select conclusion from auth.explain_access('docs', 'select', identity => {who}, row_key => '{{\"id\": 2}}', as_role => 'tenant') where policy is null"
    );
    let cases = [
        (explained.as_str(), Some("allowed: the policies for SELECT are true for role tenant")),
        ("select left(auth.assert_isolated('docs', 'tenant'), 26)", Some("public.docs is isolated fo")),
        ("select auth.act_as('{\"user_id\": \"u1\"}') ->> 'kind'", Some("act_as")),
    ];
    assert_values(session, &cases);
}

/// Keys reach the standby with their revocations, are used there, and nobody makes one.
fn assert_api_keys_follow(administrator: &mut Client, session: &mut Client) {
    let org = administrator.value("select auth.create_organization('o', owner_id => 'carol')").unwrap();
    let create =
        |more: &str| format!("select key from auth.create_api_key('k', '{org}', user_id => 'carol'{more})");
    let key = administrator.value(&create("")).unwrap();
    let rotated = administrator.value(&create("")).unwrap();
    until(session, &key, true);
    until(session, &rotated, true);
    session.run("begin");
    session.authenticate(&key).unwrap();
    let check =
        format!("select valid and org_id = '{org}' and scopes = '{{*}}' from auth.check_api_key('{key}')");
    let cases = [
        ("select auth.current_org()", Some(org.as_str())),
        ("select auth.user_id()", Some("carol")),
        ("select auth.has_permission('docs.write')", Some("t")),
        ("select count(*) from auth.list_api_keys()", Some("2")),
        (&check, Some("t")),
        ("select valid from auth.check_api_key('sk_live_x')", Some("f")),
    ];
    assert_values(session, &cases);
    session.run("rollback");
    session.run("begin");
    session.authenticate(&hs256(&with(claims_a(), json!({"sub": "carol", "org_id": null})))).unwrap();
    session.run("savepoint s");
    for change in ["create_api_key('another')", "revoke_api_key(id) from auth.list_api_keys()"] {
        let told = session.refused(&format!("select auth.{change}"));
        assert!(told.starts_with("25006"), "{change}: {told}");
        session.run("rollback to s");
    }
    session.run("rollback");
    administrator.run(&format!(
        "select auth.rotate_api_key(id) from auth.list_api_keys('{org}') where last4 = right('{rotated}', 4);
         select auth.revoke_api_key(id) from auth.list_api_keys('{org}') where last4 = right('{key}', 4)"
    ));
    until(session, &rotated, false);
    until(session, &key, false);
}

#[test]
fn a_standby_verifies_and_hears_of_revocations() {
    let primary = primary("primary", &[("wal_level", "replica")]);
    let standby = Standby::of(&primary);
    let mut session = connect(&standby.0, "tenant");
    assert_values(&mut session, &[("select pg_is_in_recovery()", Some("t"))]);
    assert_eq!(session.visible(), 0);

    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
    let cases = [
        ("select auth.current_org()", Some(ORG_A)),
        ("select auth.uid()", Some(USER_A)),
        ("select auth.org_ids()", Some("{0a000000-0000-4000-8000-00000000000a}")),
        ("select auth.in_org('0b000000-0000-4000-8000-00000000000b')", Some("f")),
        ("select auth.identity() ->> 'kind'", Some("jwt")),
        ("select count(*) from docs where org_id <> '0a000000-0000-4000-8000-00000000000a'", Some("0")),
    ];
    assert_values(&mut session, &cases);
    session.authenticate(&token_b()).unwrap();
    assert_values(&mut session, &[("select min(org_id::text) from docs", Some(ORG_B))]);
    session.run("commit");
    assert_eq!(session.visible(), 0);
    assert_eq!(refusal(session.authenticate("a.b.c")), REFUSED);

    let mut verify = |token: &str| {
        let sql = "select auth.verify_jwt($1) ->> 'sub'";
        session.query_one(sql, &[&token]).map(|row| row.get::<_, String>(0))
    };
    assert_eq!(verify(&token_a()).unwrap(), USER_A);
    assert_eq!(refusal(verify("a.b.c")), REFUSED);

    let mut administrator = connect(primary.socket_dir(), "postgres");
    let pair = Pair::es256();
    let add = "select auth.add_jwt_key($1, $2)::text";
    let key: String = administrator.query_one(add, &[&ISSUER, &pair.jwk("es").to_string()]).unwrap().get(0);
    let token = pair.sign("es", &claims_a());
    let mut other = connect(&standby.0, "tenant");
    let added = until(&mut session, &token, true);
    until(&mut other, &token, true);
    administrator.run(&format!("select auth.revoke_jwt_key('{key}')"));
    // Also in the sessions that have just found the signature good.
    let revoked = until(&mut session, &token, false);
    until(&mut other, &token, false);
    println!("the standby knew the new key after {added:?} and its revocation after {revoked:?}");
    assert_memberships_follow(&mut administrator, &mut session);
    assert_api_keys_follow(&mut administrator, &mut session);
    assert_access_is_explained(&mut connect(&standby.0, "postgres"));
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    assert_eq!(session.visible(), 500);
}

/// Keys of a user and of nobody, restricted and not; the last of them is revoked.
fn api_keys(administrator: &mut Client) -> Vec<String> {
    let org = administrator.value("select auth.create_organization('o', owner_id => 'carol')").unwrap();
    let keys =
        ["user_id => 'carol'", "role => 'member'", "allowed_tables => '{docs}', expires_at => '9999-12-31'"];
    let create = |more: &&str| {
        administrator.value(&format!("select key from auth.create_api_key('k', '{org}', {more})")).unwrap()
    };
    let mut keys: Vec<_> = keys.iter().map(create).collect();
    let revoked = "select key, auth.revoke_api_key(id) from auth.create_api_key('k', kind => 'service')";
    keys.push(administrator.query_one(revoked, &[]).unwrap().get(0));
    keys
}

#[test]
fn a_thousand_authentications_write_nothing() {
    // Without the records that the server writes by itself from time to time.
    let quiet = [("autovacuum", "off"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
    let server = primary("quiet", &quiet);
    server.psql("postgres", "vacuum freeze; checkpoint").unwrap();
    let mut observer = connect(server.socket_dir(), "postgres");
    let mut session = connect(server.socket_dir(), "tenant");
    let mut keys = api_keys(&mut observer);
    let revoked = keys.pop().unwrap();
    let bad = [&*revoked, "sk_live_x", "x"];
    let position = |observer: &mut Client| {
        let sql = "select pg_current_wal_insert_lsn() || ' ' || pg_snapshot_xmax(pg_current_snapshot())";
        observer.value(sql).unwrap()
    };
    // More than one, so that not every signature is a known one.
    let tokens: Vec<String> =
        (0..50).map(|jti: i32| hs256(&with(claims_a(), json!({"jti": jti.to_string()})))).collect();
    let before = position(&mut observer);
    for round in 0..1000 {
        session.run(if round % 2 == 0 { "begin read only" } else { "begin" });
        session.authenticate(&tokens[round % tokens.len()]).unwrap();
        session.run(&format!("select auth.verify_jwt('{}')", tokens[0]));
        if round % 10 == 0 {
            assert_eq!(session.visible(), 500);
        }
        assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
        session.run("commit");
    }
    assert_eq!(position(&mut observer), before);

    let write_nothing = |session: &mut Client, good: &str, bad: &str| {
        let check = "select valid from auth.check_api_key($1)";
        for (key, is_good) in [(good, true), (bad, false)] {
            let valid = session.query_one(check, &[&key]).unwrap();
            assert_eq!(valid.get::<_, bool>(0), is_good);
            session.run("savepoint s");
            assert_eq!(session.authenticate(key).is_ok(), is_good);
            session.run(if is_good { "release s" } else { "rollback to s" });
        }
        assert_eq!(session.value("select pg_current_xact_id_if_assigned()"), None);
    };
    for round in 0..1000 {
        session.run(if round % 2 == 0 { "begin read only" } else { "begin isolation level serializable" });
        write_nothing(&mut session, &keys[round % keys.len()], bad[round % bad.len()]);
        session.run("commit");
    }
    assert_eq!(position(&mut observer), before);

    // The measure itself: an xid and its WAL would be seen.
    session.run("begin; select pg_current_xact_id(); commit");
    assert_ne!(position(&mut observer), before);
}
