//! What looks like a token, an API key, an invitation, a ticket, a refresh token or a mailed token, also where it was cut off, broken or mistyped.

use std::ops::Range;

const JWT: &[u8] = b"eyJ";
/// A word that begins like a token may be so long.
const JWT_MIN: usize = 8;
/// Within a word: long enough to be none of a language or a schema.
const JWT_MIN_WITHIN: usize = 20;
const TOKEN_SIGNS: &[u8] = b"_-.=+/";
const INVITATION: &[u8] = b"inv_";
/// The public id of a key, which is no secret.
const KEY_MIN: usize = 18;
const INVITATION_MIN: usize = 12;
const REFRESH_TOKEN: &[u8] = b"rt_";
const ONE_TIME_TOKEN: &[u8] = b"otp_";
const RANDOM_MIN: usize = 20;
const TICKET: &[u8] = b"ticket.";
/// Its version and its id, which are no secret. A column of a table `ticket` has no such name.
const TICKET_MIN: usize = 20;
/// No name with a digit is so long.
const LONG: usize = 40;
/// A run of so many bytes goes on with what was broken.
const REST_MIN: usize = 12;
/// How much of a text is looked at to say whether a credential begins there.
const JUDGED: usize = 256;
/// What stands between two lines of a credential is no longer.
const BREAK_MAX: usize = 16;

/// The part to hide of a credential whose beginning is here.
pub(super) fn credential_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    match text.get(at)? {
        b'e' => token_at(text, at),
        b'_' => key_at(text, at),
        b'i' | b'I' => begun_at(text, at, INVITATION, INVITATION_MIN),
        b't' | b'T' => begun_at(text, at, TICKET, TICKET_MIN),
        b'r' | b'R' => begun_at(text, at, REFRESH_TOKEN, RANDOM_MIN),
        b'o' | b'O' => begun_at(text, at, ONE_TIME_TOKEN, RANDOM_MIN),
        _ => None,
    }
}

/// Where the rest of a credential ends with which this text may begin.
pub(super) fn end_of_rest(text: &[u8]) -> usize {
    end_of_broken(text, end_of_run(text, 0, TOKEN_SIGNS), TOKEN_SIGNS)
}

fn token_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    if !text.get(at..)?.starts_with(JWT) {
        return None;
    }
    let end = end_of_run(text, at, TOKEN_SIGNS);
    let begins = begins_word(text, at);
    let run = text.get(at..end).unwrap_or_default();
    let is_long = if begins { run.len() >= JWT_MIN } else { looks_random(run, JWT_MIN_WITHIN) };
    if !is_long && !begins {
        return None;
    }
    let broken = end_of_broken(text, end, TOKEN_SIGNS);
    (is_long || broken > end).then(|| at.saturating_add(JWT.len())..broken)
}

/// The mark of an environment; the prefix before it may be seen.
fn key_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let start = at.checked_add(6)?;
    let mark = text.get(at..start)?;
    if !mark.eq_ignore_ascii_case(b"_live_") && !mark.eq_ignore_ascii_case(b"_test_") {
        return None;
    }
    let before = at.checked_sub(1).and_then(|before| text.get(before));
    before.filter(|byte| byte.is_ascii_alphanumeric())?;
    hidden(text, start, KEY_MIN, b"")
}

/// What has this prefix.
fn begun_at(text: &[u8], at: usize, prefix: &[u8], minimum: usize) -> Option<Range<usize>> {
    let start = at.checked_add(prefix.len())?;
    if !text.get(at..start)?.eq_ignore_ascii_case(prefix) || !begins_word(text, at) {
        return None;
    }
    hidden(text, start, minimum, b"_-")
}

/// What begins here, if it is random enough, or goes on so after a break.
fn hidden(text: &[u8], start: usize, minimum: usize, signs: &[u8]) -> Option<Range<usize>> {
    // Enough to judge it by, and every byte is looked at a bounded number of times.
    let seen = text.get(..text.len().min(start.saturating_add(JUDGED))).unwrap_or_default();
    let end = end_of_run(seen, start, signs);
    let next = end_of_break(seen, end, signs);
    let continued = seen.get(next..end_of_run(seen, next, signs)).unwrap_or_default();
    let is_broken = next > end && end > start && looks_random(continued, KEY_MIN);
    if !looks_random(seen.get(start..end)?, minimum) && !is_broken {
        return None;
    }
    Some(start..end_of_broken(text, end_of_run(text, start, signs), signs))
}

/// Of letters of both cases and digits, as hardly any name is; a long one may have no digit, or no capital letter.
fn looks_random(run: &[u8], minimum: usize) -> bool {
    let has = |kind: fn(&u8) -> bool| run.iter().any(kind);
    let mixed = has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
    let digit = has(u8::is_ascii_digit);
    let longer = run.len() >= minimum.saturating_add(REST_MIN);
    run.len() >= minimum && ((mixed && (digit || longer)) || (digit && run.len() >= LONG))
}

/// Does a word begin here? An escape before it is no part of it.
fn begins_word(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or_default();
    match before {
        [.., b'%', one, other] if one.is_ascii_hexdigit() && other.is_ascii_hexdigit() => true,
        [.., b'\\', b'n' | b'r' | b't'] | [] => true,
        [.., last] => !last.is_ascii_alphanumeric() && !matches!(last, b'_' | b'-'),
    }
}

/// Where letters, digits and these signs end, escaped ones included.
fn end_of_run(text: &[u8], start: usize, signs: &[u8]) -> usize {
    let mut at = start;
    loop {
        match text.get(at..).unwrap_or_default() {
            [b'%', one, other, ..] if one.is_ascii_hexdigit() && other.is_ascii_hexdigit() => {
                at = at.saturating_add(3);
            }
            [byte, ..] if byte.is_ascii_alphanumeric() || signs.contains(byte) => at = at.saturating_add(1),
            _ => return at,
        }
    }
}

/// Where what was broken into pieces ends, the first of which ends here.
fn end_of_broken(text: &[u8], end: usize, signs: &[u8]) -> usize {
    let mut end = end;
    loop {
        let next = end_of_break(text, end, signs);
        let after = end_of_run(text, next, signs);
        if next == end || !looks_random(text.get(next..after).unwrap_or_default(), REST_MIN) {
            return end;
        }
        end = after;
    }
}

/// Where blanks, quotes, line ends and other signs after a piece end.
fn end_of_break(text: &[u8], start: usize, signs: &[u8]) -> usize {
    let mut at = start;
    while at.saturating_sub(start) < BREAK_MAX {
        match text.get(at..).unwrap_or_default() {
            [b'\\', b'n' | b'r' | b't', ..] => at = at.saturating_add(2),
            [byte, ..] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !signs.contains(byte) => {
                at = at.saturating_add(1);
            }
            _ => break,
        }
    }
    at
}
