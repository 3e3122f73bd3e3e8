//! Telling many stories, and saying of one that fails what it comes down to.

use super::checks::Fault;
use super::coverage::Coverage;
use super::story::{Step, Story};
use std::fmt::Write as _;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of the stories that are told: from `IGNY8_MODEL_SEED`, or 0, and `IGNY8_MODEL_STORIES` of them, else
/// `usually`, or `long` in a long run.
pub fn numbers(usually: u64, long: u64) -> Range<u64> {
    let given = |name| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    let first = given("IGNY8_MODEL_SEED").unwrap_or(0);
    let long = std::env::var_os("IGNY8_TEST_LONG").map(|_| long);
    first..first + given("IGNY8_MODEL_STORIES").or(long).unwrap_or(usually)
}

/// Does `work` for each of `numbers`, on every processor at once.
pub fn on_all_processors(numbers: Range<u64>, work: impl Fn(u64, &mut Coverage) + Sync) -> Coverage {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let next = AtomicU64::new(numbers.start);
    let one_after_another = || {
        let mut coverage = Coverage::default();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return coverage;
            }
            work(number, &mut coverage);
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(one_after_another)).collect();
        let mut all = Coverage::default();
        for thread in threads {
            match thread.join() {
                Ok(coverage) => all.add(coverage),
                Err(failed) => std::panic::resume_unwind(failed),
            }
        }
        all
    })
}

/// Tells a story, and panics with its simplest form where it fails.
pub fn tell(number: u64, story: Story, tries: usize, mut telling: impl FnMut(&[Step]) -> Result<(), Fault>) {
    let mut fault_of = |steps: &[Step]| match catch_unwind(AssertUnwindSafe(|| telling(steps))) {
        Ok(told) => told.err(),
        Err(panic) => Some(
            panic
                .downcast_ref::<String>()
                .cloned()
                .unwrap_or_else(|| "it panicked".into()),
        ),
    };
    let Some(fault) = fault_of(&story.steps()) else { return };
    let simplest = story.simplified(tries, |steps| fault_of(steps).is_some());
    let last = fault_of(&simplest).unwrap_or_else(|| "(it does not fail each time)".into());
    let mut text = format!("story {number} fails: {fault}\nIts simplest form:\n");
    for (index, step) in (1..).zip(&simplest) {
        let _infallible = writeln!(text, "{index:4}. {step:?}");
    }
    panic!("{text}fails: {last}\nTo tell it alone: IGNY8_MODEL_SEED={number} IGNY8_MODEL_STORIES=1");
}
