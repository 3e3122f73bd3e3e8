//! Periods: half-open stretches `[start, end)` that tile a subscription's time.

use super::cycle::period_end;
use super::plan::PlanTerms;
use igny8_contract::time::Timestamp;

/// One period of a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// 1 for the first period of a subscription, then one more each time.
    pub sequence: i64,
    pub start: Timestamp,
    /// The first instant that no longer belongs to the period.
    pub end: Timestamp,
}

impl Period {
    /// The first period of a subscription: `days` days of 86,400 seconds from `start`.
    #[must_use]
    pub const fn first(start: Timestamp, days: i64) -> Self {
        Self {
            sequence: 1,
            start,
            end: start.plus_days(days),
        }
    }

    /// The period of a plan that follows `previous`; `anchor` is where the subscription's paid time began.
    #[must_use]
    pub fn after(previous: Self, terms: &PlanTerms, anchor: Timestamp) -> Self {
        Self {
            sequence: previous.sequence + 1,
            start: previous.end,
            end: period_end(terms, anchor, previous.end),
        }
    }

    /// Whether `now` lies in the period.
    #[must_use]
    pub fn contains(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

/// The first place where `periods`, in the order of their sequence, do not tile.
#[must_use]
pub fn first_fault(periods: &[Period]) -> Option<String> {
    let Some(first) = periods.first() else {
        return Some("there is no period".into());
    };
    if first.sequence != 1 {
        return Some(format!("the first period has sequence {}", first.sequence));
    }
    if let Some(empty) = periods.iter().find(|period| period.start >= period.end) {
        return Some(format!("period {} ends before it starts", empty.sequence));
    }
    periods.windows(2).find_map(|pair| {
        let [before, after] = pair else { return None };
        if after.sequence != before.sequence + 1 {
            return Some(format!("period {} is followed by {}", before.sequence, after.sequence));
        }
        (after.start != before.end).then(|| {
            let fault = if after.start > before.end {
                "a gap"
            } else {
                "an overlap"
            };
            format!(
                "there is {fault} between periods {} and {}",
                before.sequence, after.sequence
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_period_holds_its_start_but_not_its_end() {
        let period = Period::first(Timestamp(10), 14);
        assert!(!period.contains(Timestamp(9)));
        assert!(period.contains(Timestamp(10)));
        assert!(period.contains(Timestamp(period.end.0 - 1)));
        assert!(!period.contains(period.end));
    }

    fn tiled(lengths: &[i64]) -> Vec<Period> {
        let mut start = 0;
        let mut periods = Vec::new();
        for (index, length) in lengths.iter().enumerate() {
            let sequence = i64::try_from(index).unwrap() + 1;
            periods.push(Period {
                sequence,
                start: Timestamp(start),
                end: Timestamp(start + length),
            });
            start += length;
        }
        periods
    }

    proptest! {
        #[test]
        fn every_instant_of_tiled_periods_lies_in_exactly_one(
            lengths in proptest::collection::vec(1..20_i64, 1..8), at in 0..160_i64
        ) {
            let periods = tiled(&lengths);
            prop_assert_eq!(first_fault(&periods), None);
            let inside = usize::from(at < lengths.iter().sum::<i64>());
            prop_assert_eq!(periods.iter().filter(|period| period.contains(Timestamp(at))).count(), inside);
        }

        #[test]
        fn a_gap_an_overlap_or_a_missing_sequence_is_found(
            lengths in proptest::collection::vec(2..20_i64, 2..8), which in 1..8_usize, fault in 0..3_usize
        ) {
            let mut periods = tiled(&lengths);
            let which = 1 + which % (periods.len() - 1);
            match fault {
                0 => periods[which].start.0 += 1,
                1 => periods[which].start.0 -= 1,
                _ => periods[which].sequence += 1,
            }
            prop_assert!(first_fault(&periods).is_some());
        }
    }

    #[test]
    fn no_period_at_all_is_a_fault() {
        assert!(first_fault(&[]).is_some());
    }
}
