//! Deadlines, and waiting for a condition instead of for a length of time.

use std::time::{Duration, Instant};

/// How long to rest between two looks at a condition.
const PAUSE: Duration = Duration::from_millis(10);

/// A moment after which waiting is given up.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    started: Instant,
    limit: Duration,
}

impl Deadline {
    /// The moment `limit` from now.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place where the harness reads a clock")]
    pub fn after(limit: Duration) -> Self {
        Self {
            started: Instant::now(),
            limit,
        }
    }

    /// What is left; nothing once the moment has passed.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.limit
            .checked_sub(self.started.elapsed())
            .filter(|left| !left.is_zero())
    }

    /// How much time has gone by since the deadline was set.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Asks `probe` again and again until it gives a value.
///
/// # Panics
/// When `limit` passes first; the message names `what` was waited for.
#[track_caller]
pub fn wait_until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Deadline::after(limit);
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(deadline.remaining().is_some(), "waited {limit:?} in vain: {what}");
        std::thread::sleep(PAUSE);
    }
}
