//! The committer: the line of debits. Those of all accounts are gathered into one transaction after the other.
//!
//! An account that is debited by many at once is locked once for all of them. What cannot be decided yet, because time has
//! to change something in its account first, comes back into the line behind the tick of its account.

use super::change::Answer;
use super::debits::{self, Command, Moment};
use super::line::{Filling, Line, Verdicts, Work};
use super::tick::tick_in;
use super::{BillingTerms, StoryError};
use crate::storage::Store;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Clock;
use std::sync::Arc;

/// How many debits one transaction carries at most.
pub const MOST: usize = 128;

/// How many debits each transaction carried.
pub const DEBIT_BATCH_SIZE: &str = "igny8_core_debit_batch_size";

#[derive(Clone)]
struct Debits {
    store: Store,
    clock: Arc<dyn Clock>,
    machine: Arc<dyn Clock>,
    terms: BillingTerms,
}

impl Work for Debits {
    type Command = Command;
    type Answer = Answer;
    /// An account in which time has to change something.
    type Obstacle = AccountId;

    const WHAT: &'static str = "debits";

    fn record(seconds: f64, carried: f64) {
        metrics::histogram!("igny8_core_debit_commit_seconds").record(seconds);
        metrics::histogram!(DEBIT_BATCH_SIZE).record(carried);
    }

    async fn carry_out(&self, commands: &[Command]) -> Result<Verdicts<Self>, StoryError> {
        let moment = Moment {
            now: self.clock.now(),
            machine_now: self.machine.now(),
        };
        debits::carry_out(&self.store, commands, moment).await
    }

    async fn clear(&self, account_id: &AccountId) -> Result<(), StoryError> {
        // One tick takes a thousand steps of time; an account that needs more comes back.
        tick_in(&self.store, &self.terms, self.clock.now(), *account_id).await?;
        Ok(())
    }
}

/// The way to the committer. Copies lead to the same one; it ends after the last of them, with nothing left in line.
#[derive(Clone, Debug)]
pub struct Committer(Line<Debits>);

impl Committer {
    /// Begins a committer in the runtime that this is called in. `clock` shows the service's time.
    #[must_use]
    pub fn spawn(store: Store, clock: Arc<dyn Clock>, machine: Arc<dyn Clock>, terms: BillingTerms) -> Self {
        Self::spawn_with(store, clock, machine, terms, MOST)
    }

    /// The same with transactions of at most `most` debits (at least 1).
    #[must_use]
    pub fn spawn_with(
        store: Store,
        clock: Arc<dyn Clock>,
        machine: Arc<dyn Clock>,
        terms: BillingTerms,
        most: usize,
    ) -> Self {
        let debits = Debits {
            store,
            clock: Arc::clone(&clock),
            machine,
            terms,
        };
        // Nobody is waited for: a debit takes no time before it stands in line.
        let filling = Filling { most, patience: None };
        Self(Line::spawn(debits, clock, filling))
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// What the command is refused, `storage_unavailable`.
    pub async fn carry_out(&self, command: Command) -> Result<Answer, StoryError> {
        self.0.carry_out(command, None).await
    }
}
