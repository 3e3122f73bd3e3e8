//! Short-lived copies of standing, filled on demand.
//!
//! A copy is fresh for less than a second, so that a suspension or a raised epoch is felt within one. When core does not
//! answer, the last copy serves up to `stale_max`, but never for staff.

use super::core::CoreClient;
use arc_swap::ArcSwapOption;
use dashmap::DashMap;
use igny8_contract::messages::{StandingFacts, StandingQuery};
use igny8_contract::time::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How long a copy is as good as core's word. With the time of a question it stays below the promised second.
const FRESH: Duration = Duration::from_millis(700);
/// After core has failed to answer, nobody asks again for this long: known accounts go on at full speed.
const QUIET_AFTER_FAILURE: Duration = Duration::from_millis(250);
/// How many copies are kept.
const MAX_COPIES: usize = 200_000;

/// The copies.
#[derive(Debug)]
pub struct Directory {
    core: CoreClient,
    copies: DashMap<StandingQuery, Arc<Slot>, foldhash::fast::RandomState>,
    stale_max: Duration,
    clock: Arc<dyn Clock>,
    /// Until when core is left in peace, in nanoseconds of the clock.
    quiet_until: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    copy: ArcSwapOption<Copied>,
    /// Held by the one who asks; whoever waits for it finds a fresh copy.
    asking: Mutex<()>,
}

#[derive(Debug)]
struct Copied {
    facts: Arc<StandingFacts>,
    at: Duration,
}

impl Directory {
    #[must_use]
    pub fn new(core: CoreClient, stale_max: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            core,
            copies: DashMap::default(),
            stale_max,
            clock,
            quiet_until: AtomicU64::new(0),
        }
    }

    /// The copy of a standing, if it is fresh. `now` is the clock's elapsed time.
    #[must_use]
    pub fn fresh(&self, query: &StandingQuery, now: Duration) -> Option<Arc<StandingFacts>> {
        let slot = self.copies.get(query)?;
        let copy = slot.copy.load();
        let copy = copy.as_ref()?;
        (now.saturating_sub(copy.at) < FRESH).then(|| Arc::clone(&copy.facts))
    }

    /// Asks core, or falls back on the last copy while core is silent. Nothing when neither helps.
    pub async fn ask(&self, query: &StandingQuery, staff: bool) -> Option<Arc<StandingFacts>> {
        let slot = self.slot(query);
        let _asking = slot.asking.lock().await;
        if let Some(facts) = self.fresh(query, self.clock.elapsed()) {
            return Some(facts);
        }
        if self.clock.elapsed().as_nanos() >= u128::from(self.quiet_until.load(Ordering::Relaxed)) {
            // The age counts from the question, not from the answer.
            let at = self.clock.elapsed();
            if let Ok(facts) = self.core.standing(query).await {
                let facts = Arc::new(facts);
                slot.copy.store(Some(Arc::new(Copied {
                    facts: Arc::clone(&facts),
                    at,
                })));
                return Some(facts);
            }
            metrics::counter!("igny8_core_silent_total").increment(1);
            let quiet = (self.clock.elapsed() + QUIET_AFTER_FAILURE).as_nanos();
            self.quiet_until
                .store(u64::try_from(quiet).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        let copy = slot.copy.load_full()?;
        let age = self.clock.elapsed().saturating_sub(copy.at);
        (!staff && age < self.stale_max).then(|| Arc::clone(&copy.facts))
    }

    fn slot(&self, query: &StandingQuery) -> Arc<Slot> {
        if let Some(slot) = self.copies.get(query) {
            return Arc::clone(&slot);
        }
        // A full directory still answers; it merely keeps nothing of the newcomer.
        if self.copies.len() >= MAX_COPIES {
            return Arc::default();
        }
        Arc::clone(&self.copies.entry(query.clone()).or_default())
    }

    /// Lets go of copies that are too old to serve anybody.
    pub fn sweep(&self) {
        let now = self.clock.elapsed();
        self.copies.retain(|_, slot| {
            slot.copy
                .load()
                .as_ref()
                .is_some_and(|copy| now.saturating_sub(copy.at) < self.stale_max)
        });
        #[expect(clippy::cast_precision_loss, reason = "a gauge for people")]
        metrics::gauge!("igny8_directory_copies").set(self.copies.len() as f64);
    }
}
