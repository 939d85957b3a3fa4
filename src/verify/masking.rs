//! Masks credentials and secrets within texts that are about to be logged. The rest of a text stays.
//!
//! What is hidden becomes `***`, plain ASCII, which every server encoding has. No result is longer than its text.

mod credentials;
mod literals;
mod names;

use literals::{Lexer, Piece};
pub(crate) use names::{
    SCHEMAS, names_function, names_secrets, quotes_call, quotes_parameters, statement_names_function,
};
use std::ops::Range;

/// Of a longer text only so much of the beginning and of the end is kept.
const KEPT: usize = 64 * 1024;
/// What stands for the rest.
const CUT: &[u8] = b" *** cut *** ";
/// No masked text is longer.
pub(crate) const ROOM: usize = 2 * KEPT + CUT.len();
const STARS: &[u8] = b"***";
/// A run of so many bytes of a secret gives it away, and no shorter one: words of messages are shorter.
const GIVEN_AWAY: usize = 12;

/// How literals are found in a text that calls a function of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// There are none: only what looks like a credential is hidden.
    Plain,
    /// A statement, and nothing else. Texts in double quotes are hidden too.
    Sql,
    /// A text that quotes SQL: double quotes may be its own, and so may an apostrophe within a word.
    Quoting,
    /// Statements that may have been cut off: from the first quote on everything is hidden.
    CutOff,
    /// A message about a value in double quotes, which may hold such quotes itself.
    Value,
    /// Where that value was read, which may quote it without quotes: as `Quoting`, and what follows the first colon.
    Origin,
    /// A value, or a row, and nothing else: all of it is hidden.
    Whole,
}

/// Texts that must not be repeated: all their runs of `GIVEN_AWAY` bytes.
pub(crate) struct Secrets {
    runs: Vec<u128>,
    /// There was no memory to remember them.
    lost: bool,
}

impl Secrets {
    pub(crate) const fn none() -> Secrets {
        Secrets { runs: Vec::new(), lost: false }
    }

    /// Remembers what is hidden of this text when it is read so: other texts may show a part of it that cannot be recognised.
    pub(crate) fn learn(&mut self, text: &[u8], reading: Reading, backslashes: bool) {
        let Parts { head, tail } = Parts::of(text);
        self.learn_part(head, reading, backslashes);
        if reading == Reading::Plain {
            self.learn_part(tail, reading, backslashes);
        } else {
            // Where its literals are nobody knows.
            self.remember(tail);
        }
        self.runs.sort_unstable();
    }

    fn learn_part(&mut self, part: &[u8], reading: Reading, backslashes: bool) {
        let mut lexer = Lexer::new(part, reading, backslashes);
        let mut at = 0;
        while at < part.len() {
            let piece = piece_at(part, &mut lexer, at);
            if let Some(hidden) = piece.as_ref().and_then(|piece| part.get(piece.hidden.clone())) {
                self.remember(hidden);
            }
            at = piece.map_or(at, |piece| piece.end).max(at.saturating_add(1));
        }
    }

    fn remember(&mut self, literal: &[u8]) {
        if self.runs.try_reserve(literal.len()).is_err() {
            self.lost = true;
            return;
        }
        self.runs.extend(literal.windows(GIVEN_AWAY).map(number));
    }

    fn is_given_away(&self, text: &[u8], at: usize) -> bool {
        let run = text.get(at..).and_then(|rest| rest.get(..GIVEN_AWAY));
        run.is_some_and(|run| self.runs.binary_search(&number(run)).is_ok())
    }

    /// Where what begins here and must not be repeated ends, with whole characters.
    fn end_of(&self, text: &[u8], at: usize) -> Option<usize> {
        if self.runs.is_empty() || !self.is_given_away(text, at) {
            return None;
        }
        let mut last = at;
        while self.is_given_away(text, last.saturating_add(1)) {
            last = last.saturating_add(1);
        }
        let end = last.saturating_add(GIVEN_AWAY);
        let rest = text.get(end..).unwrap_or_default();
        let cut_through = text.get(end.saturating_sub(1)).is_some_and(|byte| !byte.is_ascii());
        let more = rest.iter().take_while(|byte| cut_through && !byte.is_ascii()).count();
        Some(end.saturating_add(more))
    }
}

fn number(run: &[u8]) -> u128 {
    run.iter().fold(0, |number, byte| (number << 8) | u128::from(*byte))
}

/// What is looked at of a text: all of it, or its beginning and its end.
struct Parts<'a> {
    head: &'a [u8],
    tail: &'a [u8],
}

impl Parts<'_> {
    fn of(text: &[u8]) -> Parts<'_> {
        if text.len() <= ROOM {
            return Parts { head: text, tail: &[] };
        }
        // Next to ASCII no character is cut through, in any server encoding.
        let head = text.get(..KEPT).unwrap_or_default();
        let end = head.iter().rposition(u8::is_ascii).map_or(0, |last| last.saturating_add(1));
        let tail = text.get(text.len().saturating_sub(KEPT)..).unwrap_or_default();
        let start = credentials::end_of_rest(tail);
        let start = tail.iter().skip(start).position(u8::is_ascii).map(|more| start.saturating_add(more));
        Parts {
            head: head.get(..end).unwrap_or_default(),
            tail: start.and_then(|start| tail.get(start..)).unwrap_or_default(),
        }
    }

    fn all(&self) -> [&[u8]; 2] {
        [self.head, self.tail]
    }
}

/// Does a part of this text look like a credential?
pub(crate) fn shows_credential(text: &[u8]) -> bool {
    (0..text.len()).any(|at| credentials::credential_at(text, at).is_some())
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// How a text is to be masked.
#[derive(Clone, Copy)]
pub(crate) struct Mask<'a> {
    pub(crate) reading: Reading,
    /// Whether a backslash escapes in every literal of the text.
    pub(crate) backslashes: bool,
    pub(crate) secrets: &'a Secrets,
}

/// What a text has become.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Masked {
    pub(crate) length: usize,
    /// Where the place that was asked about is now.
    pub(crate) place: usize,
}

impl Mask<'_> {
    /// Writes the text with its secrets masked; None when that is the text itself. Both places are in bytes.
    pub(crate) fn apply(self, text: &[u8], place: usize, room: &mut [u8]) -> Option<Masked> {
        let parts = Parts::of(text);
        let mut out = Out { room, length: 0 };
        let mut place = place;
        if self.secrets.lost {
            out.push(stars(text.len()));
        } else {
            place = self.apply_to(parts.head, place, &mut out);
            if parts.head.len() != text.len() {
                out.push(CUT);
                // Whether it begins within a literal nobody knows.
                if matches!(self.reading, Reading::Plain | Reading::Value) {
                    self.apply_to(parts.tail, 0, &mut out);
                }
            }
        }
        let Out { room, length } = out;
        (room.get(..length) != Some(text)).then_some(Masked { length, place: place.min(length) })
    }

    fn apply_to(self, part: &[u8], place: usize, out: &mut Out) -> usize {
        let mut lexer = Lexer::new(part, self.reading, self.backslashes);
        let (mut at, mut moved) = (0, out.length);
        while at < part.len() {
            if at <= place {
                moved = out.length;
            }
            let repeated = || self.secrets.end_of(part, at).map(|end| Piece { hidden: at..end, end });
            let found = piece_at(part, &mut lexer, at).or_else(repeated);
            let Some(Piece { hidden, end }) = found else {
                out.push(part.get(at..=at).unwrap_or_default());
                at = at.saturating_add(1);
                continue;
            };
            out.push(part.get(at..hidden.start).unwrap_or_default());
            out.push(stars(hidden.len()));
            out.push(part.get(hidden.end..end).unwrap_or_default());
            at = end.max(at.saturating_add(1));
        }
        if place >= part.len() { out.length } else { moved }
    }
}

/// A literal or a credential that begins here.
fn piece_at(text: &[u8], lexer: &mut Lexer, at: usize) -> Option<Piece> {
    let credential = |hidden: Range<usize>| Piece { end: hidden.end, hidden };
    lexer.piece_at(at).or_else(|| credentials::credential_at(text, at).map(credential))
}

/// Not more than what they hide.
fn stars(length: usize) -> &'static [u8] {
    STARS.get(..length).unwrap_or(STARS)
}

struct Out<'a> {
    room: &'a mut [u8],
    length: usize,
}

impl Out<'_> {
    /// There is room for everything that `Parts` keeps.
    fn push(&mut self, bytes: &[u8]) {
        let end = self.length.saturating_add(bytes.len());
        if let Some(place) = self.room.get_mut(self.length..end) {
            place.copy_from_slice(bytes);
            self.length = end;
        }
    }
}

/// The byte at which this character begins, counted from 0.
pub(crate) fn byte_of(text: &[u8], character: usize, characters: Characters) -> usize {
    let mut begins = (0..text.len()).filter(|at| text.get(*at).is_some_and(|byte| characters.begins(*byte)));
    begins.nth(character).unwrap_or(text.len())
}

/// How many characters begin before this byte.
pub(crate) fn characters_before(text: &[u8], byte: usize, characters: Characters) -> usize {
    text.iter().take(byte).filter(|byte| characters.begins(**byte)).count()
}

/// What one character is in the server's encoding.
#[derive(Clone, Copy)]
pub(crate) enum Characters {
    Bytes,
    Utf8,
}

impl Characters {
    fn begins(self, byte: u8) -> bool {
        match self {
            Characters::Bytes => true,
            Characters::Utf8 => byte & 0xC0 != 0x80,
        }
    }
}
