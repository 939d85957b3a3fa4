//! What pg_stat_statements keeps of the statements that carry a credential.

use pg_bearer_tests::database::{Session, installation};
use pg_bearer_tests::token::*;
use postgres::types::Type;
use postgres::{Client, Config, NoTls};
use xtask::Server;

const SETUP: &str = "
create extension pg_stat_statements;
create extension pg_bearer;
create role tenant login in role pg_execute_server_program;
create procedure take(claims jsonb) language sql as '';
";

/// A server of its own: the library must be there when it starts.
fn start(name: &str) -> Server {
    let settings = [("shared_preload_libraries", "pg_stat_statements"), ("pg_stat_statements.track", "all")];
    let server = Server::start(installation(), name, &settings).unwrap();
    server.psql("postgres", SETUP).unwrap();
    let issuer = format!(
        "select auth.add_issuer('{ISSUER}', memberships_from_claims => true);
         select auth.add_jwt_secret('{ISSUER}', '{SECRET}')"
    );
    server.psql("postgres", &issuer).unwrap();
    server.psql("postgres", "select pg_stat_statements_reset()").unwrap();
    server
}

fn connect(server: &Server, user: &str) -> Client {
    let mut config = Config::new();
    config.host_path(server.socket_dir()).port(server.port()).dbname("postgres").user(user);
    config.connect(NoTls).unwrap()
}

/// The texts that are kept, each with a line of its own.
fn kept(server: &Server) -> String {
    server.psql("postgres", "select query from pg_stat_statements").unwrap()
}

/// A good token, one that is signed by somebody else, an expired one, and no token at all.
fn credentials() -> [String; 4] {
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let expired = serde_json::json!({"iat": now() - 7200, "exp": now() - 3600});
    [
        token_a(),
        hs256_with(b"another secret, 32 bytes or more", header, &claims_b().to_string()),
        hs256(&with(claims_a(), expired)),
        "no token, but the password of somebody, who knows".into(),
    ]
}

/// Sixteen characters of the credential in a row that the text has, too.
fn part_in<'a>(credential: &'a str, text: &str) -> Option<&'a str> {
    (16..=credential.len()).filter_map(|end| credential.get(end - 16..end)).find(|part| text.contains(part))
}

/// Whether a statement with the credential as its parameter succeeds, unprepared and prepared by the client.
fn bind(session: &mut Client, sql: &str, credential: &str) -> [bool; 2] {
    let unprepared = session.query_typed(sql, &[(&credential, Type::TEXT)]);
    let statement = session.prepare(sql).unwrap();
    [unprepared.is_ok(), session.execute(&statement, &[&credential]).is_ok()]
}

/// The token of an invitation that was accepted, and then shown in vain.
fn accepted_invitation(server: &Server, session: &mut Client) -> String {
    let invite = "select token from auth.create_invitation(auth.create_organization('o'))";
    let token = server.psql("postgres", invite).unwrap().trim().to_owned();
    session.run("begin");
    session.authenticate(&token_a()).unwrap();
    session.execute("select auth.accept_invitation($1)", &[&token]).unwrap();
    let told = session.refused(&format!("select 'a literal', auth.accept_invitation('{token}')"));
    assert_eq!(told, "42501 the invitation is not valid");
    session.run("rollback");
    token
}

#[test]
fn t065_pg_stat_statements_keeps_no_bound_credential() {
    let server = start("statements");
    let mut session = connect(&server, "tenant");
    let credentials = credentials();
    for function in ["authenticate", "verify_jwt"] {
        for (number, credential) in credentials.iter().enumerate() {
            let good = bind(&mut session, &format!("select auth.{function}($1)"), credential);
            assert_eq!(good, [number == 0; 2], "{function}, credential {number}");
        }
    }
    session.run("prepare p (text) as select auth.verify_jwt($1)");
    session.run(&format!("execute p('{}')", credentials[0]));
    // Postgres replaces the literals of a plain SELECT, also of one that fails.
    session.run(&format!("select 'a literal', auth.verify_jwt('{}')", credentials[0]));
    for credential in &credentials[1..] {
        let sql = format!("select 'a literal', auth.authenticate('{credential}')");
        assert_eq!(session.refused(&sql).get(..5), Some("28000"));
    }
    let invitation = accepted_invitation(&server, &mut session);
    let texts = kept(&server);
    for text in [
        "select auth.authenticate($1)",
        "select auth.verify_jwt($1)",
        "select $1, auth.verify_jwt($2)",
        "select auth.accept_invitation($1)",
    ] {
        assert!(texts.contains(text), "{text:?} is not in:\n{texts}");
    }
    for credential in credentials.iter().chain([&invitation]) {
        assert_eq!(part_in(credential, &texts), None, "{texts}");
    }
}

/// Not ours to prevent; README.md warns of it. When this fails, other things can be promised.
#[test]
fn t065_pg_stat_statements_keeps_literals_in_other_statements() {
    let server = start("literals");
    let mut session = connect(&server, "tenant");
    let major: u32 = session.value("show server_version_num").unwrap().parse::<u32>().unwrap() / 10_000;
    for (form, until) in [
        ("do $do$ begin perform {}; end $do$", 18),
        ("call take({})", 16),
        ("copy (select {}) to program 'cat >/dev/null'", 18),
        ("explain select {}", 15),
        ("begin; declare c cursor for select {}; rollback", 15),
        ("create temporary table t as select {}", 15),
    ] {
        let token =
            hs256(&with(claims_a(), serde_json::json!({"email": format!("{}@a.example", form.len())})));
        session.run(&form.replace("{}", &format!("auth.verify_jwt('{token}')")));
        let texts = kept(&server);
        assert_eq!(texts.contains(&token), major <= until, "{form} in PostgreSQL {major}:\n{texts}");
    }
}
