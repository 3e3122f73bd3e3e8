//! Leaving core in peace for a moment after it has failed to answer: what is known goes on at full speed meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long nobody asks again.
const LENGTH: Duration = Duration::from_millis(250);

/// Until when core is left in peace, in nanoseconds of the clock.
#[derive(Debug, Default)]
pub struct Peace(AtomicU64);

impl Peace {
    /// Whether core is left in peace at this time of the clock.
    pub fn holds(&self, now: Duration) -> bool {
        nanos(now) < self.0.load(Ordering::Relaxed)
    }

    /// Begins: core has just failed to answer.
    pub fn begin(&self, now: Duration) {
        metrics::counter!("igny8_core_silent_total").increment(1);
        self.0.store(nanos(now + LENGTH), Ordering::Relaxed);
    }
}

/// A time of the clock in nanoseconds; it lasts for centuries.
pub const fn nanos(duration: Duration) -> u64 {
    duration.as_secs() * 1_000_000_000 + duration.subsec_nanos() as u64
}
