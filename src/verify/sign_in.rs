//! How strongly and when the bearer of a token signed in, as its claims say.

use super::identity::POSTGRES_EPOCH;
use super::period::Period;
use serde_json::{Map, Value};

/// How far the clock of whoever signed the user in may be ahead, in microseconds.
const AHEAD: i64 = 300_000_000;

/// An authenticator assurance level of NIST SP 800-63, as Supabase writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Aal1,
    Aal2,
    Aal3,
}

impl Level {
    /// Reads a level as it is written, and nothing that looks like one.
    pub(crate) fn read(text: &str) -> Option<Level> {
        match text {
            "aal1" => Some(Level::Aal1),
            "aal2" => Some(Level::Aal2),
            "aal3" => Some(Level::Aal3),
            _ => None,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Aal1 => "aal1",
            Level::Aal2 => "aal2",
            Level::Aal3 => "aal3",
        }
    }
}

/// The level that the claim `aal` says.
pub(crate) fn level(claims: &Map<String, Value>) -> Option<Level> {
    claims.get("aal")?.as_str().and_then(Level::read)
}

/// A way to prove who one is, and when it was used, if the claim says so.
struct Method<'c> {
    name: &'c str,
    used_at: Option<i64>,
}

/// A member of the claim `amr`: a string (RFC 8176 section 1), or an object of Supabase's.
fn method(entry: &Value) -> Option<Method<'_>> {
    match entry {
        Value::String(name) => Some(Method { name, used_at: None }),
        Value::Object(members) => {
            let name = members.get("method")?.as_str()?;
            Some(Method { name, used_at: members.get("timestamp").and_then(moment) })
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

fn methods_in(claims: &Map<String, Value>) -> Option<impl Iterator<Item = Method<'_>>> {
    Some(claims.get("amr")?.as_array()?.iter().filter_map(method))
}

/// The methods of the claim `amr`, in its order; `None` without a claim that is a list. What is no method is left out.
pub(crate) fn methods(claims: &Map<String, Value>) -> Option<Vec<String>> {
    Some(methods_in(claims)?.map(|method| method.name.to_owned()).collect())
}

/// Seconds since 1970, fractions included, as microseconds since 2000. What is before 1970 is no time; what is beyond all
/// timestamps lies in the future.
fn moment(value: &Value) -> Option<i64> {
    let since_1970 = match value.as_u64() {
        Some(seconds) => i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000),
        None => (value.as_f64().filter(|seconds| *seconds >= 0.0)? * 1e6) as i64,
    };
    Some(since_1970.saturating_sub(POSTGRES_EPOCH.saturating_mul(1_000_000)))
}

/// When the user proved who they are: `auth_time` (OpenID Connect Core 1.0 section 2) or, without it, the latest time of a
/// method. Never `iat`, which every refreshed token has anew. A claim `auth_time` that is no time leaves it unknown.
fn signed_in_at(claims: &Map<String, Value>) -> Option<i64> {
    match claims.get("auth_time") {
        None | Some(Value::Null) => methods_in(claims)?.filter_map(|method| method.used_at).max(),
        Some(time) => moment(time),
    }
}

/// Did the user prove who they are less than this period before `now`, in microseconds since 2000? A time that lies a
/// little in the future counts as now, one further ahead as unknown.
pub(crate) fn signed_in_within(claims: &Map<String, Value>, period: Period, now: i64) -> bool {
    let at = signed_in_at(claims).filter(|at| at.saturating_sub(AHEAD) <= now);
    at.is_some_and(|at| now < period.after(at.min(now)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]
    use super::*;
    use serde_json::json;

    /// 2026, in seconds since 1970 and in microseconds since 2000.
    const SECONDS: i64 = 1_780_000_000;
    const NOW: i64 = (SECONDS - POSTGRES_EPOCH) * 1_000_000;

    fn claims(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn within(value: Value, seconds: i64) -> bool {
        let period = Period { months: 0, days: 0, microseconds: seconds * 1_000_000 };
        signed_in_within(&claims(value), period, NOW)
    }

    #[test]
    fn a_level_is_one_of_three_strings() {
        for (claim, expected) in [
            (json!("aal1"), Some(Level::Aal1)),
            (json!("aal2"), Some(Level::Aal2)),
            (json!("aal3"), Some(Level::Aal3)),
            (json!("aal0"), None),
            (json!("aal4"), None),
            (json!("AAL2"), None),
            (json!("aal2 "), None),
            (json!(" aal2"), None),
            (json!("aal"), None),
            (json!("aal22"), None),
            (json!("\u{430}al2"), None),
            (json!(""), None),
            (json!(2), None),
            (json!(true), None),
            (json!(null), None),
            (json!(["aal2"]), None),
            (json!({"aal": "aal2"}), None),
        ] {
            assert_eq!(level(&claims(json!({"aal": claim}))), expected, "{claim}");
        }
        assert_eq!(level(&claims(json!({"app_metadata": {"aal": "aal2"}, "AAL": "aal2"}))), None);
        assert!(Level::Aal1 < Level::Aal2 && Level::Aal2 < Level::Aal3);
        for level in [Level::Aal1, Level::Aal2, Level::Aal3] {
            assert_eq!(Level::read(level.name()), Some(level));
        }
    }

    #[test]
    fn methods_are_strings_or_named_by_objects() {
        for (claim, expected) in [
            (json!(["pwd", "otp"]), Some(vec!["pwd", "otp"])),
            (
                json!([{"method": "totp", "timestamp": 1}, {"method": "password"}]),
                Some(vec!["totp", "password"]),
            ),
            (json!(["b", {"method": "a"}, "b"]), Some(vec!["b", "a", "b"])),
            (
                json!([1, null, true, ["pwd"], {"method": 1}, {"timestamp": 1}, {"method": ["x"]}, "x"]),
                Some(vec!["x"]),
            ),
            (json!([]), Some(vec![])),
            (json!([{}]), Some(vec![])),
            (json!("pwd"), None),
            (json!({"method": "pwd"}), None),
            (json!(null), None),
            (json!(1), None),
        ] {
            let found = methods(&claims(json!({"amr": claim})));
            let expected: Option<Vec<String>> =
                expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(found, expected, "{claim}");
        }
        assert_eq!(methods(&claims(json!({}))), None);
    }

    #[test]
    fn the_time_is_auth_time_or_else_the_latest_of_a_method() {
        let amr = |times: Value| {
            let list: Vec<Value> = times
                .as_array()
                .unwrap()
                .iter()
                .map(|time| json!({"method": "m", "timestamp": time}))
                .collect();
            json!({"amr": list, "iat": SECONDS})
        };
        for (value, expected) in [
            (json!({"auth_time": SECONDS - 59}), true),
            (json!({"auth_time": SECONDS - 60}), false),
            (json!({"auth_time": (SECONDS - 60) as f64 + 0.5}), true),
            (json!({"auth_time": (SECONDS - 60) as f64 - 0.5}), false),
            (json!({"auth_time": 1.78e9}), true),
            (amr(json!([SECONDS - 59])), true),
            (amr(json!([SECONDS - 100, SECONDS - 10, SECONDS - 200])), true),
            (amr(json!([SECONDS - 100, SECONDS - 60])), false),
            // Where auth_time is, it alone counts, be it one that nobody understands.
            (with(amr(json!([SECONDS])), SECONDS - 100), false),
            (with(amr(json!([SECONDS])), "now"), false),
            (with(amr(json!([SECONDS])), Value::Null), true),
            (json!({"iat": SECONDS, "nbf": SECONDS, "exp": SECONDS + 600}), false),
            (json!({"amr": ["pwd"], "iat": SECONDS}), false),
            (json!({"amr": [{"timestamp": SECONDS}]}), false),
            (json!({"amr": [{"method": "m", "timestamp": SECONDS.to_string()}]}), false),
            (json!({}), false),
        ] {
            assert_eq!(within(value.clone(), 60), expected, "{value}");
        }
    }

    fn with(mut claims: Value, auth_time: impl Into<Value>) -> Value {
        claims.as_object_mut().unwrap().insert("auth_time".to_owned(), auth_time.into());
        claims
    }

    #[test]
    fn what_is_no_time_is_not_within_any_period() {
        for time in [
            json!(-1),
            json!(-0.5),
            json!(-1e300),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(i64::MAX),
            json!(1e300),
            json!(SECONDS.to_string()),
            json!(true),
            json!([SECONDS]),
            json!({"seconds": SECONDS}),
        ] {
            let period = Period { months: i32::MAX, days: i32::MAX, microseconds: i64::MAX };
            let claims = claims(json!({"auth_time": time}));
            assert!(!signed_in_within(&claims, period, NOW), "{time}");
        }
    }

    #[test]
    fn a_clock_may_be_a_little_ahead() {
        for (ahead, seconds, expected) in [
            (0, 1, true),
            (300, 1, true),
            (301, 1, false),
            (301, 1_000_000_000, false),
            // Nobody signs in within no time, however much their clock is ahead.
            (0, 0, false),
            (300, 0, false),
            (300, -1, false),
            (-10, -1, false),
        ] {
            assert_eq!(within(json!({"auth_time": SECONDS + ahead}), seconds), expected, "{ahead} {seconds}");
        }
    }
}
