//! The committer: one task in a process that gathers the debits of all accounts, as they come, into one transaction after
//! the other. Each request gets an answer of its own.
//!
//! A database flushes once for a transaction, however many debits it carries, and an account that is debited by many at
//! once is locked once for all of them. Requests wait in line while a transaction is under way; what waits when it is over
//! is the next one. What cannot be decided yet, because time has to change something in its account first, comes back into
//! the line behind the tick of its account.

use super::change::Answer;
use super::debits::{Command, Verdict, carry_out};
use super::tick::tick_in;
use super::{BillingTerms, StoryError};
use crate::storage::{self, Store};
use igny8_contract::ids::AccountId;
use igny8_contract::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// How many debits one transaction carries at most.
pub const MOST: usize = 128;
/// How many requests wait in line before the next one waits for a place.
const LINE: usize = 1024;
/// How often a request waits for a tick of its account. One tick takes a thousand steps of time.
const MOST_TICKS: u8 = 16;

/// How many debits each transaction carried.
pub const BATCH_SIZE: &str = "igny8_core_debit_batch_size";
/// How long each transaction took, its tries included.
pub const COMMIT_SECONDS: &str = "igny8_core_debit_commit_seconds";

type Answered = Result<Answer, StoryError>;

/// A request in line.
struct Ticket {
    command: Command,
    answer: oneshot::Sender<Answered>,
    ticks: u8,
}

/// What the task works with.
#[derive(Clone)]
struct Counter {
    store: Store,
    clock: Arc<dyn Clock>,
    terms: BillingTerms,
    /// Leads back to the end of the line. Weak: the task ends when nobody is left who could ask.
    line: mpsc::WeakSender<Ticket>,
}

/// The way to the committer. Copies lead to the same one; it ends after the last of them, with nothing left in line.
#[derive(Clone, Debug)]
pub struct Committer {
    line: mpsc::Sender<Ticket>,
}

impl Committer {
    /// Begins a committer in the runtime that this is called in.
    #[must_use]
    pub fn spawn(store: Store, clock: Arc<dyn Clock>, terms: BillingTerms) -> Self {
        Self::spawn_with(store, clock, terms, MOST)
    }

    /// The same with transactions of at most `most` debits (at least 1).
    #[must_use]
    pub fn spawn_with(store: Store, clock: Arc<dyn Clock>, terms: BillingTerms, most: usize) -> Self {
        let (line, waiting) = mpsc::channel(LINE);
        let counter = Counter {
            store,
            clock,
            terms,
            line: line.downgrade(),
        };
        tokio::spawn(counter.serve(waiting, most.max(1)));
        Self { line }
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// What the command is refused, `storage_unavailable`.
    pub async fn carry_out(&self, command: Command) -> Answered {
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket {
            command,
            answer,
            ticks: 0,
        };
        let gone = |what: &str| StoryError::Fault(format!("the committer {what}"));
        self.line.send(ticket).await.map_err(|_| gone("has ended"))?;
        answered.await.map_err(|_| gone("broke off"))?
    }
}

impl Counter {
    async fn serve(self, mut waiting: mpsc::Receiver<Ticket>, most: usize) {
        let mut batch = Vec::with_capacity(most);
        while waiting.recv_many(&mut batch, most).await > 0 {
            let tickets = std::mem::replace(&mut batch, Vec::with_capacity(most));
            // A task of its own: should one panic, its batch alone breaks off.
            if let Err(error) = tokio::spawn(self.clone().round(tickets)).await {
                tracing::error!(%error, "a batch of debits broke off");
            }
        }
    }

    async fn round(self, tickets: Vec<Ticket>) {
        let (commands, mut waiting): (Vec<Command>, Vec<_>) = tickets
            .into_iter()
            .map(|ticket| (ticket.command, (ticket.answer, ticket.ticks)))
            .unzip();
        let verdicts = self.decided(&commands).await;
        let mut due: BTreeMap<AccountId, Vec<Ticket>> = BTreeMap::new();
        for ((command, (answer, ticks)), verdict) in commands.into_iter().zip(waiting.drain(..)).zip(verdicts) {
            match verdict {
                // Nobody may be there any more to hear it.
                Verdict::Over(over) => drop(answer.send(over)),
                Verdict::Due => due.entry(command.ask.account_id).or_default().push(Ticket {
                    command,
                    answer,
                    ticks: ticks + 1,
                }),
            }
        }
        for (account_id, tickets) in due {
            tokio::spawn(self.clone().tick_then_again(account_id, tickets));
        }
    }

    /// What comes of each command. Where the database refuses what it is told for all of them, each is carried out alone, so
    /// that the one at fault takes no other along.
    async fn decided(&self, commands: &[Command]) -> Vec<Verdict> {
        let error = match self.committed(commands).await {
            Ok(verdicts) => return verdicts,
            Err(error) => error,
        };
        if commands.len() == 1 || !is_own_fault(&error) {
            return same_for_all(error, commands.len());
        }
        tracing::error!(%error, commands = commands.len(), "a batch of debits is refused: each is carried out alone");
        let mut verdicts = Vec::with_capacity(commands.len());
        for command in commands {
            match self.committed(std::slice::from_ref(command)).await {
                Ok(alone) => verdicts.extend(alone),
                Err(error) => verdicts.push(Verdict::Over(Err(error))),
            }
        }
        verdicts
    }

    async fn committed(&self, commands: &[Command]) -> Result<Vec<Verdict>, StoryError> {
        let begun = self.clock.elapsed();
        let verdicts = carry_out(&self.store, commands, self.clock.now()).await;
        let taken = self.clock.elapsed().saturating_sub(begun);
        metrics::histogram!(COMMIT_SECONDS).record(taken.as_secs_f64());
        // Exact far beyond any batch.
        metrics::histogram!(BATCH_SIZE).record(u32::try_from(commands.len()).map_or(f64::INFINITY, f64::from));
        verdicts
    }

    async fn tick_then_again(self, account_id: AccountId, tickets: Vec<Ticket>) {
        let ticked = tick_in(&self.store, self.terms, self.clock.now(), account_id).await;
        let line = self.line.upgrade();
        let stuck = || StoryError::Fault(format!("account {account_id} is due however often time passes"));
        match (ticked, line) {
            (Err(error), _) => refuse_all(error, tickets),
            // Whoever waits for an answer holds the line open.
            (Ok(_), None) => {}
            (Ok(_), Some(line)) => {
                for ticket in tickets {
                    if ticket.ticks > MOST_TICKS {
                        drop(ticket.answer.send(Err(stuck())));
                    } else if line.send(ticket).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

/// Whether an error may be the fault of one command among many.
fn is_own_fault(error: &StoryError) -> bool {
    match error {
        StoryError::Storage(error) => match error {
            storage::Error::Refused(_) | storage::Error::Unexpected(_) => true,
            storage::Error::Unavailable(_)
            | storage::Error::Conflict(_)
            | storage::Error::Raced
            | storage::Error::Setup(_) => false,
        },
        StoryError::Refused(_) | StoryError::RefusedFields(..) | StoryError::Throttled(_) | StoryError::Fault(_) => {
            true
        }
        StoryError::Shared(error) => is_own_fault(error),
    }
}

fn same_for_all(error: StoryError, count: usize) -> Vec<Verdict> {
    let error = Arc::new(error);
    (0..count)
        .map(|_| Verdict::Over(Err(StoryError::Shared(Arc::clone(&error)))))
        .collect()
}

fn refuse_all(error: StoryError, tickets: Vec<Ticket>) {
    let error = Arc::new(error);
    for ticket in tickets {
        drop(ticket.answer.send(Err(StoryError::Shared(Arc::clone(&error)))));
    }
}
