//! Grants of annual plans: each at its time, whether the core was there or not, and whoever has paid ahead.

use super::{PATIENCE, Timed, amounts};
use crate::site::{Site, on_both};
use crate::test_clock::{DAY, ON};
use igny8_core::domain::subscription::PaymentMethod;
use igny8_testkit::wait::wait_until;
use sqlx::Row;

fn yearly_plan(site: &Site) {
    site.sql(
        "INSERT INTO plan (slug, name, price_minor, currency, billing_cycle, included_credits, credits_per_month, \
         trial_days, is_active, by_agreement, position, created_at_us, updated_at_us) \
         VALUES ('yearly', 'Yearly', 29900, 'USD', 'annual', 1200, 0, 14, 1, 0, 9, 0, 0)",
    )
    .unwrap();
}

#[test]
fn two_years_that_are_paid_at_once_have_twenty_four_grants_each_at_its_time() {
    on_both(|site| {
        yearly_plan(&site);
        let timed = Timed::on(site);
        let (member, id) = timed.sign_up();
        let inside = timed.inside();
        for _ in 0..2 {
            inside.pay(id, "yearly", PaymentMethod::BankTransfer);
        }
        drop(inside);
        let granted = || {
            timed.site.rows(
                &format!(
                    "SELECT period_sequence, grant_number FROM credit_bucket WHERE account_id = {id} \
                     AND period_sequence > 1 ORDER BY number"
                ),
                |row| (row.get::<i64, _>(0), row.get::<i64, _>(1)),
            )
        };
        assert_eq!(granted(), [(2, 1), (3, 1)]);
        let mut expected = granted();
        for grant in 2..=12 {
            timed.pass(29);
            assert_eq!(granted(), expected);
            timed.pass(1);
            expected.push((2, grant));
            assert_eq!(granted(), expected);
        }
        timed.pass(35);
        for grant in 2..=12 {
            timed.pass(30);
            expected.push((3, grant));
            assert_eq!(granted(), expected);
        }
        assert_eq!(expected.len(), 24);
        let credits = timed.server.get("/api/v1/credits/").bearer(&member.access).send();
        assert_eq!(credits.json()["data"]["balance"], 1200);
        assert_eq!(timed.standing(id), ["active", "", "active"]);
        timed.pass(35);
        assert_eq!(timed.standing(id), ["past_due", "", "past_due"]);
        timed.end();
    });
}

#[test]
fn a_year_has_twelve_grants_whether_the_core_was_there_or_not() {
    on_both(|site| {
        yearly_plan(&site);
        let mut timed = Timed::on(site);
        let (_, id) = timed.sign_up();
        timed.inside().pay(id, "yearly", PaymentMethod::BankTransfer);
        let granted = |timed: &Timed| amounts(&timed.site, id, "subscription").len() - 1;
        for (days, grants) in [(29, 1), (1, 2), (100, 5)] {
            timed.pass(days);
            assert_eq!(granted(&timed), grants);
        }
        // Time goes on while no core is there to see it.
        drop(timed.server);
        timed
            .site
            .sql(&format!(
                "UPDATE test_clock SET ahead_us = ahead_us + {}",
                200 * DAY * 1_000_000
            ))
            .unwrap();
        timed.server = timed.site.serve_with(&[ON]);
        wait_until("the grants that were missed", PATIENCE, || {
            (granted(&timed) == 12).then_some(())
        });
        timed.pass(34);
        assert_eq!(
            (granted(&timed), timed.standing(id)),
            (12, ["active", "", "active"].map(str::to_owned))
        );
        timed.pass(1);
        assert_eq!(timed.standing(id), ["past_due", "", "past_due"]);
        timed.end();
    });
}
