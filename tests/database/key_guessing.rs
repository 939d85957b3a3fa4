//! Guessing API keys: nothing is found, and the log does not grow with the attempts.

use pg_bearer_tests::Database;
use pg_bearer_tests::database::{Session, rounds, server};
use postgres::Client;
use std::time::Instant;

/// Guesses in one statement, as an attacker who has SQL would: keys of the right form with the right checksum.
/// Among them is :key, once. How often the statement found something.
fn guess(session: &mut Client, count: usize, attempt: &str, key: &str) -> i64 {
    let block = format!(
        "do $guess$
         declare
             key text;
             hits bigint := 0;
             valid boolean;
         begin
             for n in 1 .. {count} loop
                 select g.key into key
                   from auth_internal.generate_api_key('sk', case when n % 2 = 0 then 'live' else 'test' end) g;
                 if n = {count} / 2 then
                     key := '{key}';
                 end if;
                 {attempt}
                 hits := hits + valid::int;
             end loop;
             perform set_config('guess.hits', hits::text, false);
         end $guess$"
    );
    session.run(&block);
    session.value("show guess.hits").unwrap().parse().unwrap()
}

/// What the server has logged of this session.
fn logged(session: &mut Client) -> Vec<String> {
    let mark = format!("[{}]", session.value("select pg_backend_pid()").unwrap());
    server().log().lines().filter(|line| line.contains(&mark)).map(str::to_owned).collect()
}

/// How many refusals these lines say they leave out.
fn untold(lines: &[String]) -> usize {
    let numbers = lines.iter().filter_map(|line| {
        line.split_once("pg_bearer refused ")?.1.split_once(" more credentials").map(|parts| parts.0)
    });
    numbers.map(|number| number.parse::<usize>().unwrap()).sum()
}

#[test]
fn t104_guessing_finds_nothing_and_does_not_fill_the_log() {
    let db = Database::new();
    let mut administrator = db.superuser();
    let org = administrator.value("select auth.create_organization('o')").unwrap();
    let create = format!("select key from auth.create_api_key('k', '{org}', role => 'member')");
    let key = administrator.value(&create).unwrap();
    // Only so that the guesses are made where they are tried.
    administrator.run("grant execute on function auth_internal.generate_api_key(text, text) to tenant");
    let count = rounds(1 << 20);
    for attempt in [
        "select c.valid into valid from auth.check_api_key(key) c;",
        "begin
             perform auth.authenticate(key);
             valid := true;
         exception when invalid_authorization_specification then
             valid := false;
         end;",
    ] {
        let mut session = db.tenant();
        let begin = Instant::now();
        assert_eq!(guess(&mut session, count, attempt, &key), 1, "the key alone: {attempt}");
        let lines = logged(&mut session);
        // A hundred at once, then one more in every 0.6 seconds with the number of those in between.
        let allowed = 100 + 2 * (begin.elapsed().as_millis() / 600 + 1);
        assert!(u128::try_from(lines.len()).unwrap() <= allowed, "{} lines: {attempt}", lines.len());
        let refusals = lines.iter().filter(|line| line.contains("refused a credential: ")).count();
        assert!(refusals >= 100, "{refusals} refusals: {attempt}");
        assert!(refusals + untold(&lines) < count, "more than there were");
        for line in &lines {
            assert!(!line.contains("sk_live_") && !line.contains("sk_test_"), "{line}");
        }
    }
}

#[test]
fn t104_the_log_tells_how_many_refusals_it_leaves_out() {
    let db = Database::new();
    let mut session = db.tenant();
    session
        .run("do $$ begin for n in 1 .. 400 loop perform auth.check_api_key('sk_' || n); end loop; end $$");
    // There is room for one more every 0.6 seconds; the next one that is logged tells of the others.
    session.run("select pg_sleep(0.7)");
    session.run("select auth.check_api_key('sk_more')");
    let lines = logged(&mut session);
    let refusals = lines.iter().filter(|line| line.contains("refused a credential: ")).count();
    assert!((101..150).contains(&refusals), "{lines:#?}");
    assert_eq!(refusals + untold(&lines), 401, "{lines:#?}");
}
