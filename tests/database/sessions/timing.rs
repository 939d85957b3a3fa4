//! How long a refusal takes, and what it says: the same, whatever is wrong.

use super::session_callers::set;
use super::world::{PASSWORD, REFUSED, World};
use pg_bearer_tests::database::{Session, is_long};
use serde_json::Value;
use std::time::{Duration, Instant};

const BCRYPT: &str = "$2b$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.";

/// What is wrong, and the arguments.
type Case = (&'static str, &'static str, &'static str);

const CASES: [Case; 9] = [
    ("unknown", "nobody@example.com", PASSWORD),
    ("wrong password", "ada@example.com", "a wrong password"),
    ("no password", "none@example.com", PASSWORD),
    ("bcrypt", "bcrypt@example.com", PASSWORD),
    ("other parameters", "old@example.com", "a wrong password"),
    ("no hash at all", "planted@example.com", PASSWORD),
    ("banned", "banned@example.com", PASSWORD),
    ("unconfirmed", "unconfirmed@example.com", PASSWORD),
    ("deleted", "deleted@example.com", PASSWORD),
];

/// With a user for each case, and refusals at multiples of so many milliseconds.
fn world(milliseconds: u32) -> World {
    let mut world = World::new();
    set(&mut world, &format!("password_time = {milliseconds}"));
    let confirmed = "email_confirmed_at => now()";
    for name in ["ada", "banned", "deleted", "planted"] {
        world.admin.run(&format!("select auth.create_user('{name}@example.com', '{PASSWORD}', {confirmed})"));
    }
    world.admin.run(&format!(
        "select auth.create_user('unconfirmed@example.com', '{PASSWORD}'),
                auth.create_user('none@example.com', {confirmed}),
                auth.create_user('bcrypt@example.com', password_hash => '{BCRYPT}', {confirmed});
         set pg_bearer.password_passes = 3;
         select auth.create_user('old@example.com', '{PASSWORD}', {confirmed});
         reset pg_bearer.password_passes;
         select auth.ban_user(id::text) from auth.users where email like 'banned@%';
         select auth.delete_user(id::text) from auth.users where email like 'deleted@%';
         update auth.user_passwords p set hash = 'none' from auth.users u where u.id = p.user_id and u.email like 'planted@%'"
    ));
    set(&mut world, "confirm_email = on");
    world.session.run("select auth.uid()");
    world
}

/// How long it takes to be told no.
fn taken(world: &mut World, (name, email, password): Case) -> Duration {
    let expected: Value = serde_json::from_str(REFUSED).unwrap();
    let start = Instant::now();
    let answer = world.sign_in(email, password);
    let taken = start.elapsed();
    assert_eq!(answer, expected, "{name}");
    taken
}

#[test]
fn t133_whatever_is_wrong_takes_as_long_and_says_the_same() {
    let mut world = world(300);
    let unit = Duration::from_millis(300);
    for case in CASES {
        let taken = taken(&mut world, case);
        assert!(taken >= unit, "{}: {taken:?}", case.0);
    }
    // So does whoever has tried too often, and whoever changes a password.
    set(&mut world, "max_sign_in_tries = 0");
    let start = Instant::now();
    let limited = world.sign_in("ada@example.com", PASSWORD);
    assert!(start.elapsed() >= unit);
    assert_eq!(limited["error"], "too_many_requests");
    let unknown = world.sign_in("nobody@example.com", PASSWORD);
    assert_eq!(
        limited["error_description"].to_string().len(),
        unknown["error_description"].to_string().len()
    );
    set(&mut world, "max_sign_in_tries = 100");
    let good = world.sign_in("ada@example.com", PASSWORD);
    let start = Instant::now();
    let change = "select auth.change_password('wrong', 'a new password')::text";
    let refused = world.as_user(&good, change).unwrap().unwrap();
    assert!(start.elapsed() >= unit);
    assert_eq!(
        serde_json::from_str::<Value>(&refused).unwrap(),
        serde_json::from_str::<Value>(REFUSED).unwrap()
    );
}

/// The quartiles of these times, in microseconds.
fn quartiles(times: &mut [Duration]) -> [i128; 3] {
    times.sort_unstable();
    [1, 2, 3].map(|part| i128::try_from(times[times.len() * part / 4].as_micros()).unwrap())
}

#[test]
fn t133_no_number_of_refusals_tells_what_is_wrong() {
    // `make test` times nothing.
    if !is_long() {
        return;
    }
    let mut world = world(60);
    let mut times = CASES.map(|_| Vec::new());
    for _ in 0..2000 {
        for (case, times) in CASES.into_iter().zip(&mut times) {
            times.push(taken(&mut world, case));
        }
    }
    let found = times.each_mut().map(|times| quartiles(times));
    for (case, [low, median, high]) in CASES.iter().zip(found) {
        println!("{:18} median {median} µs, half of them within {low} to {high}", case.0);
    }
    for (at, one) in found.iter().enumerate() {
        for (other, two) in found.iter().enumerate().skip(at + 1) {
            let spread = (one[2] - one[0]).max(two[2] - two[0]);
            let apart = (one[1] - two[1]).abs();
            assert!(apart < spread, "{} and {}: {apart} µs of {spread}", CASES[at].0, CASES[other].0);
        }
    }
}
