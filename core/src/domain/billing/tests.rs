use super::*;
use crate::domain::book::tests::{Desk, SELLER, START, day};
use crate::domain::period::first_fault;

const ACTIVE: (AccountStatus, Option<SuspendReason>, SubscriptionStatus) =
    (AccountStatus::Active, None, SubscriptionStatus::Active);

fn upgrade(desk: &mut Desk, slug: &str, now: Timestamp, reference: &str) -> Result<PendingPayment, Refusal> {
    let plan = desk.plan(slug);
    desk.at(now, |book, _, _| {
        book.request_upgrade(&plan, PaymentMethod::BankTransfer, reference.to_owned())
    })
}

#[test]
fn a_payment_ends_the_trial_now_and_begins_thirty_paid_days() {
    let mut desk = Desk::new();
    let signed_up = desk.entries(0).len();
    let payment = desk.pay("starter", day(5)).unwrap();
    assert_eq!(desk.stands(), ACTIVE);
    let (_, periods) = &desk.periods()[0];
    let stretch = |period: &Period| (period.sequence, period.start, period.end);
    assert_eq!(
        periods.iter().map(stretch).collect::<Vec<_>>(),
        [(1, START, day(5)), (2, day(5), day(35))]
    );
    assert_eq!((payment.subscription, payment.period), (1, periods[1]));
    assert_eq!(desk.entries(signed_up), [("expiry", -2_000), ("subscription", 5_000)]);
    let latest = desk.latest();
    assert_eq!(
        (latest.payment_method, latest.external_payment_id.as_deref()),
        (PaymentMethod::BankTransfer, Some("BT-1"))
    );
    assert_eq!(desk.book.payment_method, Some(PaymentMethod::BankTransfer));
    assert_eq!(desk.book.plan_id, Some(desk.plan("starter").id));
    assert_eq!(desk.actions(), ["subscription.activated", "payment.confirmed"]);
}

#[test]
fn a_payment_says_who_issues_its_receipt_however_it_came() {
    for method in [PaymentMethod::BankTransfer, PaymentMethod::Stripe] {
        let mut desk = Desk::new();
        let confirmation = Confirmation {
            method,
            ..desk.transfer("starter")
        };
        let payment = desk.at(day(1), |book, rules, now| book.confirm(rules, confirmation, now));
        assert_eq!(payment.unwrap().seller, SELLER);
    }
}

#[test]
fn whenever_it_comes_a_first_payment_gives_thirty_days_from_then() {
    for (grace, now, number) in [
        (0, Timestamp(START.0 + 1), 1),
        (0, Timestamp(day(14).0 - 1), 1),
        (0, day(14), 2),
        (0, day(90), 2),
        // The period is over though the trial still runs: what is paid for cannot begin within it.
        (3, day(15), 2),
        (3, day(17), 2),
    ] {
        let mut desk = Desk::with_trial_grace(grace);
        let payment = desk.pay("starter", now).unwrap();
        assert_eq!(desk.stands(), ACTIVE);
        assert_eq!((payment.period.start, payment.period.end), (now, now.plus_days(30)));
        assert_eq!(payment.subscription, number, "{now:?}");
        assert_eq!(desk.book.purse.head.balance.0, 5_000);
    }
}

#[test]
fn another_plan_in_the_middle_of_a_period_begins_at_once() {
    let mut desk = Desk::new();
    desk.pay("starter", day(1)).unwrap();
    desk.at(day(2), |book, _, _| book.cancel_at_period_end(true)).unwrap();
    let before = desk.entries(0).len();
    let payment = desk.pay("growth", day(11)).unwrap();
    let (_, periods) = &desk.periods()[0];
    assert_eq!(
        periods.iter().map(|period| period.end).collect::<Vec<_>>(),
        [day(1), day(11), day(41)]
    );
    assert_eq!(payment.period, periods[2]);
    assert_eq!(desk.entries(before), [("expiry", -5_000), ("subscription", 20_000)]);
    assert!(!desk.latest().cancel_at_period_end, "who pays for another plan goes on");
}

#[test]
fn paying_again_before_the_end_renews_from_the_end() {
    let mut desk = Desk::new();
    desk.pay("starter", day(1)).unwrap();
    let before = desk.entries(0).len();
    let payment = desk.pay("starter", day(20)).unwrap();
    assert_eq!((payment.period.start, payment.period.end), (day(31), day(61)));
    assert_eq!((payment.subscription, payment.period.sequence), (1, 3));
    assert_eq!(desk.entries(before), [("expiry", -5_000), ("subscription", 5_000)]);
    desk.pass(Timestamp(day(61).0 - 1));
    assert_eq!(desk.stands(), ACTIVE);
    assert_eq!(desk.grants(1, 3), [1]);
}

#[test]
fn who_pays_goes_on_whatever_end_was_asked_for_and_stripe_says_itself_what_it_goes_on_with() {
    use PaymentMethod::{BankTransfer, Stripe};
    // On time, and in the grace. A gift of staff's says nothing about what the owner wants.
    for now in [day(20), day(33)] {
        for (first, renewed_by, cancels) in [
            (BankTransfer, Some(BankTransfer), false),
            (BankTransfer, Some(Stripe), false),
            (Stripe, Some(BankTransfer), false),
            (Stripe, Some(Stripe), true),
            (BankTransfer, None, true),
        ] {
            let mut desk = Desk::new();
            let transfer = desk.transfer("starter");
            let pay = |desk: &mut Desk, method, now| {
                let confirmation = Confirmation {
                    method,
                    ..transfer.clone()
                };
                desk.at(now, |book, rules, now| book.confirm(rules, confirmation, now).map(drop))
            };
            pay(&mut desk, first, day(1)).unwrap();
            desk.at(now, |book, _, _| book.cancel_at_period_end(true)).unwrap();
            match renewed_by {
                Some(method) => pay(&mut desk, method, now),
                None => desk.at(now, |book, rules, now| book.renew(rules, None, now)),
            }
            .unwrap();
            assert_eq!(desk.stands(), ACTIVE);
            assert_eq!(desk.latest().cancel_at_period_end, cancels, "{first:?} {renewed_by:?}");
            let told = desk.book.changes.iter().rev().find_map(|change| match change {
                Change::Noted {
                    action: "payment.confirmed",
                    detail,
                    ..
                } => Some(&detail["cancel_at_period_end"]),
                _ => None,
            });
            let expected = json!({"before": true, "after": false});
            assert!(cancels || told == Some(&expected), "{told:?}");
        }
    }
}

/// How a renewal comes: by a payment, or by staff without one.
const WAYS: [bool; 2] = [true, false];

fn renew(desk: &mut Desk, slug: &str, now: Timestamp, mode: Option<LateMode>, paid: bool) -> Result<(), Refusal> {
    let transfer = Confirmation {
        mode,
        ..desk.transfer(slug)
    };
    desk.at(now, |book, rules, now| {
        if paid {
            book.confirm(rules, transfer, now).map(drop)
        } else {
            book.renew(rules, mode, now)
        }
    })
}

#[test]
fn a_late_renewal_stays_contiguous_or_says_how_it_must_go_on() {
    use LateMode::{CatchUp, Restart};
    // How many periods a renewal adds that comes 1, 40 and 100 days late; more than one must be asked for.
    for (slug, added) in [
        ("starter", [1, 2, 4]),
        ("by-month", [1, 2, 4]),
        ("yearly", [1, 1, 1]),
        ("by-year", [1, 1, 1]),
    ] {
        for (late, added) in [1, 40, 100].into_iter().zip(added) {
            for (mode, paid) in [None, Some(CatchUp), Some(Restart)]
                .into_iter()
                .flat_map(|mode| WAYS.map(|paid| (mode, paid)))
            {
                let what = format!("{slug}, {late} days late, {mode:?}, paid: {paid}");
                let mut desk = Desk::new();
                desk.pay(slug, day(3)).unwrap();
                let end = desk.latest().period.end;
                let now = end.plus_days(late);
                let renewed = renew(&mut desk, slug, now, mode, paid);
                if added > 1 && mode.is_none() {
                    assert_eq!(renewed, Err(Refusal::RenewalModeRequired), "{what}");
                    continue;
                }
                assert_eq!(renewed, Ok(()), "{what}");
                assert_eq!(desk.stands(), ACTIVE, "{what}");
                let all = desk.periods();
                if added > 1 && mode == Some(Restart) {
                    assert_eq!((desk.latest().number, desk.latest().period.start), (2, now), "{what}");
                    assert_eq!(all[1].1.len(), 1, "{what}");
                } else {
                    let (_, periods) = &all[0];
                    assert_eq!((all.len(), periods.len()), (1, 2 + added), "{what}");
                    assert_eq!(first_fault(periods), None, "{what}");
                    assert_eq!(periods[2].start, end, "{what}");
                    for period in &periods[2..] {
                        assert_eq!(desk.grants(1, period.sequence)[0], 1, "{what}");
                    }
                }
                assert!(desk.latest().period.contains(now), "{what}");
                let credits = desk.plan(slug).terms.effective_credits();
                assert_eq!(desk.book.purse.head.balance, credits, "{what}");
            }
        }
    }
}

#[test]
fn a_renewal_whose_period_would_end_this_very_instant_comes_too_late() {
    for (micros, expected) in [(-1, Ok(())), (0, Err(Refusal::RenewalModeRequired))] {
        let mut desk = Desk::new();
        desk.pay("starter", day(3)).unwrap();
        let now = Timestamp(day(3 + 60).0 + micros);
        assert_eq!(renew(&mut desk, "starter", now, None, false), expected);
    }
}

#[test]
fn periods_tile_over_48_months_of_renewals_sooner_and_later() {
    // 78 days after sign-up it is the 31st of January of a leap year.
    for (slug, months) in [("starter", 48), ("by-month", 48), ("yearly", 4), ("by-year", 4)] {
        let mut desk = Desk::new();
        desk.pay(slug, day(78)).unwrap();
        for month in 0..months {
            let end = desk.latest().period.end;
            let now = end.plus_days([0, -3, 2, 6, 1][month % 5]);
            renew(&mut desk, slug, now, None, month % 2 == 0).unwrap();
        }
        let (_, periods) = desk.periods().pop().unwrap();
        assert_eq!((first_fault(&periods), periods.len()), (None, 1 + months));
        let grants = if months == 4 { 12 } else { 1 };
        for period in &periods[..months] {
            assert_eq!(
                desk.grants(2, period.sequence),
                (1..=grants).collect::<Vec<_>>(),
                "{slug}"
            );
        }
        let date = |period: &Period| {
            let start = jiff::Timestamp::from_microsecond(period.start.0).unwrap();
            start.strftime("%m-%d").to_string()
        };
        let dates: Vec<String> = periods.iter().take(6).map(date).collect();
        match slug {
            "by-month" => assert_eq!(dates, ["01-31", "02-29", "03-31", "04-30", "05-31", "06-30"]),
            "by-year" => assert_eq!(dates, ["01-31"; 5]),
            _ => assert!(periods.windows(2).all(|pair| pair[1].start == pair[0].end)),
        }
    }
}

/// Which grants come while time passes a day at a time until `until`: the day after sign-up, the period and the number.
fn granted_until(desk: &mut Desk, until: i64) -> Vec<(i64, i64, i64)> {
    let mut granted = Vec::new();
    let first = desk.day();
    for on in first..=until {
        let known = desk.book.purse.journal.buckets.len();
        desk.pass(day(on));
        let made = desk.book.purse.journal.buckets[known..].iter();
        granted.extend(made.filter_map(|bucket| bucket.grant.map(|key| (on, key.period, key.grant))));
    }
    granted
}

/// The days on which the grants `from` to 12 come of the period that began on day `start`.
fn days_of(period: i64, start: i64, from: i64) -> impl Iterator<Item = (i64, i64, i64)> {
    (from..=12).map(move |grant| (start + 30 * (grant - 1), period, grant))
}

#[test]
fn an_annual_plan_renewed_early_grants_once_at_once_and_every_other_grant_at_its_time() {
    let mut desk = Desk::new();
    desk.pay("yearly", day(1)).unwrap();
    desk.at(day(2), |book, _, now| {
        let reason = Reason::plain(TransactionType::Bonus, "welcome");
        book.purse
            .add(BucketKind::Bonus, Credits(50), Some(now.plus_days(300)), reason)
    })
    .unwrap();
    desk.pass(day(200));
    assert_eq!(desk.grants(1, 2), (1..=7).collect::<Vec<_>>());
    let before = desk.entries(0).len();
    desk.pay("yearly", day(200)).unwrap();
    assert_eq!(desk.entries(before), [("expiry", -1_000), ("subscription", 1_000)]);
    assert_eq!(desk.book.purse.head.balance.0, 1_050, "the bonus is not touched");
    assert_eq!(desk.grants(1, 3), [1]);
    let expected: Vec<_> = days_of(2, 1, 8).chain(days_of(3, 366, 2)).collect();
    assert_eq!(granted_until(&mut desk, 730), expected);
    assert_eq!(desk.latest().earlier, []);
    desk.pass(day(1 + 730));
    assert_eq!(desk.stands().2, SubscriptionStatus::PastDue);
}

#[test]
fn an_annual_plan_renewed_twice_early_grants_thirty_six_times() {
    for (slug, first) in [("yearly", 3), ("by-year", 3)] {
        let mut desk = Desk::new();
        desk.pay(slug, day(first)).unwrap();
        desk.pay(slug, day(first)).unwrap();
        desk.pass(day(100));
        desk.pay(slug, day(100)).unwrap();
        assert_eq!(desk.grants(1, 2), (1..=4).collect::<Vec<_>>(), "{slug}");
        assert_eq!((desk.grants(1, 3), desk.grants(1, 4)), (vec![1], vec![1]), "{slug}");
        let granted = granted_until(&mut desk, first + 3 * 365 - 1);
        if slug == "yearly" {
            let expected = days_of(2, 3, 5).chain(days_of(3, 368, 2)).chain(days_of(4, 733, 2));
            assert_eq!(granted, expected.collect::<Vec<_>>());
        }
        for period in 2..=4 {
            assert_eq!(desk.grants(1, period), (1..=12).collect::<Vec<_>>(), "{slug}");
        }
        assert!(granted.is_sorted(), "{slug}: {granted:?}");
        assert_eq!(desk.latest().granting(), desk.latest().period, "{slug}");
    }
}

#[test]
fn a_late_annual_renewal_makes_what_is_overdue_at_once_and_the_rest_at_its_time() {
    for mode in [None, Some(LateMode::CatchUp)] {
        let mut desk = Desk::new();
        desk.pay("yearly", day(0)).unwrap();
        desk.pass(day(365 + 70));
        assert_eq!(desk.grants(2, 1), (1..=12).collect::<Vec<_>>());
        let before = desk.entries(0).len();
        renew(&mut desk, "yearly", day(365 + 70), mode, true).unwrap();
        assert_eq!(desk.grants(2, 2), [1, 2, 3]);
        let reset = [("expiry", -1_000), ("subscription", 1_000)];
        assert_eq!(desk.entries(before), [reset; 3].concat());
        assert_eq!(granted_until(&mut desk, 729), days_of(2, 365, 4).collect::<Vec<_>>());
    }
    // Two years late: what is missed is made in its order, and the period that runs goes on as if nothing had been.
    let mut desk = Desk::new();
    desk.pay("yearly", day(0)).unwrap();
    renew(&mut desk, "yearly", day(365 * 2 + 45), Some(LateMode::CatchUp), true).unwrap();
    assert_eq!(desk.grants(2, 2), (1..=12).collect::<Vec<_>>());
    assert_eq!(desk.grants(2, 3), [1, 2]);
    assert_eq!(
        granted_until(&mut desk, 365 * 3 - 1),
        days_of(3, 730, 3).collect::<Vec<_>>()
    );
}

#[test]
fn another_plan_instead_of_one_that_was_paid_ahead_begins_now_and_nothing_of_the_old_one_comes() {
    let mut desk = Desk::new();
    desk.pay("yearly", day(1)).unwrap();
    desk.pay("yearly", day(40)).unwrap();
    desk.pay("growth", day(50)).unwrap();
    assert_eq!((desk.latest().number, desk.latest().earlier.len()), (2, 0));
    assert_eq!(granted_until(&mut desk, 79), []);
    assert_eq!(desk.book.purse.head.balance.0, 20_000);
}

#[test]
fn the_plan_is_the_pending_one_else_the_named_one_else_the_one_of_this_price_else_the_accounts_own() {
    let slug_for = |desk: &Desk, named: Option<&str>, amount_minor: i64| {
        let confirmation = Confirmation {
            plan: named.map(|slug| desk.plan(slug)),
            amount_minor,
            ..desk.transfer("starter")
        };
        let mut desk = desk.clone();
        let quote = desk.at(day(1), |book, rules, _| book.quote(rules, &confirmation));
        quote.map(|(plan, expected)| (plan.terms.slug, expected))
    };
    let is = |slug: &str, expected| Ok((slug.to_owned(), expected));
    let mut desk = Desk::new();
    assert_eq!(slug_for(&desk, None, 2_999), is("starter", 2_999));
    assert_eq!(slug_for(&desk, None, 7_999), is("growth", 7_999));
    assert_eq!(slug_for(&desk, Some("growth"), 2_999), is("growth", 7_999));
    assert_eq!(slug_for(&desk, Some("enterprise"), 9), is("enterprise", 0));
    for nothing in ["free", "free-trial"] {
        assert_eq!(slug_for(&desk, Some(nothing), 2_999), Err(Refusal::PlanRequired));
    }
    assert_eq!(slug_for(&desk, None, 3_000), Err(Refusal::PlanRequired));
    // Two plans of one price: neither is the one. One that is not open is not meant.
    desk.plans[3].terms.price_minor = 2_999;
    assert_eq!(slug_for(&desk, None, 2_999), Err(Refusal::PlanRequired));
    desk.plans[3].terms.is_active = false;
    assert_eq!(slug_for(&desk, None, 2_999), is("starter", 2_999));
    upgrade(&mut desk, "by-month", day(1), "IGN-1").unwrap();
    assert_eq!(slug_for(&desk, Some("starter"), 5), is("by-month", 1_111));
    // What was asked for then is what is expected, whatever the plan costs meanwhile.
    desk.plans[6].terms.price_minor = 1;
    assert_eq!(slug_for(&desk, None, 5), is("by-month", 1_111));
    let mut paying = Desk::new();
    paying.pay("growth", day(1)).unwrap();
    assert_eq!(slug_for(&paying, None, 2_999), is("growth", 7_999));
}

#[test]
fn another_amount_than_the_price_is_taken_for_a_reason_alone() {
    let mut desk = Desk::new();
    let short = Confirmation {
        amount_minor: 2_000,
        ..desk.transfer("starter")
    };
    let before = desk.book.clone();
    let refused = desk.at(day(1), |book, rules, now| book.confirm(rules, short.clone(), now));
    assert_eq!(refused, Err(Refusal::AmountMismatch));
    assert_eq!(desk.book, before);
    let reason = Some("the bank kept its fee".to_owned());
    let taken = Confirmation {
        override_reason: reason.clone(),
        ..short
    };
    let payment = desk
        .at(day(1), |book, rules, now| book.confirm(rules, taken, now))
        .unwrap();
    assert_eq!(
        (payment.paid.amount_minor, payment.paid.override_reason),
        (2_000, reason)
    );
    let Some(Change::Noted { action, detail, .. }) = desk.book.changes.last() else {
        panic!("{:?}", desk.book.changes)
    };
    assert_eq!(*action, "payment.confirmed");
    assert_eq!(
        (&detail["amount_minor"], &detail["expected_minor"]),
        (&json!(2_000), &json!(2_999))
    );
    assert_eq!(detail["override_reason"], "the bank kept its fee");
}

#[test]
fn asking_for_a_plan_makes_its_payment_waited_for_and_changes_nothing_else() {
    let mut desk = Desk::new();
    let before = desk.book.clone();
    let pending = upgrade(&mut desk, "starter", day(1), "IGN-1").unwrap();
    let unchanged = |book: &Book| Book {
        pending: None,
        changes: before.changes.clone(),
        ..book.clone()
    };
    assert_eq!(unchanged(&desk.book), before);
    assert_eq!((pending.amount_minor, pending.reference.as_str()), (2_999, "IGN-1"));
    let again = upgrade(&mut desk, "starter", day(2), "IGN-2").unwrap();
    assert_eq!(again, pending, "asked for again it is the same");
    let other = upgrade(&mut desk, "growth", day(3), "IGN-3").unwrap();
    assert_eq!((other.reference.as_str(), other.amount_minor), ("IGN-3", 7_999));
    assert_eq!(desk.book.pending.as_ref(), Some(&other));
    assert_eq!(unchanged(&desk.book), before);
    assert_eq!(
        desk.actions(),
        ["payment.requested", "payment.withdrawn", "payment.requested"]
    );
    let payment = desk.at(day(4), |book, rules, now| {
        let transfer = Confirmation {
            plan: None,
            amount_minor: 7_999,
            external_id: "BT-9".into(),
            method: PaymentMethod::BankTransfer,
            payer_name: "Ada".into(),
            override_reason: None,
            confirmed_by: None,
            mode: None,
        };
        book.confirm(rules, transfer, now)
    });
    assert_eq!(payment.unwrap().reference.as_deref(), Some("IGN-3"));
    assert_eq!(desk.book.pending, None);
}

#[test]
fn plans_that_nobody_can_pay_for_cannot_be_asked_for() {
    let mut desk = Desk::new();
    for (slug, refusal) in [
        ("enterprise", Refusal::EnterpriseNeedsStaff),
        ("free", Refusal::PlanRequired),
        ("free-trial", Refusal::PlanRequired),
    ] {
        assert_eq!(upgrade(&mut desk, slug, day(1), "IGN-1"), Err(refusal));
    }
    desk.plans[2].terms.is_active = false;
    assert_eq!(
        upgrade(&mut desk, "starter", day(1), "IGN-1"),
        Err(Refusal::PlanRequired)
    );
}

#[test]
fn what_has_no_paid_period_cannot_be_renewed() {
    let mut desk = Desk::new();
    let renew = |desk: &mut Desk, now| desk.at(now, |book, rules, now| book.renew(rules, None, now));
    assert_eq!(renew(&mut desk, day(1)), Err(Refusal::NotRenewable));
    assert_eq!(renew(&mut desk, day(20)), Err(Refusal::SubscriptionEnded));
}

#[test]
fn staff_assign_what_nobody_pays_for_here_and_nothing_else() {
    let mut desk = Desk::new();
    let assign = |desk: &mut Desk, slug: &str, now| {
        let plan = desk.plan(slug);
        desk.at(now, |book, _, now| book.assign(&plan, now))
    };
    assert_eq!(assign(&mut desk, "starter", day(1)), Err(Refusal::PaidPlanNeedsPayment));
    assert_eq!(assign(&mut desk, "free-trial", day(1)), Err(Refusal::PlanRequired));
    upgrade(&mut desk, "starter", day(1), "IGN-1").unwrap();
    assign(&mut desk, "enterprise", day(2)).unwrap();
    assert_eq!((desk.stands(), &desk.book.pending), (ACTIVE, &None));
    assert_eq!(desk.book.purse.head.balance.0, 500_000);
    let begun = desk.book.purse.clone();
    assign(&mut desk, "enterprise", day(3)).unwrap();
    assert_eq!(desk.book.purse, begun, "assigned again it is the same");
    assign(&mut desk, "free", day(4)).unwrap();
    assert_eq!(desk.book.purse.head.balance.0, 100);
    assert_eq!(desk.book.payment_method, Some(PaymentMethod::Manual));
}

#[test]
fn credits_are_added_to_a_bucket_of_their_own_and_taken_like_a_debit() {
    let mut desk = Desk::new();
    let adjust = |desk: &mut Desk, amount, kind, days: Option<i64>| {
        let adjustment = Adjustment {
            amount: Credits(amount),
            kind,
            reason: "a word".into(),
            expires_at: days.map(day),
        };
        desk.at(day(1), |book, _, now| book.adjust(adjustment, now))
    };
    adjust(&mut desk, 10, TransactionType::Adjustment, None).unwrap();
    adjust(&mut desk, 20, TransactionType::Refund, Some(5)).unwrap();
    adjust(&mut desk, 30, TransactionType::Purchase, None).unwrap();
    let kinds: Vec<_> = desk.book.purse.buckets.iter().map(|bucket| bucket.kind).collect();
    assert_eq!(
        kinds,
        [
            BucketKind::Plan,
            BucketKind::Bonus,
            BucketKind::Bonus,
            BucketKind::Purchased
        ]
    );
    desk.at(day(1), |book, _, now| {
        let end = now.plus_days(1);
        book.purse.hold(Credits(60), end, "a draft".into(), "{}".into(), now)
    })
    .unwrap();
    let too_much = adjust(&mut desk, -2_001, TransactionType::Adjustment, None);
    assert_eq!(
        too_much,
        Err(Refusal::InsufficientCredits),
        "what is held cannot be taken"
    );
    adjust(&mut desk, -2_000, TransactionType::Adjustment, None).unwrap();
    assert_eq!(
        desk.entries(1),
        [
            ("adjustment", 10),
            ("refund", 20),
            ("purchase", 30),
            ("adjustment", -2_000)
        ]
    );
    assert_eq!(desk.actions(), ["credits.adjusted"; 4]);
}

#[test]
fn a_suspension_by_the_house_outlives_payments_and_ends_as_the_subscription_says() {
    let mut desk = Desk::new();
    desk.at(day(1), |book, _, _| {
        book.suspend(SuspendReason::Abuse);
        book.explain("note", "spam");
        Ok(())
    })
    .unwrap();
    let abuse = (AccountStatus::Suspended, Some(SuspendReason::Abuse));
    desk.pay("starter", day(2)).unwrap();
    assert_eq!((desk.stands().0, desk.stands().1), abuse);
    desk.pass(day(33));
    assert_eq!((desk.stands().0, desk.stands().1), abuse);
    let refused = desk.at(day(33), |book, _, _| book.is_open_to_its_people());
    assert_eq!(refused, Err(Refusal::AccountSuspended));
    desk.at(day(33), |book, _, _| {
        book.reinstate();
        Ok(())
    })
    .unwrap();
    assert_eq!(desk.stands().0, AccountStatus::PastDue);
    assert_eq!(desk.at(day(33), |book, _, _| book.is_open_to_its_people()), Ok(()));
    let suspended = desk.book.changes.iter().find_map(|change| match change {
        Change::Noted {
            action: "account.suspended",
            detail,
            ..
        } => Some(detail.clone()),
        _ => None,
    });
    let told = json!({
        "reason": "abuse", "note": "spam", "status": {"before": "trial", "after": "suspended"},
        "suspend_reason": {"before": null, "after": "abuse"},
    });
    assert_eq!(suspended, Some(told));
}

#[test]
fn a_reason_is_written_to_what_was_decided_and_not_to_what_time_did() {
    let mut desk = Desk::new();
    desk.pay("starter", day(1)).unwrap();
    let before = desk.book.changes.len();
    desk.book.changes.clear();
    assert!(before > 0);
    let rules = Rules {
        plans: &desk.plans,
        trial_grace_days: 0,
        past_due_grace_days: 7,
        seller: "",
    };
    desk.book.pass_time(&rules, day(32)).unwrap();
    desk.book.renew(&rules, None, day(32)).unwrap();
    desk.book.explain("reason", "a gift");
    let explained = |change: &Change| match change {
        Change::Noted { action, detail, .. } => Some((*action, detail.get("reason").is_some())),
        _ => None,
    };
    let lines: Vec<_> = desk.book.changes.iter().filter_map(explained).collect();
    assert_eq!(
        lines,
        [("subscription.past_due", false), ("subscription.renewed", true)]
    );
}
