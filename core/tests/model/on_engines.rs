//! The same stories by the domain alone and by the core on a database: the same outcome and the same state after every step.

use super::act::{Act, Decision};
use super::checks::{Fault, ensure};
use super::databases::Databases;
use super::engine::Engine;
use super::records;
use super::story::{Step, Story};
use super::telling::{self, numbers};
use super::world::{Outcome, Terms, World};
use igny8_contract::refusal::Refusal;
use igny8_core::domain::stripe::{Event, Fact};
use igny8_core::storage::Database;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

/// How often a story that fails is tried in simpler forms.
const TRIES: usize = 300;

#[test]
fn sqlite_keeps_the_same_books_as_the_domain_alone() {
    tell_on(Databases::sqlite);
}

#[test]
fn postgresql_keeps_the_same_books_as_the_domain_alone() {
    tell_on(Databases::postgres);
}

fn tell_on(databases: impl AsyncFnOnce() -> Databases) {
    let databases = runtime().block_on(databases());
    let made = AtomicU64::new(0);
    telling::on_all_processors(numbers(100, 2000), |number, _| {
        let runtime = runtime();
        let keys = tempfile::tempdir().unwrap();
        telling::tell(number, Story::numbered(number), TRIES, |steps| {
            let name = format!("story_{}", made.fetch_add(1, Ordering::Relaxed));
            let told = runtime.block_on(tell(databases.make(&name), keys.path(), number, steps));
            databases.remove(&name);
            told.map_err(|fault| format!("on {}: {fault}", databases.name()))
        });
    });
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// What the reference calls a payment that is waited for, and what the core calls it.
type References = BTreeMap<String, String>;

async fn tell(database: Database, keys: &Path, number: u64, steps: &[Step]) -> Result<(), Fault> {
    let terms = Terms::of(number);
    let mut world = World::new(terms);
    let mut engine = Engine::open(database, keys, terms)?;
    let told = tell_both(&mut world, &mut engine, steps).await;
    let ended = match told {
        Ok(()) => all_is_kept(&world, &engine).await,
        Err(fault) => Err(fault),
    };
    engine.close().await;
    ended
}

async fn tell_both(world: &mut World, engine: &mut Engine, steps: &[Step]) -> Result<(), Fault> {
    let mut references = References::new();
    for step in [Step::SignUp].iter().chain(steps) {
        let at = |fault: Fault| format!("{step:?}: {fault}");
        let act = world.act(step);
        let expected = as_told(&act, world.perform(&act).map_err(at)?);
        let outcome = engine.perform(&renamed(&act, &references)).await.map_err(at)?;
        ensure(outcome == expected, || {
            format!("{act:?} came to {outcome:?}, not to {expected:?}")
        })?;
        if !matches!(act, Act::Clock(_) | Act::Nothing) {
            books_are_the_same(world, engine, &mut references).await.map_err(at)?;
        }
    }
    Ok(())
}

/// The same act with the core's own name for what a checkout pays.
fn renamed(act: &Act, references: &References) -> Act {
    let mut act = act.clone();
    if let Act::Event(Event {
        fact: Fact::Checkout(checkout),
        ..
    }) = &mut act
    {
        let name = checkout.reference.take();
        checkout.reference = name.and_then(|name| references.get(&name).cloned());
    }
    act
}

/// What people are told of a plan that cannot be had: that their field is wrong.
fn as_told(act: &Act, outcome: Outcome) -> Outcome {
    let names_a_plan =
        matches!(act, Act::Ask(ask) if matches!(ask.decision, Decision::Upgrade { .. } | Decision::Assign { .. }));
    match outcome {
        Err(Refusal::PlanRequired) if names_a_plan => Err(Refusal::ValidationFailed),
        other => other,
    }
}

async fn books_are_the_same(world: &World, engine: &Engine, references: &mut References) -> Result<(), Fault> {
    let books = engine.books().await?;
    ensure(books.len() == world.accounts.len(), || {
        format!("{} accounts are kept", books.len())
    })?;
    for (account, mut kept) in world.accounts.iter().zip(books) {
        if let (Some(kept), Some(expected)) = (&mut kept.pending, &account.book.pending) {
            let name = references
                .entry(expected.reference.clone())
                .or_insert_with(|| kept.reference.clone());
            if *name == kept.reference {
                kept.reference.clone_from(&expected.reference);
            }
        }
        ensure(kept == account.book, || {
            format!("kept {kept:?}\nexpected {:?}", account.book)
        })?;
    }
    Ok(())
}

/// At the end of a story: every row is as the reference remembers it, and the doctor finds nothing.
async fn all_is_kept(world: &World, engine: &Engine) -> Result<(), Fault> {
    for account in &world.accounts {
        records::agree(engine.store(), account.book.account_id.0, &account.history).await?;
    }
    let payments = world.payments.iter().map(|payment| payment.external_id.clone());
    records::receipts_agree(engine.store(), &payments.collect::<Vec<_>>()).await?;
    let findings = engine.findings().await?;
    ensure(findings.is_empty(), || format!("the doctor finds {findings:?}"))
}
