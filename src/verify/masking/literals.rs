//! Literals in SQL, as far as PostgreSQL's scanner has to be followed to find them.

use super::names::{length_of_comment, names_function};
use super::{GIVEN_AWAY, Reading, is_word};
use std::ops::Range;

/// Something that is hidden, between its quotes.
pub(super) struct Piece {
    pub(super) hidden: Range<usize>,
    /// After the closing quote.
    pub(super) end: usize,
}

/// Walks through a text; `piece_at` has to be asked about every place outside of pieces, in order.
pub(super) struct Lexer<'a> {
    text: &'a [u8],
    reading: Reading,
    /// Whether a backslash escapes in every literal.
    backslashes: bool,
    /// Until here quotes mean nothing: a comment, a name, the sign that ends a body.
    ignored: usize,
    /// The body of a function that is being walked through.
    body: Option<Body>,
    /// Where the first line ends.
    first_line: usize,
    /// Whether every double quote has another one, once that was asked.
    pairs: Option<bool>,
}

struct Body {
    end: usize,
    after: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a [u8], reading: Reading, backslashes: bool) -> Lexer<'a> {
        let first_line = text.iter().take_while(|byte| **byte != b'\n').count();
        Lexer { text, reading, backslashes, ignored: 0, body: None, first_line, pairs: None }
    }

    /// What is to be hidden of a literal that begins here.
    pub(super) fn piece_at(&mut self, at: usize) -> Option<Piece> {
        if self.reading == Reading::Plain {
            return None;
        }
        if let Some(body) = self.body.take_if(|body| body.end <= at) {
            self.ignored = body.after;
        }
        if at < self.ignored {
            return None;
        }
        let rest = self.rest(at);
        if self.reading == Reading::Whole {
            return Some(Piece { hidden: at..self.text.len(), end: self.text.len() });
        }
        if self.reading == Reading::CutOff {
            let begins = matches!(rest, [b'\'', ..]) || self.tag(at).is_some();
            let end = self.text.len();
            return begins.then(|| Piece { hidden: at.saturating_add(1)..end, end });
        }
        match rest {
            [b'"', ..] if self.reading == Reading::Value => self.value(at),
            [b'"', ..] if self.reading == Reading::Origin => self.quoted_origin(at),
            [b'"', ..] => self.double_quoted(at),
            _ if self.reading == Reading::Value => None,
            [b'-', b'-', ..] => self.ignore(self.end_of_line(at)),
            [b'/', b'*', ..] => self.ignore(at.saturating_add(length_of_comment(rest))),
            [b':', b' ', ..] if self.reading == Reading::Origin => self.first_value(at),
            [b'\'', ..] => self.single_quoted(at),
            [b'$', ..] => self.dollar_quoted(at),
            _ => None,
        }
    }

    /// The text from here on, as far as the body goes.
    fn rest(&self, at: usize) -> &'a [u8] {
        self.text.get(at..self.limit()).unwrap_or_default()
    }

    fn limit(&self) -> usize {
        self.body.as_ref().map_or(self.text.len(), |body| body.end)
    }

    fn ignore(&mut self, end: usize) -> Option<Piece> {
        self.ignored = end;
        None
    }

    fn end_of_line(&self, at: usize) -> usize {
        let rest = self.rest(at);
        // Where a statement is quoted as JSON, a line ends with an escape.
        let escaped = |at: usize| {
            self.reading != Reading::Sql && rest.get(at..).is_some_and(|rest| rest.starts_with(b"\\n"))
        };
        let length =
            (0..rest.len()).find(|place| matches!(rest.get(*place), Some(b'\n' | b'\r')) || escaped(*place));
        at.saturating_add(length.unwrap_or(rest.len()))
    }

    /// A name, or a value by mistake. Names beside a dot or a parenthesis stay.
    fn double_quoted(&mut self, at: usize) -> Option<Piece> {
        if self.reading != Reading::Sql {
            return None;
        }
        let piece = self.until_quote(at, b'"', false);
        let is_qualified = at.checked_sub(1).and_then(|before| self.text.get(before)) == Some(&b'.')
            || matches!(self.rest(piece.end), [b'.' | b'(', ..]);
        if is_qualified {
            return self.ignore(piece.end);
        }
        Some(piece)
    }

    /// Up to the last quote: which of them are its own nobody knows. What can only be a short name stays, and so does that of
    /// the setting which is refused by its name.
    fn value(&mut self, at: usize) -> Option<Piece> {
        let piece = self.until_quote(at, b'"', false);
        let inside = self.text.get(piece.hidden.clone()).unwrap_or_default();
        let ends = !self.text.get(piece.end).is_some_and(|byte| is_word(*byte) || !byte.is_ascii());
        let is_name = inside.iter().all(|byte| is_word(*byte) || matches!(byte, b' ' | b'.'));
        let is_setting = inside == b"pg_bearer.identity";
        if (inside.len() < GIVEN_AWAY || is_setting) && ends && is_name && self.has_pairs() {
            return self.ignore(piece.end);
        }
        let start = piece.hidden.start;
        let last = self.rest(start).iter().rposition(|byte| *byte == b'"');
        let end = last.map_or(self.text.len(), |last| start.saturating_add(last));
        Some(Piece { hidden: start..end, end: end.saturating_add(1).min(self.text.len()) })
    }

    /// Is every quote closed?
    fn has_pairs(&mut self) -> bool {
        let text = self.text;
        *self.pairs.get_or_insert_with(|| text.iter().filter(|byte| **byte == b'"').count().is_multiple_of(2))
    }

    /// In the first line, the innermost: a value, unless it is a statement that is read as such.
    fn quoted_origin(&self, at: usize) -> Option<Piece> {
        if at > self.first_line {
            return None;
        }
        let start = at.saturating_add(1);
        let rest = self.rest(start);
        let closed = rest.len().saturating_sub(usize::from(rest.ends_with(b"\"")));
        let length = rest.windows(2).position(|window| window == b"\"\n").unwrap_or(closed);
        let end = start.saturating_add(length);
        let inside = self.text.get(start..end).unwrap_or_default();
        let is_value = inside.len() >= GIVEN_AWAY && !names_function(inside);
        let after = end.saturating_add(1).min(self.limit());
        is_value.then_some(Piece { hidden: start..end, end: after })
    }

    /// What follows the first colon: in quotes, or in its line.
    fn first_value(&mut self, at: usize) -> Option<Piece> {
        self.reading = Reading::Quoting;
        let start = at.saturating_add(2);
        let rest = self.rest(start);
        let sign: &[u8] = if rest.starts_with(b"\"") { b"\"\n" } else { b"\n" };
        let length = rest.windows(sign.len()).position(|window| window == sign).unwrap_or(rest.len());
        let end = start.saturating_add(length);
        Some(Piece { hidden: start..end, end })
    }

    fn single_quoted(&mut self, at: usize) -> Option<Piece> {
        let before = self.text.get(..at).unwrap_or_default();
        let prefix = match before {
            [.., b'U' | b'u', b'&'] => 2,
            [.., b'E' | b'e' | b'B' | b'b' | b'X' | b'x' | b'N'] => 1,
            [.., b'n'] if self.reading == Reading::Sql => 1,
            _ => 0,
        };
        let word = before.len().checked_sub(prefix).and_then(|end| before.get(..end)).unwrap_or_default();
        let is_prefixed = prefix > 0 && !self.ends_within_word(word);
        let in_word = !is_prefixed && self.ends_within_word(before);
        if self.reading != Reading::Sql && in_word {
            return None;
        }
        let escapes = is_prefixed && matches!(before.last(), Some(b'E' | b'e'));
        Some(self.until_quote(at, b'\'', escapes || self.backslashes))
    }

    /// Does this end with a part of a word? Where a statement is quoted as JSON, an escape is none.
    fn ends_within_word(&self, text: &[u8]) -> bool {
        let is_escape = matches!(text, [.., b'\\', b'n' | b'r' | b't']) && self.reading != Reading::Sql;
        !is_escape && text.last().is_some_and(|byte| is_word(*byte) || !byte.is_ascii())
    }

    /// What is between this quote and the next one, which neither doubling nor a backslash makes part of it.
    fn until_quote(&self, at: usize, quote: u8, escapes: bool) -> Piece {
        let start = at.saturating_add(1);
        let mut end = start;
        loop {
            match self.rest(end) {
                [] => return Piece { hidden: start..end, end },
                // As JSON this is one backslash and a quote that goes on, otherwise the end: nobody knows where it ends.
                [b'\\', b'\\', next, ..] if escapes && *next == quote && self.reading != Reading::Sql => {
                    return Piece { hidden: start..self.limit(), end: self.limit() };
                }
                [b'\\', _, ..] if escapes => end = end.saturating_add(2),
                [one, other, ..] if *one == quote && *other == quote => end = end.saturating_add(2),
                [one, ..] if *one == quote => {
                    return Piece { hidden: start..end, end: end.saturating_add(1) };
                }
                _ => end = end.saturating_add(1),
            }
        }
    }

    /// The sign that begins a literal here, such as `$$` or `$body$`.
    fn tag(&self, at: usize) -> Option<&'a [u8]> {
        let before = self.text.get(..at).unwrap_or_default();
        if self.ends_within_word(before) {
            return None;
        }
        let rest = self.rest(at);
        let name = rest.iter().skip(1).take_while(|byte| is_word(**byte) || !byte.is_ascii()).count();
        let tag = rest.get(..name.saturating_add(2))?;
        let is_tag =
            tag.starts_with(b"$") && tag.ends_with(b"$") && !tag.get(1).is_some_and(u8::is_ascii_digit);
        is_tag.then_some(tag)
    }

    /// The body of a function is walked through, anything else hidden.
    fn dollar_quoted(&mut self, at: usize) -> Option<Piece> {
        let tag = self.tag(at)?;
        let start = at.saturating_add(tag.len());
        let inside = self.rest(start);
        let length = inside.windows(tag.len()).position(|window| window == tag).unwrap_or(inside.len());
        let end = start.saturating_add(length);
        let after = end.saturating_add(tag.len()).min(self.limit());
        if self.body.is_none() && self.is_code(at, inside.get(..length).unwrap_or_default()) {
            self.body = Some(Body { end, after });
            return self.ignore(start);
        }
        Some(Piece { hidden: start..end, end: after })
    }

    fn is_code(&self, at: usize, inside: &[u8]) -> bool {
        let before = self.text.get(..at).unwrap_or_default();
        [&b"as"[..], b"do"].into_iter().any(|word| ends_with_word(before, word)) || names_function(inside)
    }
}

fn ends_with_word(text: &[u8], word: &[u8]) -> bool {
    let text = text.trim_ascii_end();
    let split = text.len().checked_sub(word.len()).and_then(|at| text.split_at_checked(at));
    split.is_some_and(|(before, end)| {
        end.eq_ignore_ascii_case(word) && !before.last().is_some_and(|byte| is_word(*byte))
    })
}
