//! Places before and after a commit where a test can have the process killed with `kill -9`. Only builds with debug
//! assertions have them; a release build has nothing here.
//!
//! `IGNY8_CORE_FAIL_POINT=before_commit:3` kills the process when it is about to commit its third transaction that writes,
//! `after_commit:3` right after that commit, before anybody is answered.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// Which of the two places is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    BeforeCommit,
    AfterCommit,
}

/// Ends the process here if it is to end here.
#[cfg(not(debug_assertions))]
pub(super) const fn reach(_: Place) {}

/// Ends the process here if it is to end here.
#[cfg(debug_assertions)]
pub(super) fn reach(place: Place) {
    static WANTED: OnceLock<Option<(Place, u64)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| wanted(&std::env::var("IGNY8_CORE_FAIL_POINT").ok()?));
    let Some((at, count)) = *wanted else { return };
    if at != place || REACHED.fetch_add(1, Ordering::Relaxed) + 1 != count {
        return;
    }
    let killed = std::process::Command::new("kill")
        .args(["-9", &std::process::id().to_string()])
        .status();
    // Where `kill` cannot be run, this ends the process just as abruptly.
    drop(killed);
    std::process::abort();
}

#[cfg(debug_assertions)]
fn wanted(text: &str) -> Option<(Place, u64)> {
    let (place, count) = text.split_once(':')?;
    let place = match place {
        "before_commit" => Place::BeforeCommit,
        "after_commit" => Place::AfterCommit,
        _ => return None,
    };
    Some((place, count.parse().ok()?))
}
