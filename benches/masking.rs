//! What masking takes, for `masking.sh`: nanoseconds for a byte that is logged, of the quickest of several rounds.
//!
//! The module is included as it is: it needs nothing of PostgreSQL.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "a benchmark may fail loudly")]

#[path = "../src/verify"]
mod verify {
    pub(crate) mod masking;
}

use std::hint::black_box;
use std::time::Instant;
use verify::masking::{Mask, ROOM, Reading, Secrets, statement_names_function};

const ROUNDS: u32 = 20;
/// As much as is looked at of a text.
const LENGTH: usize = 130_000;

/// Microseconds for a text: all that happens to the statement of a message.
fn microseconds(text: &[u8]) -> u128 {
    let mut room = vec![0; ROOM];
    let mut round = || {
        let begin = Instant::now();
        let calls = statement_names_function(text);
        let reading = if calls { Reading::Sql } else { Reading::Plain };
        let mut secrets = Secrets::none();
        secrets.learn(text, reading, false);
        black_box(Mask { reading, backslashes: false, secrets: &secrets }.apply(text, 0, &mut room));
        begin.elapsed().as_micros()
    };
    (0..ROUNDS).map(|_| round()).min().unwrap().max(1)
}

fn main() {
    let ordinary = "insert into invoices (customer, amount) values ('Duck', 12.50); ";
    let base = microseconds(ordinary.repeat(LENGTH / ordinary.len()).as_bytes());
    println!("an ordinary statement of 130 kB: {base} us");
    let long = microseconds(ordinary.repeat(250_000_000 / ordinary.len()).as_bytes());
    println!("one of 250 MB: {long} us, {:.2} times that", long as f64 / base as f64);
    let mut worst = (0, "");
    for unit in [
        "eyJ",
        " eyJ",
        "a_test_",
        "inv_-",
        "a_live_ ",
        "'",
        "\"",
        "$$",
        "$a$ ",
        "/*",
        "%41",
        "$1",
        "x.authenticate ",
        "auth.authenticate('ab1') ",
    ] {
        worst = worst.max((microseconds(unit.repeat(LENGTH / unit.len()).as_bytes()), unit));
    }
    println!(
        "the worst of 14 hostile ones of 130 kB ({:?}): {} us, {:.2} times that",
        worst.1,
        worst.0,
        worst.0 as f64 / base as f64
    );
}
