//! The reference: what the accounts of a story come to by the domain alone, checked after every step.

use super::act::{Act, Ask, Decision};
use super::checks::{self, Fault, Turn};
use super::history::History;
use super::story::{Money, Share, Step, Wait};
use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, PlanId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountFacts, AccountStatus, StandingNeed, SuspendReason, validate_account_and_plan};
use igny8_contract::time::{MICROS_PER_DAY, MICROS_PER_SECOND, Timestamp};
use igny8_core::domain::billing::Confirmation;
use igny8_core::domain::book::{Book, Rules};
use igny8_core::domain::plan::{Plan, choose_for_signup};
use igny8_core::domain::subscription::PaymentMethod;

/// When every story begins: 2025-10-31T12:00:00Z, so that calendar months meet the 28th, the 30th and the 31st.
pub const BEGINNING: Timestamp = Timestamp(1_761_912_000_000_000);

/// How many accounts a story has at most.
const ACCOUNTS: usize = 2;

/// Who confirms payments in the reference.
const STAFF: UserId = UserId(1);

/// The terms of the house.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub trial_grace_days: i64,
    pub past_due_grace_days: i64,
}

impl Terms {
    /// Those of the story of this number: some houses give no grace.
    pub const fn of(number: u64) -> Self {
        let generous = number % 3 == 0;
        Self {
            trial_grace_days: if generous { 3 } else { 0 },
            past_due_grace_days: if number % 5 == 0 { 0 } else { 7 },
        }
    }
}

/// A payment that has been confirmed.
#[derive(Clone, Debug)]
pub struct Payment {
    pub account: usize,
    pub confirmation: Confirmation,
}

/// An account as it is stored, and everything that ever became of it.
#[derive(Clone, Debug)]
pub struct Account {
    pub book: Book,
    pub history: History,
}

/// What came of an act: done, or refused.
pub type Outcome = Result<(), Refusal>;

pub struct World {
    pub now: Timestamp,
    pub terms: Terms,
    pub plans: Vec<Plan>,
    pub accounts: Vec<Account>,
    pub payments: Vec<Payment>,
    names: usize,
}

impl World {
    /// A house without accounts.
    pub fn new(plans: Vec<Plan>, terms: Terms) -> Self {
        Self {
            now: BEGINNING,
            terms,
            plans,
            accounts: Vec::new(),
            payments: Vec::new(),
            names: 0,
        }
    }

    /// The catalogue as a database numbers it that has never had another.
    pub fn numbered_plans() -> Vec<Plan> {
        let numbered = (1..).zip(super::catalogue::terms());
        numbered.map(|(id, terms)| Plan { id: PlanId(id), terms }).collect()
    }

    pub fn rules(&self) -> Rules<'_> {
        Rules {
            plans: &self.plans,
            trial_grace_days: self.terms.trial_grace_days,
            past_due_grace_days: self.terms.past_due_grace_days,
        }
    }

    fn plan(&self, slug: &str) -> Plan {
        let found = self.plans.iter().find(|plan| plan.terms.slug == slug);
        found.expect("stories speak of the catalogue's plans").clone()
    }

    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}-{}", self.names)
    }

    /// A step with its numbers.
    pub fn act(&mut self, step: &Step) -> Act {
        match *step {
            Step::Wait(wait) => Act::Clock(self.after(wait)),
            Step::ClockStepsBack { seconds } => Act::Clock(self.now.plus_seconds(-seconds)),
            Step::WorkerTicks => Act::WorkerTicks,
            Step::Restart => Act::Restart,
            Step::SignUp if self.accounts.len() < ACCOUNTS => Act::SignUp,
            Step::SignUp => Act::Nothing,
            Step::ConfirmAgain { earlier } => match earlier_of(&self.payments, earlier) {
                Some(payment) => Act::Ask(Ask {
                    account: payment.account,
                    decision: Decision::Confirm(payment.confirmation.clone()),
                }),
                None => Act::Nothing,
            },
            _ => self.ask(step).map_or(Act::Nothing, Act::Ask),
        }
    }

    fn after(&self, wait: Wait) -> Timestamp {
        match wait {
            Wait::Seconds(seconds) => Timestamp(self.now.0 + seconds * MICROS_PER_SECOND),
            Wait::Days(days) => Timestamp(self.now.0 + days * MICROS_PER_DAY),
            Wait::Due(more) => {
                let rules = self.rules();
                let due = self
                    .accounts
                    .iter()
                    .filter_map(|account| account.book.due(&rules))
                    .min();
                due.map_or(self.now, |due| Timestamp((due.0 + more).max(self.now.0)))
            }
        }
    }

    fn ask(&mut self, step: &Step) -> Option<Ask> {
        let (account, decision) = match *step {
            Step::Upgrade { who, to, method } => {
                let (plan, reference) = (self.plan(to), self.name("REF"));
                (
                    who,
                    Decision::Upgrade {
                        plan,
                        method,
                        reference,
                    },
                )
            }
            Step::Confirm {
                who,
                plan,
                money,
                method,
                mode,
            } => {
                let external_id = self.name("pay");
                let plan = plan.map(|slug| self.plan(slug));
                (who, self.confirm(who, plan, money, method, external_id, mode)?)
            }
            Step::ConfirmUnderEarlierName { who, earlier, money } => {
                let taken = earlier_of(&self.payments, earlier)?.confirmation.clone();
                (
                    who,
                    self.confirm(who, None, money, taken.method, taken.external_id, None)?,
                )
            }
            Step::Renew { who, mode } => (who, Decision::Renew { mode }),
            Step::Consume { who, amount } => (
                who,
                Decision::Consume {
                    amount: self.share(who, amount)?,
                },
            ),
            Step::Hold { who, amount, seconds } => {
                let amount = self.share(who, amount)?;
                (who, Decision::Hold { amount, seconds })
            }
            Step::ConfirmHold { who, earlier, part } => (who, self.confirm_hold(who, earlier, part)?),
            Step::ReleaseHold { who, earlier } => (
                who,
                Decision::ReleaseHold {
                    number: self.hold(who, earlier)?,
                },
            ),
            Step::Cancel { who } => (who, Decision::CancelAtPeriodEnd { cancel: true }),
            Step::Undo { who } => (who, Decision::CancelAtPeriodEnd { cancel: false }),
            Step::AssignPlan { who, plan } => (who, Decision::Assign { plan: self.plan(plan) }),
            Step::Bonus { who, credits, days } => {
                let expires_at = days.map(|days| self.now.plus_days(days));
                (
                    who,
                    Decision::Bonus {
                        amount: Credits(credits),
                        expires_at,
                    },
                )
            }
            Step::TakeCredits { who, amount } => (
                who,
                Decision::TakeCredits {
                    amount: self.share(who, amount)?,
                },
            ),
            Step::Suspend { who, for_abuse } => {
                let reason = if for_abuse {
                    SuspendReason::Abuse
                } else {
                    SuspendReason::Staff
                };
                (who, Decision::Suspend { reason })
            }
            Step::Reinstate { who } => (who, Decision::Reinstate),
            Step::Terminate { who } => (who, Decision::Terminate),
            Step::Wait(_)
            | Step::ClockStepsBack { .. }
            | Step::WorkerTicks
            | Step::Restart
            | Step::SignUp
            | Step::ConfirmAgain { .. } => return None,
        };
        (account < self.accounts.len()).then_some(Ask { account, decision })
    }

    fn share(&self, who: usize, share: Share) -> Option<Credits> {
        let available = self.accounts.get(who)?.book.purse.available().0;
        Some(part_of(available, share))
    }

    fn hold(&self, who: usize, earlier: usize) -> Option<i64> {
        let last = self.accounts.get(who)?.book.purse.hold_count;
        let number = last - i64::try_from(earlier).expect("a small number");
        (number >= 1).then_some(number)
    }

    fn confirm_hold(&self, who: usize, earlier: usize, part: Share) -> Option<Decision> {
        let number = self.hold(who, earlier)?;
        let open = self.accounts[who]
            .book
            .purse
            .holds
            .iter()
            .find(|hold| hold.number == number);
        let part = part_of(open.map_or(10, |hold| hold.amount().0), part);
        Some(Decision::ConfirmHold { number, part })
    }

    fn confirm(
        &self,
        who: usize,
        plan: Option<Plan>,
        money: Money,
        method: PaymentMethod,
        external_id: String,
        mode: Option<igny8_core::domain::billing::LateMode>,
    ) -> Option<Decision> {
        let book = &self.accounts.get(who)?.book;
        let own = book.plan_id.and_then(|id| self.rules().plan(id).ok());
        let priced = |plan: &&Plan| plan.terms.is_priced();
        let of_plan = plan.as_ref().or(own.filter(priced)).map(|plan| plan.terms.price_minor);
        let pending = book.pending.as_ref().map(|pending| pending.amount_minor);
        let expected = pending.or(of_plan).unwrap_or(2999);
        let right = expected.max(1);
        let (amount_minor, why) = match money {
            Money::Right => (right, None),
            Money::Wrong => (right + 1, None),
            Money::Overridden => (right + 1, Some("agreed by telephone".to_owned())),
        };
        Some(Decision::Confirm(Confirmation {
            method,
            external_id,
            amount_minor,
            payer_name: "A Payer".into(),
            override_reason: why,
            confirmed_by: (method == PaymentMethod::BankTransfer).then_some(STAFF),
            plan,
            mode,
        }))
    }

    /// Does an act, and checks what comes of it.
    pub fn perform(&mut self, act: &Act) -> Result<Outcome, Fault> {
        match act {
            Act::Clock(now) => self.now = *now,
            Act::Restart | Act::Nothing => {}
            Act::WorkerTicks => self.work()?,
            Act::SignUp => self.sign_up()?,
            Act::Ask(ask) => return self.decide(ask),
        }
        Ok(Ok(()))
    }

    fn sign_up(&mut self) -> Result<(), Fault> {
        let id = i64::try_from(self.accounts.len()).expect("few accounts") + 1;
        let plan = choose_for_signup(&self.plans, None, true).map_err(|error| format!("{error:?}"))?;
        let rules = self.rules();
        let book = Book::open(AccountId(id), plan, &rules, self.now).map_err(|error| format!("{error:?}"))?;
        let history = History::of_new(&book)?;
        checks::stands(&book, &history, &rules, self.now)?;
        self.accounts.push(Account {
            book: stored(book),
            history,
        });
        Ok(())
    }

    fn work(&mut self) -> Result<(), Fault> {
        (0..self.accounts.len()).try_for_each(|index| self.work_on(index))
    }

    /// Brings an account up to the present if time has something to do there.
    fn work_on(&mut self, index: usize) -> Result<(), Fault> {
        let rules = self.rules();
        let book = &self.accounts[index].book;
        if book.due(&rules).is_none_or(|due| due > self.now) {
            return Ok(());
        }
        let passed = checks::pass_time(book, &rules, self.now)?;
        self.commit(index, passed.clone(), passed, None)
    }

    fn decide(&mut self, ask: &Ask) -> Result<Outcome, Fault> {
        if let Decision::Confirm(confirmation) = &ask.decision
            && let Some(known) = self.known(confirmation)
        {
            let same = known.account == ask.account && known.confirmation.amount_minor == confirmation.amount_minor;
            return Ok(if same { Ok(()) } else { Err(Refusal::PaymentConflict) });
        }
        if ask.decision.is_about_credits() {
            // Debits of many accounts share a transaction, and time comes to each account in one of its own.
            self.work_on(ask.account)?;
        }
        let rules = self.rules();
        let passed = checks::pass_time(&self.accounts[ask.account].book, &rules, self.now)?;
        if let Err(refusal) = may_ask(&passed, &ask.decision, self.now) {
            return Ok(Err(refusal));
        }
        let mut book = passed.clone();
        if let Err(refusal) = ask.decision.decide(&mut book, &rules, self.now) {
            checks::refusal(&passed, &book, &ask.decision, refusal, &rules, self.now)?;
            return Ok(Err(refusal));
        }
        if let Decision::Confirm(confirmation) = &ask.decision {
            self.payments.push(Payment {
                account: ask.account,
                confirmation: confirmation.clone(),
            });
        }
        self.commit(ask.account, passed, book, Some(&ask.decision))?;
        Ok(Ok(()))
    }

    /// The payment that was confirmed under this name.
    pub fn known(&self, confirmation: &Confirmation) -> Option<&Payment> {
        let name = |of: &Confirmation| (of.method, of.external_id.clone());
        let mut payments = self.payments.iter();
        payments.find(|payment| name(&payment.confirmation) == name(confirmation))
    }

    fn commit(&mut self, index: usize, passed: Book, after: Book, decision: Option<&Decision>) -> Result<(), Fault> {
        let (rules, now) = (self.rules(), self.now);
        let account = &self.accounts[index];
        let mut history = account.history.clone();
        history.follow(&account.book, &passed)?;
        history.follow(&passed, &after)?;
        let turn = Turn {
            before: &account.book,
            passed: &passed,
            after: &after,
            history: &history,
            decision,
            now,
        };
        checks::turn(&turn, &rules)?;
        self.accounts[index] = Account {
            book: stored(after),
            history,
        };
        Ok(())
    }
}

/// The one that came `earlier` before the last.
fn earlier_of(payments: &[Payment], earlier: usize) -> Option<&Payment> {
    payments.iter().rev().nth(earlier)
}

fn part_of(whole: i64, share: Share) -> Credits {
    Credits(match share {
        Share::Exactly(amount) => amount,
        Share::Half => (whole / 2).max(1),
        Share::All => whole.max(1),
        Share::OneTooMany => whole + 1,
    })
}

/// A book as it is when it is loaded again.
fn stored(mut book: Book) -> Book {
    book.changes.clear();
    book.purse.journal = igny8_core::domain::purse::Journal::default();
    book
}

/// Whether the account's standing lets its people ask for this. What staff, the provider or time do is never asked.
fn may_ask(book: &Book, decision: &Decision, now: Timestamp) -> Outcome {
    match decision {
        _ if decision.is_about_credits() => {}
        // Whoever can still put things right may.
        Decision::Upgrade { .. } | Decision::CancelAtPeriodEnd { .. } => {
            return match book.suspend_reason {
                Some(SuspendReason::Abuse | SuspendReason::Staff) => Err(Refusal::AccountSuspended),
                _ if book.status == AccountStatus::Cancelled => Err(Refusal::AccountCancelled),
                _ => Ok(()),
            };
        }
        _ => return Ok(()),
    }
    let running = book.subscription.as_ref().filter(|latest| latest.ended_at.is_none());
    let facts = AccountFacts {
        status: book.status,
        reason: book.suspend_reason,
        plan: String::new(),
        account_epoch: 0,
        period_end_us: running.map(|latest| latest.period.end),
        grace_end_us: running.and_then(|latest| latest.grace_end),
    };
    validate_account_and_plan(Some(&facts), StandingNeed::Required, false, now)
}
