use super::*;
use proptest::prelude::*;

/// The same rule told another way: a store of nanoseconds that fills with time, never above the window, and pays one
/// interval for each request.
struct Model {
    stored_ns: u128,
    at_ns: u64,
}

impl Model {
    fn full(quota: &Quota) -> Self {
        Self {
            stored_ns: u128::from(quota.window_ns()),
            at_ns: 0,
        }
    }

    fn ask(&mut self, now_ns: u64, quota: &Quota) -> (bool, u32, u64) {
        let interval = u128::from(quota.emission_interval_ns());
        self.stored_ns = (self.stored_ns + u128::from(now_ns - self.at_ns)).min(u128::from(quota.window_ns()));
        self.at_ns = now_ns;
        let allowed = self.stored_ns >= interval;
        if allowed {
            self.stored_ns -= interval;
        }
        let remaining = self.stored_ns / interval;
        let reset = (remaining + 1) * interval - self.stored_ns;
        (
            allowed,
            u32::try_from(remaining).unwrap(),
            u64::try_from(reset).unwrap(),
        )
    }
}

fn quota() -> impl Strategy<Value = Quota> {
    (INTERVAL_MIN_NS..10_000_000_000, 1_u32..200).prop_map(|(interval, burst)| Quota::new(interval, burst).unwrap())
}

proptest! {
    #[test]
    fn every_decision_is_the_one_of_a_store_that_fills_with_time(
        quota in quota(),
        steps in prop::collection::vec((0_u64..3, 0_u64..12_000_000_000), 1..300),
    ) {
        let (mut tat, mut now) = (0, 0);
        let mut model = Model::full(&quota);
        for (kind, step) in steps {
            // Often no time passes at all, often less than an interval.
            now += match kind { 0 => 0, 1 => step % quota.emission_interval_ns(), _ => step };
            let decision = decide(tat, now, &quota);
            let told = (decision.allowed, decision.remaining, decision.reset_ns);
            prop_assert_eq!(told, model.ask(now, &quota));
            if !decision.allowed {
                prop_assert_eq!(decision.tat_ns, tat);
            }
            tat = decision.tat_ns;
        }
    }

    #[test]
    fn a_full_bucket_admits_exactly_its_burst_at_once(quota in quota(), now in 0..u64::MAX / 4) {
        let mut tat = 0;
        for left in (0..quota.burst()).rev() {
            let decision = decide(tat, now, &quota);
            prop_assert!(decision.allowed);
            prop_assert_eq!(decision.remaining, left);
            tat = decision.tat_ns;
        }
        let refused = decide(tat, now, &quota);
        prop_assert!(!refused.allowed);
        prop_assert_eq!(refused.reset_ns, quota.emission_interval_ns());
    }

    #[test]
    fn a_refusal_is_right_about_when_the_next_request_passes(quota in quota(), now in 0..u64::MAX / 4, more in 0_u64..100) {
        let drained = now + quota.window_ns() + more;
        let refused = decide(drained, now, &quota);
        prop_assert!(!refused.allowed);
        prop_assert!(!decide(drained, now + refused.reset_ns - 1, &quota).allowed);
        prop_assert!(decide(drained, now + refused.reset_ns, &quota).allowed);
        prop_assert!(decide(drained, now + refused.reset_seconds() * NANOS_PER_SECOND, &quota).allowed);
    }

    #[test]
    fn a_new_quota_keeps_what_was_used_and_never_waits_longer_than_its_own_window(
        old in quota(), new in quota(), used in 0_u32..200, now in 0..u64::MAX / 4,
    ) {
        let mut tat = 0;
        for _ in 0..used {
            tat = decide(tat, now, &old).tat_ns;
        }
        let kept = clamp(tat, now, &new);
        prop_assert_eq!(kept, tat.min(now + new.window_ns()));
        let free = (new.window_ns() - kept.saturating_sub(now)) / new.emission_interval_ns();
        let decision = decide(kept, now, &new);
        prop_assert_eq!(decision.allowed, free > 0);
        prop_assert!(decide(kept, now + new.window_ns(), &new).remaining == new.burst() - 1);
    }

    #[test]
    fn no_number_makes_the_arithmetic_overflow(tat: u64, now: u64, quota in quota()) {
        let decision = decide(tat, now, &quota);
        prop_assert!(decision.reset_ns >= 1);
        prop_assert!(decision.remaining < quota.burst());
        prop_assert!(clamp(tat, now, &quota) <= tat);
    }
}

#[test]
fn the_edges_of_the_window_are_exact_to_the_nanosecond() {
    let quota = Quota::parse("10/s", 2).unwrap();
    let first = decide(0, 0, &quota);
    let second = decide(first.tat_ns, 0, &quota);
    assert_eq!((first.remaining, first.reset_ns), (1, 100_000_000));
    assert_eq!((second.remaining, second.reset_ns), (0, 100_000_000));
    assert!(!decide(second.tat_ns, 99_999_999, &quota).allowed);
    assert!(decide(second.tat_ns, 100_000_000, &quota).allowed);
    assert_eq!(decide(second.tat_ns, 199_999_999, &quota).remaining, 0);
    assert_eq!(decide(second.tat_ns, 200_000_000, &quota).remaining, 1);
}

#[test]
fn rates_are_read_in_every_unit_and_never_rounded_up() {
    for (rate, interval) in [
        ("1/s", 1_000_000_000),
        ("600/m", 100_000_000),
        ("3600/h", 1_000_000_000),
        ("86400/d", 1_000_000_000),
        ("1000000/s", 1_000),
        ("1/d", 86_400_000_000_000),
        ("7/s", 142_857_143),
    ] {
        assert_eq!(
            Quota::parse(rate, 10).unwrap().emission_interval_ns(),
            interval,
            "{rate}"
        );
    }
}

#[test]
fn a_rate_or_burst_that_makes_no_sense_is_refused() {
    for rate in [
        "", "600", "600/", "/m", "600/w", "600/min", "600 /m", "-1/m", "+1/m", "06/m", "0/m", "1.5/s", "6_0/m", "1/m/s",
    ] {
        assert_eq!(Quota::parse(rate, 1), Err(QuotaError::RateForm), "{rate}");
    }
    for rate in ["1000001/s", "99999999999999999999/s", "60000001/m"] {
        assert_eq!(Quota::parse(rate, 1), Err(QuotaError::RateRange), "{rate}");
    }
    for burst in [0, -1, 1_000_001, i64::MAX, i64::MIN] {
        assert_eq!(Quota::parse("1/s", burst), Err(QuotaError::BurstRange), "{burst}");
    }
    assert!(Quota::parse("1/d", 366).is_ok());
    assert_eq!(Quota::parse("1/d", 367), Err(QuotaError::WindowTooLong));
    assert!(Quota::parse("1000000/s", 1_000_000).is_ok());
}
