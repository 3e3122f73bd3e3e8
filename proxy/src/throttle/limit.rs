//! One limit: a quota, its name, whether it is enforced, and the header values that tell clients of it.
//!
//! The fields are those of draft-ietf-httpapi-ratelimit-headers-11. What we chose where the draft leaves a choice:
//!
//! - `RateLimit-Policy: "name";q=<burst>;w=<seconds>`: `w` is the time in which a drained bucket is full again, in whole
//!   seconds rounded up (the draft wants a positive integer), so that `q` over `w` is the rate.
//! - `RateLimit: "name";r=<remaining>;t=<seconds>`: `t` is the effective window, in which the client can use no more than
//!   `r`: the time until one request more comes back, in whole seconds rounded up. On a refusal it equals `Retry-After`,
//!   which the draft wants to be no earlier than the end of the effective window.
//! - Partition keys are not sent: they would name accounts and addresses.

use super::gcra::Quota;
use http::HeaderValue;
use serde::Deserialize;
use std::sync::Arc;

/// Which quota policy applies.
pub const RATE_LIMIT_POLICY: &str = "RateLimit-Policy";
/// How much of it is left.
pub const RATE_LIMIT: &str = "RateLimit";
/// When a refused request may be tried again, in seconds.
pub const RETRY_AFTER: &str = "Retry-After";

/// The longest name of a limit, in bytes.
pub const NAME_MAX: usize = 64;

/// The longest `RateLimit` value: a name with its quotes, two numbers, and the letters between.
const LIMIT_VALUE_MAX: usize = NAME_MAX + 2 + 2 * 20 + 6;

/// Whether a limit is enforced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// What it refuses is refused. The default.
    #[default]
    Enforce,
    /// It is evaluated, counted and logged, and refuses nothing.
    Shadow,
}

/// One limit of the limits file.
#[derive(Debug)]
pub struct Limit {
    name: Box<str>,
    section: Arc<str>,
    quota: Quota,
    mode: Mode,
    policy_value: HeaderValue,
}

impl Limit {
    /// A limit. `name` is what clients read, `section` is where the limits file has it (`plan.scale`).
    ///
    /// # Errors
    /// Nothing for a name that [`is_name`] refuses.
    pub(super) fn new(name: &str, section: &str, quota: Quota, mode: Mode) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        let policy = format!("\"{name}\";q={};w={}", quota.burst(), quota.window_seconds());
        let policy_value = HeaderValue::try_from(policy).ok()?;
        Some(Self {
            name: name.into(),
            section: section.into(),
            quota,
            mode,
            policy_value,
        })
    }

    /// What clients know it by: `default`, `plan`, `account`, `address`, `cold`, or the scope's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its table in the limits file, such as `plan.scale`; overrides are all `account`.
    #[must_use]
    pub fn section(&self) -> &Arc<str> {
        &self.section
    }

    /// How much it admits.
    #[must_use]
    pub const fn quota(&self) -> &Quota {
        &self.quota
    }

    /// Whether it is enforced.
    #[must_use]
    pub const fn mode(&self) -> Mode {
        self.mode
    }

    /// The value of `RateLimit-Policy`.
    #[must_use]
    pub const fn policy_value(&self) -> &HeaderValue {
        &self.policy_value
    }

    /// The value of `RateLimit`.
    #[must_use]
    pub fn limit_value(&self, remaining: u32, reset_seconds: u64) -> HeaderValue {
        let mut line = Line::new();
        line.push(b"\"")
            .push(self.name.as_bytes())
            .push(b"\";r=")
            .push(itoa::Buffer::new().format(remaining).as_bytes());
        line.push(b";t=")
            .push(itoa::Buffer::new().format(reset_seconds).as_bytes());
        // Every byte is from `is_name`'s alphabet, a digit or one of ours, so this never falls back.
        HeaderValue::from_bytes(line.bytes()).unwrap_or_else(|_| self.policy_value.clone())
    }
}

/// Whether a word can name a plan or a scope: 1 to 64 of `a`–`z`, `0`–`9`, `-` and `_`.
#[must_use]
pub fn is_name(word: &str) -> bool {
    (1..=NAME_MAX).contains(&word.len())
        && word
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// A header value in the making, on the stack.
struct Line {
    bytes: [u8; LIMIT_VALUE_MAX],
    length: usize,
}

impl Line {
    const fn new() -> Self {
        Self {
            bytes: [0; LIMIT_VALUE_MAX],
            length: 0,
        }
    }

    fn push(&mut self, part: &[u8]) -> &mut Self {
        // Names are at most NAME_MAX bytes and numbers at most 20 digits, so every part fits.
        if let Some(room) = self.bytes.get_mut(self.length..self.length + part.len()) {
            room.copy_from_slice(part);
            self.length += part.len();
        }
        self
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(name: &str, rate: &str, burst: i64) -> Option<Limit> {
        Limit::new(name, name, Quota::parse(rate, burst).unwrap(), Mode::Enforce)
    }

    #[test]
    fn the_policy_says_the_burst_and_the_seconds_in_which_it_comes_back() {
        for (rate, burst, value) in [
            ("600/m", 100, "\"default\";q=100;w=10"),
            ("120/m", 40, "\"default\";q=40;w=20"),
            ("30/m", 5, "\"default\";q=5;w=10"),
            ("1000/s", 1, "\"default\";q=1;w=1"),
            ("7/m", 3, "\"default\";q=3;w=26"),
        ] {
            assert_eq!(
                limit("default", rate, burst).unwrap().policy_value(),
                value,
                "{rate} {burst}"
            );
        }
    }

    #[test]
    fn the_limit_says_what_is_left_and_for_how_long() {
        assert_eq!(limit("auth", "10/m", 10).unwrap().limit_value(9, 6), "\"auth\";r=9;t=6");
        let longest = "n".repeat(NAME_MAX);
        assert_eq!(
            limit(&longest, "10/m", 10).unwrap().limit_value(u32::MAX, u64::MAX),
            format!("\"{longest}\";r=4294967295;t=18446744073709551615")
        );
    }

    #[test]
    fn a_name_that_would_need_quoting_is_refused() {
        for name in ["", "a\"b", "a b", "Ab", "a\r\nb", "ä", &"n".repeat(NAME_MAX + 1)] {
            assert!(limit(name, "10/m", 10).is_none(), "{name}");
        }
    }
}
