//! The reference: what the accounts of a story come to by the domain alone, checked after every step.

use super::act::{Act, Ask, Decision};
use super::checks::{self, Cause, Fault, Turn};
use super::history::History;
use super::stripe::{Inbox, Linked, Provider, Received};
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{AccountFacts, AccountStatus, StandingNeed, SuspendReason, validate_account_and_plan};
use igny8_contract::time::Timestamp;
use igny8_core::domain::billing::Confirmation;
use igny8_core::domain::book::{Book, Rules};
use igny8_core::domain::plan::{Plan, choose_for_signup};
use igny8_core::domain::purse::Journal;
use igny8_core::domain::stripe::decision::{Outcome as Told, Told as Hearing};
use igny8_core::domain::stripe::{Event, Fact};
use igny8_core::domain::subscription::PaymentMethod;

/// When every story begins: 2025-10-31T12:00:00Z, so that months of the calendar meet the 28th, the 30th and the 31st.
pub const BEGINNING: Timestamp = Timestamp(1_761_912_000_000_000);

/// How many accounts a story has at most.
pub const ACCOUNTS: usize = 2;

/// The terms of the house.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    pub trial_grace_days: i64,
    pub past_due_grace_days: i64,
}

impl Terms {
    /// Those of the story of this number: some houses give no grace.
    pub const fn of(number: u64) -> Self {
        Self {
            trial_grace_days: if number.is_multiple_of(3) { 3 } else { 0 },
            past_due_grace_days: if number.is_multiple_of(5) { 0 } else { 7 },
        }
    }
}

/// A payment that has been confirmed.
#[derive(Clone, Debug)]
pub struct Payment {
    pub account: usize,
    pub method: PaymentMethod,
    pub external_id: String,
    pub amount_minor: i64,
    /// Where it was a transfer.
    transfer: Option<Confirmation>,
}

/// An account as it is stored, and everything that ever became of it.
#[derive(Clone, Debug)]
pub struct Account {
    pub book: Book,
    pub history: History,
}

/// What came of an act: done, or what became of an event; or refused.
pub type Outcome = Result<&'static str, Refusal>;

const DONE: Outcome = Ok("done");

pub struct World {
    pub now: Timestamp,
    pub terms: Terms,
    pub plans: Vec<Plan>,
    pub accounts: Vec<Account>,
    pub payments: Vec<Payment>,
    pub stripe: Provider,
    inbox: Inbox,
    names: usize,
}

impl World {
    /// A house without accounts.
    pub fn new(terms: Terms) -> Self {
        // As a database numbers them that has never had others.
        let plans = (1..).zip(super::catalogue::terms());
        Self {
            now: BEGINNING,
            terms,
            plans: plans.map(|(id, terms)| Plan { id: PlanId(id), terms }).collect(),
            accounts: Vec::new(),
            payments: Vec::new(),
            stripe: Provider::default(),
            inbox: Inbox::default(),
            names: 0,
        }
    }

    pub fn rules(&self) -> Rules<'_> {
        Rules {
            plans: &self.plans,
            trial_grace_days: self.terms.trial_grace_days,
            past_due_grace_days: self.terms.past_due_grace_days,
            seller: "",
        }
    }

    pub fn plan(&self, slug: &str) -> Plan {
        let found = self.plans.iter().find(|plan| plan.terms.slug == slug);
        found.expect("stories speak of the catalogue's plans").clone()
    }

    /// A name that nobody had before.
    pub fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}-{}", self.names)
    }

    /// The transfer that was confirmed `earlier` before the last one, and whose it was.
    pub fn transfer(&self, earlier: usize) -> Option<(usize, &Confirmation)> {
        let transfers = self.payments.iter().rev();
        let mut transfers = transfers.filter_map(|payment| Some((payment.account, payment.transfer.as_ref()?)));
        transfers.nth(earlier)
    }

    fn payment(&self, method: PaymentMethod, external_id: &str) -> Option<&Payment> {
        let mut payments = self.payments.iter();
        payments.find(|payment| payment.method == method && payment.external_id == external_id)
    }

    /// Does an act, and checks what comes of it.
    pub fn perform(&mut self, act: &Act) -> Result<Outcome, Fault> {
        match act {
            Act::Clock(now) => self.now = *now,
            Act::Restart | Act::Nothing => {}
            Act::WorkerTicks => (0..self.accounts.len()).try_for_each(|index| self.work_on(index))?,
            Act::SignUp => self.sign_up()?,
            Act::Ask(ask) => return self.decide(ask),
            Act::Event(event) => return self.receive(event).map(|told| Ok(told.as_str())),
        }
        Ok(DONE)
    }

    fn sign_up(&mut self) -> Result<(), Fault> {
        let id = i64::try_from(self.accounts.len()).expect("few accounts") + 1;
        let plan = choose_for_signup(&self.plans, None, true).map_err(|error| format!("{error:?}"))?;
        let rules = self.rules();
        let book = Book::open(plan, &rules, self.now).map_err(|error| format!("{error:?}"))?;
        let book = book.of(AccountId(id));
        let history = History::of_new(&book, self.now)?;
        checks::stands(&book, &history, &rules, self.now)?;
        let book = stored(book);
        self.accounts.push(Account { book, history });
        Ok(())
    }

    /// Brings an account up to the present if time has something to do there.
    fn work_on(&mut self, index: usize) -> Result<(), Fault> {
        let rules = self.rules();
        let book = &self.accounts[index].book;
        if book.due(&rules).is_none_or(|due| due > self.now) {
            return Ok(());
        }
        let passed = checks::pass_time(book, &rules, self.now)?;
        self.commit(index, &passed.clone(), passed, Cause::Nothing)
    }

    fn decide(&mut self, ask: &Ask) -> Result<Outcome, Fault> {
        let index = ask.account;
        if let Decision::Confirm(confirmation) = &ask.decision
            && let Some(known) = self.payment(confirmation.method, &confirmation.external_id)
        {
            let same = (known.account, known.amount_minor) == (index, confirmation.amount_minor);
            return Ok(if same { DONE } else { Err(Refusal::PaymentConflict) });
        }
        if ask.decision.is_about_credits() {
            // Debits of many accounts share a transaction, and time comes to each account in one of its own.
            self.work_on(index)?;
        }
        let rules = self.rules();
        let passed = checks::pass_time(&self.accounts[index].book, &rules, self.now)?;
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
                account: index,
                method: confirmation.method,
                external_id: confirmation.external_id.clone(),
                amount_minor: confirmation.amount_minor,
                transfer: Some(confirmation.clone()),
            });
        }
        self.commit(index, &passed, book, Cause::Decision(&ask.decision))?;
        Ok(DONE)
    }

    /// Takes an event of Stripe's in, and whatever has waited for it.
    fn receive(&mut self, event: &Event) -> Result<Told, Fault> {
        if let Some(outcome) = self.inbox.outcome(&event.id) {
            return Ok(outcome);
        }
        let name = event.fact.subscription().ok_or("stories tell of subscriptions alone")?;
        let mut linked = self.inbox.links.get(name).cloned().unwrap_or_default();
        linked.link.subscription = Some(name.to_owned());
        let outcome = self.hear(&mut linked, event)?;
        let event = event.clone();
        self.inbox.received.push(Received {
            at: self.now,
            event,
            outcome,
        });
        let mut goes_on = linked.account.is_some();
        while goes_on {
            goes_on = false;
            for index in self.inbox.waiting(name) {
                let event = self.inbox.received[index].event.clone();
                let outcome = self.hear(&mut linked, &event)?;
                self.inbox.received[index].outcome = outcome;
                goes_on |= outcome != Told::Waiting;
            }
        }
        self.inbox.links.insert(name.to_owned(), linked);
        Ok(outcome)
    }

    fn hear(&mut self, linked: &mut Linked, event: &Event) -> Result<Told, Fault> {
        if let Fact::Checkout(checkout) = &event.fact {
            let whose = |account: &Account| {
                account
                    .history
                    .references
                    .contains(checkout.reference.as_ref()?)
                    .then_some(())
            };
            let account = self.accounts.iter().position(|account| whose(account).is_some());
            if account.is_none() {
                return Ok(Told::UnknownReference);
            }
            (linked.account, linked.link.reference) = (account, checkout.reference.clone());
        }
        let Some(index) = linked.account else {
            return Ok(Told::Waiting);
        };
        let rules = self.rules();
        let passed = checks::pass_time(&self.accounts[index].book, &rules, self.now)?;
        let mut book = passed.clone();
        let paid = event.fact.paid();
        let hearing = Hearing {
            fact: &event.fact,
            occurred_at: event.occurred_at.unwrap_or(self.now),
            is_known: paid.is_some_and(|paid| self.payment(PaymentMethod::Stripe, &paid.external_id).is_some()),
        };
        let heard = book.hear(&rules, &mut linked.link, hearing, self.now);
        let outcome = heard.map_err(|refusal| format!("Stripe was refused: {refusal:?}"))?;
        if let (Told::Applied, Some(paid)) = (outcome, paid) {
            self.payments.push(Payment {
                account: index,
                method: PaymentMethod::Stripe,
                external_id: paid.external_id.clone(),
                amount_minor: paid.amount_minor,
                transfer: None,
            });
        }
        self.commit(index, &passed, book, Cause::Event(&event.fact, outcome))?;
        Ok(outcome)
    }

    fn commit(&mut self, index: usize, passed: &Book, after: Book, cause: Cause<'_>) -> Result<(), Fault> {
        let account = &self.accounts[index];
        let mut history = account.history.clone();
        history.follow(&account.book, passed, true)?;
        history.follow(passed, &after, matches!(cause, Cause::Event(..)))?;
        history.furthest = history.furthest.max(self.now);
        let turn = Turn {
            before: &account.book,
            passed,
            after: &after,
            history: &history,
            cause,
            now: self.now,
        };
        checks::turn(&turn, &self.rules())?;
        let book = stored(after);
        self.accounts[index] = Account { book, history };
        Ok(())
    }
}

/// A book as it is when it is loaded again.
fn stored(mut book: Book) -> Book {
    book.changes.clear();
    book.purse.journal = Journal::default();
    book
}

/// Whether the account's standing lets its people ask for this. What staff, the provider or time do is never asked.
fn may_ask(book: &Book, decision: &Decision, now: Timestamp) -> Result<(), Refusal> {
    match decision {
        // Whoever can still put things right may, and letting go of a hold costs nothing.
        Decision::Upgrade { .. } | Decision::CancelAtPeriodEnd { .. } | Decision::ReleaseHold { .. } => {
            return match book.suspend_reason {
                Some(SuspendReason::Abuse | SuspendReason::Staff) => Err(Refusal::AccountSuspended),
                _ if book.status == AccountStatus::Cancelled => Err(Refusal::AccountCancelled),
                _ => Ok(()),
            };
        }
        _ if decision.is_about_credits() => {}
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
