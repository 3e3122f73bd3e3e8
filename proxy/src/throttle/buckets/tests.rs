use super::*;
use crate::throttle::limits::{Limits, ScopeNames};
use std::sync::Barrier;
use std::thread;

const V1: Version = Version::of(1);

fn quota(rate: &str, burst: i64) -> Quota {
    Quota::parse(rate, burst).unwrap()
}

/// Two scopes' ids, as a limits file would give them.
fn scopes() -> (ScopeId, ScopeId) {
    let text = "[scope.a]\nrate = \"1/s\"\nburst = 1\n[scope.b]\nrate = \"1/s\"\nburst = 1\n";
    let limits = Limits::parse(text, "limits.toml", 1, &mut ScopeNames::default()).unwrap();
    (limits.scope_id("a").unwrap(), limits.scope_id("b").unwrap())
}

fn every_kind() -> Vec<Key> {
    let (a, b) = scopes();
    let (v4, v6): (IpAddr, IpAddr) = ("192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap());
    let mut keys = vec![
        Key::account(AccountId(1)),
        Key::account_scope(AccountId(1), a),
        Key::account_scope(AccountId(1), b),
        Key::foreign(1),
        Key::foreign_scope(1, a),
        Key::foreign_scope(1, b),
    ];
    for ip in [v4, v6] {
        keys.extend([
            Key::address(ip),
            Key::cold(ip),
            Key::address_scope(ip, a),
            Key::address_scope(ip, b),
        ]);
    }
    keys
}

/// How many of `each` requests from each of eight threads are admitted, all at the same moment.
fn admitted_by_eight_threads(buckets: &Buckets, key: Key, quota: &Quota, each: usize, now_ns: u64) -> usize {
    let start = Barrier::new(8);
    thread::scope(|scope| {
        let thread = || {
            start.wait();
            (0..each)
                .filter(|_| buckets.take(key, quota, V1, now_ns).allowed)
                .count()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(thread)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

#[test]
fn exactly_the_burst_is_admitted_from_eight_threads_for_every_kind_of_bucket() {
    let buckets = Buckets::new(1_000);
    let quota = quota("600/m", 100);
    for key in every_kind() {
        assert_eq!(admitted_by_eight_threads(&buckets, key, &quota, 200, 5), 100, "{key:?}");
    }
    assert_eq!(buckets.len(), every_kind().len());
}

#[test]
fn exactly_the_burst_is_admitted_from_eight_threads_to_newcomers_that_share_a_bucket() {
    let buckets = Buckets::new(0);
    for key in every_kind().into_iter().filter(|key| key.class & CLASS_V6 == 0) {
        assert_eq!(
            admitted_by_eight_threads(&buckets, key, &quota("600/m", 100), 200, 5),
            100,
            "{key:?}"
        );
    }
    assert!(buckets.is_empty());
}

#[test]
fn what_comes_back_while_eight_threads_ask_is_admitted_exactly_too() {
    let buckets = Buckets::new(10);
    let (key, quota) = (Key::account(AccountId(1)), quota("10/s", 5));
    let mut admitted = 0;
    for step in 0..100 {
        // A tenth of a second is one request.
        admitted += admitted_by_eight_threads(&buckets, key, &quota, 3, step * 50_000_000);
    }
    // 5 at once and one for each full tenth of the 4.95 seconds.
    assert_eq!(admitted, 5 + 49);
}

#[test]
fn threads_whose_clocks_lag_admit_nothing_more() {
    let buckets = Buckets::new(10);
    let (key, quota) = (Key::account(AccountId(1)), quota("1000/s", 10));
    let now = 60_000_000_000;
    let admitted: usize = (0..100).filter(|_| buckets.take(key, &quota, V1, now).allowed).count();
    assert_eq!(admitted, 10);
    for lag in [1, 1_000_000, 500_000_000] {
        assert!(!buckets.take(key, &quota, V1, now - lag).allowed, "{lag}");
    }
    assert!(!buckets.take(key, &quota, V1, now).allowed);
}

#[test]
fn one_subject_never_takes_from_another() {
    let buckets = Buckets::new(1_000);
    let quota = quota("1/d", 1);
    let mut keys = every_kind();
    keys.extend([2, 3, i64::MAX].map(|id| Key::account(AccountId(id))));
    for key in keys {
        assert!(buckets.take(key, &quota, V1, 0).allowed, "{key:?}");
        assert!(!buckets.take(key, &quota, V1, 0).allowed, "{key:?}");
    }
}

#[test]
fn ipv6_addresses_count_by_their_first_64_bits_and_ipv4_in_ipv6_counts_as_ipv4() {
    let key = |ip: &str| Key::address(ip.parse().unwrap());
    assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
    assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_ne!(key("::ffff:192.0.2.1"), key("::ffff:192.0.2.2"));
    // The network 0:0:0:c000::/64 has the same number as 0.0.192.0.
    assert_ne!(key("0:0:0:c000::1"), key("0.0.192.0"));
}

#[test]
fn memory_is_bounded_and_a_newcomer_never_puts_an_active_bucket_out() {
    let buckets = Buckets::new(100);
    let quota = quota("1/h", 2);
    for id in 0..10_000 {
        let _ = buckets.take(Key::account(AccountId(id)), &quota, V1, 0);
    }
    assert_eq!((buckets.len(), buckets.map.len()), (100, 100));
    for id in 0..100 {
        let decision = buckets.take(Key::account(AccountId(id)), &quota, V1, 0);
        assert!(
            decision.allowed && decision.remaining == 0,
            "account {id} was there first and keeps its bucket"
        );
    }
    // The bucket that newcomers share is drained, and only that of their kind.
    assert!(!buckets.take(Key::account(AccountId(20_000)), &quota, V1, 0).allowed);
    assert!(
        buckets
            .take(Key::cold("192.0.2.1".parse().unwrap()), &quota, V1, 0)
            .allowed
    );
}

#[test]
fn the_bound_holds_when_eight_threads_bring_newcomers() {
    let buckets = Buckets::new(1_000);
    let quota = quota("1/h", 1);
    thread::scope(|scope| {
        for thread in 0..8 {
            let buckets = &buckets;
            scope.spawn(move || {
                for id in 0..1_000 {
                    let _ = buckets.take(Key::account(AccountId(thread * 1_000 + id)), &quota, V1, 0);
                    assert!(buckets.map.len() <= 1_000);
                }
            });
        }
    });
    assert_eq!((buckets.len(), buckets.map.len()), (1_000, 1_000));
}

#[test]
fn a_sweep_takes_the_buckets_that_are_full_again_and_no_other() {
    let buckets = Buckets::new(10);
    let quota = quota("1/s", 5);
    for (id, requests) in [(1, 1), (2, 2), (3, 3)] {
        for _ in 0..requests {
            let _ = buckets.take(Key::account(AccountId(id)), &quota, V1, 0);
        }
    }
    assert_eq!(buckets.sweep(999_999_999), 0);
    assert_eq!(buckets.sweep(1_000_000_000), 1);
    assert_eq!(buckets.sweep(2_000_000_000), 1);
    assert_eq!(buckets.len(), 1);
    // What is left goes on where it was: three used at 0, two of them back.
    assert_eq!(
        buckets
            .take(Key::account(AccountId(3)), &quota, V1, 2_000_000_000)
            .remaining,
        3
    );
    assert_eq!(buckets.sweep(u64::MAX), 1);
    assert!(buckets.is_empty());
}

#[test]
fn a_sweep_during_admission_loses_nothing() {
    let buckets = Buckets::new(10);
    let (key, quota) = (Key::account(AccountId(1)), quota("1/h", 1_000));
    let admitted = thread::scope(|scope| {
        let asking = scope.spawn(|| admitted_by_eight_threads(&buckets, key, &quota, 1_000, 7));
        while !asking.is_finished() {
            buckets.sweep(7);
        }
        asking.join().unwrap()
    });
    assert_eq!(admitted, 1_000);
}

#[test]
fn new_limits_keep_buckets_and_clamp_each_once() {
    let buckets = Buckets::new(10);
    let key = Key::account(AccountId(1));
    let (slow, fast) = (quota("1/h", 10), quota("10/s", 10));
    for _ in 0..6 {
        assert!(buckets.take(key, &slow, V1, 0).allowed);
    }
    // Six hours of debt would lock the account out for hours under the new limit; it is drained instead.
    let v2 = Version::of(2);
    let refused = buckets.take(key, &fast, v2, 0);
    assert!(!refused.allowed);
    assert_eq!(refused.reset_ns, 100_000_000);
    assert!(buckets.take(key, &fast, v2, 100_000_000).allowed);
    // A request that still holds the limits of before neither clamps nor opens the bucket.
    let drained = buckets.take(key, &fast, v2, 100_000_000);
    assert!(!drained.allowed);
    let _ = buckets.take(key, &slow, V1, 100_000_000);
    assert_eq!(unpack(buckets.map.get(&key).unwrap().load(Ordering::Relaxed)).1, v2);
}

#[test]
fn a_smaller_burst_counts_what_was_used_before() {
    let buckets = Buckets::new(10);
    let key = Key::account(AccountId(1));
    for _ in 0..3 {
        let _ = buckets.take(key, &quota("60/m", 10), V1, 0);
    }
    let decision = buckets.take(key, &quota("60/m", 5), Version::of(2), 0);
    assert!(decision.allowed);
    assert_eq!(decision.remaining, 1);
}

#[test]
fn versions_are_told_apart_around_their_wrap() {
    assert!(Version::of(64).is_after(Version::of(63)));
    assert!(Version::of(2).is_after(Version::of(1)));
    assert!(!Version::of(1).is_after(Version::of(2)));
    assert!(!Version::of(63).is_after(Version::of(64)));
    assert!(!Version::of(7).is_after(Version::of(7)));
}

#[test]
fn when_time_no_longer_fits_requests_are_refused() {
    let buckets = Buckets::new(10);
    let (key, quota) = (Key::account(AccountId(1)), quota("1000000/s", 3));
    let admitted = (0..10)
        .filter(|step| buckets.take(key, &quota, V1, u64::MAX - 10 + step).allowed)
        .count();
    assert_eq!(admitted, 3);
}

#[test]
fn a_bucket_is_small() {
    assert_eq!(size_of::<(Key, AtomicU64)>(), 24);
}
