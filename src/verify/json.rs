//! Strict JSON objects: what every reader of the same bytes would understand alike.
//!
//! RFC 7515 section 4 and RFC 7519 section 4 leave duplicate names to the parser; RFC 8259 leaves
//! depth and number range. Whatever PostgreSQL's jsonb and serde_json could see differently is refused.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How deep objects and arrays may be nested, the outermost object included.
pub(crate) const MAX_DEPTH: usize = 32;
/// The longest number, in characters. jsonb could hold more, a double could not.
const MAX_NUMBER_CHARACTERS: usize = 400;
/// The largest exponent of either sign; beyond it a double becomes infinity or zero.
const MAX_EXPONENT: u32 = 300;

/// Why a text is not a strict JSON object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonFault {
    /// Not UTF-8, not JSON (RFC 8259), or a lone surrogate.
    Syntax,
    /// JSON, but not an object at the top.
    NotAnObject,
    /// Two members of one object have the same name after unescaping.
    DuplicateMember,
    /// More than [`MAX_DEPTH`] levels.
    TooDeep,
    /// U+0000 in a string or name, which no PostgreSQL text can hold.
    NulCharacter,
    /// A number that is too long or whose exponent is too large.
    NumberOutOfRange,
}

impl fmt::Display for JsonFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Syntax => "not valid JSON",
            Self::NotAnObject => "not a JSON object",
            Self::DuplicateMember => "a JSON object has two members of the same name",
            Self::TooDeep => "the JSON is nested deeper than 32 levels",
            Self::NulCharacter => "a JSON string contains the character U+0000",
            Self::NumberOutOfRange => "a JSON number is too long or too large",
        })
    }
}

/// The members of the JSON object in `text`, or why it is none that can be trusted.
pub(crate) fn parse_object(text: &[u8]) -> Result<Map<String, Value>, JsonFault> {
    scan(text)?;
    let fault = Cell::new(JsonFault::Syntax);
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    let value = Strict { fault: &fault }.deserialize(&mut deserializer).map_err(|_| fault.get())?;
    deserializer.end().map_err(|_| JsonFault::Syntax)?;
    match value {
        Value::Object(members) => Ok(members),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            Err(JsonFault::NotAnObject)
        }
    }
}

/// Looks at depth and numbers before anything is built from the text. Everything else about the
/// syntax is the parser's business: this only needs to know where strings are.
fn scan(text: &[u8]) -> Result<(), JsonFault> {
    let mut depth = 0_usize;
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = match byte {
            b'"' => after_string(tail)?,
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                if depth > MAX_DEPTH {
                    return Err(JsonFault::TooDeep);
                }
                tail
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                tail
            }
            b'-' | b'0'..=b'9' => after_number(rest)?,
            _ => tail,
        };
    }
    Ok(())
}

fn after_string(mut rest: &[u8]) -> Result<&[u8], JsonFault> {
    loop {
        rest = match rest {
            [b'"', tail @ ..] => return Ok(tail),
            [b'\\', _, tail @ ..] | [_, tail @ ..] => tail,
            [] => return Err(JsonFault::Syntax),
        };
    }
}

fn after_number(text: &[u8]) -> Result<&[u8], JsonFault> {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E');
    let length = text.iter().position(|byte| !is_part(byte)).unwrap_or(text.len());
    let (number, tail) = text.split_at_checked(length).unwrap_or((text, &[]));
    if number.len() > MAX_NUMBER_CHARACTERS {
        return Err(JsonFault::NumberOutOfRange);
    }
    let mut parts = number.splitn(2, |byte| matches!(byte, b'e' | b'E'));
    let exponent = parts.nth(1).unwrap_or_default();
    let digits = exponent.iter().filter(|byte| byte.is_ascii_digit());
    let size = digits.fold(0_u32, |sum, digit| {
        sum.saturating_mul(10).saturating_add(u32::from(digit.saturating_sub(b'0')))
    });
    if size > MAX_EXPONENT { Err(JsonFault::NumberOutOfRange) } else { Ok(tail) }
}

/// Builds a [`Value`] as serde_json does, but refuses duplicate names and U+0000.
/// Notes in `fault` what it objected to, because serde's error type cannot say.
#[derive(Clone, Copy)]
struct Strict<'f> {
    fault: &'f Cell<JsonFault>,
}

impl Strict<'_> {
    fn refuse<T, E: Error>(self, fault: JsonFault) -> Result<T, E> {
        self.fault.set(fault);
        Err(E::custom("refused"))
    }

    fn without_nul<E: Error>(self, text: &str) -> Result<(), E> {
        if text.contains('\0') { self.refuse(JsonFault::NulCharacter) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match serde_json::Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => self.refuse(JsonFault::NumberOutOfRange),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.without_nul(text)?;
        Ok(Value::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element_seed(self)? {
            array.push(element);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            self.without_nul(&name)?;
            let value = members.next_value_seed(self)?;
            if object.insert(name, value).is_some() {
                return self.refuse(JsonFault::DuplicateMember);
            }
        }
        Ok(Value::Object(object))
    }
}
