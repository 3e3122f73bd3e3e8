//! A clock that runs ahead of the machine's, for tests of what months bring.

use igny8_contract::time::{Clock, MICROS_PER_SECOND, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// The machine's clock and how far it is put forward. It never goes back.
#[derive(Debug)]
pub struct TestClock {
    machine: Arc<dyn Clock>,
    ahead_us: AtomicI64,
}

impl TestClock {
    /// A clock that shows the machine's time.
    #[must_use]
    pub fn new(machine: Arc<dyn Clock>) -> Self {
        Self {
            machine,
            ahead_us: AtomicI64::new(0),
        }
    }

    /// Puts it `ahead_us` microseconds before the machine's, unless it is further already.
    pub fn put_forward(&self, ahead_us: i64) {
        self.ahead_us.fetch_max(ahead_us, Ordering::SeqCst);
    }

    /// How many whole seconds it is ahead.
    #[must_use]
    pub fn ahead_seconds(&self) -> i64 {
        self.ahead_us.load(Ordering::SeqCst) / MICROS_PER_SECOND
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_us.load(Ordering::SeqCst);
        Timestamp(self.machine.now().0.saturating_add(ahead))
    }

    fn elapsed(&self) -> Duration {
        self.machine.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Still;

    impl Clock for Still {
        fn now(&self) -> Timestamp {
            Timestamp(7)
        }

        fn elapsed(&self) -> Duration {
            Duration::ZERO
        }
    }

    #[test]
    fn it_goes_forward_alone() {
        let clock = TestClock::new(Arc::new(Still));
        assert_eq!(clock.now(), Timestamp(7));
        clock.put_forward(5 * MICROS_PER_SECOND);
        clock.put_forward(2 * MICROS_PER_SECOND);
        assert_eq!((clock.now(), clock.ahead_seconds()), (Timestamp(7).plus_seconds(5), 5));
    }
}
