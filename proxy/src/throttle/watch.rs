//! The limits now in force, read again when their file changes. A bad file keeps the last good limits and says so.

use super::limits::{Limits, LimitsError, ScopeId, ScopeNames, content_hash};
use arc_swap::{ArcSwap, Guard};
use igny8_contract::time::{Clock, MICROS_PER_SECOND};
use metrics::{counter, gauge};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a file must have been left alone before an unchanged time and length are believed. Two saves within one tick
/// of the file system's clock look alike.
const SETTLED_US: i64 = 2 * MICROS_PER_SECOND;

/// The limits in force and the file they come from.
pub struct Live {
    path: PathBuf,
    /// How the file is named in errors.
    file: Box<str>,
    /// The scopes that routes refer to; a file without one of them is a bad file.
    scopes: Box<[Box<str>]>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Limits>,
    state: Mutex<State>,
}

/// What only a reload touches.
struct State {
    names: ScopeNames,
    /// How many sets of limits there have been.
    count: u64,
    /// The time and length of the file when it was last read and had settled.
    settled: Option<Stamp>,
    /// The hash of the bytes that were last read, good or bad; nothing when they could not be read.
    seen: Option<[u8; 32]>,
    /// When the limits in force were read, on the clock's monotonic side.
    loaded_at: Duration,
}

/// A route whose scope has no table is limited by its account or address alone; that may be meant, and is said.
fn warn_of_missing(limits: &Limits, file: &str, scopes: &[impl AsRef<str>]) {
    for scope in limits.without_limit(scopes) {
        tracing::warn!(%file, %scope, "a route refers to this scope, and the file gives it no limit of its own");
    }
}

/// What a file's metadata says. The time is that of the last change of content, name or owner, in microseconds since 1970:
/// unlike the time of modification it cannot be carried over from an older file.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    changed_us: i64,
    length: u64,
    inode: u64,
}

impl Live {
    /// Reads the file for the first time. `scopes` are the scopes that routes refer to.
    ///
    /// # Errors
    /// A file that cannot be read or is not valid.
    pub fn open(path: &Path, scopes: &[impl AsRef<str>], clock: Arc<dyn Clock>) -> Result<Self, LimitsError> {
        let file: Box<str> = path.to_string_lossy().into();
        let mut names = ScopeNames::default();
        // A scope keeps its id whether or not the file of the moment has a table for it.
        for scope in scopes {
            names.intern(scope.as_ref());
        }
        let stamp = settled_stamp(path, clock.as_ref());
        let text = read(path, &file)?;
        let limits = parse(&text, &file, 1, &mut names)?;
        warn_of_missing(&limits, &file, scopes);
        let state = State {
            names,
            count: 1,
            settled: stamp,
            seen: Some(*limits.hash()),
            loaded_at: clock.elapsed(),
        };
        let live = Self {
            path: path.to_owned(),
            file,
            scopes: scopes.iter().map(|scope| scope.as_ref().into()).collect(),
            clock,
            current: ArcSwap::from_pointee(limits),
            state: Mutex::new(state),
        };
        live.report(&live.state(), true);
        Ok(live)
    }

    /// The limits in force.
    #[must_use]
    pub fn load(&self) -> Guard<Arc<Limits>> {
        self.current.load()
    }

    /// The limits in force, to hold while waiting for somebody.
    #[must_use]
    pub fn load_full(&self) -> Arc<Limits> {
        self.current.load_full()
    }

    /// The id of a scope; it stays the same over reloads.
    #[must_use]
    pub fn scope_id(&self, name: &str) -> Option<ScopeId> {
        self.state().names.get(name)
    }

    /// Looks whether the file has changed and takes it if so; nothing when there is nothing new. To be called every half
    /// second from a thread that may wait for a disk.
    ///
    /// # Errors
    /// A changed file that is not valid: said once for each content; the limits in force stay.
    pub fn poll_once(&self) -> Option<Result<Arc<Limits>, LimitsError>> {
        let mut state = self.state();
        gauge!("igny8_limits_age_seconds").set(self.clock.elapsed().saturating_sub(state.loaded_at).as_secs_f64());
        // The stamp is taken before the content: a change in between is then seen next time.
        let stamp = settled_stamp(&self.path, self.clock.as_ref());
        if stamp.is_some() && stamp == state.settled {
            return None;
        }
        let text = read(&self.path, &self.file);
        let seen = text.as_ref().ok().map(|text| content_hash(text));
        state.settled = stamp.filter(|_| seen.is_some());
        if seen == state.seen {
            return None;
        }
        Some(self.take(&mut state, text, seen))
    }

    /// Reads the file again, changed or not.
    ///
    /// # Errors
    /// A file that cannot be read or is not valid; the limits in force stay.
    pub fn reload(&self) -> Result<Arc<Limits>, LimitsError> {
        let mut state = self.state();
        let stamp = settled_stamp(&self.path, self.clock.as_ref());
        let text = read(&self.path, &self.file);
        let seen = text.as_ref().ok().map(|text| content_hash(text));
        state.settled = stamp.filter(|_| seen.is_some());
        self.take(&mut state, text, seen)
    }

    fn take(
        &self,
        state: &mut State,
        text: Result<Vec<u8>, LimitsError>,
        seen: Option<[u8; 32]>,
    ) -> Result<Arc<Limits>, LimitsError> {
        state.seen = seen;
        let count = state.count + 1;
        let outcome = text.and_then(|text| {
            let limits = parse(&text, &self.file, count, &mut state.names)?;
            warn_of_missing(&limits, &self.file, &self.scopes);
            Ok(Arc::new(limits))
        });
        match &outcome {
            Ok(limits) => {
                state.count = count;
                state.loaded_at = self.clock.elapsed();
                self.current.store(Arc::clone(limits));
                tracing::info!(file = %self.file, hash = %short_hash(limits), "limits read again");
            }
            Err(error) => {
                let key = error.key.as_deref().unwrap_or_default();
                tracing::error!(
                    file = %self.file, line = error.line, column = error.column, key, hash = %short_hash(&self.current.load()),
                    "limits not read: {error}; the last good ones stay"
                );
            }
        }
        self.report(state, outcome.is_ok());
        outcome
    }

    fn report(&self, state: &State, ok: bool) {
        let current = self.current.load();
        gauge!("igny8_limits_reload_ok").set(if ok { 1.0 } else { 0.0 });
        counter!("igny8_limits_reloads_total", "outcome" => if ok { "ok" } else { "refused" }).increment(1);
        gauge!("igny8_limits_age_seconds").set(self.clock.elapsed().saturating_sub(state.loaded_at).as_secs_f64());
        // The first four bytes of the hash, which a gauge holds exactly: enough to compare proxies with each other.
        let [a, b, c, d, ..] = *current.hash();
        gauge!("igny8_limits_hash").set(f64::from(u32::from_be_bytes([a, b, c, d])));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in the state is ever half written, so a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("path", &self.path).finish_non_exhaustive()
    }
}

fn short_hash(limits: &Limits) -> String {
    limits.hash().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn whole_file_error(file: &str, message: String) -> LimitsError {
    LimitsError {
        file: file.into(),
        line: 0,
        column: 0,
        key: None,
        message: message.into(),
    }
}

fn read(path: &Path, file: &str) -> Result<Vec<u8>, LimitsError> {
    std::fs::read(path).map_err(|error| whole_file_error(file, format!("cannot be read: {error}")))
}

fn parse(bytes: &[u8], file: &str, count: u64, names: &mut ScopeNames) -> Result<Limits, LimitsError> {
    let text = std::str::from_utf8(bytes).map_err(|_| whole_file_error(file, "is not UTF-8".to_owned()))?;
    Limits::parse(text, file, count, names)
}

/// The file's time and length, unless the file is so new that another change could leave both as they are.
fn settled_stamp(path: &Path, clock: &dyn Clock) -> Option<Stamp> {
    let metadata = std::fs::metadata(path).ok()?;
    let changed_us = metadata
        .ctime()
        .checked_mul(MICROS_PER_SECOND)?
        .checked_add(metadata.ctime_nsec() / 1_000)?;
    let age_us = clock.now().0.saturating_sub(changed_us);
    (age_us > SETTLED_US).then_some(Stamp {
        changed_us,
        length: metadata.len(),
        inode: metadata.ino(),
    })
}

#[cfg(test)]
mod tests;
