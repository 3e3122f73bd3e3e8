//! Budgets of attempts: so many in a time, filling up again steadily (the arithmetic of GCRA).
//!
//! What a budget has left is one instant: when it will be full again. Each attempt moves it further away; it never lies
//! further away than the whole time.

use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use std::net::IpAddr;

/// How many attempts there are in how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// At least 1.
    pub attempts: i64,
    pub seconds: i64,
}

impl Budget {
    const fn whole(self) -> i64 {
        self.seconds * MICROS_PER_SECOND
    }

    const fn one(self) -> i64 {
        self.whole() / self.attempts
    }

    /// Takes one attempt from a budget that is full at `full_at`: when it is full then.
    ///
    /// # Errors
    /// With none left: after how many seconds there is one.
    pub fn take(self, full_at: Timestamp, now: Timestamp) -> Result<Timestamp, i64> {
        let after = full_at.0.max(now.0) + self.one();
        let beyond = after - now.0 - self.whole();
        if beyond <= 0 {
            return Ok(Timestamp(after));
        }
        // Of a budget that was larger once, no more is asked than of an empty one.
        let micros = beyond.min(self.one());
        Err(micros.div_euclid(MICROS_PER_SECOND) + i64::from(micros % MICROS_PER_SECOND > 0))
    }

    /// Gives back one attempt: no more than was taken, since nobody gives back without having taken.
    #[must_use]
    pub const fn give_back(self, full_at: Timestamp) -> Timestamp {
        Timestamp(full_at.0 - self.one())
    }
}

/// What of an address counts: an IPv4 address, or the /64 that somebody with IPv6 has all to themselves.
#[must_use]
pub fn network(address: &str) -> String {
    match address.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(IpAddr::V6(address)) => {
            let [a, b, c, d, ..] = address.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(IpAddr::V4(address)) => address.to_string(),
        Err(_) => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BUDGET: Budget = Budget {
        attempts: 3,
        seconds: 30,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * MICROS_PER_SECOND)
    }

    #[test]
    fn a_budget_has_its_attempts_and_then_one_more_each_while() {
        let mut full_at = at(0);
        for _ in 0..3 {
            full_at = BUDGET.take(full_at, at(100)).unwrap();
        }
        assert_eq!(BUDGET.take(full_at, at(100)), Err(10));
        assert_eq!(BUDGET.take(full_at, at(109)), Err(1));
        let full_at = BUDGET.take(full_at, at(110)).unwrap();
        assert_eq!(BUDGET.take(full_at, at(110)), Err(10));
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_nothing_more() {
        let mut full_at = at(0);
        for _ in 0..3 {
            full_at = BUDGET.take(full_at, at(100)).unwrap();
        }
        let full_at = BUDGET.take(BUDGET.give_back(full_at), at(100)).unwrap();
        assert!(BUDGET.take(full_at, at(100)).is_err());
    }

    #[test]
    fn an_ipv6_address_counts_as_its_network() {
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:aaaa::1"), network("2001:db8:1:2::ffff"));
        assert_ne!(network("2001:db8:1:2::1"), network("2001:db8:1:3::1"));
        assert_eq!(network(""), "");
    }

    proptest! {
        #[test]
        fn in_any_time_no_more_is_taken_than_a_full_budget_and_what_it_fills_up(
            pauses in proptest::collection::vec(0_i64..20_000_000, 1..200)
        ) {
            let (mut now, mut full_at, mut taken) = (at(1000), at(0), 0_i64);
            for pause in pauses {
                now.0 += pause;
                if let Ok(after) = BUDGET.take(full_at, now) {
                    full_at = after;
                    taken += 1;
                }
                let refilled = (now.0 - at(1000).0) / BUDGET.one();
                prop_assert!(taken <= BUDGET.attempts + refilled);
            }
        }
    }
}
