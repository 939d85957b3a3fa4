//! Hashing passwords: only so many at once on the server, since each takes a core and much memory.

use crate::pg::ffi::catalog;
use crate::pg::ffi::lock::{Place, Places};
use crate::pg::ffi::waiting::pause;
use crate::pg::settings::passwords as settings;
use crate::pg::sqlstate::{self, passwords::no_hash, passwords::not_allowed, passwords::too_many};
use crate::verify::password::{self, Failure, SALT_BYTES, Stored};
use aws_lc_rs::rand;
use pgrx::pg_sys::panic::ErrorReport;
use std::time::{Duration, Instant};

/// So long somebody waits for a place.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many wait for each that is hashed.
const WAITING: u32 = 8;
/// So many places are looked at again at a time, from anywhere on: those who wait are many.
const GLANCE: u32 = 4;
/// So long ago a beginning may lie that is to be believed.
const LONGEST_MICROSECONDS: i64 = 60_000_000;

/// The hash of a new password.
pub(super) fn hash(password: Option<&[u8]>) -> Result<String, ErrorReport> {
    let password = password.filter(|password| password::is_allowed(password)).ok_or_else(not_allowed)?;
    let salt = new_salt()?;
    let wanted = settings::wanted();
    in_turn(|| password::make(password, salt, wanted))
}

/// Is this the password of the hash? Without the one or the other, or with one that is none, it takes as long to say no.
pub(super) fn verify(password: Option<&[u8]>, hash: Option<&[u8]>) -> Result<bool, ErrorReport> {
    let password = password.filter(|password| password::is_allowed(password));
    if let (Some(password), Some(stored)) = (password, hash.and_then(Stored::parse)) {
        return in_turn(|| stored.matches(password));
    }
    let (salt, wanted) = (new_salt()?, settings::wanted());
    in_turn(|| password::make(password.unwrap_or(b"nobody's"), salt, wanted))?;
    Ok(false)
}

/// Is this password, which is the one of the hash, to be hashed anew?
pub(super) fn needs_rehash(password: Option<&[u8]>, hash: Option<&[u8]>) -> bool {
    let stored = hash.and_then(Stored::parse);
    stored.zip(password).is_some_and(|(stored, password)| stored.needs_rehash(password, settings::wanted()))
}

/// Waits until a multiple of `pg_bearer.password_time` has passed since then, in microseconds as Postgres counts them.
pub(super) fn wait_for_answer(started: Option<i64>) {
    let unit = settings::time();
    let passed = started.and_then(|started| catalog::now().checked_sub(started));
    let passed = passed.filter(|passed| (0..=LONGEST_MICROSECONDS).contains(passed)).unwrap_or(0);
    let unit_micros = i64::try_from(unit.as_micros()).unwrap_or(0);
    // No unit, no remainder.
    let begun = passed.checked_rem(unit_micros).and_then(|begun| u64::try_from(begun).ok()).unwrap_or(0);
    pause(unit.saturating_sub(Duration::from_micros(begun)));
}

fn new_salt() -> Result<[u8; SALT_BYTES], ErrorReport> {
    let mut salt = [0; SALT_BYTES];
    rand::fill(&mut salt).map_err(|_| sqlstate::no_random_numbers())?;
    Ok(salt)
}

/// Works when it is our turn. Nothing in the work raises, so the place is free right after it.
fn in_turn<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, ErrorReport> {
    let place = place().ok_or_else(too_many)?;
    let done = work();
    place.release();
    done.map_err(no_hash)
}

/// A place to hash at; without one there is a place to wait at, or none.
fn place() -> Option<Place> {
    let workers = settings::workers();
    if let Some(place) = free(Places::Hashing, workers, workers) {
        return Some(place);
    }
    let seats = workers.saturating_mul(WAITING);
    let seat = free(Places::Waiting, seats, WAITING.saturating_mul(WAITING))?;
    let start = Instant::now();
    let place = loop {
        pause(Duration::from_millis(u64::from(5 + random() % 6)));
        let place = free(Places::Hashing, workers, GLANCE);
        if place.is_some() || start.elapsed() >= PATIENCE {
            break place;
        }
    };
    seat.release();
    place
}

/// One that nobody has, of so many, of which `glance` are looked at.
fn free(places: Places, count: u32, glance: u32) -> Option<Place> {
    let start = random();
    (0..count.min(glance)).find_map(|step| places.take(start.wrapping_add(step).checked_rem(count)?))
}

/// Any number; without random numbers always the same one, which only makes more sessions look at one place first.
fn random() -> u32 {
    let mut bytes = [0; 4];
    if rand::fill(&mut bytes).is_err() {
        return 0;
    }
    u32::from_le_bytes(bytes)
}
