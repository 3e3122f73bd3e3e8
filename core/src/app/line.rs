//! A line: one task in a process that gathers requests, as they come, into one transaction after the other. Each request
//! gets an answer of its own.
//!
//! A database flushes once for a transaction, and is asked as often for many rows as for one. Requests wait in line while a
//! transaction is under way; what waits when it is over is the next one. A line may also wait for those who are known to be
//! on their way to it (see [`Patience`]); where nobody is, it never waits. What cannot be decided before something else is
//! done comes back into the line behind that.

use super::StoryError;
use crate::storage;
use igny8_contract::time::Clock;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// How many requests wait in line before the next one waits for a place.
const LENGTH: usize = 1024;
/// How often a request comes back into the line.
const MOST_RETURNS: u8 = 16;

/// What comes of a command.
#[derive(Debug)]
pub enum Verdict<A, O> {
    Over(Result<A, StoryError>),
    /// This has to be out of the way first.
    Behind(O),
}

/// The verdicts of a [`Work`].
pub type Verdicts<W> = Vec<Verdict<<W as Work>::Answer, <W as Work>::Obstacle>>;

/// What is done with the requests of a line.
pub trait Work: Clone + Send + Sync + 'static {
    type Command: Send + Sync + 'static;
    type Answer: Send + 'static;
    /// What may have to be out of the way first.
    type Obstacle: Ord + std::fmt::Display + Send + Sync + 'static;

    /// What the commands are called in the log.
    const WHAT: &'static str;

    /// Records how long a transaction took, its tries included, and how many commands it carried.
    fn record(seconds: f64, carried: f64);

    /// Carries out commands in one transaction and says for each, in their order, what comes of it. An error keeps all of
    /// them from being carried out: nothing has changed then.
    fn carry_out(&self, commands: &[Self::Command]) -> impl Future<Output = Result<Verdicts<Self>, StoryError>> + Send;

    /// Gets something out of the way of commands.
    fn clear(&self, obstacle: &Self::Obstacle) -> impl Future<Output = Result<(), StoryError>> + Send;
}

/// How a line fills its transactions.
#[derive(Clone, Debug)]
pub struct Filling {
    /// How many commands one transaction carries at most (at least 1).
    pub most: usize,
    /// Nothing where nobody is waited for.
    pub patience: Option<Patience>,
}

/// How long what stands in line waits for those who are on their way.
#[derive(Clone, Debug)]
pub struct Patience {
    /// When so many are gathered, nobody else is waited for.
    pub enough: usize,
    /// Nor any longer than this.
    pub longest: Duration,
    /// How many are on their way.
    pub coming: watch::Receiver<usize>,
}

/// Counts those who are on their way to a line. Copies count the same.
#[derive(Clone, Debug, Default)]
pub struct Way(Arc<watch::Sender<usize>>);

impl Way {
    /// Sets out. Whoever does is counted until this is dropped, which is after it has taken its place in the line.
    #[must_use]
    pub fn set_out(&self) -> OnTheWay {
        self.0.send_modify(|count| *count += 1);
        OnTheWay(self.clone())
    }

    /// The count.
    #[must_use]
    pub fn coming(&self) -> watch::Receiver<usize> {
        self.0.subscribe()
    }
}

/// Somebody on the way.
#[derive(Debug)]
pub struct OnTheWay(Way);

impl Drop for OnTheWay {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}

/// A request in line.
struct Ticket<W: Work> {
    command: W::Command,
    answer: oneshot::Sender<Result<W::Answer, StoryError>>,
    returns: u8,
}

/// What the task works with.
#[derive(Clone)]
struct Counter<W: Work> {
    work: W,
    clock: Arc<dyn Clock>,
    /// Leads back to the end of the line. Weak: the task ends when nobody is left who could ask.
    line: mpsc::WeakSender<Ticket<W>>,
}

/// The way into a line. Copies lead to the same one; it ends after the last of them, with nothing left in it.
pub struct Line<W: Work>(mpsc::Sender<Ticket<W>>);

impl<W: Work> Clone for Line<W> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<W: Work> std::fmt::Debug for Line<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Line").field(&W::WHAT).finish()
    }
}

impl<W: Work> Line<W> {
    /// Begins a line in the runtime that this is called in.
    #[must_use]
    pub fn spawn(work: W, clock: Arc<dyn Clock>, filling: Filling) -> Self {
        let (line, waiting) = mpsc::channel(LENGTH);
        let counter = Counter {
            work,
            clock,
            line: line.downgrade(),
        };
        tokio::spawn(counter.serve(waiting, filling));
        Self(line)
    }

    /// Carries out a command. `on_the_way` has been counted until it stands in line.
    ///
    /// # Errors
    /// What the command is refused, `storage_unavailable`.
    pub async fn carry_out(&self, command: W::Command, on_the_way: Option<OnTheWay>) -> Result<W::Answer, StoryError> {
        let (answer, answered) = oneshot::channel();
        let ticket = Ticket {
            command,
            answer,
            returns: 0,
        };
        let gone = |what: &str| StoryError::Fault(format!("the line of {} {what}", W::WHAT));
        self.0.send(ticket).await.map_err(|_| gone("has ended"))?;
        drop(on_the_way);
        answered.await.map_err(|_| gone("broke off"))?
    }
}

impl<W: Work> Counter<W> {
    async fn serve(self, mut waiting: mpsc::Receiver<Ticket<W>>, mut filling: Filling) {
        let most = filling.most.max(1);
        let mut batch = Vec::with_capacity(most);
        while waiting.recv_many(&mut batch, most).await > 0 {
            if let Some(patience) = &mut filling.patience {
                patience.gather(&mut waiting, &mut batch, most).await;
            }
            let tickets = std::mem::replace(&mut batch, Vec::with_capacity(most));
            // A task of its own: should one panic, its batch alone breaks off.
            if let Err(error) = tokio::spawn(self.clone().round(tickets)).await {
                tracing::error!(%error, "a batch of {} broke off", W::WHAT);
            }
        }
    }

    async fn round(self, tickets: Vec<Ticket<W>>) {
        let (commands, waiting): (Vec<W::Command>, Vec<_>) = tickets
            .into_iter()
            .map(|ticket| (ticket.command, (ticket.answer, ticket.returns)))
            .unzip();
        let verdicts = self.decided(&commands).await;
        let mut behind: BTreeMap<W::Obstacle, Vec<Ticket<W>>> = BTreeMap::new();
        for ((command, (answer, returns)), verdict) in commands.into_iter().zip(waiting).zip(verdicts) {
            match verdict {
                // Nobody may be there any more to hear it.
                Verdict::Over(over) => drop(answer.send(over)),
                Verdict::Behind(obstacle) => behind.entry(obstacle).or_default().push(Ticket {
                    command,
                    answer,
                    returns: returns + 1,
                }),
            }
        }
        for (obstacle, tickets) in behind {
            tokio::spawn(self.clone().clear_then_again(obstacle, tickets));
        }
    }

    /// What comes of each command. Where the database refuses what it is told for all of them, each is carried out alone, so
    /// that the one at fault takes no other along.
    async fn decided(&self, commands: &[W::Command]) -> Verdicts<W> {
        let error = match self.committed(commands).await {
            Ok(verdicts) => return verdicts,
            Err(error) => error,
        };
        if commands.len() == 1 || !is_own_fault(&error) {
            let error = Arc::new(error);
            let shared = || Verdict::Over(Err(StoryError::Shared(Arc::clone(&error))));
            return commands.iter().map(|_| shared()).collect();
        }
        tracing::error!(%error, commands = commands.len(), "a batch of {} is refused: each is carried out alone", W::WHAT);
        let mut verdicts = Vec::with_capacity(commands.len());
        for command in commands {
            match self.committed(std::slice::from_ref(command)).await {
                Ok(alone) => verdicts.extend(alone),
                Err(error) => verdicts.push(Verdict::Over(Err(error))),
            }
        }
        verdicts
    }

    async fn committed(&self, commands: &[W::Command]) -> Result<Verdicts<W>, StoryError> {
        let begun = self.clock.elapsed();
        let verdicts = self.work.carry_out(commands).await;
        let taken = self.clock.elapsed().saturating_sub(begun);
        // Exact far beyond any batch.
        let carried = u32::try_from(commands.len()).map_or(f64::INFINITY, f64::from);
        W::record(taken.as_secs_f64(), carried);
        verdicts
    }

    async fn clear_then_again(self, obstacle: W::Obstacle, tickets: Vec<Ticket<W>>) {
        let cleared = self.work.clear(&obstacle).await;
        let stuck = || {
            StoryError::Fault(format!(
                "{} stay behind {obstacle} however often it is cleared",
                W::WHAT
            ))
        };
        match (cleared, self.line.upgrade()) {
            (Err(error), _) => {
                let error = Arc::new(error);
                for ticket in tickets {
                    drop(ticket.answer.send(Err(StoryError::Shared(Arc::clone(&error)))));
                }
            }
            // Whoever waits for an answer holds the line open.
            (Ok(()), None) => {}
            (Ok(()), Some(line)) => {
                for ticket in tickets {
                    if ticket.returns > MOST_RETURNS {
                        drop(ticket.answer.send(Err(stuck())));
                    } else if line.send(ticket).await.is_err() {
                        return;
                    }
                }
            }
        }
    }
}

impl Patience {
    /// Takes up who comes until they are enough, nobody else is on the way, or it took too long.
    async fn gather<T>(&mut self, waiting: &mut mpsc::Receiver<T>, batch: &mut Vec<T>, most: usize) {
        let enough = self.enough.min(most);
        let gathered = async {
            while batch.len() < enough {
                let room = enough - batch.len();
                tokio::select! {
                    // Whoever has arrived stands in line before it is no longer on its way.
                    biased;
                    more = waiting.recv_many(batch, room) => if more == 0 { return },
                    _ = self.coming.wait_for(|coming| *coming == 0) => return,
                }
            }
        };
        // What was gathered by then stays gathered.
        let _in_time = tokio::time::timeout(self.longest, gathered).await;
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

#[cfg(test)]
mod tests;
