//! The directory: what is known of everybody's standing, and how far it can be relied on.
//!
//! While the change feed confirms it, the mirror is as good as core's word, and a request costs a look at two numbers: which
//! version of the mirror its token was last judged by, and until when the mirror is confirmed. What the mirror lacks, or all
//! of it while the feed does not confirm it, core is asked for, once for all who ask at the same time. While core is silent,
//! what is known serves up to `stale_max`, but never for staff. A proxy that has never had a snapshot knows nobody.

use super::FRESH;
use super::core::CoreClient;
use super::mirror::{Bounds, Learned, Mirror};
use super::peace::{Peace, nanos};
use crate::policy::identity::{Grant, Identity};
use arc_swap::ArcSwap;
use igny8_contract::feed::{Changes, Item, StandingAnswer};
use igny8_contract::messages::{StandingFacts, StandingQuery};
use igny8_contract::time::{Clock, MICROS_PER_SECOND};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How many answers are remembered at once.
const MAX_ANSWERS: u64 = 100_000;
/// How often a question is put again whose answer is outdated when it comes.
const MAX_TRIES: usize = 3;
/// No time at all has this number.
const NEVER: u64 = u64::MAX;

/// What others have to do about changes of what they keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Sessions of core's panel that have ended, by the SHA-256 of their cookie's value.
    pub sessions: Vec<String>,
    /// API keys that are revoked or changed, by the SHA-256 of the key.
    pub keys: Vec<String>,
    /// Whether the key set has to be fetched again.
    pub key_set: bool,
}

/// The directory.
#[derive(Debug)]
pub struct Directory {
    core: CoreClient,
    clock: Arc<dyn Clock>,
    stale_max: Duration,
    mirror: ArcSwap<Mirror>,
    /// Raised whenever something that was known stands otherwise. What was read under a version is good as long as it stays.
    version: AtomicU64,
    /// Until when the mirror is as good as core's word, in nanoseconds of the clock.
    fresh_until: AtomicU64,
    /// As of when the feed last confirmed the mirror, in nanoseconds of the clock.
    confirmed_at: AtomicU64,
    /// Whether there has ever been a snapshot.
    synced: AtomicBool,
    answers: moka::future::Cache<StandingQuery, Arc<Answered>>,
    peace: Peace,
}

#[derive(Debug)]
struct Answered {
    answer: StandingAnswer,
    /// When it was asked for.
    at: Duration,
}

impl Directory {
    /// A directory that knows nothing yet.
    #[must_use]
    pub fn new(core: CoreClient, stale_max: Duration, clock: Arc<dyn Clock>) -> Self {
        Self {
            core,
            clock,
            stale_max,
            mirror: ArcSwap::from_pointee(Mirror::of_nothing()),
            version: AtomicU64::new(0),
            fresh_until: AtomicU64::new(0),
            confirmed_at: AtomicU64::new(NEVER),
            synced: AtomicBool::new(false),
            answers: moka::future::Cache::builder()
                .max_capacity(MAX_ANSWERS)
                .time_to_live(FRESH)
                .build(),
            peace: Peace::default(),
        }
    }

    /// The standing of a token's bearer, where it is known and confirmed. `now` is the clock's elapsed time.
    #[must_use]
    pub fn fresh(&self, identity: &Identity, now: Duration) -> Option<Arc<StandingFacts>> {
        if nanos(now) >= self.fresh_until.load(Ordering::Acquire) {
            return None;
        }
        let version = self.version.load(Ordering::Acquire);
        match identity.memo.get(version) {
            Some(facts) => Some(facts),
            None => self.composed(identity, version),
        }
    }

    /// Puts together what is known; as of `version`, which was read before.
    #[inline(never)]
    fn composed(&self, identity: &Identity, version: u64) -> Option<Arc<StandingFacts>> {
        let (query, _) = identity.asks_core()?;
        let facts = Arc::new(self.mirror.load().compose(query)?);
        identity.memo.set(version, &facts);
        Some(facts)
    }

    /// Asks core, or falls back on what is known while core is silent. Nothing when neither helps.
    /// Nobody is asked for another issuer's account.
    pub async fn ask(&self, identity: &Identity, staff: bool) -> Option<Arc<StandingFacts>> {
        if !self.is_synced() {
            return None;
        }
        let (query, _) = identity.asks_core()?;
        for _ in 0..MAX_TRIES {
            if self.peace.holds(self.clock.elapsed()) {
                break;
            }
            let Some(answered) = self.answer(query).await else {
                break;
            };
            let mirror = self.mirror.load_full();
            match mirror.learn(query, &answered.answer, identity.exp) {
                Learned::Kept(changed) => {
                    if changed {
                        self.version.fetch_add(1, Ordering::AcqRel);
                    }
                    return Some(Arc::new(mirror.complete(query, &answered.answer)));
                }
                Learned::Foreign => return Some(Arc::new(answered.answer.facts())),
                Learned::Outdated => self.answers.invalidate(query).await,
            }
        }
        let known = !staff && self.age().is_some_and(|age| age < self.stale_max);
        known.then(|| self.mirror.load().compose(query).map(Arc::new))?
    }

    /// The last copy of what core has said of an API key, asked for at `at`, with what has been told of its account and its maker
    /// since. Nothing where the two differ and it is not known which is the newer, and where its maker has another role now than
    /// the app would be told of.
    #[must_use]
    pub fn bring_up_to_date(&self, grant: &Arc<Grant>, at: Duration) -> Option<Arc<Grant>> {
        let (query, _) = grant.identity.asks_core()?;
        let age = self.clock.elapsed().saturating_sub(at);
        // In whole seconds, and rather too early: what was told of the key at about the same time counts as told later.
        let age_seconds = i64::try_from(age.as_secs()).unwrap_or(i64::MAX).saturating_add(1);
        let asked_at = self.clock.now().unix_seconds().saturating_sub(age_seconds);
        let known = self.mirror.load();
        let standing = known.complete_key(query, &grant.standing, &grant.hash, asked_at);
        if standing == *grant.standing {
            return Some(Arc::clone(grant));
        }
        let is_newer = self.age().is_some_and(|confirmed| confirmed <= age);
        (is_newer && !grant.is_outdated_by(&standing)).then(|| Arc::new(grant.with_standing(standing)))
    }

    /// An answer that was asked for less than [`FRESH`] ago; nothing when core is silent.
    async fn answer(&self, query: &StandingQuery) -> Option<Arc<Answered>> {
        for _ in 0..MAX_TRIES {
            let asked = self.answers.try_get_with_by_ref(query, async {
                // The age counts from the question, not from the answer.
                let at = self.clock.elapsed();
                let answer = self.core.standing(query).await?;
                Ok::<_, super::client::ClientError>(Arc::new(Answered { answer, at }))
            });
            let Ok(answered) = asked.await else {
                self.peace.begin(self.clock.elapsed());
                return None;
            };
            if self.clock.elapsed().saturating_sub(answered.at) < FRESH {
                return Some(answered);
            }
            self.answers.invalidate(query).await;
        }
        None
    }

    /// Takes over what the feed told to a question that was put at `asked_at`.
    pub fn apply(&self, changes: &Changes, asked_at: Duration) -> Effects {
        let mirror = self.mirror.load();
        let now = self.clock.now();
        let mut effects = Effects::default();
        for change in &changes.changes {
            mirror.put(&change.item, changes.as_of, now.unix_seconds());
            match &change.item {
                Item::Session { digest } => effects.sessions.push(digest.clone()),
                Item::KeySet => effects.key_set = true,
                Item::ApiKey { digest } => effects.keys.push(digest.clone()),
                Item::Account { .. } | Item::User { .. } | Item::SignIn { .. } => {}
            }
            #[expect(clippy::cast_precision_loss, reason = "a metric for people")]
            let lag = now.0.saturating_sub(change.at_us.0).max(0) as f64 / MICROS_PER_SECOND as f64;
            metrics::histogram!("igny8_revocation_lag_seconds").record(lag);
        }
        if !changes.changes.is_empty() {
            self.version.fetch_add(1, Ordering::AcqRel);
        }
        if changes.as_of == changes.upto.seq {
            self.confirm(asked_at + Duration::from_micros(changes.waited_us));
        }
        effects
    }

    /// The mirror was as good as core's word at this time of the clock.
    fn confirm(&self, at: Duration) {
        self.confirmed_at.store(nanos(at), Ordering::Release);
        self.fresh_until.store(nanos(at + FRESH), Ordering::Release);
    }

    /// Puts a new snapshot in the place of what was known. The feed has to confirm it.
    pub fn install(&self, mirror: Mirror) {
        self.mirror.store(Arc::new(mirror));
        self.version.fetch_add(1, Ordering::AcqRel);
        self.synced.store(true, Ordering::Release);
        metrics::counter!("igny8_directory_snapshots_total").increment(1);
    }

    /// Forgets everything: it belongs to another history than the one that core lives in now. Until there is a new snapshot
    /// core is asked for each standing.
    pub fn distrust(&self) {
        self.fresh_until.store(0, Ordering::Release);
        self.confirmed_at.store(NEVER, Ordering::Release);
        self.mirror.store(Arc::new(Mirror::of_nothing()));
        self.answers.invalidate_all();
        self.version.fetch_add(1, Ordering::AcqRel);
    }

    /// A mirror to fill with a snapshot of this generation.
    #[must_use]
    pub fn blank(generation: &str) -> Mirror {
        Mirror::new(generation, Bounds::default())
    }

    /// Whether there has ever been a snapshot.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Ordering::Acquire)
    }

    /// What is known now.
    #[must_use]
    pub fn mirror(&self) -> Arc<Mirror> {
        self.mirror.load_full()
    }

    /// How long ago the feed confirmed what is known; nothing where it never did.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.confirmed_at().map(|at| self.clock.elapsed().saturating_sub(at))
    }

    /// As of which time of the clock the feed last confirmed what is known; nothing where it never did.
    #[must_use]
    pub fn confirmed_at(&self) -> Option<Duration> {
        let at = self.confirmed_at.load(Ordering::Acquire);
        (at != NEVER).then(|| Duration::from_nanos(at))
    }

    /// Lets go of what nobody can ask for any more.
    pub fn sweep(&self) {
        self.mirror.load().sweep(self.clock.now().unix_seconds());
    }

    /// Sets the gauges.
    #[expect(clippy::cast_precision_loss, reason = "gauges for people")]
    pub fn report(&self) {
        let sizes = self.mirror.load().sizes();
        for (kind, size) in [
            ("account", sizes.accounts),
            ("user", sizes.users),
            ("sign_in", sizes.sign_ins),
            ("revoked_key", sizes.keys),
        ] {
            metrics::gauge!("igny8_directory_entries", "kind" => kind).set(size as f64);
        }
        let age = self.age().map_or(f64::INFINITY, |age| age.as_secs_f64());
        metrics::gauge!("igny8_directory_age_seconds").set(age);
    }
}

#[cfg(test)]
mod tests;
