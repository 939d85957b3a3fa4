//! Which texts name what takes a secret, so that their literals are hidden.

use super::{Parts, is_word};

/// The functions of ours that take a credential or a secret, or the body of a request, in lower case. Of a text that calls one, every literal is
/// hidden.
const FUNCTIONS: [&[u8]; 68] = [
    b"accept_invitation",
    b"add_jwt_key",
    b"add_jwt_secret",
    b"answers_for",
    b"assumed_defaults",
    b"authenticate",
    b"change_password",
    b"check_api_key",
    b"check_jwt",
    b"check_jwt_secret",
    b"create_user",
    b"decode_jwt_secret",
    b"decode_key_hash",
    b"demand_accepted",
    b"demand_new_password",
    b"described_identity",
    b"enter_invitation",
    b"enter_user",
    b"explain_access",
    b"explain_credential",
    b"hash_password",
    b"import_api_key",
    b"is_password_hash",
    b"load_jwks",
    b"lock_one_time_token",
    b"looks_like_token",
    b"open_refresh_token",
    b"otp",
    b"parse_jwks",
    b"parse_jwt_key",
    b"parse_refresh_token",
    b"password_needs_rehash",
    b"policy_reading",
    b"recover",
    b"redeem_token",
    b"refresh_session",
    b"rehash_password",
    b"replace_password",
    b"resend",
    b"revocable_token",
    b"revoke_token",
    b"rotate_session",
    b"seal_refresh_token",
    b"send_token",
    b"session_answer",
    b"set_password",
    b"sign_in_with_password",
    b"sign_up",
    b"sign_up_again",
    b"sign_up_anonymous",
    b"signup",
    b"supabase_answer",
    b"supabase_call",
    b"supabase_members",
    b"supabase_password",
    b"supabase_refusal",
    b"supabase_text",
    b"supabase_update",
    b"token",
    b"token_answer",
    b"token_hash",
    b"token_password",
    b"token_refresh_token",
    b"update_password",
    b"update_user",
    b"verify",
    b"verify_jwt",
    b"verify_password",
];
/// The tables of ours that hold secrets.
const TABLES: [&[u8]; 4] = [b"jwt_secrets", b"one_time_tokens", b"ticket_secret", b"user_passwords"];
/// The longest of them.
const LONGEST: usize = 21;
/// The setting that carries the identity, in two parts.
const SETTING: (&[u8], &[u8]) = (b"pg_bearer", b".identity");
/// Our schemas.
pub(crate) const SCHEMAS: [&[u8]; 3] = [b"auth", b"auth_internal", b"auth_http"];

/// Does this text name something that takes a secret?
pub(crate) fn names_function(text: &[u8]) -> bool {
    Parts::of(text).all().into_iter().any(|part| first_name(part, false).is_some())
}

/// Does this statement, outside of its comments?
pub(crate) fn statement_names_function(text: &[u8]) -> bool {
    let Parts { head, tail } = Parts::of(text);
    // Whether the end begins within a comment nobody knows.
    first_name(head, true).or_else(|| first_name(tail, false)).is_some()
}

/// Does this text call one, with a literal? A message may name a function and mean nothing else.
pub(crate) fn quotes_call(text: &[u8]) -> bool {
    Parts::of(text).all().into_iter().any(|part| {
        let rest = first_name(part, false).and_then(|end| part.get(end..)).unwrap_or_default();
        rest.iter().position(|byte| *byte == b'(').is_some_and(|open| {
            let mut inside = rest.iter().skip(open);
            inside.any(|byte| matches!(byte, b'\'' | b'$'))
        })
    })
}

/// Does this text quote bound parameters, as `$2 = '…'`?
pub(crate) fn quotes_parameters(text: &[u8]) -> bool {
    let quotes = |part: &[u8]| {
        (0..part.len()).filter(|at| part.get(*at) == Some(&b'$')).any(|at| {
            let rest = part.get(at.saturating_add(1)..).unwrap_or_default();
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            digits > 0 && rest.get(digits..).is_some_and(|rest| rest.starts_with(b" = '"))
        })
    };
    Parts::of(text).all().into_iter().any(quotes)
}

/// Does this text name a table that holds secrets?
pub(crate) fn names_secrets(text: &[u8]) -> bool {
    Parts::of(text).all().into_iter().any(|part| {
        let mut words = part.split(|byte| !is_word(*byte));
        words.any(|word| TABLES.iter().any(|table| word.eq_ignore_ascii_case(table)))
    })
}

/// Where the first name of something that takes a secret ends.
fn first_name(text: &[u8], is_statement: bool) -> Option<usize> {
    let mut comments = Comments { certain: is_statement, quote: None };
    let mut at = 0;
    while at < text.len() {
        let rest = text.get(at..).unwrap_or_default();
        let word = rest.iter().take_while(|byte| is_word(**byte)).count();
        let end = at.saturating_add(word);
        if !is_statement && matches!(rest, [b'\\', b'n' | b'r' | b't', ..]) {
            // The end of a line, where a statement is quoted as JSON.
            at = at.saturating_add(2);
        } else if word == 0 {
            at = at.saturating_add(comments.skip(rest));
        } else if is_secret_name(text, at, end) {
            return Some(end);
        } else {
            at = end;
        }
    }
    None
}

/// Tells what is a comment, as long as that is beyond doubt.
struct Comments {
    certain: bool,
    quote: Option<u8>,
}

impl Comments {
    /// How much of this is to be skipped: a sign, or a comment.
    fn skip(&mut self, rest: &[u8]) -> usize {
        match rest {
            _ if !self.certain => return 1,
            // Settings, and what begins a literal of another kind, decide what the rest is.
            [b'\\', ..] => self.certain = false,
            [b'$', next, ..] if !next.is_ascii_digit() => self.certain = false,
            [byte @ (b'\'' | b'"'), ..] => match self.quote {
                None => self.quote = Some(*byte),
                Some(quote) if quote == *byte => self.quote = None,
                Some(_) => {}
            },
            [b'-', b'-', ..] if self.quote.is_none() => {
                return rest.iter().take_while(|byte| !matches!(byte, b'\n' | b'\r')).count();
            }
            [b'/', b'*', ..] if self.quote.is_none() => return length_of_comment(rest),
            _ => {}
        }
        1
    }
}

/// How long the comment is that begins here; they nest.
pub(super) fn length_of_comment(text: &[u8]) -> usize {
    let (mut at, mut depth) = (0_usize, 0_usize);
    loop {
        let step: usize = match text.get(at..).unwrap_or_default() {
            [] => return at,
            [b'/', b'*', ..] => {
                depth = depth.saturating_add(1);
                2
            }
            [b'*', b'/', ..] => {
                depth = depth.saturating_sub(1);
                2
            }
            _ => 1,
        };
        at = at.saturating_add(step);
        if depth == 0 {
            return at;
        }
    }
}

fn is_secret_name(text: &[u8], start: usize, end: usize) -> bool {
    let word = text.get(start..end).unwrap_or_default();
    if word.len() > LONGEST {
        return false;
    }
    let (before, after) = (text.get(..start).unwrap_or_default(), text.get(end..).unwrap_or_default());
    let is = |name: &&[u8]| word.eq_ignore_ascii_case(name);
    if is(&SETTING.0) {
        let (next, end) = after.split_at_checked(SETTING.1.len()).unwrap_or_default();
        return next.eq_ignore_ascii_case(SETTING.1) && !end.first().is_some_and(|byte| is_word(*byte));
    }
    let is_function = FUNCTIONS.iter().any(is);
    if !is_function && !TABLES.iter().any(is) {
        return false;
    }
    match schema_of(before) {
        Schema::None => !is_function || is_called(after),
        Schema::Ours => true,
        Schema::Other => false,
    }
}

enum Schema {
    None,
    Ours,
    Other,
}

/// What qualifies the name that follows. Where that cannot be told it is ours.
fn schema_of(before: &[u8]) -> Schema {
    let Some(before) = without_quote(before).trim_ascii_end().strip_suffix(b".") else {
        return Schema::None;
    };
    let before = without_quote(before.trim_ascii_end());
    let is_part = |byte: &u8| is_word(*byte) || *byte == b'$' || !byte.is_ascii();
    let start = before.iter().rposition(|byte| !is_part(byte)).map_or(0, |last| last.saturating_add(1));
    let name = before.get(start..).unwrap_or_default();
    let is_ours = name.is_empty() || SCHEMAS.iter().any(|schema| name.eq_ignore_ascii_case(schema));
    // The end of a line of JSON before it, or a name that is written with escapes.
    let is_escaped = matches!(before.get(..start).unwrap_or_default(), [.., b'\\'] | [.., b'&', b'"']);
    if is_ours || is_escaped { Schema::Ours } else { Schema::Other }
}

/// Without the quote that ends it, however it is escaped.
fn without_quote(text: &[u8]) -> &[u8] {
    let text = text.strip_suffix(b"&quot;").unwrap_or(text);
    let text = text.strip_suffix(b"\"").unwrap_or(text);
    text.strip_suffix(b"\\").unwrap_or(text)
}

/// Does a parenthesis follow, or something that may be followed by one?
fn is_called(after: &[u8]) -> bool {
    let after = after.strip_prefix(b"\"").unwrap_or(after).trim_ascii_start();
    [&b"("[..], b"/*", b"--", b"\\", b"&quot;", b"&#"].into_iter().any(|sign| after.starts_with(sign))
}
