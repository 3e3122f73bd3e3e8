use super::keys::{Algorithm, KeySetError};
use super::testing::{AUD, ISS, KID, NOW, Signer};
use super::*;
use async_trait::async_trait;
use bytes::Bytes;
use igny8_contract::time::Clock;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// A clock that stands until it is moved.
#[derive(Debug)]
struct HandClock(AtomicI64);

impl HandClock {
    fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        Timestamp(0).plus_seconds(NOW + self.0.load(Ordering::SeqCst))
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// An issuer's endpoint: what it answers now, how often it was asked, and a gate that every answer passes.
struct Endpoint {
    answer: std::sync::Mutex<Option<String>>,
    asked: AtomicUsize,
    gate: Semaphore,
}

impl Endpoint {
    fn say(&self, answer: Option<String>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySource for Endpoint {
    async fn fetch(&self) -> Result<Bytes, KeySourceError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let _passed = self.gate.acquire().await.unwrap();
        let answer = self.answer.lock().unwrap().clone();
        answer
            .map(Bytes::from)
            .ok_or_else(|| KeySourceError("connection refused".to_owned()))
    }
}

struct Setting {
    tokens: Tokens,
    endpoint: Arc<Endpoint>,
    clock: Arc<HandClock>,
}

impl Setting {
    fn new(answer: Option<String>) -> Self {
        let answer = std::sync::Mutex::new(answer);
        let endpoint = Arc::new(Endpoint {
            answer,
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(100),
        });
        let clock = Arc::new(HandClock(AtomicI64::new(0)));
        let issuer = Issuer::new(ISS, AUD, 10, ClaimRules::Core).unwrap();
        let form = KeyForm::Jwks(vec![Algorithm::EdDsa]);
        let keys = KeyStore::new(
            "core",
            form,
            Arc::clone(&endpoint) as _,
            Arc::clone(&clock) as _,
            Duration::from_secs(60),
        );
        let tokens = Tokens::new(vec![Trusted { issuer, keys }], 100);
        Self {
            tokens,
            endpoint,
            clock,
        }
    }

    async fn verify(&self, token: &str) -> Result<Arc<Identity>, Refusal> {
        self.tokens.verify(token, self.clock.now()).await
    }

    fn cached(&self, token: &str) -> bool {
        self.tokens.cached(token.as_bytes(), self.clock.now()).is_some()
    }
}

fn good() -> (String, Signer) {
    let signer = Signer::new(1);
    (signer.token(KID, "j"), signer)
}

#[tokio::test]
async fn a_token_is_verified_once_and_remembered() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    assert!(!setting.cached(&token));
    let verified = setting.verify(&token).await.unwrap();
    assert_eq!(verified.account_value, "7");
    assert!(setting.cached(&token));
    assert!(!setting.cached(&token[..token.len() - 1]));
    assert_eq!((setting.endpoint.asked(), setting.tokens.cache_len()), (1, 1));
}

#[tokio::test]
async fn a_bad_token_is_never_remembered() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    let forged = Signer::new(2).token(KID, "j");
    assert_eq!(setting.verify(&forged).await.unwrap_err(), Refusal::TokenInvalid);
    setting.clock.advance(400);
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::TokenExpired);
    assert!(!setting.cached(&forged) && !setting.cached(&token));
    assert_eq!(setting.tokens.cache_len(), 0);
}

#[tokio::test]
async fn a_remembered_token_ends_at_its_expiry_without_leeway() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    setting.verify(&token).await.unwrap();
    setting.clock.advance(299);
    setting.tokens.issuers()[0].keys.refresh().await.unwrap();
    assert!(setting.cached(&token));
    setting.clock.advance(1);
    assert!(!setting.cached(&token));
    assert!(
        setting.verify(&token).await.is_ok(),
        "within the leeway the signature is checked each time"
    );
    assert!(!setting.cached(&token));
}

#[tokio::test]
async fn an_unknown_kid_fetches_at_most_once_in_ten_seconds() {
    let (_, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    setting.tokens.issuers()[0].keys.refresh().await.unwrap();
    let token = Signer::new(2).token("k2", "j");
    for _ in 0..20 {
        assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::TokenInvalid);
    }
    assert_eq!(
        setting.endpoint.asked(),
        2,
        "that the set was fetched a moment ago says nothing of this kid"
    );
    setting.clock.advance(9);
    setting.tokens.issuers()[0].keys.refresh().await.unwrap();
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::TokenInvalid);
    assert_eq!(setting.endpoint.asked(), 3);
    setting.endpoint.say(Some(Signer::new(2).key_set_as("k2")));
    setting.clock.advance(1);
    assert!(
        setting.verify(&token).await.is_ok(),
        "a key that has been added is found, however lately another fetch was made"
    );
    assert_eq!(setting.endpoint.asked(), 4);
}

#[tokio::test]
async fn whoever_goes_away_during_a_fetch_for_an_unknown_kid_has_asked_all_the_same() {
    let (_, signer) = good();
    let setting = Arc::new(Setting::new(Some(signer.key_set())));
    setting.tokens.issuers()[0].keys.refresh().await.unwrap();
    setting.endpoint.gate.forget_permits(100);
    let token = Signer::new(2).token("k2", "j");
    let gone = {
        let (setting, token) = (Arc::clone(&setting), token.clone());
        tokio::spawn(async move { setting.verify(&token).await })
    };
    while setting.endpoint.asked() == 1 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    setting.endpoint.gate.add_permits(1);
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::TokenInvalid);
    assert_eq!(setting.endpoint.asked(), 2);
}

#[tokio::test]
async fn many_requests_at_once_make_one_fetch() {
    let (token, signer) = good();
    let setting = Arc::new(Setting::new(Some(signer.key_set())));
    setting.endpoint.gate.forget_permits(100);
    let requests: Vec<_> = (0..50)
        .map(|_| {
            let (setting, token) = (Arc::clone(&setting), token.clone());
            tokio::spawn(async move { setting.verify(&token).await.is_ok() })
        })
        .collect();
    while setting.endpoint.asked() == 0 {
        tokio::task::yield_now().await;
    }
    setting.endpoint.gate.add_permits(1);
    for request in requests {
        assert!(request.await.unwrap());
    }
    assert_eq!(setting.endpoint.asked(), 1);
}

#[tokio::test]
async fn a_request_that_goes_away_during_its_fetch_leaves_no_lock_behind() {
    let (token, signer) = good();
    let setting = Arc::new(Setting::new(Some(signer.key_set())));
    setting.endpoint.gate.forget_permits(100);
    let gone = {
        let (setting, token) = (Arc::clone(&setting), token.clone());
        tokio::spawn(async move { setting.verify(&token).await })
    };
    while setting.endpoint.asked() == 0 {
        tokio::task::yield_now().await;
    }
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    setting.endpoint.gate.add_permits(1);
    setting.clock.advance(1);
    assert!(setting.verify(&token).await.is_ok());
}

#[tokio::test]
async fn without_any_key_set_tokens_are_refused_as_core_unavailable() {
    let (token, signer) = good();
    let setting = Setting::new(None);
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::CoreUnavailable);
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::CoreUnavailable);
    assert_eq!(setting.endpoint.asked(), 1, "a second has to pass before the next try");
    assert!(!setting.tokens.ready(setting.clock.now()));
    setting.endpoint.say(Some("{\"keys\":[]}".to_owned()));
    setting.clock.advance(1);
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::CoreUnavailable);
    setting.endpoint.say(Some(signer.key_set()));
    setting.clock.advance(1);
    assert!(setting.verify(&token).await.is_ok());
}

#[tokio::test]
async fn an_unreachable_key_set_serves_its_last_copy_for_a_time_and_then_refuses() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    setting.verify(&token).await.unwrap();
    setting.endpoint.say(None);
    setting.clock.advance(60);
    assert_eq!(
        setting.tokens.issuers()[0].keys.refresh().await.unwrap_err(),
        KeySourceError("connection refused".to_owned()).into()
    );
    assert!(setting.cached(&token));
    assert!(setting.verify(&signer.token(KID, "j2")).await.is_ok());
    setting.clock.advance(1);
    assert!(
        !setting.cached(&token),
        "remembered tokens end with the copy they were verified by"
    );
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::CoreUnavailable);
    setting.endpoint.say(Some(signer.key_set()));
    setting.clock.advance(1);
    assert!(setting.verify(&token).await.is_ok(), "recovers by itself");
    assert!(setting.cached(&token));
}

#[tokio::test]
async fn a_refresh_that_finds_nothing_new_keeps_what_is_remembered() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    assert!(setting.tokens.issuers()[0].keys.refresh().await.unwrap());
    setting.verify(&token).await.unwrap();
    assert!(!setting.tokens.issuers()[0].keys.refresh().await.unwrap());
    assert!(setting.cached(&token));
}

#[tokio::test]
async fn a_key_that_is_taken_away_ends_its_tokens_at_the_next_refresh() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    setting.verify(&token).await.unwrap();
    setting.endpoint.say(Some(Signer::new(2).key_set_as("k2")));
    assert!(setting.tokens.issuers()[0].keys.refresh().await.unwrap());
    assert!(!setting.cached(&token));
    assert_eq!(setting.verify(&token).await.unwrap_err(), Refusal::TokenInvalid);
}

#[tokio::test]
async fn a_key_set_that_is_not_accepted_keeps_the_last_good_one() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    setting.verify(&token).await.unwrap();
    setting.endpoint.say(Some("<html>".to_owned()));
    assert_eq!(
        setting.tokens.issuers()[0].keys.refresh().await.unwrap_err(),
        KeySetError::Malformed.into()
    );
    assert!(setting.cached(&token));
}

#[tokio::test]
async fn the_feeds_word_keeps_a_set_young_to_the_second_and_no_set_that_is_in_doubt() {
    let (token, signer) = good();
    let setting = Setting::new(Some(signer.key_set()));
    let keys = &setting.tokens.issuers()[0].keys;
    let elapsed = || setting.clock.elapsed();
    keys.confirm(elapsed());
    assert!(!keys.ready(setting.clock.now()), "there is nothing to confirm");
    setting.verify(&token).await.unwrap();
    setting.clock.advance(50);
    keys.confirm(elapsed().saturating_sub(Duration::from_secs(2)));
    setting.clock.advance(58);
    assert!(keys.ready(setting.clock.now()));
    setting.clock.advance(1);
    assert!(!keys.ready(setting.clock.now()));

    let gone_in = |seconds| {
        setting.clock.advance(seconds);
        keys.confirm(elapsed());
        setting.clock.advance(60 - seconds);
        assert!(keys.ready(setting.clock.now()));
        setting.clock.advance(1);
        !keys.ready(setting.clock.now())
    };
    keys.refresh().await.unwrap();
    keys.doubt();
    assert!(gone_in(30), "another set was told of");
    setting.endpoint.say(None);
    keys.refresh().await.unwrap_err();
    setting.endpoint.say(Some(signer.key_set()));
    keys.refresh().await.unwrap();
    setting.endpoint.say(None);
    keys.refresh().await.unwrap_err();
    assert!(gone_in(30), "its source has failed since");
    setting.endpoint.say(Some(signer.key_set()));
    keys.refresh().await.unwrap();
    assert!(!gone_in(30), "its source has answered since");
}

#[tokio::test]
async fn a_fetch_that_began_before_another_set_was_told_of_settles_nothing() {
    let (_, signer) = good();
    let setting = Arc::new(Setting::new(Some(signer.key_set())));
    setting.endpoint.gate.forget_permits(100);
    let fetch = {
        let setting = Arc::clone(&setting);
        tokio::spawn(async move { setting.tokens.issuers()[0].keys.refresh().await })
    };
    while setting.endpoint.asked() == 0 {
        tokio::task::yield_now().await;
    }
    let keys = &setting.tokens.issuers()[0].keys;
    keys.doubt();
    setting.endpoint.gate.add_permits(1);
    fetch.await.unwrap().unwrap();
    setting.clock.advance(30);
    keys.confirm(setting.clock.elapsed());
    setting.clock.advance(31);
    assert!(!keys.ready(setting.clock.now()));
}
