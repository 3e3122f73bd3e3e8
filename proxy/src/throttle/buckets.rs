//! Buckets by key, in a bounded map. Admission is exact under threads: one compare-and-swap decides each request.
//!
//! A bucket is one word: the theoretical arrival time of [`super::gcra`] in the upper 58 bits (nine years of
//! nanoseconds since the process started) and, in the lower six, which version of the limits it was last decided under.
//! The version is there for the one moment after a reload in which a bucket has to be clamped to its new window. Clamping
//! on every request instead would be wrong: a thread whose reading of the clock is a little older than another's would
//! take back what the other has charged.

use super::gcra::{self, Decision, Quota};
use super::limits::{SCOPES_MAX, ScopeId};
use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;
use igny8_contract::ids::AccountId;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// More shards than the map would choose by itself, so that a sweep holds each of them for a short time only.
const SHARDS: usize = 64;

const VERSION_BITS: u32 = 6;
const VERSION_MASK: u64 = (1 << VERSION_BITS) - 1;
const TAT_MAX: u64 = u64::MAX >> VERSION_BITS;
/// Where time stops for the buckets, eight years after the start: from then on they drain and do not fill again, which
/// refuses rather than admits.
const NOW_MAX: u64 = TAT_MAX - gcra::WINDOW_MAX_NS;

/// Which version of the limits a decision is made under, modulo 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(u8);

impl Version {
    /// The version of the `count`th set of limits.
    #[must_use]
    pub const fn of(count: u64) -> Self {
        Self((count & VERSION_MASK) as u8)
    }

    /// Whether this version came after `other`. A bucket that slept through more than 31 reloads is not told apart from a
    /// later one: it keeps what it was charged, unclamped.
    const fn is_after(self, other: Self) -> bool {
        let steps = self.0.wrapping_sub(other.0) & VERSION_MASK as u8;
        steps != 0 && steps < 32
    }
}

/// What a bucket belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Account,
    AccountScope(ScopeId),
    Foreign,
    ForeignScope(ScopeId),
    Address,
    AddressScope(ScopeId),
    Cold,
}

/// A bucket's key: 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The account, the digest of another issuer's account, the IPv4 address or the IPv6 network of 64 bits.
    subject: u64,
    /// The kind in one number, and whether the subject is an IPv6 network.
    class: u32,
}

const CLASS_V6: u32 = 1 << 31;
const CLASS_ACCOUNT_SCOPES: u32 = 4;
const CLASS_ADDRESS_SCOPES: u32 = CLASS_ACCOUNT_SCOPES + SCOPES_MAX as u32;
const CLASS_FOREIGN_SCOPES: u32 = CLASS_ADDRESS_SCOPES + SCOPES_MAX as u32;
const CLASSES: usize = 4 + 3 * SCOPES_MAX;

impl Kind {
    fn class(self) -> u32 {
        match self {
            Self::Account => 0,
            Self::Address => 1,
            Self::Cold => 2,
            Self::Foreign => 3,
            Self::AccountScope(scope) => CLASS_ACCOUNT_SCOPES + u32::from(scope.index()),
            Self::AddressScope(scope) => CLASS_ADDRESS_SCOPES + u32::from(scope.index()),
            Self::ForeignScope(scope) => CLASS_FOREIGN_SCOPES + u32::from(scope.index()),
        }
    }
}

impl Key {
    /// The bucket of an account.
    #[must_use]
    pub fn account(account: AccountId) -> Self {
        Self {
            subject: account.0.cast_unsigned(),
            class: Kind::Account.class(),
        }
    }

    /// The bucket of an account within a scope.
    #[must_use]
    pub fn account_scope(account: AccountId, scope: ScopeId) -> Self {
        Self {
            subject: account.0.cast_unsigned(),
            class: Kind::AccountScope(scope).class(),
        }
    }

    /// The bucket of another issuer's account, by the digest of its name.
    #[must_use]
    pub fn foreign(digest: u64) -> Self {
        Self {
            subject: digest,
            class: Kind::Foreign.class(),
        }
    }

    /// The bucket of another issuer's account within a scope.
    #[must_use]
    pub fn foreign_scope(digest: u64, scope: ScopeId) -> Self {
        Self {
            subject: digest,
            class: Kind::ForeignScope(scope).class(),
        }
    }

    /// The bucket of a client address: one IPv4 address, or one IPv6 network of 64 bits.
    #[must_use]
    pub fn address(ip: IpAddr) -> Self {
        Self::of_address(ip, Kind::Address)
    }

    /// The bucket of a client address within a scope.
    #[must_use]
    pub fn address_scope(ip: IpAddr, scope: ScopeId) -> Self {
        Self::of_address(ip, Kind::AddressScope(scope))
    }

    /// The bucket of a client address for cold work.
    #[must_use]
    pub fn cold(ip: IpAddr) -> Self {
        Self::of_address(ip, Kind::Cold)
    }

    fn of_address(ip: IpAddr, kind: Kind) -> Self {
        // An IPv4 client of a dual-stack socket appears as ::ffff:a.b.c.d; without this all of them would share a bucket.
        match ip.to_canonical() {
            IpAddr::V4(address) => Self {
                subject: u64::from(address.to_bits()),
                class: kind.class(),
            },
            IpAddr::V6(address) => Self {
                subject: (address.to_bits() >> 64) as u64,
                class: kind.class() | CLASS_V6,
            },
        }
    }

    /// Where the bucket is that newcomers of this kind share.
    const fn overflow_index(self) -> usize {
        (self.class & !CLASS_V6) as usize
    }
}

/// Buckets, at most `max` of them.
#[derive(Debug)]
pub struct Buckets {
    map: DashMap<Key, AtomicU64, RandomState>,
    /// How many buckets there are; raised before one is put in, so that `max` is never passed.
    count: AtomicUsize,
    max: usize,
    /// One bucket for each kind (and scope), shared by the newcomers that found the map full.
    overflow: Box<[AtomicU64]>,
}

impl Buckets {
    /// Room for `max` buckets; memory is taken as they come.
    #[must_use]
    pub fn new(max: usize) -> Self {
        Self {
            map: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::default(), SHARDS),
            count: AtomicUsize::new(0),
            max,
            overflow: (0..CLASSES).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Asks the bucket of `key` for one request.
    #[must_use]
    pub fn take(&self, key: Key, quota: &Quota, version: Version, now_ns: u64) -> Decision {
        match self.map.get(&key) {
            // The guard is held while deciding: a sweep cannot take the bucket away in between.
            Some(bucket) => take(&bucket, quota, version, now_ns),
            None => self.take_new(key, quota, version, now_ns),
        }
    }

    #[cold]
    fn take_new(&self, key: Key, quota: &Quota, version: Version, now_ns: u64) -> Decision {
        if self.count.load(Ordering::Relaxed) >= self.max {
            return self.take_shared(key, quota, version, now_ns);
        }
        match self.map.entry(key) {
            Entry::Occupied(bucket) => take(bucket.get(), quota, version, now_ns),
            Entry::Vacant(place) => {
                if self.count.fetch_add(1, Ordering::Relaxed) >= self.max {
                    self.count.fetch_sub(1, Ordering::Relaxed);
                    drop(place);
                    return self.take_shared(key, quota, version, now_ns);
                }
                take(&place.insert(AtomicU64::new(pack(0, version))), quota, version, now_ns)
            }
        }
    }

    fn take_shared(&self, key: Key, quota: &Quota, version: Version, now_ns: u64) -> Decision {
        take(&self.overflow[key.overflow_index()], quota, version, now_ns)
    }

    /// Removes the buckets that are full again, which is the same as never having been asked. Returns how many.
    pub fn sweep(&self, now_ns: u64) -> usize {
        let mut removed = 0;
        self.map.retain(|_, bucket| {
            let keep = unpack(*bucket.get_mut()).0 > now_ns;
            removed += usize::from(!keep);
            keep
        });
        self.count.fetch_sub(removed, Ordering::Relaxed);
        removed
    }

    /// How many buckets there are; those that newcomers share are not counted.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Decides one request against one bucket and stores what comes of it. The word is all there is to agree on, so relaxed
/// ordering is enough.
fn take(bucket: &AtomicU64, quota: &Quota, version: Version, now_ns: u64) -> Decision {
    let now_ns = now_ns.min(NOW_MAX);
    let mut seen = bucket.load(Ordering::Relaxed);
    loop {
        let (mut tat_ns, mut last) = unpack(seen);
        if version.is_after(last) {
            tat_ns = gcra::clamp(tat_ns, now_ns, quota);
            last = version;
        }
        let decision = gcra::decide(tat_ns, now_ns, quota);
        let next = pack(decision.tat_ns, last);
        if next == seen {
            return decision;
        }
        match bucket.compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => return decision,
            Err(other) => seen = other,
        }
    }
}

/// A bucket is never emptier than drained, so with [`NOW_MAX`] its time fits and the minimum cuts nothing off.
fn pack(tat_ns: u64, version: Version) -> u64 {
    (tat_ns.min(TAT_MAX) << VERSION_BITS) | u64::from(version.0)
}

const fn unpack(word: u64) -> (u64, Version) {
    (word >> VERSION_BITS, Version((word & VERSION_MASK) as u8))
}

#[cfg(test)]
mod tests;
