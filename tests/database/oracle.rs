//! Generated queries against protected tables, beside the same queries with the filter written out by somebody who
//! sees everything. In every one of them functions are planted that raise when they see a foreign row.

mod changes;
mod queries;
mod world;

use pg_bearer_tests::database::{Session, one_in};
use postgres::{Client, SimpleQueryMessage};
use queries::{Generator, Random};
use world::{PEOPLE, Person, World};

/// The rows of a query as text, sorted, or the error's code.
fn rows(session: &mut Client, sql: &str) -> Result<Vec<String>, String> {
    let messages = session.simple_query(sql).map_err(|error| match error.as_db_error() {
        Some(error) if error.code().code() == "42501" => "42501".to_owned(),
        Some(error) => format!("{} {}", error.code().code(), error.message()),
        None => error.to_string(),
    })?;
    let mut rows: Vec<String> = messages
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).unwrap_or("\\N")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        })
        .collect();
    rows.sort();
    Ok(rows)
}

/// How a query is put to the server.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Plain,
    Custom,
    Generic,
    Cursor,
}

/// Settings that make the planner choose differently, and workers take part.
fn planner(random: &mut Random) -> String {
    let mut sql = String::new();
    for name in [
        "seqscan",
        "indexscan",
        "indexonlyscan",
        "bitmapscan",
        "hashjoin",
        "mergejoin",
        "nestloop",
        "material",
    ] {
        if random.one_in(4) {
            sql.push_str(&format!("set local enable_{name} = off; "));
        }
    }
    if random.one_in(3) {
        sql.push_str(
            "set local parallel_setup_cost = 0; set local parallel_tuple_cost = 0;
             set local min_parallel_table_scan_size = 0; set local min_parallel_index_scan_size = 0; ",
        );
    }
    sql
}

/// What this person sees of the query, in a transaction that is undone.
fn seen(
    session: &mut Client,
    person: &Person,
    way: Way,
    planner: &str,
    sql: &str,
) -> Result<Vec<String>, String> {
    session.run("begin");
    person.enter(session);
    session.run(planner);
    let found = match way {
        Way::Plain => rows(session, sql),
        // What was prepared before serves whoever comes next.
        Way::Custom | Way::Generic => {
            let mode = if way == Way::Custom { "force_custom_plan" } else { "force_generic_plan" };
            session.run(&format!("set local plan_cache_mode = {mode}"));
            rows(session, "execute generated")
        }
        Way::Cursor => match rows(session, &format!("declare c cursor for {sql}")) {
            Ok(_) => rows(session, "fetch all from c"),
            Err(error) => Err(error),
        },
    };
    session.run("rollback");
    found
}

#[test]
fn generated_queries_see_what_the_filter_written_out_would_show() {
    let world = World::new();
    let mut tenant = world.db.tenant();
    let mut superuser = world.db.superuser();
    let (mut visible, mut empty, mut workers) = (0, 0, 0);
    for number in one_in(40, 0..10_000_u64) {
        let mut random = Random::new(number);
        let way = *random.choice(&[Way::Plain, Way::Plain, Way::Custom, Way::Generic, Way::Cursor]);
        let planner = planner(&mut random);
        workers += usize::from(planner.contains("parallel"));
        let sql = Generator::new(number, None).query();
        if matches!(way, Way::Custom | Way::Generic) {
            tenant.run(&format!("prepare generated as {sql}"));
        }
        for person in PEOPLE {
            let found = seen(&mut tenant, person, way, &planner, &sql);
            let written_out = Generator::new(number, Some(person)).query();
            superuser.run("begin");
            person.allow(&mut superuser);
            let expected = rows(&mut superuser, &written_out);
            superuser.run("rollback");
            assert_eq!(
                found, expected,
                "query {number} of {}, {way:?}, {planner}:\n{sql}\n\n{written_out}",
                person.name
            );
            match found.unwrap().is_empty() {
                true => empty += 1,
                false => visible += 1,
            }
        }
        if matches!(way, Way::Custom | Way::Generic) {
            tenant.run("deallocate generated");
        }
    }
    // A generator that only asks for nothing would prove nothing.
    assert!(visible > empty / 2 && empty > 0 && workers > 0, "{visible} {empty} {workers}");
}

#[test]
fn generated_changes_reach_what_the_filter_written_out_would_let_them() {
    let world = World::new();
    let mut tenant = world.db.superuser();
    let mut superuser = world.db.superuser();
    let (mut done, mut refused) = (0, 0);
    for number in one_in(20, 0..3_000_u64) {
        let mut random = Random::new(number ^ 0xabcd);
        let planner = planner(&mut random);
        for person in PEOPLE {
            let change = changes::change(number, None);
            tenant.run("begin");
            person.enter(&mut tenant);
            tenant.run(&format!("set local role tenant; {planner}; savepoint before"));
            let found = rows(&mut tenant, &change.sql);
            if found.is_err() {
                tenant.run("rollback to before");
            }
            tenant.run("reset role");
            let after = world.contents(&mut tenant);
            tenant.run("rollback");

            let written_out = changes::change(number, Some(person));
            superuser.run("begin");
            person.allow(&mut superuser);
            superuser.run("savepoint before");
            let is_out_of_reach = written_out.matches_out_of_reach(&mut superuser);
            let mut expected = rows(&mut superuser, &written_out.sql);
            if expected.is_ok() && (is_out_of_reach || written_out.refused(&mut superuser, person)) {
                expected = Err("42501".to_owned());
            }
            if expected.is_err() {
                superuser.run("rollback to before");
            }
            let expected_after = world.contents(&mut superuser);
            superuser.run("rollback");
            let told = format!("change {number} of {}:\n{}\n\n{}", person.name, change.sql, written_out.sql);
            assert_eq!(found, expected, "{told}");
            assert!(after == expected_after, "other rows are there after {told}");
            match found {
                Ok(_) => done += 1,
                Err(_) => refused += 1,
            }
        }
    }
    assert!(done > 50 && refused > 10, "{done} {refused}");
}

#[test]
fn a_function_that_sees_a_foreign_row_is_noticed() {
    let world = World::new();
    let mut session = world.db.superuser();
    session.run("begin");
    PEOPLE[0].allow(&mut session);
    assert!(session.refused("select count(*) from docs d where leak('docs', d.truth)").contains("LEAK"));
}
