use super::*;
use crate::domain::book::Change;
use crate::domain::period::Period;
use crate::domain::plan::Plan;
use crate::domain::plan::tests::terms;
use crate::domain::subscription::SubscriptionStatus;
use igny8_contract::ids::AccountId;

const DAY: i64 = 86_400_000_000;
const BEGIN: Timestamp = Timestamp(1_767_225_600_000_000);

/// An account on trial that has asked for `starter`, and what Stripe has told of it so far.
struct Story {
    plans: Vec<Plan>,
    book: Book,
    link: Link,
    now: Timestamp,
}

impl Story {
    fn new() -> Self {
        let catalogue = [
            ("free-trial", 2000, 0),
            ("starter", 5000, 2999),
            ("growth", 20_000, 7999),
        ];
        let plans: Vec<Plan> = catalogue
            .into_iter()
            .zip(1..)
            .map(|((slug, credits, price), id)| Plan {
                id: PlanId(id),
                terms: terms(slug, credits, price),
            })
            .collect();
        let rules = rules(&plans);
        let book = Book::open(&plans[0], &rules, BEGIN).unwrap().of(AccountId(1));
        let mut story = Self {
            link: Link {
                subscription: Some("sub_1".into()),
                reference: Some("R1".into()),
                mirrored_at: None,
            },
            plans,
            book,
            now: BEGIN.plus_days(3),
        };
        story.asks_for("starter", "R1");
        story
    }

    fn plan(&self, slug: &str) -> Plan {
        self.plans.iter().find(|plan| plan.terms.slug == slug).unwrap().clone()
    }

    fn asks_for(&mut self, slug: &str, reference: &str) {
        let plan = self.plan(slug);
        self.book
            .request_upgrade(&plan, PaymentMethod::Stripe, reference.into())
            .unwrap();
    }

    fn later(&mut self, days: i64) {
        self.now = self.now.plus_days(days);
    }

    fn is_told_at(&mut self, fact: &Fact, occurred_at: Timestamp) -> Outcome {
        self.book.pass_time(&rules(&self.plans), self.now).unwrap();
        let confirmed = |change: &Change| match change {
            Change::PaymentConfirmed(confirmed) => Some(confirmed.paid.external_id.clone()),
            _ => None,
        };
        let paid = fact.paid().map(|payment| payment.external_id.clone());
        let told = Told {
            fact,
            occurred_at,
            is_known: paid.is_some()
                && self
                    .book
                    .changes
                    .iter()
                    .filter_map(confirmed)
                    .any(|id| Some(id) == paid),
        };
        self.book
            .hear(&rules(&self.plans), &mut self.link, told, self.now)
            .unwrap()
    }

    fn is_told(&mut self, fact: &Fact) -> Outcome {
        self.is_told_at(fact, self.now)
    }

    /// The audit's lines of this action.
    fn notes(&self, wanted: &str) -> Vec<&serde_json::Value> {
        let line = |change: &'_ Change| matches!(change, Change::Noted { action, .. } if *action == wanted);
        let noted = self.book.changes.iter().filter(|change| line(change));
        noted
            .filter_map(|change| match change {
                Change::Noted { detail, .. } => Some(detail),
                _ => None,
            })
            .collect()
    }

    fn latest(&self) -> &Subscription {
        self.book.subscription.as_ref().unwrap()
    }

    fn periods_begun(&self) -> Vec<Period> {
        let begun = |change: &Change| match change {
            Change::PeriodBegun { period, .. } => Some(*period),
            _ => None,
        };
        self.book.changes.iter().filter_map(begun).collect()
    }
}

fn rules(plans: &[Plan]) -> Rules<'_> {
    Rules {
        plans,
        trial_grace_days: 0,
        past_due_grace_days: 7,
        seller: "",
    }
}

fn money(external_id: &str, amount_minor: i64, currency: &str) -> Payment {
    Payment {
        external_id: external_id.into(),
        amount_minor,
        currency: currency.into(),
        payer_name: "Ada".into(),
    }
}

fn checkout(external_id: &str, amount_minor: i64) -> Fact {
    Fact::Checkout(Checkout {
        reference: Some("R1".into()),
        subscription: Some("sub_1".into()),
        payment: Some(money(external_id, amount_minor, "USD")),
    })
}

fn invoice(external_id: &str, amount_minor: i64) -> Fact {
    Fact::InvoicePaid {
        subscription: "sub_1".into(),
        payment: money(external_id, amount_minor, "USD"),
    }
}

fn cancels(cancels: bool) -> Fact {
    Fact::CancelChanged {
        subscription: "sub_1".into(),
        cancels,
    }
}

fn deleted() -> Fact {
    Fact::Deleted {
        subscription: "sub_1".into(),
    }
}

#[test]
fn the_first_payment_activates_the_plan_that_was_asked_for() {
    for first in [checkout("in_1", 2999), invoice("in_1", 2999)] {
        let mut story = Story::new();
        assert_eq!(story.is_told(&first), Outcome::Applied);
        let latest = story.latest();
        assert_eq!((latest.status, latest.plan_id), (SubscriptionStatus::Active, PlanId(2)));
        assert_eq!(latest.stripe_subscription_id.as_deref(), Some("sub_1"));
        assert_eq!(latest.external_payment_id.as_deref(), Some("in_1"));
        assert_eq!(
            (latest.period.start, latest.period.end),
            (story.now, story.now.plus_days(30))
        );
        assert_eq!(story.book.pending, None);
        for again in [checkout("in_1", 2999), invoice("in_1", 2999)] {
            let before = story.book.clone();
            assert_eq!(story.is_told(&again), Outcome::Unchanged);
            assert_eq!(story.book, before);
        }
    }
}

#[test]
fn a_trial_that_has_ended_meanwhile_is_followed_by_a_new_subscription() {
    let mut story = Story::new();
    story.later(40);
    assert_eq!(story.is_told(&invoice("in_1", 2999)), Outcome::Applied);
    let latest = story.latest();
    assert_eq!(
        (latest.number, latest.stripe_subscription_id.as_deref()),
        (2, Some("sub_1"))
    );
}

#[test]
fn each_later_invoice_renews_from_the_previous_end() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    let mut end = story.latest().period.end;
    for (days, name) in [(29, "in_2"), (31, "in_3"), (33, "in_4")] {
        story.later(days);
        assert_eq!(story.is_told(&invoice(name, 2999)), Outcome::Applied);
        assert_eq!(story.latest().period.start, end, "{name}");
        end = story.latest().period.end;
    }
    assert_eq!(story.periods_begun().len(), 4);
    assert_eq!(story.latest().status, SubscriptionStatus::Active);
}

#[test]
fn an_invoice_that_comes_too_late_begins_anew_and_keeps_the_name() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    // Meanwhile a period was paid by transfer: what Stripe pays for stays what it was.
    let transfer = Confirmation {
        method: PaymentMethod::BankTransfer,
        external_id: "T1".into(),
        amount_minor: 2999,
        payer_name: "Ada".into(),
        override_reason: None,
        confirmed_by: None,
        plan: None,
        mode: None,
    };
    let plans = story.plans.clone();
    story.book.confirm(&rules(&plans), transfer, story.now).unwrap();
    story.later(100);
    assert_eq!(story.is_told(&invoice("in_2", 2999)), Outcome::Applied);
    let latest = story.latest().clone();
    assert_eq!((latest.number, latest.period.start), (2, story.now));
    assert_eq!(latest.stripe_subscription_id.as_deref(), Some("sub_1"));
    let ended = story.book.changes.iter().find_map(|change| match change {
        Change::SubscriptionEnded(ended) => Some(ended),
        _ => None,
    });
    assert_eq!(ended.unwrap().stripe_subscription_id, None, "the name is borne once");
}

#[test]
fn money_that_is_not_what_was_to_come_changes_nothing_but_the_audit() {
    for (payment, paid_before) in [
        (money("in_1", 2998, "USD"), false),
        (money("in_1", 0, "USD"), false),
        (money("in_1", 2999, "EUR"), false),
        (money("in_2", 7999, "USD"), true),
        (money("in_2", 2999, "GBP"), true),
    ] {
        let mut story = Story::new();
        if paid_before {
            story.is_told(&checkout("in_1", 2999));
        }
        let before = story.book.clone();
        let fact = Fact::InvoicePaid {
            subscription: "sub_1".into(),
            payment,
        };
        assert_eq!(story.is_told(&fact), Outcome::AmountMismatch);
        let note = story.notes("payment.mismatch");
        assert_eq!(note.len(), 1);
        assert_eq!(
            (&note[0]["expected_minor"], &note[0]["expected_currency"]),
            (&json!(2999), &json!("USD"))
        );
        story.book.changes.pop();
        assert_eq!(story.book, before);
    }
}

#[test]
fn a_currency_may_be_written_in_small_letters() {
    let mut story = Story::new();
    let fact = Fact::InvoicePaid {
        subscription: "sub_1".into(),
        payment: money("in_1", 2999, "usd"),
    };
    assert_eq!(story.is_told(&fact), Outcome::Applied);
}

#[test]
fn a_renewal_leaves_an_upgrade_alone_that_waits_for_its_own_payment() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    story.asks_for("growth", "R2");
    assert_eq!(story.is_told(&invoice("in_2", 2999)), Outcome::Applied);
    assert_eq!(story.latest().plan_id, PlanId(2));
    assert_eq!(
        story.book.pending.as_ref().map(|pending| pending.reference.as_str()),
        Some("R2")
    );
}

#[test]
fn another_subscription_for_another_plan_takes_the_place_of_the_first() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    story.asks_for("growth", "R2");
    let second = Link {
        subscription: Some("sub_2".into()),
        reference: Some("R2".into()),
        mirrored_at: None,
    };
    let first = std::mem::replace(&mut story.link, second);
    story.later(1);
    assert_eq!(story.is_told(&invoice("in_9", 7999)), Outcome::Applied);
    assert_eq!(story.latest().stripe_subscription_id.as_deref(), Some("sub_2"));
    story.link = first;
    assert_eq!(story.is_told(&deleted()), Outcome::Unchanged, "the first one ends");
    assert_eq!(story.is_told(&cancels(true)), Outcome::Unchanged);
    assert_eq!(story.is_told(&invoice("in_2", 2999)), Outcome::Unexpected);
    let latest = story.latest();
    assert_eq!(
        (latest.plan_id, latest.ended_at, latest.cancel_at_period_end),
        (PlanId(3), None, false)
    );
}

#[test]
fn a_plan_paid_by_transfer_is_no_longer_stripes() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    story.later(1);
    let transfer = Confirmation {
        method: PaymentMethod::BankTransfer,
        external_id: "T1".into(),
        amount_minor: 7999,
        payer_name: "Ada".into(),
        override_reason: None,
        confirmed_by: None,
        plan: Some(story.plan("growth")),
        mode: None,
    };
    let plans = story.plans.clone();
    story.book.confirm(&rules(&plans), transfer, story.now).unwrap();
    assert_eq!(story.is_told(&deleted()), Outcome::Unchanged);
    assert_eq!(story.latest().status, SubscriptionStatus::Active);
}

#[test]
fn a_single_payment_of_the_same_plan_leaves_the_subscription_its_name() {
    for (plan, name) in [("starter", Some("sub_1")), ("growth", None)] {
        let mut story = Story::new();
        story.is_told(&checkout("in_1", 2999));
        story.later(1);
        story.asks_for(plan, "R2");
        story.link = Link {
            subscription: None,
            reference: Some("R2".into()),
            mirrored_at: None,
        };
        let amount = story.plan(plan).terms.price_minor;
        let single = Fact::Checkout(Checkout {
            reference: Some("R2".into()),
            subscription: None,
            payment: Some(money("pi_1", amount, "USD")),
        });
        assert_eq!(story.is_told(&single), Outcome::Applied);
        assert_eq!(story.latest().stripe_subscription_id.as_deref(), name, "{plan}");
    }
}

#[test]
fn money_for_what_nobody_asked_for_or_what_is_settled_is_unexpected() {
    let mut story = Story::new();
    story.asks_for("growth", "R2");
    assert_eq!(story.is_told(&checkout("in_1", 2999)), Outcome::Unexpected, "withdrawn");
    let note = story.notes("payment.unexpected");
    assert_eq!(
        (&note[0]["external_payment_id"], &note[0]["amount_minor"]),
        (&json!("in_1"), &json!(2999))
    );
    assert_eq!(story.latest().status, SubscriptionStatus::Trialing);
}

#[test]
fn what_is_said_of_cancelling_is_taken_over_in_the_order_in_which_it_was_said() {
    let mut story = Story::new();
    assert_eq!(
        story.is_told(&cancels(true)),
        Outcome::Waiting,
        "before the first payment"
    );
    story.is_told(&checkout("in_1", 2999));
    let at = |seconds| BEGIN.plus_seconds(seconds);
    assert_eq!(story.is_told_at(&cancels(true), at(20)), Outcome::Applied);
    assert_eq!(story.is_told_at(&cancels(false), at(10)), Outcome::Stale);
    assert!(story.latest().cancel_at_period_end);
    assert_eq!(story.is_told_at(&cancels(true), at(20)), Outcome::Unchanged);
    assert_eq!(story.is_told_at(&cancels(false), at(30)), Outcome::Applied);
    assert_eq!(story.is_told_at(&cancels(true), at(25)), Outcome::Stale);
    assert!(!story.latest().cancel_at_period_end);
}

#[test]
fn what_stripe_has_ended_has_ended_for_good() {
    let mut story = Story::new();
    assert_eq!(story.is_told(&deleted()), Outcome::Waiting, "before the first payment");
    story.is_told(&checkout("in_1", 2999));
    assert_eq!(story.is_told(&deleted()), Outcome::Applied);
    let ended = story.latest().clone();
    assert_eq!(
        (ended.status, ended.ended_at),
        (SubscriptionStatus::Cancelled, Some(story.now))
    );
    assert_eq!(story.is_told(&deleted()), Outcome::Unchanged);
    assert_eq!(story.is_told(&cancels(false)), Outcome::Unchanged);
    assert_eq!(story.is_told(&checkout("in_1", 2999)), Outcome::Unchanged);
    assert_eq!(story.is_told(&invoice("in_2", 2999)), Outcome::Unexpected);
    assert_eq!(*story.latest(), ended);
    assert_eq!(story.notes("payment.unexpected").len(), 1);
}

#[test]
fn a_period_that_was_paid_otherwise_goes_on_when_stripe_ends() {
    let mut story = Story::new();
    story.is_told(&checkout("in_1", 2999));
    let transfer = Confirmation {
        method: PaymentMethod::BankTransfer,
        external_id: "T1".into(),
        amount_minor: 2999,
        payer_name: "Ada".into(),
        override_reason: None,
        confirmed_by: None,
        plan: None,
        mode: None,
    };
    let plans = story.plans.clone();
    story.book.confirm(&rules(&plans), transfer, story.now).unwrap();
    assert_eq!(story.is_told(&deleted()), Outcome::Applied);
    let latest = story.latest();
    assert_eq!((latest.status, latest.ended_at), (SubscriptionStatus::Active, None));
    assert_eq!(latest.stripe_subscription_id, None);
    assert_eq!(latest.period.end.0 - latest.period.start.0, 30 * DAY);
    assert_eq!(story.is_told(&invoice("in_2", 2999)), Outcome::Unexpected);
}

#[test]
fn a_failed_attempt_is_noted_and_nothing_follows_from_it() {
    let mut story = Story::new();
    let failed = Fact::InvoiceFailed {
        subscription: "sub_1".into(),
        payment: money("in_1", 2999, "USD"),
    };
    assert_eq!(story.is_told(&failed), Outcome::Noted);
    assert_eq!(story.notes("payment.failed").len(), 1);
    assert_eq!(story.latest().status, SubscriptionStatus::Trialing);
}

#[test]
fn every_outcome_is_read_back_from_its_word() {
    for outcome in Outcome::ALL {
        assert_eq!(Outcome::parse(outcome.as_str()), Some(outcome));
    }
    assert_eq!(Outcome::parse("done"), None);
}
