//! NumericDate (RFC 7519 section 2): seconds since 1970, which may have a fraction.

use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::collections::HashMap;

/// The furthest times of either sign: what lies beyond is as far as this.
const FAR: i64 = 1 << 53;

/// The whole seconds on both sides of a time; equal where it has no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NumericDate {
    pub(super) floor: i64,
    pub(super) ceil: i64,
}

impl NumericDate {
    fn whole(seconds: i64) -> NumericDate {
        let seconds = seconds.clamp(-FAR, FAR);
        NumericDate { floor: seconds, ceil: seconds }
    }
}

/// What is wrong with a claim that should be a time: it is no number.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotANumber;

/// The time in this claim. `payload` is the text that `claims` were read from: a double would round what it says.
pub(super) fn claimed(
    claims: &Map<String, Value>,
    payload: &[u8],
    name: &str,
) -> Result<Option<NumericDate>, NotANumber> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(seconds) => Ok(Some(NumericDate::whole(seconds))),
            None => written(payload, name).map(Some).ok_or(NotANumber),
        },
        Some(Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            Err(NotANumber)
        }
    }
}

/// The same, of the number as it is written.
fn written(payload: &[u8], name: &str) -> Option<NumericDate> {
    let members: HashMap<String, &RawValue> = serde_json::from_slice(payload).ok()?;
    decimal(members.get(name)?.get())
}

/// A JSON number (RFC 8259 section 6).
fn decimal(text: &str) -> Option<NumericDate> {
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let (mut floor, mut has_fraction) = (0_i64, false);
    for (place, digit) in (0_i32..).zip(whole.chars().chain(fraction.chars())) {
        let digit = i64::from(digit.to_digit(10)?);
        if place < point {
            floor = floor.saturating_mul(10).saturating_add(digit);
        } else {
            has_fraction |= digit != 0;
        }
    }
    let written = i32::try_from(whole.len().checked_add(fraction.len())?).ok()?;
    for _ in written..point {
        floor = floor.saturating_mul(10);
    }
    let ceil = floor.saturating_add(i64::from(has_fraction));
    let (floor, ceil) =
        if is_negative { (ceil.saturating_neg(), floor.saturating_neg()) } else { (floor, ceil) };
    Some(NumericDate { floor: floor.clamp(-FAR, FAR), ceil: ceil.clamp(-FAR, FAR) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::{FAR, decimal};

    #[test]
    fn numbers_are_what_they_say_digit_by_digit() {
        for (text, floor, ceil) in [
            ("0", 0, 0),
            ("-0", 0, 0),
            ("-0.0", 0, 0),
            ("1795708579.25", 1_795_708_579, 1_795_708_580),
            ("1795708579.0", 1_795_708_579, 1_795_708_579),
            ("-1", -1, -1),
            ("-1.5", -2, -1),
            ("-0.5", -1, 0),
            ("0.000000001", 0, 1),
            ("1e-300", 0, 1),
            ("0e300", 0, 0),
            ("1.8000006e9", 1_800_000_600, 1_800_000_600),
            ("18000006.5E+2", 1_800_000_650, 1_800_000_650),
            ("18000006555E-1", 1_800_000_655, 1_800_000_656),
            // As a double it would be the next whole second.
            ("1800000600.99999999999999999999", 1_800_000_600, 1_800_000_601),
            ("1800000600.00000000000000000001", 1_800_000_600, 1_800_000_601),
            ("9007199254740991", FAR - 1, FAR - 1),
            ("9007199254740991.5", FAR - 1, FAR),
            ("9007199254740993", FAR, FAR),
            ("9223372036854775807", FAR, FAR),
            ("18446744073709551617", FAR, FAR),
            ("1e300", FAR, FAR),
            ("-1e300", -FAR, -FAR),
        ] {
            let found = decimal(text).unwrap();
            assert_eq!((found.floor, found.ceil), (floor, ceil), "{text}");
        }
    }
}
