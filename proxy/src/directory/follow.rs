//! Follows core's change feed: a snapshot, then one question after the other for what has changed since.
//!
//! A question waits at core for a part of a second, so that its answer both brings news within moments and confirms, some
//! times a second, that there is none. What to do about an answer is decided by [`decide`], without anything else.

use super::client::ClientError;
use super::core::CoreClient;
use super::standing::{Directory, Effects};
use crate::gate::Gate;
use async_trait::async_trait;
use igny8_contract::feed::{Changes, FeedHead};
use pingora::server::ShutdownWatch;
use pingora::services::background::BackgroundService;
use std::sync::Arc;
use std::time::Duration;

/// How long core may wait for a change. With the time of a question it stays well below what a word of the feed is good for.
const WAIT: Duration = Duration::from_millis(400);
/// How soon a failed question is put again, at first and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(25), Duration::from_millis(250));

/// What core says to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Changes(Changes),
    /// It does not know the place that was asked from.
    TakeSnapshot,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Take the changes over and go on from where they lead.
    Apply,
    /// What is known belongs to another history, or there is a gap after it: forget it and begin anew.
    BeginAnew,
}

/// Decides on an answer to a question for what has changed after `place`. `newest` is the highest number as of which anything
/// was known when it was put: answers about single accounts may have run ahead of the feed, and a database that was put back
/// to where the feed stands would otherwise leave what they told.
#[must_use]
pub fn decide(place: &FeedHead, newest: i64, told: &Told) -> Next {
    let Told::Changes(changes) = told else {
        return Next::BeginAnew;
    };
    let upto = &changes.upto;
    let goes_on = upto.seq > place.seq || (upto == place && changes.changes.is_empty());
    let has_come_so_far = changes.as_of >= upto.seq.max(newest);
    if upto.generation == place.generation && goes_on && has_come_so_far {
        Next::Apply
    } else {
        Next::BeginAnew
    }
}

/// The background service that follows the feed.
pub struct Follower {
    gate: Arc<Gate>,
    /// With a client of its own: a flood of other questions does not keep it waiting.
    core: CoreClient,
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Follower")
    }
}

impl Follower {
    #[must_use]
    pub const fn new(gate: Arc<Gate>, core: CoreClient) -> Self {
        Self { gate, core }
    }

    async fn follow(&self) {
        let (mut place, mut pause, mut failing) = (None, PAUSES.0, false);
        loop {
            let (outcome, error) = match self.step(&mut place).await {
                Ok(outcome) => (outcome, None),
                Err(error) => ("failed", Some(error)),
            };
            metrics::counter!("igny8_feed_answers_total", "outcome" => outcome).increment(1);
            let Some(error) = error else {
                if failing {
                    tracing::info!("the change feed goes on");
                }
                (pause, failing) = (PAUSES.0, false);
                continue;
            };
            // Said once when it begins, not again for every try.
            if !failing {
                tracing::warn!(%error, "core's change feed cannot be followed");
            }
            failing = true;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    /// Takes a snapshot where there is no place to go on from; else asks once for what has changed.
    async fn step(&self, place: &mut Option<FeedHead>) -> Result<&'static str, ClientError> {
        let Some(from) = place else {
            *place = Some(self.take_snapshot().await?);
            return Ok("snapshot");
        };
        let asked_at = self.gate.clock.elapsed();
        let newest = self.gate.directory.mirror().newest();
        let told = self.core.changes(from, WAIT).await?;
        match (decide(from, newest, &told), told) {
            (Next::Apply, Told::Changes(changes)) => {
                self.carry_out(self.gate.directory.apply(&changes, asked_at)).await;
                // After what it told has been carried out: a word about another key set does not confirm the old one.
                if let (Some(keys), Some(at)) = (self.gate.tokens.core_keys(), self.gate.directory.confirmed_at()) {
                    keys.confirm(at);
                }
                *place = Some(changes.upto);
                Ok(if changes.changes.is_empty() {
                    "nothing"
                } else {
                    "changes"
                })
            }
            (Next::BeginAnew | Next::Apply, _) => {
                tracing::warn!("what is known is not what core goes on from: a new snapshot is taken");
                self.gate.directory.distrust();
                self.gate.keys.forget_all();
                *place = None;
                Ok("lost")
            }
        }
    }

    /// Reads everything, and says from where the feed goes on.
    async fn take_snapshot(&self) -> Result<FeedHead, ClientError> {
        let now = self.gate.clock.now().unix_seconds();
        let mut page = self.core.snapshot(None).await?;
        let start = page.head.clone();
        let mirror = Directory::blank(&start.generation);
        loop {
            for item in &page.items {
                mirror.put(item, page.head.seq, now);
            }
            let Some(next) = page.next else { break };
            page = self.core.snapshot(Some(&next)).await?;
            if page.head.generation != start.generation {
                return Err(ClientError::Unreachable);
            }
        }
        let sizes = mirror.sizes();
        tracing::info!(
            seq = start.seq,
            accounts = sizes.accounts,
            users = sizes.users,
            "snapshot taken"
        );
        self.gate.directory.install(mirror);
        self.gate.keys.forget_all();
        // Ended meanwhile, or told before this process was there.
        self.carry_out(Effects {
            key_set: true,
            ..Effects::default()
        })
        .await;
        Ok(start)
    }

    async fn carry_out(&self, effects: Effects) {
        for digest in &effects.sessions {
            self.gate.sessions.forget(digest);
        }
        for digest in &effects.keys {
            self.gate.keys.forget(digest);
        }
        if effects.key_set {
            if let Some(keys) = self.gate.tokens.core_keys() {
                keys.doubt();
            }
            let gate = Arc::clone(&self.gate);
            // A slow key set does not hold up the feed.
            tokio::spawn(async move {
                let Some(keys) = gate.tokens.core_keys() else { return };
                if let Err(error) = keys.refresh().await {
                    tracing::warn!(%error, "the key set could not be fetched");
                }
            });
        }
    }
}

#[async_trait]
impl BackgroundService for Follower {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        tokio::select! {
            () = self.follow() => {}
            _ = shutdown.changed() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use igny8_contract::feed::{Change, Item};
    use igny8_contract::time::Timestamp;

    fn head(generation: &str, seq: i64, stamp: i64) -> FeedHead {
        FeedHead {
            generation: generation.into(),
            seq,
            stamp,
        }
    }

    fn changes(upto: FeedHead, as_of: i64, count: usize) -> Told {
        let change = Change {
            at_us: Timestamp(0),
            item: Item::KeySet,
        };
        Told::Changes(Changes {
            upto,
            as_of,
            waited_us: 0,
            changes: vec![change; count],
        })
    }

    #[test]
    fn only_what_goes_on_from_its_place_is_taken_over() {
        let place = head("g", 5, 50);
        let rows = [
            (changes(head("g", 5, 50), 5, 0), Next::Apply),
            (changes(head("g", 9, 90), 9, 2), Next::Apply),
            (changes(head("g", 9, 90), 12, 2), Next::Apply),
            (changes(head("g", 5, 51), 5, 0), Next::BeginAnew),
            (changes(head("g", 5, 50), 5, 1), Next::BeginAnew),
            (changes(head("g", 4, 40), 4, 0), Next::BeginAnew),
            (changes(head("h", 9, 90), 9, 2), Next::BeginAnew),
            (changes(head("g", 9, 90), 8, 2), Next::BeginAnew),
            (Told::TakeSnapshot, Next::BeginAnew),
        ];
        for (told, next) in rows {
            assert_eq!(decide(&place, 5, &told), next, "{told:?}");
        }
    }

    #[test]
    fn a_history_that_has_not_come_as_far_as_an_answer_is_another_one() {
        let place = head("g", 5, 50);
        for (as_of, next) in [(5, Next::BeginAnew), (8, Next::BeginAnew), (9, Next::Apply)] {
            assert_eq!(decide(&place, 9, &changes(head("g", 5, 50), as_of, 0)), next, "{as_of}");
        }
    }
}
