//! How long a paid period is and when it grants credits: days of 86,400 seconds, or months of the calendar in UTC.

use super::plan::{BillingCycle, PlanTerms};
use igny8_contract::time::Timestamp;
use jiff::Span;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// Days of a monthly cycle, and between the grants of an annual one.
pub const MONTH_DAYS: i64 = 30;
/// Days of an annual cycle.
pub const YEAR_DAYS: i64 = 365;
/// Grants of an annual period.
const GRANTS_A_YEAR: i64 = 12;

/// The instant `months` months of the calendar after `anchor`, in UTC. A day that its month lacks becomes the month's
/// last one; counted from the anchor each time, the 31st comes back. Nothing outside the years that a calendar knows.
fn plus_months(anchor: Timestamp, months: i64) -> Option<Timestamp> {
    let moved = civil(anchor)?.checked_add(Span::new().try_months(months).ok()?).ok()?;
    Some(Timestamp(Offset::UTC.to_timestamp(moved).ok()?.as_microsecond()))
}

fn civil(instant: Timestamp) -> Option<DateTime> {
    Some(Offset::UTC.to_datetime(jiff::Timestamp::from_microsecond(instant.0).ok()?))
}

/// How many whole months after `anchor` the instant `at` lies: the greatest count whose instant is not after `at`.
fn months_until(anchor: Timestamp, at: Timestamp) -> Option<i64> {
    let month = |instant| civil(instant).map(|date| i64::from(date.year()) * 12 + i64::from(date.month()));
    let guess = month(at)? - month(anchor)?;
    let reached = plus_months(anchor, guess).is_some_and(|instant| instant <= at);
    Some(if reached { guess } else { guess - 1 })
}

/// The end of the period that starts at `start`. `anchor` is where the subscription's paid time began.
#[must_use]
pub fn period_end(terms: &PlanTerms, anchor: Timestamp, start: Timestamp) -> Timestamp {
    let (days, months) = match terms.billing_cycle {
        BillingCycle::Monthly => (MONTH_DAYS, 1),
        BillingCycle::Annual => (YEAR_DAYS, GRANTS_A_YEAR),
    };
    let by_calendar = || plus_months(anchor, months_until(anchor, start)? + months);
    let end = if terms.calendar_anchor { by_calendar() } else { None };
    end.unwrap_or_else(|| start.plus_days(days))
}

/// How many grants a period has.
#[must_use]
pub const fn grants_of(terms: &PlanTerms) -> i64 {
    match terms.billing_cycle {
        BillingCycle::Monthly => 1,
        BillingCycle::Annual => GRANTS_A_YEAR,
    }
}

/// When grant `number` (the first is 1) of the period that starts at `start` is due; nothing beyond the last one.
#[must_use]
pub fn grant_due(terms: &PlanTerms, anchor: Timestamp, start: Timestamp, number: i64) -> Option<Timestamp> {
    if number < 1 || number > grants_of(terms) {
        return None;
    }
    let by_calendar = || plus_months(anchor, months_until(anchor, start)? + number - 1);
    let due = if terms.calendar_anchor && number > 1 {
        by_calendar()
    } else {
        None
    };
    Some(due.unwrap_or_else(|| start.plus_days(MONTH_DAYS * (number - 1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::plan::tests::terms;
    use proptest::prelude::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn by_calendar(cycle: BillingCycle) -> PlanTerms {
        PlanTerms {
            billing_cycle: cycle,
            calendar_anchor: true,
            ..terms("growth", 1, 1)
        }
    }

    /// The starts of 48 periods from `anchor` on, as dates.
    fn dates(terms: &PlanTerms, anchor: &str) -> Vec<String> {
        let anchor = at(anchor);
        let mut start = anchor;
        (0..48)
            .map(|_| {
                let date = civil(start).unwrap();
                start = period_end(terms, anchor, start);
                date.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
            })
            .collect()
    }

    #[test]
    fn a_month_of_days_is_thirty_of_them_and_a_year_365_whatever_the_calendar_says() {
        let monthly = terms("starter", 1, 1);
        let annual = PlanTerms {
            billing_cycle: BillingCycle::Annual,
            ..monthly.clone()
        };
        let mut start = at("2024-01-31T10:00:00.000001Z");
        let anchor = start;
        for _ in 0..48 {
            let end = period_end(&monthly, anchor, start);
            assert_eq!(end.0 - start.0, 30 * 86_400_000_000);
            assert_eq!(period_end(&annual, anchor, start).0 - start.0, 365 * 86_400_000_000);
            start = end;
        }
    }

    #[test]
    fn anchored_on_the_28th_to_the_31st_months_clamp_and_come_back_over_48_months() {
        let monthly = by_calendar(BillingCycle::Monthly);
        let lengths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]; // 2024 is a leap year
        for day in 28..=31 {
            let dates = dates(&monthly, &format!("2024-01-{day}T23:59:59.999999Z"));
            for (index, date) in dates.iter().enumerate() {
                let (year, month) = (2024 + index / 12, index % 12);
                let length = if month == 1 && year != 2024 { 28 } else { lengths[month] };
                let expected = format!("{year}-{:02}-{:02} 23:59:59.999999", month + 1, day.min(length));
                assert_eq!(*date, expected, "anchored on the {day}th");
            }
        }
    }

    #[test]
    fn a_year_from_a_leap_day_ends_on_the_28th_and_comes_back_to_the_29th() {
        let annual = by_calendar(BillingCycle::Annual);
        let dates = dates(&annual, "2024-02-29T00:00:00Z");
        let days: Vec<&str> = dates.iter().take(9).map(|date| &date[..10]).collect();
        let expected = [
            "2024-02-29",
            "2025-02-28",
            "2026-02-28",
            "2027-02-28",
            "2028-02-29",
            "2029-02-28",
            "2030-02-28",
            "2031-02-28",
            "2032-02-29",
        ];
        assert_eq!(days, expected);
    }

    #[test]
    fn an_annual_period_has_twelve_grants_all_within_it() {
        let days = PlanTerms {
            calendar_anchor: false,
            ..by_calendar(BillingCycle::Annual)
        };
        for (terms, anchor) in [
            (days, at("2023-05-31T12:00:00Z")),
            (by_calendar(BillingCycle::Annual), at("2023-05-31T12:00:00Z")),
        ] {
            let end = period_end(&terms, anchor, anchor);
            let due: Vec<Timestamp> = (1..=12)
                .filter_map(|number| grant_due(&terms, anchor, anchor, number))
                .collect();
            assert_eq!((due.len(), due[0]), (12, anchor));
            assert!(due.windows(2).all(|pair| pair[0] < pair[1]) && due[11] < end);
            assert_eq!(grant_due(&terms, anchor, anchor, 13), None);
            assert_eq!(grant_due(&terms, anchor, anchor, 0), None);
        }
    }

    proptest! {
        #[test]
        fn calendar_periods_move_forward_and_never_drift_from_their_anchor(
            anchor in 0..2_000_000_000_000_000_i64, annual: bool
        ) {
            let terms = by_calendar(if annual { BillingCycle::Annual } else { BillingCycle::Monthly });
            let (anchor, mut start) = (Timestamp(anchor), Timestamp(anchor));
            for months in (1..=48).map(|index| if annual { index * 12 } else { index }) {
                start = period_end(&terms, anchor, start);
                prop_assert_eq!(Some(start), plus_months(anchor, months));
            }
        }
    }
}
