//! Time-based one-time passwords (RFC 6238): which time steps a code may be of.

use igny8_contract::time::Timestamp;

/// How long a code is shown, in seconds.
pub const STEP_SECONDS: i64 = 30;
/// How many steps a phone's clock may be away, in both directions (section 6).
const DRIFT_STEPS: i64 = 1;

/// The time step of an instant.
#[must_use]
pub const fn step(now: Timestamp) -> i64 {
    now.unix_seconds().div_euclid(STEP_SECONDS)
}

/// The step that a code is good for now: near enough, and newer than the last one used, so that no code is used twice.
/// `is_of` says whether the code is that of a step; it is asked about every step, whichever fits.
#[must_use]
pub fn accepted(now: Timestamp, last_step: i64, is_of: impl Fn(i64) -> bool) -> Option<i64> {
    let current = step(now);
    let mut found = None;
    for candidate in current - DRIFT_STEPS..=current + DRIFT_STEPS {
        if is_of(candidate) && candidate > last_step {
            found = found.or(Some(candidate));
        }
    }
    found
}

/// Whether a text could be a code: six digits.
#[must_use]
pub fn is_code(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(0).plus_seconds(seconds)
    }

    #[test]
    fn a_clock_may_be_one_step_away_and_no_more() {
        let now = at(1000 * STEP_SECONDS + 7);
        let near: Vec<i64> = (990..1010)
            .filter(|step| accepted(now, 0, |candidate| candidate == *step).is_some())
            .collect();
        assert_eq!(near, [999, 1000, 1001]);
    }

    #[test]
    fn no_step_is_accepted_twice_nor_one_before_it() {
        let now = at(1000 * STEP_SECONDS);
        assert_eq!(accepted(now, 999, |step| step == 1000), Some(1000));
        for step in [999, 1000] {
            assert_eq!(accepted(now, 1000, |candidate| candidate == step), None);
        }
        assert_eq!(accepted(now, 1000, |step| step == 1001), Some(1001));
    }

    #[test]
    fn a_code_is_six_digits() {
        assert!(is_code("012345"));
        for other in ["", "12345", "1234567", "12345a", "１２３４５６", " 12345"] {
            assert!(!is_code(other), "{other:?}");
        }
    }
}
