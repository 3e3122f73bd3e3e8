//! The core's own stories, told within the test's process at whatever time the test likes: for states that take months to
//! come about.

use super::site::{PASSWORD, Site, new_email};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use igny8_core::app::change::{Answer, Ask, change};
use igny8_core::app::leaving::Brought;
use igny8_core::app::register::{Registration, register};
use igny8_core::app::sign_in::Visitor;
use igny8_core::app::{Core, StoryError, tick};
use igny8_core::config::Config;
use igny8_core::domain::billing::Confirmation;
use igny8_core::domain::book::{Book, Rules};
use igny8_core::domain::plan::Plan;
use igny8_core::domain::subscription::PaymentMethod;
use igny8_core::storage::idempotency::RequestKey;
use igny8_core::storage::plan;
use igny8_core::storage::trail::Actor;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;

#[derive(Debug)]
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// A core on a site's database. It shows the time that it was last told.
pub struct Inside {
    runtime: Runtime,
    pub core: Core,
    clock: Arc<SetClock>,
}

impl Inside {
    pub fn of(site: &Site, now: Timestamp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let config = Config::read("core.toml", "", site.environment().into_iter()).unwrap();
        let clock = Arc::new(SetClock(AtomicI64::new(now.0)));
        let mut core = runtime.block_on(async { igny8_core::serve::core(&config, true).unwrap() });
        core.clock = Arc::<SetClock>::clone(&clock);
        Self { runtime, core, clock }
    }

    pub fn at(&self, now: Timestamp) -> &Self {
        self.clock.0.store(now.0, Ordering::SeqCst);
        self
    }

    pub fn run<T>(&self, story: impl Future<Output = T>) -> T {
        self.runtime.block_on(story)
    }

    /// Somebody signs up: a free trial.
    pub fn sign_up(&self) -> AccountId {
        let registration = Registration {
            email: new_email(),
            password: PASSWORD.to_owned().into(),
            first_name: "Ada".into(),
            last_name: "Lovelace".into(),
            account_name: None,
            plan_slug: None,
            visitor: Visitor::default(),
            brought: Brought::default(),
            request_id: "inside".into(),
        };
        let signed_in = self.run(register(&self.core, registration)).unwrap();
        signed_in.profile.account.account.id
    }

    pub fn plan(&self, slug: &str) -> Plan {
        let plans = self.run(async { plan::all(&mut self.core.store.read().await.unwrap()).await.unwrap() });
        plans.into_iter().find(|plan| plan.terms.slug == slug).unwrap()
    }

    /// Takes one decision on an account's book.
    #[track_caller]
    pub fn change<F>(&self, id: AccountId, decide: F)
    where
        F: Fn(&mut Book, &Rules<'_>, Timestamp) -> Result<(), Refusal> + Send + Sync,
    {
        self.change_with_key(id, None, decide).unwrap();
    }

    pub fn change_with_key<F>(&self, id: AccountId, key: Option<RequestKey>, decide: F) -> Result<Answer, String>
    where
        F: Fn(&mut Book, &Rules<'_>, Timestamp) -> Result<(), Refusal> + Send + Sync,
    {
        let ask = Ask {
            account_id: id,
            actor: Actor::System,
            request_id: "inside".into(),
            key,
        };
        let told = change(
            &self.core,
            ask,
            |book, rules, now| Ok(decide(book, rules, now)?),
            |_| Ok(serde_json::json!({})),
        );
        self.run(told).map_err(|error| error.to_string())
    }

    /// A payment for `plan` comes by `method`.
    pub fn pay(&self, id: AccountId, slug: &str, method: PaymentMethod) {
        let plan = self.plan(slug);
        self.change(id, |book, rules, now| {
            book.confirm(rules, payment(&plan, method), now).map(drop)
        });
    }

    /// Whether time had something to change.
    pub fn tick(&self, id: AccountId) -> bool {
        self.run(tick::tick(&self.core, id)).unwrap()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.runtime.block_on(self.core.store.close());
    }
}

/// A payment of the plan's price that has not come before.
pub fn payment(plan: &Plan, method: PaymentMethod) -> Confirmation {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    Confirmation {
        method,
        external_id: format!("external-{}", COUNT.fetch_add(1, Ordering::Relaxed)),
        amount_minor: plan.terms.price_minor,
        payer_name: "Ada Lovelace".into(),
        override_reason: None,
        confirmed_by: None,
        plan: Some(plan.clone()),
        mode: None,
    }
}

/// Runs something that calls stories to its end.
pub fn run(work: impl Future<Output = ()>) {
    sqlx::any::install_default_drivers();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(work);
}

/// What each was refused for.
pub fn refusals<T>(answers: &[Result<T, StoryError>]) -> Vec<Option<Refusal>> {
    answers
        .iter()
        .map(|answer| answer.as_ref().err().map(StoryError::refusal))
        .collect()
}
