//! Base64url without padding, as JOSE uses it (RFC 7515 section 2), with one spelling per value.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
/// Not a character of the alphabet. Its high bit survives OR-ing with six-bit values.
const INVALID: u8 = 0x80;
const VALUES: [u8; 256] = values();

/// The bytes that `text` encodes. None for padding, white space, other alphabets, an impossible
/// length, or unused bits that are not zero: two different texts never mean the same bytes.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    let (quads, rest) = text.as_chunks::<4>();
    let mut seen = 0;
    for &[a, b, c, d] in quads {
        let (a, b, c, d) = (value(a), value(b), value(c), value(d));
        seen |= a | b | c | d;
        bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
    }
    match *rest {
        [] => {}
        [a, b] => {
            let (a, b) = (value(a), value(b));
            seen |= a | b | unused(b, 0x0f);
            bytes.push(a << 2 | b >> 4);
        }
        [a, b, c] => {
            let (a, b, c) = (value(a), value(b), value(c));
            seen |= a | b | c | unused(c, 0x03);
            bytes.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
        }
        _ => return None,
    }
    (seen & INVALID == 0).then_some(bytes)
}

/// The one text that [`decode`] turns back into `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() / 3 * 4 + 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for position in 0..=chunk.len() {
            let index = (group >> (18 - 6 * position)) & 0x3f;
            let character = ALPHABET.get(index as usize).copied().unwrap_or_default();
            text.push(char::from(character));
        }
    }
    text
}

fn value(character: u8) -> u8 {
    VALUES.get(usize::from(character)).copied().unwrap_or(INVALID)
}

fn unused(last: u8, mask: u8) -> u8 {
    if last & mask == 0 { 0 } else { INVALID }
}

#[allow(clippy::indexing_slicing)] // Runs in the compiler, which would refuse an index out of range.
const fn values() -> [u8; 256] {
    let mut table = [INVALID; 256];
    let mut index = 0;
    while index < ALPHABET.len() {
        table[ALPHABET[index] as usize] = index as u8;
        index += 1;
    }
    table
}
