//! The worker: carries out what falls due, round after round, until the process is to stop.
//!
//! A round that fails, because the database does not answer, is followed by the next one: nothing is lost but time, and the
//! time that is lost shows in `igny8_core_worker_lag_seconds`.

use crate::app::round::{follow_test_clock, round};
use crate::app::{Core, StoryError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval};

/// How often rounds that fail one after the other are told of.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Goes its rounds, one each `every`, until `stopping` says so; the last one is finished first. `_under_way` is held until
/// then: the process waits for it. Without rounds it follows the test clock alone.
pub async fn run(core: Core, every: Duration, mut stopping: watch::Receiver<bool>, _under_way: mpsc::Sender<()>) {
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = Failing::default();
    loop {
        // It stops, too, where nobody is left to say so.
        let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        tokio::select! {
            () = stop => return,
            _ = ticks.tick() => {}
        }
        failing.note(go(&core).await, core.clock.elapsed());
    }
}

async fn go(core: &Core) -> Result<(), StoryError> {
    match &core.rounds {
        Some(rounds) => round(core, rounds).await,
        None => follow_test_clock(core).await,
    }
}

/// Rounds that fail one after the other.
#[derive(Debug, Default)]
struct Failing {
    /// When they were last told of, while they fail.
    told: Option<Duration>,
}

impl Failing {
    fn note(&mut self, outcome: Result<(), StoryError>, elapsed: Duration) {
        let word = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!("igny8_core_worker_rounds_total", "outcome" => word).increment(1);
        match outcome {
            Ok(()) if self.told.take().is_some() => tracing::info!("the worker goes its rounds again"),
            Ok(()) => {}
            Err(error) => {
                if self.told.is_none_or(|told| told + TOLD_EVERY <= elapsed) {
                    tracing::error!(%error, "a round of the worker failed");
                    self.told = Some(elapsed);
                }
            }
        }
    }
}
