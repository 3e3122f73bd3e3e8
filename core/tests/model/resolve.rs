//! From steps to acts: which account, how many credits, how much money, by how the world stands.

use super::act::{Act, Ask, Decision};
use super::story::{Money, Share, Step, Wait};
use super::world::{ACCOUNTS, World};
use igny8_contract::credits::Credits;
use igny8_contract::ids::UserId;
use igny8_contract::standing::SuspendReason;
use igny8_contract::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp};
use igny8_core::domain::billing::{Confirmation, LateMode};
use igny8_core::domain::book::Book;
use igny8_core::domain::payment::PendingPayment;
use igny8_core::domain::plan::Plan;
use igny8_core::domain::subscription::PaymentMethod;

/// Who confirms transfers: the first user of a database that has just been made.
const STAFF: UserId = UserId(1);

impl World {
    /// A step with its numbers.
    pub fn act(&mut self, step: &Step) -> Act {
        match *step {
            Step::Wait(wait) => Act::Clock(self.after(wait)),
            Step::ClockStepsBack { seconds } => Act::Clock(self.now.plus_seconds(-seconds)),
            Step::WorkerTicks => Act::WorkerTicks,
            Step::Restart => Act::Restart,
            Step::SignUp if self.accounts.len() < ACCOUNTS => Act::SignUp,
            Step::SignUp => Act::Nothing,
            Step::ConfirmAgain { earlier } => self.transfer(earlier).map_or(Act::Nothing, |(account, transfer)| {
                let decision = Decision::Confirm(transfer.clone());
                Act::Ask(Ask { account, decision })
            }),
            Step::StripeTells { skipped } => self.stripe.tell(skipped).map_or(Act::Nothing, Act::Event),
            Step::StripeTellsAgain { earlier } => self.stripe.tell_again(earlier).map_or(Act::Nothing, Act::Event),
            Step::StripeCheckout { who, to, .. } if self.waited_for_at_stripe(who).is_none() => {
                let method = PaymentMethod::Stripe;
                self.act(&Step::Upgrade { who, to, method })
            }
            _ => {
                self.at_stripe(step);
                let decision = self.decision(step);
                decision.map_or(Act::Nothing, |(account, decision)| Act::Ask(Ask { account, decision }))
            }
        }
    }

    fn after(&self, wait: Wait) -> Timestamp {
        match wait {
            Wait::Seconds(seconds) => Timestamp(self.now.0 + seconds * MICROS_PER_SECOND),
            Wait::Days(days) => Timestamp(self.now.0 + days * MICROS_PER_DAY),
            Wait::Due(more) => {
                let rules = self.rules();
                let accounts = self.accounts.iter();
                let due = accounts.filter_map(|account| account.book.due(&rules)).min();
                due.map_or(self.now, |due| Timestamp((due.0 + more).max(self.now.0)))
            }
        }
    }

    /// What happens at Stripe reaches the house later, or never.
    fn at_stripe(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::StripeCheckout { who, says_paid, .. } => {
                if let Some(pending) = self.waited_for_at_stripe(who).cloned() {
                    self.stripe.checkout(&pending, says_paid, now);
                }
            }
            Step::StripeInvoicePaid { earlier, more } => self.stripe.invoice(earlier, more, true, now),
            Step::StripeInvoiceFails { earlier } => self.stripe.invoice(earlier, 0, false, now),
            Step::StripeCancels { earlier, changes_mind } => {
                self.stripe.cancels(earlier, true, now);
                if changes_mind {
                    self.stripe.cancels(earlier, false, now.plus_seconds(1));
                }
            }
            Step::StripeEnds { earlier } => self.stripe.ends(earlier, now),
            _ => {}
        }
    }

    fn waited_for_at_stripe(&self, who: usize) -> Option<&PendingPayment> {
        let pending = self.book(who)?.pending.as_ref();
        pending.filter(|pending| pending.method == PaymentMethod::Stripe)
    }

    fn decision(&mut self, step: &Step) -> Option<(usize, Decision)> {
        let decided = match *step {
            Step::Upgrade { who, to, method } => {
                let (plan, reference) = (self.plan(to), self.name("REF"));
                let upgrade = Decision::Upgrade {
                    plan,
                    method,
                    reference,
                };
                (who, upgrade)
            }
            Step::Confirm { who, plan, money, mode } => {
                let external_id = self.name("pay");
                let plan = plan.map(|slug| self.plan(slug));
                (who, confirm(self.book(who)?, self, plan, money, external_id, mode))
            }
            Step::ConfirmUnderEarlierName { who, earlier, money } => {
                let taken = self.transfer(earlier)?.1.external_id.clone();
                (who, confirm(self.book(who)?, self, None, money, taken, None))
            }
            Step::Renew { who, mode } => (who, Decision::Renew { mode }),
            Step::Cancel { who } => (who, Decision::CancelAtPeriodEnd { cancel: true }),
            Step::Undo { who } => (who, Decision::CancelAtPeriodEnd { cancel: false }),
            Step::AssignPlan { who, plan } => (who, Decision::Assign { plan: self.plan(plan) }),
            Step::Suspend { who, for_abuse: true } => {
                let reason = SuspendReason::Abuse;
                (who, Decision::Suspend { reason })
            }
            Step::Suspend { who, for_abuse: false } => {
                let reason = SuspendReason::Staff;
                (who, Decision::Suspend { reason })
            }
            Step::Reinstate { who } => (who, Decision::Reinstate),
            _ => return self.about_credits(step),
        };
        (decided.0 < self.accounts.len()).then_some(decided)
    }

    fn about_credits(&self, step: &Step) -> Option<(usize, Decision)> {
        Some(match *step {
            Step::Consume { who, amount } => {
                let amount = part_of(self.book(who)?.purse.available(), amount);
                (who, Decision::Consume { amount })
            }
            Step::Hold { who, amount, seconds } => {
                let amount = part_of(self.book(who)?.purse.available(), amount);
                (who, Decision::Hold { amount, seconds })
            }
            Step::ConfirmHold { who, earlier, part } => {
                let book = self.book(who)?;
                let number = hold(book, earlier)?;
                let open = book.purse.holds.iter().find(|hold| hold.number == number);
                let part = part_of(open.map_or(Credits(10), |hold| hold.amount()), part);
                (who, Decision::ConfirmHold { number, part })
            }
            Step::ReleaseHold { who, earlier } => {
                let number = hold(self.book(who)?, earlier)?;
                (who, Decision::ReleaseHold { number })
            }
            Step::Bonus { who, credits, days } => {
                let _is_there = self.book(who)?;
                let bonus = Decision::Bonus {
                    amount: Credits(credits),
                    expires_at: days.map(|days| self.now.plus_days(days)),
                };
                (who, bonus)
            }
            Step::TakeCredits { who, amount } => {
                let amount = part_of(self.book(who)?.purse.available(), amount);
                (who, Decision::TakeCredits { amount })
            }
            _ => return None,
        })
    }

    fn book(&self, who: usize) -> Option<&Book> {
        self.accounts.get(who).map(|account| &account.book)
    }
}

fn confirm(
    book: &Book,
    world: &World,
    plan: Option<Plan>,
    money: Money,
    external_id: String,
    mode: Option<LateMode>,
) -> Decision {
    let rules = world.rules();
    let own = book.plan_id.and_then(|id| rules.plan(id).ok());
    let priced = |plan: &&Plan| plan.terms.is_priced();
    let of_plan = plan.as_ref().or(own.filter(priced)).map(|plan| plan.terms.price_minor);
    let pending = book.pending.as_ref().map(|pending| pending.amount_minor);
    // Whoever is on a plan without a price and says nothing means `starter`.
    let right = pending.or(of_plan).unwrap_or(2999).max(1);
    let (amount_minor, override_reason) = match money {
        Money::Right => (right, None),
        Money::Wrong => (right + 1, None),
        Money::Overridden => (right + 1, Some("agreed by telephone".to_owned())),
    };
    Decision::Confirm(Confirmation {
        method: PaymentMethod::BankTransfer,
        external_id,
        amount_minor,
        payer_name: "A Payer".into(),
        override_reason,
        confirmed_by: Some(STAFF),
        plan,
        mode,
    })
}

/// The hold that was made `earlier` before the last one.
fn hold(book: &Book, earlier: usize) -> Option<i64> {
    let number = book.purse.hold_count - i64::try_from(earlier).ok()?;
    (number >= 1).then_some(number)
}

fn part_of(whole: Credits, share: Share) -> Credits {
    Credits(match share {
        Share::Exactly(amount) => amount,
        Share::Half => (whole.0 / 2).max(1),
        Share::All => whole.0.max(1),
        Share::OneTooMany => whole.0 + 1,
    })
}
