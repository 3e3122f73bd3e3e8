//! The keys of one issuer: fetched, renewed, and kept for a time when no newer ones can be had.
//!
//! A `kid` that is not in the set fetches it again at most once in ten seconds, whoever sends it. A set that cannot be
//! fetched serves on until it is older than `stale_max`; then, as before the first one came, there are no keys.
//!
//! The core's set is also as young as the last word of the change feed, which tells when it becomes another one. That holds as
//! long as the last fetch was answered and nothing has been told since it began: whoever says that nothing has changed then
//! speaks of this very set. A source that fails while the feed goes on is found out by the next fetch that is due.

use super::keys::{Algorithm, KeySet, KeySetError};
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use metrics::counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How soon an unknown `kid` may fetch the key set again.
pub const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a request may fetch the key set again while there is none, or none fresh enough.
pub const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long one fetch may take, whatever its source thinks.
const FETCH_DEADLINE: Duration = Duration::from_secs(5);

/// Where a key set comes from.
#[async_trait]
pub trait KeySource: Send + Sync {
    /// The key set, as the issuer publishes it.
    async fn fetch(&self) -> Result<Bytes, KeySourceError>;
}

/// Why a key set could not be fetched, in words for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KeySourceError(pub String);

/// Why the key set was not renewed. The last good one stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshError {
    #[error("the key set cannot be fetched: {0}")]
    Source(#[from] KeySourceError),
    #[error("the key set is not accepted: {0}")]
    KeySet(#[from] KeySetError),
    #[error("the key set was not there within 5 seconds")]
    Deadline,
}

/// What the bytes of a source are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// A JSON Web Key Set, of which keys of these algorithms are used.
    Jwks(Vec<Algorithm>),
    /// One shared secret.
    Secret,
}

impl KeyForm {
    /// Reads a source's bytes.
    ///
    /// # Errors
    /// See [`KeySetError`].
    pub fn parse(&self, bytes: &[u8]) -> Result<KeySet, KeySetError> {
        match self {
            Self::Jwks(accepted) => KeySet::parse(bytes, accepted),
            Self::Secret => KeySet::secret(bytes),
        }
    }
}

/// The keys of one issuer.
pub struct KeyStore {
    /// The issuer's name, for the log.
    name: Box<str>,
    form: KeyForm,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    stale_max_us: i64,
    loaded: ArcSwapOption<Loaded>,
    /// The generation of `loaded`, 0 before the first: hot look-ups read this number and leave the set alone.
    generation: AtomicU64,
    /// When a key set, changed or not, was last fetched or confirmed, in wall-clock microseconds; [`NEVER`] before the first.
    fetched_at_us: AtomicI64,
    /// Raised whenever there is a reason to think that the source has another set by now, or none.
    doubts: AtomicU64,
    /// What `doubts` was when the last fetch began that was answered. Less than it is now: the set is in doubt.
    settled: AtomicU64,
    /// The lock is what makes a fetch single: the others wait for its outcome. It is an async lock, released when its holder
    /// is cancelled, and no hot path takes it.
    attempts: Mutex<Attempts>,
}

/// Why a request wants the key set fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    NoneFresh,
    UnknownKid,
}

/// When fetches last began, on the clock's monotonic side.
#[derive(Debug, Default)]
struct Attempts {
    /// For whatever reason.
    any: Option<Duration>,
    /// For a `kid` that was not in the set.
    unknown_kid: Option<Duration>,
}

const NEVER: i64 = i64::MIN;

/// A key set and which one it is.
#[derive(Debug)]
pub struct Loaded {
    pub keys: KeySet,
    pub generation: u64,
    /// The bytes it was read from, to notice a change.
    source: Bytes,
}

impl KeyStore {
    /// A store of `name`'s keys, with none yet.
    #[must_use]
    pub fn new(
        name: &str,
        form: KeyForm,
        source: Arc<dyn KeySource>,
        clock: Arc<dyn Clock>,
        stale_max: Duration,
    ) -> Self {
        Self {
            name: name.into(),
            form,
            source,
            clock,
            stale_max_us: i64::try_from(stale_max.as_micros()).unwrap_or(i64::MAX),
            loaded: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            fetched_at_us: AtomicI64::new(NEVER),
            // In doubt until the first one is there.
            doubts: AtomicU64::new(1),
            settled: AtomicU64::new(0),
            attempts: Mutex::default(),
        }
    }

    /// The issuer's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether there is a key set that is fresh enough to decide by.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> bool {
        let fetched_at = self.fetched_at_us.load(Ordering::Acquire);
        fetched_at != NEVER && now.0.saturating_sub(fetched_at) <= self.stale_max_us
    }

    /// How old a set may be that serves.
    #[must_use]
    pub const fn stale_max(&self) -> Duration {
        Duration::from_micros(self.stale_max_us.unsigned_abs())
    }

    /// The source has another set than the one that is here: no word but its own confirms this one any more.
    pub fn doubt(&self) {
        self.doubts.fetch_add(1, Ordering::AcqRel);
    }

    /// Whoever would know says that the source had no other set at this time of the clock.
    pub fn confirm(&self, at: Duration) {
        if self.settled.load(Ordering::Acquire) != self.doubts.load(Ordering::Acquire) {
            return;
        }
        let now = self.clock.now().0;
        let age = self.clock.elapsed().saturating_sub(at).as_micros();
        let at = now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
        let known = self.fetched_at_us.load(Ordering::Acquire);
        // A wall clock that was put back leaves a time behind that has not come yet.
        if at > known || known > now {
            self.fetched_at_us.store(at, Ordering::Release);
        }
    }

    /// Which key set is in force; 0 before the first.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The keys to decide by, fetched if there are none.
    ///
    /// # Errors
    /// `core_unavailable` when there are none that are fresh enough.
    pub async fn keys(&self, now: Timestamp) -> Result<Arc<Loaded>, Refusal> {
        if !self.ready(now) {
            self.fetch_if_due(Why::NoneFresh, self.generation(), now).await;
        }
        self.usable(now)
    }

    /// The keys after a `kid` was not among those of generation `seen`.
    ///
    /// # Errors
    /// As [`Self::keys`].
    pub async fn newer_keys(&self, seen: u64, now: Timestamp) -> Result<Arc<Loaded>, Refusal> {
        self.fetch_if_due(Why::UnknownKid, seen, now).await;
        self.usable(now)
    }

    /// Fetches the key set now; to be called every few seconds, so that keys that came or went are noticed. True when the
    /// set has changed.
    ///
    /// # Errors
    /// The set could not be fetched or is not accepted; the last good one stays.
    pub async fn refresh(&self) -> Result<bool, RefreshError> {
        let mut attempts = self.attempts.lock().await;
        attempts.any = Some(self.clock.elapsed());
        self.fetch().await
    }

    fn usable(&self, now: Timestamp) -> Result<Arc<Loaded>, Refusal> {
        if !self.ready(now) {
            return Err(Refusal::CoreUnavailable);
        }
        self.loaded.load_full().ok_or(Refusal::CoreUnavailable)
    }

    /// Fetches the key set unless somebody has just tried, or has brought another one than `seen` meanwhile.
    async fn fetch_if_due(&self, why: Why, seen: u64, now: Timestamp) {
        let mut attempts = self.attempts.lock().await;
        if self.generation.load(Ordering::Acquire) != seen && self.ready(now) {
            return;
        }
        let elapsed = self.clock.elapsed();
        let (last, interval) = match why {
            Why::NoneFresh => (attempts.any, RETRY_INTERVAL),
            Why::UnknownKid => (attempts.unknown_kid, REFETCH_INTERVAL),
        };
        if last.is_some_and(|last| elapsed.saturating_sub(last) < interval) {
            return;
        }
        attempts.any = Some(elapsed);
        // Noted before it is done: whoever goes away meanwhile has asked all the same.
        if why == Why::UnknownKid {
            attempts.unknown_kid = Some(elapsed);
        }
        if let Err(error) = self.fetch().await {
            tracing::warn!(issuer = %self.name, %error, "key set not renewed");
        }
    }

    /// Fetches the key set and puts it in force. The caller holds the lock.
    async fn fetch(&self) -> Result<bool, RefreshError> {
        let doubts = self.doubts.load(Ordering::Acquire);
        let outcome = match tokio::time::timeout(FETCH_DEADLINE, self.source.fetch()).await {
            Ok(Ok(bytes)) => self.take(bytes).map_err(RefreshError::from),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(RefreshError::Deadline),
        };
        match outcome {
            Ok(_) => self.settled.store(doubts, Ordering::Release),
            Err(_) => self.doubt(),
        }
        let word = match outcome {
            Ok(true) => "changed",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        };
        counter!("igny8_key_set_fetches_total", "issuer" => self.name.to_string(), "outcome" => word).increment(1);
        outcome
    }

    fn take(&self, source: Bytes) -> Result<bool, KeySetError> {
        let current = self.loaded.load();
        let changed = current.as_ref().is_none_or(|current| current.source != source);
        if changed {
            let keys = self.form.parse(&source)?;
            let generation = current.as_ref().map_or(0, |current| current.generation) + 1;
            tracing::info!(issuer = %self.name, keys = keys.len(), generation, "key set in force");
            self.loaded.store(Some(Arc::new(Loaded {
                keys,
                source,
                generation,
            })));
            self.generation.store(generation, Ordering::Release);
        }
        self.fetched_at_us.store(self.clock.now().0, Ordering::Release);
        Ok(changed)
    }
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyStore")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
