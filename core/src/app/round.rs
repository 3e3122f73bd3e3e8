//! One round of the worker: every account in which time has something to change is brought up to the present, and what is
//! kept for a while alone is swept away.
//!
//! Several processes may go their rounds at once: an account's lock and its due time let each thing happen once. An account
//! that cannot be brought up to the present does not keep the others waiting; it is tried again later and later.

use super::sweep::sweep;
use super::tick::tick;
use super::{Core, StoryError};
use crate::storage::{self, account, test_clock};
use igny8_contract::ids::AccountId;
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

/// How many accounts are listed at once.
const PAGE: i64 = 256;
/// How many accounts are worked on at once: a part of the connections that a process has.
const CONCURRENCY: usize = 4;
/// How often a round goes through everything that is due: an account can fall due again while it runs.
const MAX_PASSES: usize = 100;
/// How long an account that could not be ticked is left alone at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(300));

/// For how many days the worker keeps what is kept for a while alone.
#[derive(Clone, Copy, Debug)]
pub struct Kept {
    /// Answers under their Idempotency-Key.
    pub answers: i64,
    /// Events of Stripe's.
    pub stripe_events: i64,
}

/// What the rounds of a process go by.
#[derive(Debug)]
pub struct Rounds {
    kept: Kept,
    /// True once the process is to stop: no account is begun any more.
    stopping: watch::Receiver<bool>,
    /// Accounts that could not be ticked.
    paused: Mutex<HashMap<AccountId, Pause>>,
}

#[derive(Clone, Copy, Debug)]
struct Pause {
    /// On the clock that never goes back.
    until: Duration,
    length: Duration,
}

impl Rounds {
    /// Rounds that end early once `stopping` says so.
    #[must_use]
    pub fn new(kept: Kept, stopping: watch::Receiver<bool>) -> Self {
        Self {
            kept,
            stopping,
            paused: Mutex::default(),
        }
    }

    fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    fn paused(&self) -> MutexGuard<'_, HashMap<AccountId, Pause>> {
        self.paused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn may_try(&self, id: AccountId, elapsed: Duration) -> bool {
        self.paused().get(&id).is_none_or(|pause| pause.until <= elapsed)
    }

    fn succeeded(&self, id: AccountId) {
        self.paused().remove(&id);
    }

    /// Leaves an account alone for a while, twice as long as the last time.
    fn failed(&self, id: AccountId, elapsed: Duration) {
        let mut paused = self.paused();
        let (first, longest) = PAUSES;
        let length = paused.get(&id).map_or(first, |before| (before.length * 2).min(longest));
        paused.insert(
            id,
            Pause {
                until: elapsed + length,
                length,
            },
        );
    }

    /// Forgets accounts that have not been due for long: somebody else has put them right.
    fn forget_old(&self, elapsed: Duration) -> usize {
        let mut paused = self.paused();
        paused.retain(|_, pause| elapsed <= pause.until + 2 * PAUSES.1);
        paused.len()
    }
}

/// Goes one round.
///
/// # Errors
/// `storage_unavailable`. What can be done is done all the same.
pub async fn round(core: &Core, rounds: &Rounds) -> Result<(), StoryError> {
    let begun = core.clock.elapsed();
    follow_test_clock(core).await?;
    for _ in 0..MAX_PASSES {
        if pass(core, rounds).await? == 0 || rounds.is_stopping() {
            break;
        }
    }
    sweep(core, rounds.kept).await?;
    let ended = core.clock.elapsed();
    metrics::gauge!("igny8_core_worker_paused_accounts").set(size(rounds.forget_old(ended)));
    metrics::histogram!("igny8_core_worker_round_seconds").record(ended.saturating_sub(begun).as_secs_f64());
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a metric: beyond 2^52 nobody counts")]
const fn size(count: usize) -> f64 {
    count as f64
}

/// Takes over how far another process has put the test clock forward.
///
/// # Errors
/// `storage_unavailable`.
pub async fn follow_test_clock(core: &Core) -> Result<(), StoryError> {
    if let Some(clock) = &core.test_clock {
        clock.put_forward(test_clock::ahead(&mut *core.store.read().await?).await?);
    }
    Ok(())
}

/// Goes once through everything that is due, and says how many accounts it has changed.
async fn pass(core: &Core, rounds: &Rounds) -> Result<u64, StoryError> {
    let (mut after, mut changed) = (None, 0);
    loop {
        let now = core.now();
        let page = account::due(&mut *core.store.read().await?, now, after, PAGE).await?;
        if after.is_none() {
            metrics::gauge!("igny8_core_worker_lag_seconds").set(lag_seconds(page.first(), now));
        }
        let Some(last) = page.last() else { return Ok(changed) };
        after = Some(*last);
        let elapsed = core.clock.elapsed();
        let ready = page.into_iter().map(|(id, _)| id);
        changed += tick_each(core, rounds, ready.filter(|id| rounds.may_try(*id, elapsed)).collect()).await?;
        if rounds.is_stopping() {
            return Ok(changed);
        }
    }
}

/// How long the longest overdue account has waited. One whose due time is not known yet has not waited for it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a metric: beyond 2^52 microseconds nobody counts"
)]
fn lag_seconds(oldest: Option<&(AccountId, Timestamp)>, now: Timestamp) -> f64 {
    let known = oldest.filter(|(_, due)| due.0 > 0);
    known.map_or(0.0, |(_, due)| (now.0 - due.0) as f64 / MICROS_PER_SECOND as f64)
}

async fn tick_each(core: &Core, rounds: &Rounds, ids: Vec<AccountId>) -> Result<u64, StoryError> {
    let (mut ids, mut running, mut changed) = (ids.into_iter(), JoinSet::new(), 0);
    loop {
        while running.len() < CONCURRENCY && !rounds.is_stopping() {
            let Some(id) = ids.next() else { break };
            let core = core.clone();
            // Within a task of its own it runs to its end, and a panic stays its own.
            running.spawn(async move { (id, tokio::spawn(async move { tick(&core, id).await }).await) });
        }
        match running.join_next().await {
            None => return Ok(changed),
            Some(Ok((id, ticked))) => changed += u64::from(judge(core, rounds, id, ticked).await?),
            Some(Err(error)) => tracing::error!(%error, "the worker lost sight of an account"),
        }
    }
}

/// What has come of an account, and whether it was changed.
async fn judge(
    core: &Core,
    rounds: &Rounds,
    id: AccountId,
    ticked: Result<Result<bool, StoryError>, JoinError>,
) -> Result<bool, StoryError> {
    let (outcome, cause) = match ticked {
        Ok(Ok(true)) => ("done", None),
        Ok(Ok(false)) => ("nothing", None),
        Ok(Err(error)) => {
            if matches!(error, StoryError::Storage(storage::Error::Unavailable(_))) {
                // Is it the account, locked by somebody for too long, or the whole database?
                core.store.ping().await?;
            }
            ("failed", Some(error.to_string()))
        }
        Err(error) => ("failed", Some(error.to_string())),
    };
    metrics::counter!("igny8_core_worker_ticks_total", "outcome" => outcome).increment(1);
    if let Some(cause) = cause {
        rounds.failed(id, core.clock.elapsed());
        tracing::error!(account_id = %id, cause, "an account could not be brought up to the present");
    } else {
        rounds.succeeded(id);
    }
    Ok(outcome == "done")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds() -> Rounds {
        let kept = Kept {
            answers: 30,
            stripe_events: 90,
        };
        Rounds::new(kept, watch::channel(false).1)
    }

    #[test]
    fn an_account_that_fails_is_left_alone_longer_each_time_and_at_most_for_five_minutes() {
        let (rounds, id) = (rounds(), AccountId(1));
        let (mut elapsed, mut pauses) = (Duration::ZERO, Vec::new());
        for _ in 0..10 {
            assert!(rounds.may_try(id, elapsed));
            rounds.failed(id, elapsed);
            let pause = (1..)
                .map(Duration::from_secs)
                .find(|pause| rounds.may_try(id, elapsed + *pause));
            pauses.push(pause.unwrap().as_secs());
            elapsed += pause.unwrap();
        }
        assert_eq!(pauses, [2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert!(
            rounds.may_try(AccountId(2), Duration::ZERO),
            "others are not kept waiting"
        );
        rounds.succeeded(id);
        assert!(rounds.may_try(id, Duration::ZERO));
    }

    #[test]
    fn an_account_that_never_comes_back_is_forgotten() {
        let rounds = rounds();
        rounds.failed(AccountId(1), Duration::ZERO);
        assert_eq!(rounds.forget_old(Duration::from_secs(602)), 1);
        assert_eq!(rounds.forget_old(Duration::from_secs(603)), 0);
    }

    #[test]
    fn the_lag_is_that_of_the_longest_overdue_account() {
        let now = Timestamp(90 * MICROS_PER_SECOND);
        let lag = |due: i64| lag_seconds(Some(&(AccountId(1), Timestamp(due))), now);
        assert!((lag(60 * MICROS_PER_SECOND) - 30.0).abs() < f64::EPSILON);
        assert!(lag(0).abs() < f64::EPSILON, "not known yet");
        assert!(lag_seconds(None, now).abs() < f64::EPSILON);
    }
}
