//! Access tokens: verified against the issuer's key set, then remembered.
//!
//! [`Tokens::cached`] is for every request and never waits. [`Tokens::verify`] is for a token that is not remembered; it
//! may fetch the key set. A `kid` that is not in the set fetches it again at most once in ten seconds, whoever sends it. A
//! key set that cannot be fetched serves on until it is older than `stale_max`; then, as before the first one came, tokens
//! are refused with `core_unavailable`. Whether a token has been revoked is not known here.

pub mod cache;
pub mod keys;
mod strict;
pub mod verify;

pub use crate::policy::identity::Identity;
use keys::{KeySet, KeySetError};
pub use verify::{Issuer, IssuerError, TokenError, verify_compact};

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use cache::Cache;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use metrics::{counter, gauge};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

/// How soon an unknown `kid` may fetch the key set again.
const REFETCH_INTERVAL: Duration = Duration::from_secs(10);
/// How soon a request may fetch the key set again while there is none, or none fresh enough.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
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

/// What can be tuned.
#[derive(Clone, Copy, Debug)]
pub struct TokensSettings {
    /// How long the last good key set serves when no newer one can be fetched.
    pub stale_max: Duration,
    /// How many verified tokens are remembered.
    pub cache_max: usize,
}

impl Default for TokensSettings {
    fn default() -> Self {
        Self {
            stale_max: Duration::from_secs(300),
            cache_max: 100_000,
        }
    }
}

/// Tokens of one issuer.
pub struct Tokens {
    issuer: Issuer,
    source: Arc<dyn KeySource>,
    clock: Arc<dyn Clock>,
    stale_max_us: i64,
    cache: Cache,
    loaded: ArcSwapOption<Loaded>,
    /// The generation of `loaded`, 0 before the first: hot look-ups read this number and leave the set alone.
    generation: AtomicU64,
    /// When a key set, changed or not, was last fetched, in wall-clock microseconds; [`NEVER`] before the first.
    fetched_at_us: AtomicI64,
    /// When a fetch last began, on the clock's monotonic side. The lock is what makes a fetch single: the others wait for
    /// its outcome. It is an async lock, released when its holder is cancelled, and no hot path takes it.
    last_attempt: Mutex<Option<Duration>>,
}

const NEVER: i64 = i64::MIN;

/// A key set and which one it is.
#[derive(Debug)]
struct Loaded {
    keys: KeySet,
    /// The bytes it was read from, to notice a change.
    source: Bytes,
    generation: u64,
}

impl Tokens {
    /// Tokens of `issuer`, with no key set yet.
    #[must_use]
    pub fn new(issuer: Issuer, source: Arc<dyn KeySource>, clock: Arc<dyn Clock>, settings: TokensSettings) -> Self {
        Self {
            issuer,
            source,
            clock,
            stale_max_us: i64::try_from(settings.stale_max.as_micros()).unwrap_or(i64::MAX),
            cache: Cache::new(settings.cache_max),
            loaded: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            fetched_at_us: AtomicI64::new(NEVER),
            last_attempt: Mutex::new(None),
        }
    }

    /// What a token says that has been verified before, under the key set in force.
    #[must_use]
    pub fn cached(&self, token: &[u8], now: Timestamp) -> Option<Arc<Identity>> {
        if !self.ready(now) {
            return None;
        }
        self.cache.get(token, now, self.generation.load(Ordering::Acquire))
    }

    /// Whether there is a key set that is fresh enough to decide by.
    #[must_use]
    pub fn ready(&self, now: Timestamp) -> bool {
        let fetched_at = self.fetched_at_us.load(Ordering::Acquire);
        fetched_at != NEVER && now.0.saturating_sub(fetched_at) <= self.stale_max_us
    }

    /// Verifies a token and remembers it.
    ///
    /// # Errors
    /// `token_invalid`, `token_expired`; `core_unavailable` when there is no key set that is fresh enough.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Identity>, Refusal> {
        if !self.ready(now) {
            self.fetch_if_due(self.generation.load(Ordering::Acquire), RETRY_INTERVAL, now)
                .await;
        }
        let loaded = self.usable(now)?;
        match verify_compact(token.as_bytes(), &loaded.keys, &self.issuer, now) {
            Err(TokenError::UnknownKey) => {
                self.fetch_if_due(loaded.generation, REFETCH_INTERVAL, now).await;
                let loaded = self.usable(now)?;
                self.conclude(
                    token,
                    verify_compact(token.as_bytes(), &loaded.keys, &self.issuer, now),
                    &loaded,
                    now,
                )
            }
            outcome => self.conclude(token, outcome, &loaded, now),
        }
    }

    /// Fetches the key set now; to be called every few seconds, so that keys that came or went are noticed. True when the
    /// set has changed.
    ///
    /// # Errors
    /// The set could not be fetched or is not accepted; the last good one stays.
    pub async fn refresh(&self) -> Result<bool, RefreshError> {
        let mut last_attempt = self.last_attempt.lock().await;
        *last_attempt = Some(self.clock.elapsed());
        self.fetch().await
    }

    /// How many verified tokens are remembered.
    #[must_use]
    pub fn cache_len(&self) -> usize {
        self.cache.len()
    }

    fn usable(&self, now: Timestamp) -> Result<Arc<Loaded>, Refusal> {
        if !self.ready(now) {
            return Err(Refusal::CoreUnavailable);
        }
        self.loaded.load_full().ok_or(Refusal::CoreUnavailable)
    }

    fn conclude(
        &self,
        token: &str,
        outcome: Result<igny8_contract::claims::AccessClaims, TokenError>,
        loaded: &Loaded,
        now: Timestamp,
    ) -> Result<Arc<Identity>, Refusal> {
        counter!("igny8_tokens_verified_total", "outcome" => if outcome.is_ok() { "ok" } else { "refused" })
            .increment(1);
        let claims = outcome.map_err(|error| {
            tracing::debug!(%error, "token refused");
            error.refusal()
        })?;
        let verified = Arc::new(Identity::of(claims).ok_or(Refusal::TokenInvalid)?);
        self.cache
            .put(token.as_bytes(), Arc::clone(&verified), now, loaded.generation);
        Ok(verified)
    }

    /// Fetches the key set unless somebody has just tried, or has brought another one than `seen` meanwhile.
    async fn fetch_if_due(&self, seen: u64, interval: Duration, now: Timestamp) {
        let mut last_attempt = self.last_attempt.lock().await;
        if self.generation.load(Ordering::Acquire) != seen && self.ready(now) {
            return;
        }
        let elapsed = self.clock.elapsed();
        if last_attempt.is_some_and(|last| elapsed.saturating_sub(last) < interval) {
            return;
        }
        *last_attempt = Some(elapsed);
        if let Err(error) = self.fetch().await {
            tracing::warn!(%error, "key set not renewed");
        }
    }

    /// Fetches the key set and puts it in force. The caller holds the lock.
    async fn fetch(&self) -> Result<bool, RefreshError> {
        let outcome = match tokio::time::timeout(FETCH_DEADLINE, self.source.fetch()).await {
            Ok(Ok(bytes)) => self.take(bytes).map_err(RefreshError::from),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(RefreshError::Deadline),
        };
        let word = match outcome {
            Ok(true) => "changed",
            Ok(false) => "unchanged",
            Err(_) => "failed",
        };
        counter!("igny8_key_set_fetches_total", "outcome" => word).increment(1);
        gauge!("igny8_token_cache_entries").set(self.cache.len() as f64);
        outcome
    }

    fn take(&self, source: Bytes) -> Result<bool, KeySetError> {
        let current = self.loaded.load();
        let changed = current.as_ref().is_none_or(|current| current.source != source);
        if changed {
            let keys = KeySet::parse(&source)?;
            let generation = current.as_ref().map_or(0, |current| current.generation) + 1;
            tracing::info!(keys = keys.len(), generation, "key set in force");
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

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
