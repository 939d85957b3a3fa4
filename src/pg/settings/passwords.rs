//! How passwords are hashed, and how long who asks about one waits for the answer.

use crate::pg::ffi::carrier;
use crate::verify::password::Wanted;
use pgrx::{GucContext, GucFlags, GucRegistry, GucSetting};
use std::cell::Cell;
use std::ffi::CStr;
use std::thread;
use std::time::Duration;

const MOST_WORKERS: i32 = 1024;

/// One, in doubt: it stands back behind all sessions that know better.
static WORKERS: GucSetting<i32> = GucSetting::<i32>::new(0);
static WORKERS_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(1);

/// More work than by default, in doubt, and a longer time than it may take, with the waiting for it.
static MEMORY: GucSetting<i32> = GucSetting::<i32>::new(19_456);
static MEMORY_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(65_536);
static PASSES: GucSetting<i32> = GucSetting::<i32>::new(2);
static PASSES_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(3);
static TIME: GucSetting<i32> = GucSetting::<i32>::new(300);
static TIME_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(4000);

/// Read by SQL; in doubt few passwords are long enough.
static MIN_LENGTH: GucSetting<i32> = GucSetting::<i32>::new(8);
static MIN_LENGTH_IN_DOUBT: GucSetting<i32> = GucSetting::<i32>::new(256);

/// Which of them are in doubt: a client may have hidden what the server or the database says.
#[derive(Clone, Copy)]
struct Doubts {
    workers: bool,
    memory: bool,
    passes: bool,
    time: bool,
}

thread_local! {
    static DOUBTS: Cell<Doubts> = const {
        Cell::new(Doubts { workers: false, memory: false, passes: false, time: false })
    };
}

fn number(doubted: bool, setting: &GucSetting<i32>, in_doubt: &GucSetting<i32>) -> u32 {
    u32::try_from(if doubted { in_doubt.get() } else { setting.get() }).unwrap_or(0)
}

/// `pg_bearer.password_workers`, or as many as the server has cores.
pub(in crate::pg) fn workers() -> u32 {
    match number(DOUBTS.get().workers, &WORKERS, &WORKERS_IN_DOUBT) {
        0 => {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            u32::try_from(cores.min(MOST_WORKERS as usize)).unwrap_or(1)
        }
        workers => workers,
    }
}

/// `pg_bearer.password_memory` and `pg_bearer.password_passes`.
pub(in crate::pg) fn wanted() -> Wanted {
    let doubts = DOUBTS.get();
    Wanted::new(
        number(doubts.memory, &MEMORY, &MEMORY_IN_DOUBT),
        number(doubts.passes, &PASSES, &PASSES_IN_DOUBT),
    )
}

/// `pg_bearer.password_time`.
pub(in crate::pg) fn time() -> Duration {
    Duration::from_millis(number(DOUBTS.get().time, &TIME, &TIME_IN_DOUBT).into())
}

/// Declares one that a superuser may set, or only the server's file. Is it in doubt?
fn define_one(
    name: &'static CStr,
    [about, more]: [&'static CStr; 2],
    [setting, in_doubt]: [&'static GucSetting<i32>; 2],
    (least, most): (i32, i32),
    (context, flags): (GucContext, GucFlags),
) -> bool {
    let doubted = carrier::was_set_by_session(name);
    let setting = if doubted { in_doubt } else { setting };
    GucRegistry::define_int_guc(name, about, more, setting, least, most, context, flags);
    doubted
}

pub(super) fn define() {
    let workers = define_one(
        c"pg_bearer.password_workers",
        [
            c"How many passwords are hashed at once, of all databases; 0: as many as the server has cores.",
            c"Eight times as many may wait for two seconds; others are told at once to try again.",
        ],
        [&WORKERS, &WORKERS_IN_DOUBT],
        (0, MOST_WORKERS),
        (GucContext::Sighup, GucFlags::default()),
    );
    let memory = define_one(
        c"pg_bearer.password_memory",
        [
            c"How much memory the hash of a password takes.",
            c"Hashes that took another amount are made anew when their user signs in.",
        ],
        [&MEMORY, &MEMORY_IN_DOUBT],
        (8192, 131_072),
        (GucContext::Suset, GucFlags::UNIT_KB),
    );
    let passes = define_one(
        c"pg_bearer.password_passes",
        [
            c"How many times the hash of a password goes through its memory.",
            c"All of them together go through 768 MB at most.",
        ],
        [&PASSES, &PASSES_IN_DOUBT],
        (1, 16),
        (GucContext::Suset, GucFlags::default()),
    );
    let time = define_one(
        c"pg_bearer.password_time",
        [
            c"Answers to whoever signs in with a password take so long, or a multiple of it.",
            c"It should be longer than a hash takes, so that no answer tells whether there is such a user; 0: they come at once.",
        ],
        [&TIME, &TIME_IN_DOUBT],
        (0, 10_000),
        (GucContext::Suset, GucFlags::UNIT_MS),
    );
    define_one(
        c"pg_bearer.password_min_length",
        [
            c"How many characters a new password has at least.",
            c"NIST SP 800-63B asks for 15 where nothing else is asked for.",
        ],
        [&MIN_LENGTH, &MIN_LENGTH_IN_DOUBT],
        (1, 256),
        (GucContext::Suset, GucFlags::default()),
    );
    DOUBTS.set(Doubts { workers, memory, passes, time });
}
