use super::*;
use crate::domain::billing::Confirmation;
use crate::domain::period::first_fault;
use crate::domain::plan::tests::terms;
use crate::domain::plan::{BillingCycle, PlanTerms};
use crate::domain::purse::BucketKind;
use igny8_contract::credits::Credits;
use igny8_contract::time::MICROS_PER_DAY;
use proptest::prelude::*;

/// When every test's account signs up.
pub(crate) const START: Timestamp = Timestamp(1_700_000_000_000_000);

/// This many days after sign-up.
pub(crate) const fn day(days: i64) -> Timestamp {
    START.plus_days(days)
}

/// Who issues receipts.
pub(crate) const SELLER: &str = "Igny8 Ltd\n1 High Street";

/// A catalogue, the terms of the house and one account's book, together with everything that ever happened to it: unlike
/// in storage, the changes and the journal are never cleared.
#[derive(Clone, Debug)]
pub(crate) struct Desk {
    pub plans: Vec<Plan>,
    pub trial_grace_days: i64,
    pub past_due_grace_days: i64,
    pub book: Book,
    /// When the last decision was taken.
    now: Timestamp,
}

impl Desk {
    /// An account that has just signed up to the free trial.
    pub fn new() -> Self {
        Self::with_trial_grace(0)
    }

    pub fn with_trial_grace(trial_grace_days: i64) -> Self {
        let annual = PlanTerms {
            billing_cycle: BillingCycle::Annual,
            ..terms("yearly", 1_000, 29_900)
        };
        let by_calendar = |terms| PlanTerms {
            calendar_anchor: true,
            ..terms
        };
        let catalogue = [
            terms("free-trial", 2_000, 0),
            terms("free", 100, 0),
            terms("starter", 5_000, 2_999),
            terms("growth", 20_000, 7_999),
            PlanTerms {
                by_agreement: true,
                ..terms("enterprise", 500_000, 0)
            },
            annual.clone(),
            by_calendar(terms("by-month", 700, 1_111)),
            by_calendar(PlanTerms {
                slug: "by-year".into(),
                price_minor: 22_222,
                ..annual
            }),
        ];
        let plans: Vec<Plan> = catalogue
            .into_iter()
            .zip(1..)
            .map(|(terms, id)| Plan { id: PlanId(id), terms })
            .collect();
        let rules = Rules {
            plans: &plans,
            trial_grace_days,
            past_due_grace_days: 7,
            seller: SELLER,
        };
        let book = Book::open(&plans[0], &rules, START).unwrap().of(AccountId(1));
        Self {
            plans,
            trial_grace_days,
            past_due_grace_days: 7,
            book,
            now: START,
        }
    }

    pub fn plan(&self, slug: &str) -> Plan {
        self.plans.iter().find(|plan| plan.terms.slug == slug).unwrap().clone()
    }

    /// Takes one decision at `now`, as a story does. One that is refused leaves nothing.
    pub fn at<T>(
        &mut self,
        now: Timestamp,
        decide: impl FnOnce(&mut Book, &Rules<'_>, Timestamp) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let rules = Rules {
            plans: &self.plans,
            trial_grace_days: self.trial_grace_days,
            past_due_grace_days: self.past_due_grace_days,
            seller: SELLER,
        };
        let mut book = self.book.clone();
        book.pass_time(&rules, now)?;
        let outcome = decide(&mut book, &rules, now)?;
        self.book = book;
        self.now = now;
        self.is_sound();
        Ok(outcome)
    }

    /// How many days after sign-up the last decision was taken.
    pub const fn day(&self) -> i64 {
        (self.now.0 - START.0).div_euclid(MICROS_PER_DAY)
    }

    pub fn pass(&mut self, now: Timestamp) {
        self.at(now, |_, _, _| Ok(())).unwrap();
    }

    /// A transfer of the plan's price for this plan.
    pub fn transfer(&self, slug: &str) -> Confirmation {
        let plan = self.plan(slug);
        Confirmation {
            method: PaymentMethod::BankTransfer,
            external_id: "BT-1".into(),
            amount_minor: plan.terms.price_minor,
            payer_name: "Ada".into(),
            override_reason: None,
            confirmed_by: None,
            plan: Some(plan),
            mode: None,
        }
    }

    /// Pays for a plan at `now`.
    pub fn pay(&mut self, slug: &str, now: Timestamp) -> Result<ConfirmedPayment, Refusal> {
        let transfer = self.transfer(slug);
        self.at(now, |book, rules, now| book.confirm(rules, transfer, now))
    }

    pub fn latest(&self) -> &Subscription {
        self.book.subscription.as_ref().unwrap()
    }

    /// Account status and reason, and the subscription's status.
    pub fn stands(&self) -> (AccountStatus, Option<SuspendReason>, SubscriptionStatus) {
        (self.book.status, self.book.suspend_reason, self.latest().status)
    }

    /// The periods of every subscription, by its number.
    pub fn periods(&self) -> Vec<(i64, Vec<Period>)> {
        let mut all: Vec<(i64, Vec<Period>)> = Vec::new();
        for change in &self.book.changes {
            match change {
                Change::SubscriptionBegun(new) => all.push((new.number, vec![new.period])),
                Change::PeriodBegun { subscription, period } => {
                    let last = all.last_mut().unwrap();
                    assert_eq!(last.0, *subscription);
                    last.1.push(*period);
                }
                Change::PeriodClosed { subscription, period } => {
                    let last = all.last_mut().unwrap();
                    assert_eq!(last.0, *subscription);
                    *last.1.last_mut().unwrap() = *period;
                }
                _ => {}
            }
        }
        all
    }

    /// Amounts and types of the ledger's entries from the one after `from` on.
    pub fn entries(&self, from: usize) -> Vec<(&'static str, i64)> {
        let entries = self.book.purse.journal.entries.iter().skip(from);
        entries
            .map(|(movement, reason)| (reason.transaction_type.as_str(), movement.amount.0))
            .collect()
    }

    /// Which grants of a subscription's period have been made, in their order.
    pub fn grants(&self, subscription: i64, period: i64) -> Vec<i64> {
        let made = self.book.purse.journal.buckets.iter().filter_map(|bucket| bucket.grant);
        made.filter(|key| (key.subscription, key.period) == (subscription, period))
            .map(|key| key.grant)
            .collect()
    }

    pub fn actions(&self) -> Vec<&'static str> {
        let action = |change: &Change| match change {
            Change::Noted { action, .. } => Some(*action),
            _ => None,
        };
        self.book.changes.iter().filter_map(action).collect()
    }

    /// Everything that must always hold.
    #[track_caller]
    pub fn is_sound(&self) {
        assert_eq!(self.book.purse.fault(), None);
        let mut balance = 0;
        for (movement, _) in &self.book.purse.journal.entries {
            balance += movement.amount.0;
            assert_eq!(movement.balance_after.0, balance);
            assert!(balance >= 0);
        }
        assert_eq!(self.book.purse.head.balance.0, balance);
        let all = self.periods();
        for (index, (number, periods)) in all.iter().enumerate() {
            assert_eq!(*number, i64::try_from(index).unwrap() + 1);
            assert_eq!(first_fault(periods), None);
        }
        assert_eq!(all.last().unwrap().1.last(), Some(&self.latest().period));
        let mut keys: Vec<_> = self
            .book
            .purse
            .journal
            .buckets
            .iter()
            .filter_map(|bucket| bucket.grant)
            .collect();
        let made = keys.len();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), made, "a grant was made twice");
        assert_eq!(
            self.book.status == AccountStatus::Suspended,
            self.book.suspend_reason.is_some()
        );
    }
}

const fn before(instant: Timestamp) -> Timestamp {
    Timestamp(instant.0 - 1)
}

#[test]
fn a_trial_ends_at_its_end_or_when_its_grace_is_over_and_not_a_microsecond_sooner() {
    for grace in [0, 3] {
        let mut desk = Desk::with_trial_grace(grace);
        let end = day(14 + grace);
        assert_eq!(desk.latest().period.end, day(14), "grace does not move the period");
        desk.pass(before(end));
        assert_eq!(
            desk.stands(),
            (AccountStatus::Trial, None, SubscriptionStatus::Trialing)
        );
        desk.pass(end);
        let ended = (
            AccountStatus::Suspended,
            Some(SuspendReason::TrialEnded),
            SubscriptionStatus::Expired,
        );
        assert_eq!(desk.stands(), ended);
        assert_eq!(desk.latest().ended_at, Some(end));
        assert_eq!(desk.book.purse.head.balance, Credits(2_000), "what is left stays");
    }
}

#[test]
fn a_trial_that_ends_while_a_payment_is_waited_for_waits_with_it() {
    let mut desk = Desk::new();
    let starter = desk.plan("starter");
    desk.at(day(13), |book, _, _| {
        book.request_upgrade(&starter, PaymentMethod::BankTransfer, "IGN-1".into())
    })
    .unwrap();
    assert_eq!(desk.stands().0, AccountStatus::Trial, "the running trial goes on");
    desk.pass(day(14));
    assert_eq!(
        desk.stands(),
        (AccountStatus::PendingPayment, None, SubscriptionStatus::Expired)
    );
    desk.pay("starter", day(16)).unwrap();
    assert_eq!(desk.stands(), (AccountStatus::Active, None, SubscriptionStatus::Active));
    assert_eq!((desk.latest().number, desk.latest().period.start), (2, day(16)));
}

#[test]
fn the_end_that_its_owner_asked_for_comes_with_the_period_in_every_status() {
    // On trial the grace is not waited for; past due it is what is left.
    for (status, asked_on, ends_on) in [
        (SubscriptionStatus::Trialing, 1, 14),
        (SubscriptionStatus::Active, 1, 30),
        (SubscriptionStatus::PastDue, 31, 37),
    ] {
        let mut desk = Desk::with_trial_grace(3);
        if status != SubscriptionStatus::Trialing {
            desk.pay("starter", START).unwrap();
        }
        desk.pass(day(asked_on));
        assert_eq!(desk.latest().status, status);
        let mut kept = desk.clone();
        desk.at(day(asked_on), |book, _, _| book.cancel_at_period_end(true))
            .unwrap();
        let stood = desk.stands();
        desk.pass(before(day(ends_on)));
        assert_eq!(desk.stands(), stood, "it goes on until then");
        desk.pass(day(ends_on));
        assert_eq!(desk.latest().ended_at, Some(day(ends_on)));
        assert_eq!(
            desk.stands(),
            (AccountStatus::Cancelled, None, SubscriptionStatus::Cancelled)
        );
        for cancel in [true, false] {
            let refused = desk.at(day(40), |book, _, _| book.cancel_at_period_end(cancel));
            assert_eq!(refused, Err(Refusal::SubscriptionEnded));
        }
        // Taken back in time it is as if nothing had been asked for.
        for cancel in [true, false, false] {
            kept.at(day(asked_on), |book, _, _| book.cancel_at_period_end(cancel))
                .unwrap();
        }
        kept.pass(day(ends_on));
        assert_ne!(kept.latest().status, SubscriptionStatus::Cancelled);
        let noted = kept.actions().iter().filter(|action| action.contains("cancel")).count();
        assert_eq!(noted, 2, "asking for what is so already leaves no line");
    }
}

#[test]
fn an_end_that_is_asked_for_once_the_grace_is_over_comes_at_once() {
    let mut desk = Desk::new();
    desk.pay("starter", START).unwrap();
    desk.pass(day(38));
    desk.at(day(38), |book, _, _| book.cancel_at_period_end(true)).unwrap();
    desk.pass(day(38));
    assert_eq!(
        desk.stands(),
        (AccountStatus::Cancelled, None, SubscriptionStatus::Cancelled)
    );
}

#[test]
fn a_missed_renewal_has_its_grace_and_then_suspends_the_account() {
    let mut desk = Desk::new();
    desk.pay("starter", START).unwrap();
    for (now, account, reason) in [
        (before(day(30)), AccountStatus::Active, None),
        (day(30), AccountStatus::PastDue, None),
        (before(day(37)), AccountStatus::PastDue, None),
        (day(37), AccountStatus::Suspended, Some(SuspendReason::PaymentOverdue)),
        (day(400), AccountStatus::Suspended, Some(SuspendReason::PaymentOverdue)),
    ] {
        desk.pass(now);
        assert_eq!((desk.stands().0, desk.stands().1), (account, reason), "{now:?}");
    }
    assert_eq!(desk.latest().status, SubscriptionStatus::PastDue);
}

#[test]
fn plans_that_nobody_pays_for_here_renew_by_themselves_for_48_months() {
    for slug in ["free", "enterprise"] {
        let mut desk = Desk::new();
        let plan = desk.plan(slug);
        desk.at(day(1), |book, _, now| book.assign(&plan, now)).unwrap();
        desk.pass(day(1 + 30 * 48));
        assert_eq!(desk.stands(), (AccountStatus::Active, None, SubscriptionStatus::Active));
        let (_, periods) = &desk.periods()[0];
        assert_eq!(periods.len(), 1 + 49, "the trial's, then one a month");
        assert_eq!(periods[1].start, day(1));
        for period in &periods[1..] {
            assert_eq!(period.end, period.start.plus_days(30));
            assert_eq!(desk.grants(1, period.sequence), [1]);
        }
        assert_eq!(desk.book.purse.head.balance, plan.terms.effective_credits());
    }
}

#[test]
fn an_annual_plan_grants_twelve_times_a_period_thirty_days_apart() {
    let mut desk = Desk::new();
    desk.pay("yearly", START).unwrap();
    let begun = desk.book.purse.journal.entries.len();
    assert_eq!(desk.latest().period.end, day(365));
    for grant in 1..=12 {
        desk.pass(before(day(30 * grant)));
        assert_eq!(desk.latest().grants, grant);
        desk.at(before(day(30 * grant)), |book, _, now| {
            let reason = Reason::plain(TransactionType::Consumption, "a draft");
            book.purse.consume(Credits(100), reason, now)
        })
        .unwrap();
    }
    desk.pass(before(day(365)));
    assert_eq!(desk.grants(2, 1), (1..=12).collect::<Vec<_>>());
    let month = [("consumption", -100), ("expiry", -900), ("subscription", 1_000)];
    let mut expected: Vec<_> = (0..11).flat_map(|_| month).collect();
    expected.push(month[0]);
    assert_eq!(desk.entries(begun), expected);
    desk.pass(day(365));
    assert_eq!(desk.stands().2, SubscriptionStatus::PastDue);
}

#[test]
fn a_clock_that_steps_back_changes_nothing_and_takes_nothing_back() {
    let mut desk = Desk::new();
    desk.pay("yearly", day(3)).unwrap();
    desk.pass(day(200));
    let before = desk.book.clone();
    for earlier in [199, 100, 3, 0, -1_000] {
        desk.pass(day(earlier));
        assert_eq!(desk.book, before);
    }
    // Paying and cancelling go on, from where the periods are.
    let payment = desk.pay("yearly", day(100)).unwrap();
    assert_eq!(payment.period.start, before.subscription.unwrap().period.end);
    desk.at(day(100), |book, _, _| book.cancel_at_period_end(true)).unwrap();
    desk.pay("growth", day(50)).unwrap();
    assert_eq!(desk.stands(), (AccountStatus::Active, None, SubscriptionStatus::Active));
}

#[test]
fn when_something_is_due_is_known_and_nothing_happens_before() {
    let mut desk = Desk::new();
    let plan = desk.plan("enterprise");
    let due = |desk: &mut Desk| desk.at(START, |book, rules, _| Ok(book.due(rules))).unwrap();
    assert_eq!(due(&mut desk), Some(day(14)));
    desk.at(day(1), |book, _, now| {
        book.purse
            .hold(Credits(5), day(2), "a draft".into(), "{}".into(), now)
            .map(drop)
    })
    .unwrap();
    assert_eq!(due(&mut desk), Some(day(2)));
    desk.pass(day(2));
    desk.at(day(2), |book, _, now| book.assign(&plan, now)).unwrap();
    assert_eq!(due(&mut desk), Some(day(32)));
    desk.at(day(3), |book, _, _| book.cancel_at_period_end(true)).unwrap();
    desk.pass(day(32));
    assert_eq!(due(&mut desk), None, "nothing ever happens to it by itself again");
}

#[derive(Clone, Copy, Debug)]
enum Beginning {
    Trial,
    Starter,
    Yearly,
    ByMonth,
    ByYear,
    PaidAhead,
    Enterprise,
    Cancelled,
}

fn begun(beginning: Beginning) -> Desk {
    let mut desk = Desk::with_trial_grace(2);
    match beginning {
        Beginning::Trial => {}
        Beginning::Starter => drop(desk.pay("starter", day(2))),
        Beginning::Yearly => drop(desk.pay("yearly", day(2))),
        Beginning::ByMonth => drop(desk.pay("by-month", day(2))),
        Beginning::ByYear => drop(desk.pay("by-year", day(2))),
        Beginning::PaidAhead => {
            for slug in ["yearly"; 2] {
                desk.pay(slug, day(2)).unwrap();
            }
        }
        Beginning::Enterprise | Beginning::Cancelled => {
            let plan = desk.plan("enterprise");
            desk.at(day(2), |book, _, now| book.assign(&plan, now)).unwrap();
        }
    }
    let cancel = matches!(beginning, Beginning::Cancelled);
    desk.at(day(2), |book, _, _| book.cancel_at_period_end(cancel)).unwrap();
    desk
}

proptest! {
    #[test]
    fn time_passes_to_the_same_book_in_one_step_or_in_many(
        beginning in prop_oneof![
            Just(Beginning::Trial), Just(Beginning::Starter), Just(Beginning::Yearly), Just(Beginning::ByMonth),
            Just(Beginning::ByYear), Just(Beginning::PaidAhead), Just(Beginning::Enterprise), Just(Beginning::Cancelled)
        ],
        holds in proptest::collection::vec((1..200_i64, 1..5_000_i64), 0..4),
        bonus in proptest::option::of(1..3_000_i64),
        mut stops in proptest::collection::vec(0..800_i64, 0..30),
        end in 0..800_i64,
    ) {
        let mut desk = begun(beginning);
        desk.at(day(2), |book, _, now| {
            for (amount, hours) in &holds {
                let end = now.plus_seconds(hours * 3_600);
                book.purse.hold(Credits(*amount), end, "a draft".into(), "{}".into(), now)?;
            }
            bonus.map_or(Ok(()), |hours| {
                let reason = Reason::plain(TransactionType::Bonus, "welcome");
                book.purse.add(BucketKind::Bonus, Credits(300), Some(now.plus_seconds(hours * 3_600)), reason)
            })
        }).unwrap();
        let mut often = desk.clone();
        let end = day(2 + end);
        stops.sort_unstable();
        for stop in stops.into_iter().map(|days| day(2 + days)).filter(|stop| *stop <= end) {
            often.pass(stop);
        }
        often.pass(end);
        often.pass(end);
        desk.pass(end);
        prop_assert_eq!(&often.book, &desk.book);
        let due = desk.at(end, |book, rules, _| Ok(book.due(rules))).unwrap();
        prop_assert!(due.is_none_or(|due| due > end), "everything that was due has happened");
    }
}
