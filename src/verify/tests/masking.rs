//! What is hidden of texts that are about to be logged, and what stays.

use crate::verify::masking::{
    Characters, Mask, ROOM, Reading, Secrets, byte_of, characters_before, names_function, quotes_call,
    quotes_parameters, statement_names_function,
};
use proptest::prelude::*;

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";
const KEY: &str = "sk_live_7Hq2mZ0cV9xB4nL1pQ8wErTyUiOpAsDfGhJkLzXcVbNm1234567890QwErTyUi12";
const TICKET: &str = "ticket.AbXr1ZmYk9-Qe_7Tn2vPz0sLwQ4uHcJ8dKfGxB3mRtY6aNiOpE5lSvCqWjZhU1yD0_I";
const REFRESH: &str =
    "rt_vnisjqpkR9uZ5CdDVUcE-AAAAAE-Pd_bdZHciRWQvXctQ90yhA6KmFcaroLoouwRD3__TjBs8lgMIfPppa_cR6CEz8U";
const MAILED: &str = "otp_Zm9vYmFyLWJhel9xdXV4MTIzNDU2Nzg5MGFiY2RlZmd";
const INVITATION: &str = "inv_Zm9vYmFyLWJhel9xdXV4MTIzNDU2Nzg5MGFiY2RlZmd";

fn masked_with(text: &str, reading: Reading, secrets: &Secrets, place: usize) -> (String, usize) {
    let mut room = vec![0; ROOM];
    match (Mask { reading, backslashes: false, secrets }).apply(text.as_bytes(), place, &mut room) {
        Some(masked) => {
            assert!(masked.length <= text.len(), "{text}");
            (String::from_utf8(room[..masked.length].to_vec()).unwrap(), masked.place)
        }
        None => (text.to_owned(), place),
    }
}

fn masked(text: &str, reading: Reading) -> String {
    masked_with(text, reading, &Secrets::none(), 0).0
}

#[test]
fn t280_what_looks_like_a_credential_is_hidden_and_the_rest_stays() {
    let (head, tail) = TOKEN.split_at(30);
    let (begin, end) = KEY.split_at(40);
    for (text, expected) in [
        (format!("a {TOKEN} b"), "a eyJ*** b".to_owned()),
        (format!("'{TOKEN}'"), "'eyJ***'".into()),
        (format!("\"{TOKEN}\""), "\"eyJ***\"".into()),
        (format!("''{TOKEN}''"), "''eyJ***''".into()),
        (format!("/* {TOKEN} */ select 1"), "/* eyJ*** */ select 1".into()),
        (format!("?jwt=%22{}%22", TOKEN.replace('.', "%2E")), "?jwt=%22eyJ***".into()),
        (format!("x{TOKEN}, y"), "xeyJ***, y".into()),
        (format!("\\n{TOKEN}\\n"), "\\neyJ***\\n".into()),
        (format!("a {head} b"), "a eyJ*** b".into()),
        (format!("a {head}\n\t{tail} b"), "a eyJ*** b".into()),
        (format!("a '{head}'\n'{tail}' b"), "a 'eyJ***' b".into()),
        (format!("a {head}\\n{tail} b"), "a eyJ*** b".into()),
        (format!("({KEY})"), "(sk_live_***)".into()),
        (format!("({})", KEY.replace("live", "test")), "(sk_test_***)".into()),
        (format!("({})", KEY.to_uppercase().replace("_LIVE_7HQ2", "_LIVE_7hq2")), "(SK_LIVE_***)".into()),
        (format!("({begin})"), "(sk_live_***)".into()),
        (format!("({begin}-{end})"), "(sk_live_***)".into()),
        (format!("({begin}\n{end})"), "(sk_live_***)".into()),
        (format!("my_app_{KEY}"), "my_app_sk_live_***".into()),
        (format!("({INVITATION})"), "(inv_***)".into()),
        (format!("({})", &INVITATION[..30]), "(inv_***)".into()),
        (format!("/i/{INVITATION}?x=1"), "/i/inv_***?x=1".into()),
        (format!("({REFRESH})"), "(rt_***)".into()),
        (format!("({})", &REFRESH[..40]), "(rt_***)".into()),
        (format!("/confirm?token={MAILED}&x=1"), "/confirm?token=otp_***&x=1".into()),
        (format!("/events?ticket={TICKET}&x=1"), "/events?ticket=ticket.***&x=1".into()),
        (format!("\"Bearer {TICKET}\""), "\"Bearer ticket.***\"".into()),
        (format!("({})", &TICKET[..50]), "(ticket.***)".into()),
        (format!("({}\n{})", &TICKET[..40], &TICKET[40..]), "(ticket.***)".into()),
        (TICKET.replace("ticket.", "TICKET."), "TICKET.***".into()),
    ] {
        assert_eq!(masked(&text, Reading::Plain), expected, "{text}");
    }
}

#[test]
fn t280_what_holds_no_credential_stays_byte_for_byte() {
    for text in [
        "",
        "eyJ",
        "/* eyJ */ select 'EYJhbGciOi'",
        "keyJournal.monkeyJson",
        "select * from my_test_table join other_live_view using (id)",
        "select * from my_test_schema.MyTableName2",
        "insert into inv_line_items_of_2024 values ('inv_')",
        "inv_Invoice",
        "select rt_rate_of_2024, otp_sent_at_last from rt_ReadTimes, otp_line_items_of_2024",
        "select ticket.CreatedAt1, ticket.a_rather_long_name_of_a_column, ticket.ShippingAddress2 from ticket",
        "ticket.AbXr1ZmYk9-Qe_7Tn2v",
        "aticket.AbXr1ZmYk9-Qe_7Tn2vPz0sLwQ4u",
        "relation \"very_long_name_of_a_table_live_in_this_schema\" does not exist",
        "authenticate",
        "permission denied for function authenticate",
        "function auth.authenticate(integer) does not exist",
        "la fonction auth.authenticate(integer) n'existe pas",
        "7a000000-0000-4000-8000-00000000000a",
        "größer als 关系 \"文档\" не существует",
    ] {
        assert_eq!(masked(text, Reading::Plain), text);
        if !text.contains(" '") && !text.contains("('") {
            assert_eq!(masked(text, Reading::Quoting), text);
        }
    }
}

#[test]
fn t281_all_literals_of_a_call_are_hidden_however_they_are_written() {
    for (text, expected) in [
        ("f('my secret')", "f('***')"),
        ("f('it''s secret') + 'x'", "f('***') + '*'"),
        ("f(E'it\\'s secret', e'x')", "f(E'***', e'*')"),
        ("f(U&'d\\0061t', B'1010', x'ff', N'abcd')", "f(U&'***', B'***', x'**', N'***')"),
        ("f($$my secret$$, $tag$a $$ b$tag$)", "f($$***$$, $tag$***$tag$)"),
        ("f($1, a$b$c, $2)", "f($1, a$b$c, $2)"),
        ("f('my secret", "f('***"),
        ("f($$my secret", "f($$***"),
        ("f(E'my secret\\", "f(E'***"),
        ("f('a' -- don't\n, 'my secret')", "f('*' -- don't\n, '***')"),
        ("f(/* don't /* nor */ won't */ 'my secret')", "f(/* don't /* nor */ won't */ '***')"),
        ("f(\"my secret\"), \"a\".\"b\"(1)", "f(\"***\"), \"a\".\"b\"(1)"),
        ("f(\"it's\".x, 'my secret')", "f(\"it's\".x, '***')"),
        ("do $$ begin perform f('my secret'); end $$", "do $$ begin perform f('***'); end $$"),
        (
            "do $a$ begin f($b$my secret$b$, 'x y z'); end $a$, 'abcd'",
            "do $a$ begin f($b$***$b$, '***'); end $a$, '***'",
        ),
        ("do $$ f('unfinished $$ + 'after'", "do $$ f('***$$ + '***'"),
    ] {
        assert_eq!(masked(text, Reading::Sql), expected, "{text}");
    }
    let quoted =
        "SQL statement \"select authenticate('my secret')\"\nPL/pgSQL function f() line 1 at PERFORM";
    let expected = quoted.replace("my secret", "***");
    assert_eq!(masked(quoted, Reading::Quoting), expected);
    let processes = "Process 1: select authenticate('my sec\nProcess 2: update t set a = 'other'";
    assert_eq!(masked(processes, Reading::CutOff), "Process 1: select authenticate('***");
    let mut room = vec![0; ROOM];
    let mask = Mask { reading: Reading::Sql, backslashes: true, secrets: &Secrets::none() };
    let text = b"f('it\\'s secret')";
    let length = mask.apply(text, 0, &mut room).unwrap().length;
    assert_eq!(&room[..length], b"f('***')");
}

#[test]
fn t281_functions_are_found_by_their_names() {
    for text in [
        "select auth.authenticate($1)",
        "SELECT AUTH.\"authenticate\"($1)",
        "select auth_internal.check_jwt_secret('x')",
        "select authenticate/* */($1)",
        "select \"authenticate\" ($1)",
        "select u&\"\\0061uth\".authenticate($1)",
        "select auth . \"authenticate\"",
        "{\"Query Text\": \"select\\nauth.authenticate($1)\"}",
        "{\"Query Text\": \"select\\nauthenticate\\n($1)\"}",
        "{\"Query Text\": \"select \\\"auth\\\".\\\"authenticate\\\"($1)\"}",
        "<Query-Text>select &quot;authenticate&quot;($1)",
        "copy auth.jwt_secrets from stdin",
        "COPY jwt_secrets, line 1",
        "insert into \"auth\".\"jwt_secrets\" values ('x')",
        "set pg_bearer.identity = 'x'",
        "SET PG_BEARER.IDENTITY TO 'x'",
    ] {
        assert!(names_function(text.as_bytes()), "{text}");
    }
    for text in [
        "",
        "a",
        "set role authenticated",
        "select authenticates(1), xauthenticate(2)",
        "pg_bearer.identities",
        "pg_bearer",
        "select authenticate, t.authenticate from t where not authenticate",
        "select app.authenticate($1), \"app\".\"authenticate\"($1), größe.authenticate($1), myauth.authenticate(1)",
        "insert into app.jwt_secrets values ('x')",
    ] {
        assert!(!names_function(text.as_bytes()), "{text}");
    }
    assert!(quotes_call(b"while running select auth.authenticate('x')"));
    assert!(!quotes_call(b"it's the function authenticate(text)"));
}

#[test]
fn t281_a_comment_of_a_statement_calls_nothing() {
    for text in [
        "select 'it''s' /* action = authenticate('x') /* auth.verify_jwt */ */",
        "select \"a'b\" -- auth.authenticate('x')\n, 1",
        "/* authenticate(",
    ] {
        assert!(!statement_names_function(text.as_bytes()), "{text}");
    }
    for text in [
        "select '/*', auth.authenticate('x') --'",
        "select '''--', auth.authenticate('x')",
        "select \"--\", auth.authenticate('x')",
        "select $$'$$, '--', auth.authenticate('x')",
        "select E'\\'', '--', auth.authenticate('x')",
        "select 1 /* a */ , auth.authenticate('x')",
        "select 1 -- a\n, auth.authenticate('x')",
        "do $$ begin perform /* x */ auth.authenticate('x'); end $$",
    ] {
        assert!(statement_names_function(text.as_bytes()), "{text}");
    }
}

#[test]
fn t281_statements_quoted_as_json_hide_what_follows_an_escaped_quote() {
    for (text, expected) in [
        ("\"select f(E'it\\\\'s-secret', 1)\"", "\"select f(E'***"),
        ("\"select f(\\n'my secret', $1)\"", "\"select f(\\n'***', $1)\""),
        ("\"select f(\\nE'my secret')\"", "\"select f(\\nE'***')\""),
        ("\"select f(\\t$$my secret$$)\"", "\"select f(\\t$$***$$)\""),
        ("\"select f('it''s secret', 1)\"", "\"select f('***', 1)\""),
    ] {
        assert_eq!(masked(text, Reading::Quoting), expected, "{text}");
    }
}

#[test]
fn t282_values_are_hidden_with_the_quotes_in_them() {
    for (text, expected) in [
        ("invalid uuid: \"{\"k\": \"a secret here\"}\"", "invalid uuid: \"***\""),
        ("invalid uuid: \"ab\"a secret here\"", "invalid uuid: \"***\""),
        ("bad value for \"DateStyle\": \"a secret here\"", "bad value for \"DateStyle\": \"***\""),
        ("bad value: \"a secret here", "bad value: \"***"),
    ] {
        assert_eq!(masked(text, Reading::Value), expected, "{text}");
    }
    assert_eq!(masked("line 1: <\na secret", Reading::Whole), "***");
    let copy = "COPY jwt_secrets, line 1: \"a\tb\nc\"\nand so on";
    assert_eq!(masked(copy, Reading::Origin), "COPY jwt_secrets, line 1: ***\"\nand so on");
    let name = "invalid type name \"a secret of no type\"\nPL/pgSQL function f() line 1 at PERFORM";
    let expected = "invalid type name \"***\"\nPL/pgSQL function f() line 1 at PERFORM";
    assert_eq!(masked(name, Reading::Origin), expected);
    for text in ["$1 = NULL, $2 = 'x'", "$12 = 'x'", "$$1 = 'x'"] {
        assert!(quotes_parameters(text.as_bytes()), "{text}");
    }
    for text in ["", "$", "$1 = NULL", "$ = 'x'", "$x1 = 'x'"] {
        assert!(!quotes_parameters(text.as_bytes()), "{text}");
    }
}

#[test]
fn t282_what_a_message_repeats_of_a_literal_is_hidden() {
    let mut secrets = Secrets::none();
    let statement = "select authenticate('a secret of some length, and m\u{f6}re'), 'short'";
    secrets.learn(statement.as_bytes(), Reading::Sql, false);
    for (text, expected) in [
        ("value \"a secret of some length, and m\u{f6}re\" is bad", "value \"***\" is bad"),
        ("value \"a secret of some le...\" is bad", "value \"***...\" is bad"),
        ("at or near \"'a secret of some length\"", "at or near \"'***\""),
        ("length, and m\u{f6}ne", "***ne"),
        ("a secret is some short thing", "a secret is some short thing"),
    ] {
        assert_eq!(masked_with(text, Reading::Plain, &secrets, 0).0, expected);
    }
    let mut secrets = Secrets::none();
    secrets.learn(format!("select '{{\"a\": {KEY}}}'::json").as_bytes(), Reading::Plain, false);
    let (shown, secret) =
        (format!("JSON data, line 1: ...{}...", &KEY[30..60]), "JSON data, line 1: ...***...");
    assert_eq!(masked_with(&shown, Reading::Plain, &secrets, 0).0, secret);
    assert_eq!(
        masked("invalid uuid: \"my secret is\", sorry", Reading::Value),
        "invalid uuid: \"***\", sorry"
    );
    assert_eq!(masked("invalid uuid: \"short\"", Reading::Value), "invalid uuid: \"short\"");
    let origin = "JSON data, line 1: my secret...\nportal with parameters: $1 = 'my secret'";
    assert_eq!(masked(origin, Reading::Origin), "JSON data, line 1: ***\nportal with parameters: $1 = '***'");
}

#[test]
fn t283_a_place_moves_with_its_character() {
    let text = format!("select '\u{e4}{TOKEN}' \u{f6} from from");
    let character = text.chars().position(|c| c == '\u{f6}').unwrap();
    let place = byte_of(text.as_bytes(), character, Characters::Utf8);
    let (now, place) = masked_with(&text, Reading::Plain, &Secrets::none(), place);
    assert_eq!(now, "select '\u{e4}eyJ***' \u{f6} from from");
    assert_eq!(characters_before(now.as_bytes(), place, Characters::Utf8), 17);
    assert_eq!(now.chars().nth(17), Some('\u{f6}'));
    assert_eq!(byte_of("\u{e4}".as_bytes(), 5, Characters::Utf8), 2);
}

#[test]
fn t284_of_long_texts_the_beginning_and_the_end_stay() {
    let text = format!("begin {TOKEN} {} {TOKEN} end", "\u{e4}b".repeat(500_000));
    let now = masked(&text, Reading::Plain);
    assert!(
        now.starts_with("begin eyJ*** ") && now.ends_with(" eyJ*** end") && now.contains(" *** cut *** ")
    );
    assert!(now.len() <= ROOM);
    // The cut goes through a token.
    let text = format!("begin {}{} end", "a ".repeat(32_000), TOKEN.repeat(5000));
    let now = masked(&text, Reading::Plain);
    assert!(now.ends_with("eyJ*** *** cut ***  end"), "{}", &now[now.len() - 60..]);
    // Behind the cut nobody knows what is a literal.
    let text = format!("authenticate('{}'), 'secret'", "x ".repeat(100_000));
    assert!(names_function(text.as_bytes()));
    assert_eq!(masked(&text, Reading::Sql), "authenticate('*** *** cut *** ");
}

proptest! {
    #[test]
    fn t284_no_text_breaks_it_and_none_becomes_longer(text in "(eyJ|inv_|a_live_|[a-zA-Z0-9_.=/ ]{0,30}|['\"$\\\\%*-]|\u{e4}|\n|authenticate){0,40}") {
        let mut secrets = Secrets::none();
        secrets.learn(text.as_bytes(), Reading::Sql, false);
        for reading in [Reading::Plain, Reading::Sql, Reading::Quoting, Reading::CutOff, Reading::Value, Reading::Origin, Reading::Whole] {
            for secrets in [&secrets, &Secrets::none()] {
                masked_with(&text, reading, secrets, text.len() / 2);
            }
            let once = masked_with(&text, reading, &Secrets::none(), 0).0;
            prop_assert!(!once.contains(TOKEN));
        }
    }
}
