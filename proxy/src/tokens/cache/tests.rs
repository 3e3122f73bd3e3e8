use super::*;
use crate::policy::identity::Holder;
use crate::tokens::testing::{NOW, payload};
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::{AccountId, UserId};
use std::thread;

fn at(seconds: i64) -> Timestamp {
    Timestamp(0).plus_seconds(seconds)
}

fn verified(account: i64) -> Arc<Identity> {
    let mut claims: AccessClaims = serde_json::from_value(payload()).unwrap();
    claims.account_id = AccountId(account);
    Arc::new(Identity::of(claims).unwrap())
}

fn get<S: BuildHasher + Clone>(
    cache: &Cache<S>,
    token: &[u8],
    now: Timestamp,
    generation: u64,
) -> Option<Arc<Identity>> {
    cache.get(token, now, |origin| origin == Origin { issuer: 0, generation })
}

fn put<S: BuildHasher + Clone>(
    cache: &Cache<S>,
    token: &[u8],
    verified: Arc<Identity>,
    now: Timestamp,
    generation: u64,
) {
    cache.put(token, verified, now, Origin { issuer: 0, generation });
}

fn account(identity: &Identity) -> AccountId {
    identity.asks_core().unwrap().0.account_id
}

#[test]
fn header_values_are_made_once_and_say_who_it_is() {
    let verified = verified(7);
    let values = (&verified.account_value, &verified.user_value, &verified.role_value);
    assert!(values.0 == "7" && values.1 == "42" && values.2 == "owner");
    let Holder::Core { standing, token } = &verified.holder else {
        panic!("{verified:?}");
    };
    assert_eq!((standing.account_id, standing.user_id), (AccountId(7), UserId(42)));
    assert_eq!(
        (token.account_epoch, token.user_epoch, verified.exp, &*standing.sid),
        (3, 5, NOW + 300, "s-1")
    );
}

#[test]
fn a_token_is_remembered_until_it_expires_and_not_a_moment_longer() {
    let cache = Cache::new(10);
    put(&cache, b"token", verified(7), at(NOW), 1);
    assert_eq!(account(&get(&cache, b"token", at(NOW), 1).unwrap()), AccountId(7));
    assert!(get(&cache, b"token", Timestamp(at(NOW + 300).0 - 1), 1).is_some());
    assert!(get(&cache, b"token", at(NOW + 300), 1).is_none());
}

#[test]
fn a_token_is_not_remembered_across_generations_of_the_key_set() {
    let cache = Cache::new(10);
    put(&cache, b"token", verified(7), at(NOW), 1);
    assert!(get(&cache, b"token", at(NOW), 2).is_none());
    assert!(get(&cache, b"token", at(NOW), 0).is_none());
    put(&cache, b"token", verified(7), at(NOW), 2);
    assert!(get(&cache, b"token", at(NOW), 2).is_some());
    assert!(get(&cache, b"token", at(NOW), 1).is_none());
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_token_of_one_issuer_is_not_one_of_another() {
    let cache = Cache::new(10);
    let (first, second) = (
        Origin {
            issuer: 0,
            generation: 1,
        },
        Origin {
            issuer: 1,
            generation: 1,
        },
    );
    cache.put(b"token", verified(7), at(NOW), second);
    assert!(cache.get(b"token", at(NOW), |origin| origin == first).is_none());
    assert!(cache.get(b"token", at(NOW), |origin| origin == second).is_some());
}

#[test]
fn tokens_of_one_hash_are_told_apart_by_their_bytes() {
    #[derive(Clone)]
    struct SameHash;
    impl std::hash::Hasher for SameHash {
        fn finish(&self) -> u64 {
            7
        }
        fn write(&mut self, _: &[u8]) {}
    }
    impl BuildHasher for SameHash {
        type Hasher = Self;
        fn build_hasher(&self) -> Self {
            Self
        }
    }
    let cache = Cache::with_hasher(10, SameHash);
    put(&cache, b"one", verified(1), at(NOW), 1);
    assert_eq!(account(&get(&cache, b"one", at(NOW), 1).unwrap()), AccountId(1));
    assert!(get(&cache, b"two", at(NOW), 1).is_none());
    // One of a hash is remembered, the last; the other is verified anew.
    put(&cache, b"two", verified(2), at(NOW), 1);
    assert_eq!(account(&get(&cache, b"two", at(NOW), 1).unwrap()), AccountId(2));
    assert!(get(&cache, b"one", at(NOW), 1).is_none());
    assert_eq!((cache.len(), cache.map.len()), (1, 1));
    for other in [&b"tw"[..], b"twp", b"two ", b""] {
        assert!(get(&cache, other, at(NOW), 1).is_none());
    }
}

#[test]
fn the_cache_never_grows_past_its_bound_and_the_oldest_make_room() {
    let cache = Cache::new(100);
    for account in 1..=1_000 {
        put(
            &cache,
            format!("token {account}").as_bytes(),
            verified(account),
            at(NOW),
            1,
        );
        assert!(cache.map.len() <= 100);
    }
    assert_eq!((cache.len(), cache.map.len()), (100, 100));
    assert!(get(&cache, b"token 900", at(NOW), 1).is_none());
    assert_eq!(account(&get(&cache, b"token 901", at(NOW), 1).unwrap()), AccountId(901));
}

#[test]
fn the_bound_holds_when_eight_threads_put() {
    let cache = Cache::new(100);
    thread::scope(|scope| {
        for thread in 0..8 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..500 {
                    // Some tokens are this thread's own, some are everybody's.
                    let token = if round % 3 == 0 {
                        format!("shared {round}")
                    } else {
                        format!("{thread} {round}")
                    };
                    put(cache, token.as_bytes(), verified(1), at(NOW), 1);
                }
            });
        }
    });
    assert_eq!((cache.len(), cache.map.len()), (100, 100));
}

#[test]
fn expired_tokens_make_room_before_the_bound_is_reached() {
    let cache = Cache::new(100);
    for account in 1..=50 {
        put(
            &cache,
            format!("token {account}").as_bytes(),
            verified(account),
            at(NOW),
            1,
        );
    }
    put(&cache, b"late", verified(51), at(NOW + 300), 1);
    assert_eq!((cache.len(), cache.map.len()), (1, 1));
}

#[test]
fn a_token_too_long_to_keep_is_not_kept_and_neither_is_any_without_room() {
    let cache = Cache::new(10);
    put(&cache, &[b'x'; CACHED_BYTES_MAX + 1], verified(7), at(NOW), 1);
    assert!(cache.is_empty());
    put(&cache, &[b'x'; CACHED_BYTES_MAX], verified(7), at(NOW), 1);
    assert_eq!(cache.len(), 1);
    let none = Cache::new(0);
    put(&none, b"token", verified(7), at(NOW), 1);
    assert!(none.is_empty());
}
