//! A core on a database, in this process: the real stories, with a clock that is set by hand and chance that is not.

use super::act::{Act, Ask, Decision, WHY, kind_of};
use super::checks::{Fault, ensure};
use super::world::{BEGINNING, Outcome, Terms};
use igny8_contract::credits::Credits;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::random::Random;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, MICROS_PER_DAY, Timestamp};
use igny8_core::adapters::keys::Keyring;
use igny8_core::adapters::mail::Mailer;
use igny8_core::adapters::passwords::Passwords;
use igny8_core::adapters::seal::Seal;
use igny8_core::app::change::{self, Answer};
use igny8_core::app::confirm::{BankTransfer, confirm_bank_transfer};
use igny8_core::app::debits::{ShowEntry, ShowHold, Spend};
use igny8_core::app::key_uses::KeyUses;
use igny8_core::app::leaving::Brought;
use igny8_core::app::register::{Registration, register};
use igny8_core::app::round::{Kept, Rounds};
use igny8_core::app::sign_in::Visitor;
use igny8_core::app::staff_billing::{self, CreditChange};
use igny8_core::app::upgrade::{self, PaymentTerms, Upgrade};
use igny8_core::app::{
    BillingTerms, Committer, Core, SignUps, StoryError, cancel, credits, doctor, round, stripe, suspend,
};
use igny8_core::config::{Config, PasswordCost};
use igny8_core::domain::billing::Confirmation;
use igny8_core::domain::book::Book;
use igny8_core::domain::token::TokenTerms;
use igny8_core::storage::idempotency::RequestKey;
use igny8_core::storage::trail::Actor;
use igny8_core::storage::{self, Database, Store};
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// A clock that shows what it is set to.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// Bytes that look like chance and are the same each time.
#[derive(Debug, Default)]
struct Recited(AtomicU64);

impl Random for Recited {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            // SplitMix64: every counter gives another value.
            let mut value = self
                .0
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let value = (value ^ (value >> 31)).to_le_bytes();
            chunk.copy_from_slice(&value[..chunk.len()]);
        }
    }
}

/// A core on a database of its own.
pub struct Engine {
    core: Core,
    database: Database,
    clock: Arc<HandClock>,
    accounts: Vec<AccountId>,
    requests: u64,
}

fn told(error: impl std::fmt::Display) -> Fault {
    error.to_string()
}

const KEPT: Kept = Kept {
    answers: 30,
    // For ever: the domain that it is compared with forgets no event.
    stripe_events: 36_500,
};

impl Engine {
    /// Opens a database that has the schema and the plans. `keys` is a folder for signing keys. Called within a runtime.
    pub fn open(database: Database, keys: &Path, terms: Terms) -> Result<Self, Fault> {
        let clock = Arc::new(HandClock(AtomicI64::new(BEGINNING.0)));
        let random: Arc<dyn Random> = Arc::new(Recited::default());
        let cost = PasswordCost {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
            max_concurrent: 1,
        };
        let store = Store::open(&database).map_err(told)?;
        let tokens = TokenTerms {
            issuer: "https://core.test".into(),
            audience: "igny8".into(),
            ttl_seconds: 300,
            app_audience: "igny8-app".into(),
            key_ttl_seconds: 600,
        };
        // Older than any step back of the clock.
        let made_at = Timestamp(BEGINNING.0 - 365 * MICROS_PER_DAY);
        let ring = Keyring::open(keys, tokens.ttl_seconds, random.as_ref(), made_at).map_err(told)?;
        let billing = BillingTerms {
            trial_grace_days: terms.trial_grace_days,
            past_due_grace_days: terms.past_due_grace_days,
            seller: Arc::default(),
        };
        let shared: Arc<dyn Clock> = clock.clone();
        // Whoever would say that the process stops is gone, so nobody does.
        let rounds = Rounds::new(KEPT, watch::channel(false).1);
        let identity = Config::read("", "", std::iter::empty()).map_err(told)?.identity;
        let core = Core {
            sign_ins: identity.sign_ins,
            panel: identity.panel,
            budgets: identity.budgets,
            links: identity.links,
            seal: Arc::new(Seal::open(&identity.key_file, false, random.as_ref()).map_err(told)?),
            mailer: Mailer::open(&identity.mail, Arc::clone(&random)).map_err(told)?,
            mail_waits: Arc::default(),
            totp_issuer: identity.totp_issuer,
            committer: Committer::spawn(store.clone(), Arc::clone(&shared), Arc::clone(&shared), billing.clone()),
            sign_ups: SignUps::spawn(store.clone(), Arc::clone(&shared), billing.clone(), true),
            store,
            machine: Arc::clone(&shared),
            clock: shared,
            test_clock: None,
            rounds: Some(Arc::new(rounds)),
            passwords: Passwords::new(cost, Arc::clone(&random)).map_err(told)?,
            random,
            keys: Arc::new(ring),
            tokens,
            validate_api_key: true,
            key_uses: KeyUses::default(),
            billing,
            hold_ttl_seconds: 900,
            feed: Arc::default(),
            payments: PaymentTerms {
                bank_details: String::new(),
                stripe_payment_url: Some(String::new()),
            },
        };
        Ok(Self {
            core,
            database,
            clock,
            accounts: Vec::new(),
            requests: 0,
        })
    }

    /// Where the database is read from.
    pub const fn store(&self) -> &Store {
        &self.core.store
    }

    pub async fn close(self) {
        let store = self.core.store.clone();
        drop(self);
        store.close().await;
    }

    /// Another process goes on with the same database.
    async fn restart(&mut self) -> Result<(), Fault> {
        self.core.store.close().await;
        let store = Store::open(&self.database).map_err(told)?;
        let (clock, billing) = (&self.core.clock, self.core.billing.clone());
        self.core.committer = Committer::spawn(store.clone(), Arc::clone(clock), Arc::clone(clock), billing.clone());
        self.core.sign_ups = SignUps::spawn(store.clone(), Arc::clone(clock), billing, true);
        self.core.store = store;
        Ok(())
    }

    /// Does an act.
    pub async fn perform(&mut self, act: &Act) -> Result<Outcome, Fault> {
        match act {
            Act::Clock(now) => self.clock.0.store(now.0, Ordering::Relaxed),
            Act::Nothing => {}
            Act::Restart => self.restart().await?,
            Act::WorkerTicks => {
                let rounds = self.core.rounds.clone().ok_or("this core has no worker")?;
                round::round(&self.core, &rounds).await.map_err(told)?;
            }
            Act::SignUp => self.sign_up().await?,
            Act::Ask(ask) => return self.ask(ask).await,
            Act::Event(event) => {
                self.requests += 1;
                let request_id = format!("request-{}", self.requests);
                let heard = stripe::receive(&self.core, event.clone(), request_id).await;
                return heard.map(|outcome| Ok(outcome.as_str())).map_err(told);
            }
        }
        Ok(Ok("done"))
    }

    async fn sign_up(&mut self) -> Result<(), Fault> {
        let registration = Registration {
            email: format!("person-{}@example.com", self.accounts.len()),
            password: "plover-tannin-93-gazette".into(),
            first_name: String::new(),
            last_name: String::new(),
            account_name: None,
            plan_slug: None,
            visitor: Visitor::default(),
            brought: Brought::default(),
            request_id: "sign-up".into(),
        };
        let signed_in = register(&self.core, registration).await.map_err(told)?;
        self.accounts.push(signed_in.profile.account.account.id);
        Ok(())
    }

    /// Asks once, and where that is done once more under the same key: the answer is the same, and nothing else comes of it.
    async fn ask(&mut self, ask: &Ask) -> Result<Outcome, Fault> {
        self.requests += 1;
        let mut scope = [0; 32];
        scope[..8].copy_from_slice(&self.requests.to_le_bytes());
        let asked = change::Ask {
            account_id: self.accounts[ask.account],
            actor: Actor::User(UserId(1)),
            request_id: format!("request-{}", self.requests),
            key: Some(RequestKey {
                scope,
                body_digest: scope,
            }),
        };
        let answer = match self.tell(asked.clone(), &ask.decision).await {
            Ok(answer) => answer,
            Err(error) => return refused(error),
        };
        if self.requests.is_multiple_of(4) {
            let again = self.tell(asked, &ask.decision).await.map_err(told)?;
            if (again.status, &again.data, again.replayed) != (answer.status, &answer.data, true) {
                return Err(format!("{answer:?} came again as {again:?}"));
            }
        }
        Ok(Ok("done"))
    }

    async fn tell(&self, asked: change::Ask, decision: &Decision) -> Result<Answer, StoryError> {
        let core = &self.core;
        // What people see of a book is tested elsewhere; here the answer only has to be the same again.
        let answered = asked.request_id.clone();
        let shown = move || Ok(json!(answered));
        match decision {
            Decision::Upgrade { plan, method, .. } => {
                let upgrade = Upgrade {
                    plan_slug: plan.terms.slug.clone(),
                    method: *method,
                };
                upgrade::upgrade(core, asked, upgrade, |_| shown()).await
            }
            Decision::Confirm(confirmation) => self.confirm(asked, confirmation).await,
            Decision::Renew { mode } => staff_billing::renew(core, asked, *mode, WHY.into(), |_| shown()).await,
            Decision::CancelAtPeriodEnd { cancel } => {
                cancel::cancel_at_period_end(core, asked, *cancel, |_| shown()).await
            }
            Decision::Assign { plan } => {
                staff_billing::assign_plan(core, asked, plan.terms.slug.clone(), WHY.into(), |_| shown()).await
            }
            Decision::Bonus { amount, expires_at } => {
                let days = expires_at.map(|end| (end.0 - core.now().0) / MICROS_PER_DAY);
                staff_billing::adjust_credits(core, asked, credit_change(*amount, days), |_| shown()).await
            }
            Decision::TakeCredits { amount } => {
                let taken = credit_change(Credits(-amount.0), None);
                staff_billing::adjust_credits(core, asked, taken, |_| shown()).await
            }
            Decision::Suspend { reason } => suspend::suspend(core, asked, *reason, None, |_| shown()).await,
            Decision::Reinstate => suspend::reinstate(core, asked, None, |_| shown()).await,
            Decision::Consume { .. }
            | Decision::Hold { .. }
            | Decision::ConfirmHold { .. }
            | Decision::ReleaseHold { .. } => self.debit(asked, decision).await,
        }
    }

    async fn debit(&self, asked: change::Ask, decision: &Decision) -> Result<Answer, StoryError> {
        let core = &self.core;
        let show_entry: ShowEntry = |entry| Ok(json!({"sequence": entry.movement.sequence}));
        let show_hold: ShowHold = |hold| Ok(json!({"number": hold.number}));
        let spend = |amount| Spend {
            amount,
            description: WHY.into(),
            metadata: "{}".into(),
        };
        match *decision {
            Decision::Consume { amount } => credits::consume(core, asked, spend(amount), show_entry).await,
            Decision::Hold { amount, seconds } => {
                credits::hold(core, asked, spend(amount), Some(seconds), show_hold).await
            }
            Decision::ConfirmHold { number, part } => {
                credits::confirm(core, asked, number, Some(part), show_entry).await
            }
            Decision::ReleaseHold { number } => credits::release(core, asked, number, show_hold).await,
            _ => Err(StoryError::Fault("this is not about credits".into())),
        }
    }

    async fn confirm(&self, asked: change::Ask, confirmation: &Confirmation) -> Result<Answer, StoryError> {
        let answered = json!(asked.request_id);
        let by_somebody = || StoryError::Fault("a transfer is confirmed by somebody".into());
        let transfer = BankTransfer {
            external_payment_id: confirmation.external_id.clone(),
            amount_minor: confirmation.amount_minor,
            payer_name: confirmation.payer_name.clone(),
            plan_slug: confirmation.plan.as_ref().map(|plan| plan.terms.slug.clone()),
            override_reason: confirmation.override_reason.clone(),
            mode: confirmation.mode,
            confirmed_by: confirmation.confirmed_by.ok_or_else(by_somebody)?,
        };
        confirm_bank_transfer(&self.core, asked, transfer, |_| Ok(answered.clone())).await
    }

    /// The books of the story's accounts, as the database has them.
    pub async fn books(&self) -> Result<Vec<Book>, Fault> {
        let loaded = self.core.store.write(&self.accounts, |connection, ids| {
            Box::pin(async move {
                let mut books = Vec::with_capacity(ids.len());
                for id in ids {
                    books.extend(storage::book::load(connection, *id).await?);
                }
                Ok::<_, storage::Error>(books)
            })
        });
        let books = loaded.await.map_err(told)?;
        ensure(books.len() == self.accounts.len(), || "an account is gone".into())?;
        Ok(books)
    }

    /// What the doctor has to say.
    pub async fn findings(&self) -> Result<Vec<String>, Fault> {
        let examined = doctor::examine(&self.core.store, &self.core.billing, &mut |_, _| {}).await;
        let report = examined.map_err(told)?;
        Ok(report.findings.into_iter().map(|finding| finding.what).collect())
    }
}

fn credit_change(amount: Credits, expires_in_days: Option<i64>) -> CreditChange {
    CreditChange {
        amount,
        kind: kind_of(amount),
        reason: WHY.into(),
        expires_in_days,
    }
}

/// What a story refuses is an outcome; what it cannot do is a fault.
fn refused(error: StoryError) -> Result<Outcome, Fault> {
    match error.refusal() {
        Refusal::Internal | Refusal::StorageUnavailable => Err(told(error)),
        refusal => Ok(Err(refusal)),
    }
}
