//! What core has said of API keys: short-lived copies, found by the SHA-256 of the whole key, filled on demand.
//!
//! A copy is fresh for less than a second, so that a key that is revoked or a standing that changes is felt within one. Who
//! asks for the same key at the same time asks once. When core does not answer, the last copy serves up to `stale_max`, with what
//! the directory has been told since in the place of what it says. That a key does not exist is remembered as long as a copy is
//! fresh, apart from the others: made-up keys take no room from real ones.

use super::FRESH;
use super::client::ClientError;
use super::core::CoreClient;
use super::mirror::digest_of;
use super::peace::Peace;
use crate::policy::identity::Grant;
use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use aws_lc_rs::digest::{SHA256, digest};
use dashmap::DashMap;
use foldhash::fast::RandomState;
use igny8_contract::messages::{KeyAnswer, KeyQuery};
use igny8_contract::time::Clock;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// How many keys are kept, and how many that do not exist.
const MAX_KNOWN: usize = 200_000;
const MAX_UNKNOWN: usize = 10_000;

/// Who knows keys: core.
#[async_trait]
pub trait KeyResolver: std::fmt::Debug + Send + Sync {
    /// What a key stands for.
    ///
    /// # Errors
    /// When there is no answer.
    async fn resolve(&self, query: &KeyQuery) -> Result<KeyAnswer, ClientError>;
}

#[async_trait]
impl KeyResolver for CoreClient {
    async fn resolve(&self, query: &KeyQuery) -> Result<KeyAnswer, ClientError> {
        self.key(query).await
    }
}

/// The SHA-256 of a key: all that is kept of it.
pub type KeyHash = [u8; 32];

/// The SHA-256 of a key.
#[must_use]
pub fn hash(key: &[u8]) -> KeyHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, key).as_ref());
    hash
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub enum Known {
    Granted(Arc<Grant>),
    /// Core knows no such key, or knows that it opens nothing any more.
    Refused,
}

/// What came of asking about a key.
#[derive(Debug)]
pub enum Word {
    Said(Known),
    /// Core is silent. This is the last copy, and the time of the clock that it was asked for at: what has been told since of
    /// its account and its maker goes before it.
    Old(Arc<Grant>, Duration),
    /// Core is silent, and there is no copy that still serves.
    Nothing,
}

/// Where the question about a key stands.
#[derive(Debug)]
pub enum Fresh {
    Known(Known),
    /// It was known a moment ago: core is to be asked again.
    Due,
    /// It is not known at all: whoever asks pays for cold work first.
    Cold,
}

/// The copies.
#[derive(Debug)]
pub struct Keys {
    core: Arc<dyn KeyResolver>,
    copies: DashMap<KeyHash, Arc<Slot>, RandomState>,
    /// Keys that do not exist, and when that was asked.
    unknown: DashMap<KeyHash, Duration, RandomState>,
    stale_max: Duration,
    clock: Arc<dyn Clock>,
    peace: Peace,
}

#[derive(Debug, Default)]
struct Slot {
    copy: ArcSwapOption<Copied>,
    /// Held by the one who asks; whoever waits for it finds a fresh copy.
    asking: Mutex<()>,
}

#[derive(Debug)]
struct Copied {
    grant: Arc<Grant>,
    at: Duration,
}

impl Keys {
    #[must_use]
    pub fn new(core: Arc<dyn KeyResolver>, stale_max: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            core,
            copies: DashMap::default(),
            unknown: DashMap::default(),
            stale_max,
            clock,
            peace: Peace::default(),
        }
    }

    /// What is known of a key without asking anybody. `now` is the clock's elapsed time.
    #[must_use]
    pub fn fresh(&self, hash: &KeyHash, now: Duration) -> Fresh {
        if let Some(slot) = self.copies.get(hash)
            && let Some(copy) = slot.copy.load().as_ref()
        {
            let age = now.saturating_sub(copy.at);
            return match () {
                () if age < FRESH => Fresh::Known(Known::Granted(Arc::clone(&copy.grant))),
                () if age < self.stale_max => Fresh::Due,
                () => Fresh::Cold,
            };
        }
        let asked = self.unknown.get(hash).map(|asked| *asked);
        match asked {
            Some(asked) if now.saturating_sub(asked) < FRESH => Fresh::Known(Known::Refused),
            Some(_) | None => Fresh::Cold,
        }
    }

    /// Asks core, or falls back on the last copy while core is silent.
    pub async fn ask(&self, hash: &KeyHash) -> Word {
        let slot = self.slot(hash);
        let _asking = slot.asking.lock().await;
        // Somebody else has asked meanwhile.
        if let Fresh::Known(known) = self.fresh(hash, self.clock.elapsed()) {
            return Word::Said(known);
        }
        if !self.peace.holds(self.clock.elapsed()) {
            // The age counts from the question, not from the answer.
            let at = self.clock.elapsed();
            if let Ok(answer) = self.core.resolve(&query(hash)).await {
                return Word::Said(self.take(hash, &slot, answer.key.map(|facts| Grant::of(*hash, facts)), at));
            }
            self.peace.begin(self.clock.elapsed());
        }
        let Some(copy) = slot.copy.load_full() else {
            // Nothing is kept of a key that nobody has answered for.
            self.copies.remove_if(hash, |_, kept| kept.copy.load().is_none());
            return Word::Nothing;
        };
        if self.clock.elapsed().saturating_sub(copy.at) < self.stale_max {
            Word::Old(Arc::clone(&copy.grant), copy.at)
        } else {
            Word::Nothing
        }
    }

    /// Keeps what core has said at `at`.
    fn take(&self, hash: &KeyHash, slot: &Slot, grant: Option<Grant>, at: Duration) -> Known {
        let outcome = if grant.is_some() { "granted" } else { "refused" };
        metrics::counter!("igny8_api_keys_resolved_total", "outcome" => outcome).increment(1);
        match grant {
            Some(grant) => {
                let grant = Arc::new(grant);
                slot.copy.store(Some(Arc::new(Copied {
                    grant: Arc::clone(&grant),
                    at,
                })));
                Known::Granted(grant)
            }
            None => {
                slot.copy.store(None);
                self.copies.remove(hash);
                // A full memory of what does not exist still refuses; it merely asks again.
                if self.unknown.len() < MAX_UNKNOWN || self.unknown.contains_key(hash) {
                    self.unknown.insert(*hash, at);
                }
                Known::Refused
            }
        }
    }

    fn slot(&self, hash: &KeyHash) -> Arc<Slot> {
        if let Some(slot) = self.copies.get(hash) {
            return Arc::clone(&slot);
        }
        // A full memory still answers; it merely keeps nothing of the newcomer.
        if self.copies.len() >= MAX_KNOWN {
            return Arc::default();
        }
        Arc::clone(&self.copies.entry(*hash).or_default())
    }

    /// Forgets a key, told by the SHA-256 of it in hexadecimal digits, so that core is asked before it opens anything again.
    pub fn forget(&self, digest: &str) {
        if let Some(hash) = digest_of(digest) {
            self.copies.remove(&hash);
            self.unknown.remove(&hash);
        }
    }

    /// Forgets everything.
    pub fn forget_all(&self) {
        self.copies.clear();
        self.unknown.clear();
    }

    /// Lets go of copies that are too old to serve anybody.
    pub fn sweep(&self) {
        let now = self.clock.elapsed();
        self.unknown.retain(|_, asked| now.saturating_sub(*asked) < FRESH);
        self.copies.retain(|_, slot| {
            // A slot without a copy is one that somebody asks for now.
            slot.copy.load().as_ref().map_or(Arc::strong_count(slot) > 1, |copy| {
                now.saturating_sub(copy.at) < self.stale_max
            })
        });
        #[expect(clippy::cast_precision_loss, reason = "a gauge for people")]
        metrics::gauge!("igny8_api_key_copies").set(self.copies.len() as f64);
    }
}

/// The question about a key.
#[must_use]
pub fn query(hash: &KeyHash) -> KeyQuery {
    let sha256 = hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a string does not fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    });
    KeyQuery { sha256 }
}

#[cfg(test)]
mod tests;
