//! Secrets that errors of Postgres quote as values, and the values of applications, which stay.

use super::places::{assert_hides, connect, start};
use super::unique;
use pg_bearer_tests::database::{Session, assert_contains};
use std::io::Write;

/// Of no form that is recognised; its end occurs once.
fn secret() -> String {
    format!("hushhush-verysecret-hushhush-{:0>12}", unique())
}

fn canary(secret: &str) -> [String; 1] {
    [secret[secret.len() - 12..].to_owned()]
}

#[test]
fn t282_errors_of_postgres_within_plpgsql_that_calls_us_hide_their_values() {
    let server = start("within");
    let (mut session, _) = connect(&server);
    for body in [
        "begin perform auth.add_jwt_secret('nope', '{s}'), auth.uid(), '{s}'::text::uuid; end",
        "declare s text := '{\"k\": \"{s}\", }'; begin perform auth.add_jwt_secret('nope', s::jsonb->>'k'); end",
        "declare s text := '{s}'; begin perform auth.explain_credential(s), s::uuid; end",
        "declare s text := '{s}'; begin perform auth.explain_credential(s), s::tsquery && 'x'::tsquery, (s || ' x')::tsquery; end",
    ] {
        let secret = secret();
        let sql = format!("do $do$ {} $do$", body.replace("{s}", &secret));
        let error = session.batch_execute(&sql).unwrap_err();
        assert_hides(&format!("{error:?}"), &canary(&secret), &sql);
        assert_hides(&server.log(), &canary(&secret), &sql);
    }
    // What we say ourselves stays, where it is raised.
    let sql = "do $$ begin perform auth.add_jwt_secret('https://nobody.example', repeat('x', 40)); end $$";
    assert_contains(format!("{:?}", session.batch_execute(sql).unwrap_err()), "no such issuer");
}

#[test]
fn t282_values_of_parameters_are_hidden_whatever_quotes_them() {
    let server = start("quoted");
    let (mut session, _) = connect(&server);
    for settings in
        ["reset all", "set log_parameter_max_length_on_error = -1; set log_min_duration_statement = 0"]
    {
        session.run(settings);
        for value in [
            "$2::text::uuid",
            "$2::text::jsonb",
            "$2::text::regclass",
            "$2::text::regtype",
            "$2::text::regprocedure",
            "($2::text || ' x')::tsquery",
            "xmlparse(document $2::text)",
            "set_config('datestyle', $2::text, true)",
            "set_config('no_such_setting', $2::text, true), 1/0",
            "now() at time zone $2::text",
            "date_trunc($2::text, now())::text",
            "current_setting($2::text)",
            "to_date($2::text, 'YYYY')::text",
        ] {
            let (secret, name) = (secret(), format!("control_{}", unique()));
            for secret in [secret.clone(), format!("{{\"k\": \"{secret}\", }}")] {
                let sql = format!("select $1::text, {value}, auth.authenticate('x') as {name}");
                let error = session.query(&sql, &[&None::<String>, &secret]).unwrap_err();
                assert_hides(
                    &format!("{error:?}"),
                    &canary(secret.trim_end_matches(['"', ' ', ',', '}'])),
                    &sql,
                );
            }
            assert_contains(server.log(), &name);
            assert_hides(&server.log(), &canary(&secret), value);
        }
    }
}

#[test]
fn t282_rows_of_the_table_of_secrets_are_hidden() {
    let server = start("rows");
    let (mut session, _) = connect(&server);
    let id = "7a000000-0000-4000-8000-00000000000a";
    for copy in ["copy auth.jwt_secrets from stdin", "copy auth.jwt_secrets (material, key_id) from stdin"] {
        let secret = secret();
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let end = [hex[hex.len() - 16..].to_owned()];
        for line in [
            format!("{id}\t\\\\x{hex}\tmore\n"),
            format!("no uuid\t\\\\x{hex}\n"),
            format!("\\N\t\\\\x{hex}\n"),
            format!("\\\\x{hex}\n"),
            format!("\\\\x{hex}\t\\N\n"),
            format!("{id}\t\\\\x{hex}!\n"),
        ] {
            let mut writer = session.copy_in(copy).unwrap();
            writer.write_all(line.as_bytes()).unwrap();
            let error = writer.finish().unwrap_err();
            assert_hides(&format!("{error:?}"), &end, &line);
        }
        let row = format!("insert into auth.jwt_secrets values (null, '\\x{hex}')");
        session.refused(&row);
        session.refused(&row.replace("null", "'no uuid'"));
        assert_hides(&server.log(), &end, copy);
    }
    assert_contains(server.log(), "COPY jwt_secrets, line 1");
}

#[test]
fn t281_statements_that_auto_explain_logs_as_json_or_yaml_are_hidden() {
    let server = start("formats");
    let (mut session, _) = connect(&server);
    for format in ["json", "yaml", "xml", "text"] {
        session
            .run(&format!("set auto_explain.log_min_duration = 0; set auto_explain.log_format = {format}"));
        for literal in ["E'it\\'s-{s}'", "\n'{s}'", "\n\tE'{s}'", "\n$${s}$$"] {
            // Too short to be recognised where it is repeated.
            let secret = format!("{:0>10}", unique());
            session.run(&format!("select\nauth.explain_credential({})", literal.replace("{s}", &secret)));
            assert_hides(&server.log(), &[secret], literal);
        }
    }
    assert_contains(server.log(), "auth.explain_credential(");
}

#[test]
fn t285_what_applications_call_authenticate_hides_none_of_their_values() {
    let server = start("applications");
    let (mut session, _) = connect(&server);
    session.run(
        "create table attempts (authenticate text constraint attempts_are_made_once unique, b int constraint attempts_are_counted check (b > 0));
         create schema app; create function app.authenticate(t text) returns uuid language sql as 'select t::uuid'",
    );
    for sql in [
        "insert into attempts (authenticate) values ('a value of some length'), ('a value of some length')",
        "insert into attempts values ('a value of some length', -1) /* action = authenticate('x') */",
        "select app.authenticate('a value of some length')",
        "select authenticate::int from (select 'a value of some length'::text as authenticate offset 0) t",
    ] {
        let before = server.log_end();
        let error = format!("{:?}", session.batch_execute(sql).unwrap_err());
        assert_contains(error, "a value of some length");
        let log = server.log_from(before);
        assert!(log.matches("a value of some length").count() > 1, "{log}");
    }
    // Names stay as they are also where a secret is spelled like one.
    let sql = "insert into attempts select 'attempts_are_counted', -1
        where not exists (select from auth.explain_credential('attempts_are_counted') where false)";
    let error = session.batch_execute(sql).unwrap_err();
    assert_eq!(error.as_db_error().unwrap().constraint(), Some("attempts_are_counted"));
}
