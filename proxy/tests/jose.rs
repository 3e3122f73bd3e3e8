//! Attacks on tokens, made by an independent implementation of JOSE (`tests/jose/tokens.py`, run once), against a proxy's
//! whole verification: three issuers, their keys, the cache.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails as a test does, by panicking"
)]

use async_trait::async_trait;
use bytes::Bytes;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{Clock, Timestamp};
use igny8_proxy::policy::identity::Identity;
use igny8_proxy::tokens::keys::{Algorithm, KeySet};
use igny8_proxy::tokens::{
    ClaimRules, ForeignClaims, Issuer, KeyForm, KeySource, KeySourceError, KeyStore, Tokens, Trusted,
};
use igny8_testkit::django::python_with;
use igny8_testkit::process::{repository, run};
use serde_json::{Value, json};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// What the script printed.
fn vectors() -> &'static Value {
    static PRINTED: OnceLock<Value> = OnceLock::new();
    PRINTED.get_or_init(|| {
        let folder = repository().join("proxy/tests/jose");
        let mut command = Command::new(python_with(&folder.join("requirements.txt")));
        command.args(["-W", "ignore"]).arg(folder.join("tokens.py"));
        serde_json::from_str(&run(&mut command)).unwrap()
    })
}

fn now() -> Timestamp {
    Timestamp(0).plus_seconds(vectors()["now"].as_i64().unwrap())
}

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        now()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(1)
    }
}

/// A place where keys are published; what is there may change.
struct Published(Mutex<String>);

#[async_trait]
impl KeySource for Published {
    async fn fetch(&self) -> Result<Bytes, KeySourceError> {
        Ok(Bytes::from(self.0.lock().unwrap().clone()))
    }
}

struct Setting {
    tokens: Tokens,
    /// The core's keys, acme's, the shop's secret.
    published: Vec<Arc<Published>>,
}

fn foreign(account_claim: &str, prefix: &str) -> ClaimRules {
    ClaimRules::Foreign(ForeignClaims {
        typ: "JWT".into(),
        account_claim: account_claim.into(),
        user_claim: "sub".into(),
        role_claim: None,
        account_prefix: prefix.into(),
        user_prefix: prefix.into(),
        asks_core: false,
    })
}

fn setting() -> Setting {
    let vectors = vectors();
    let secret = format!("{}\n", vectors["secret"].as_str().unwrap());
    let jwks = |algorithms: &[Algorithm]| KeyForm::Jwks(algorithms.to_vec());
    let parts = [
        (
            "core",
            "igny8-core",
            ClaimRules::Core,
            jwks(&[Algorithm::EdDsa]),
            vectors["core_keys"].to_string(),
        ),
        (
            "acme",
            "https://acme.example/",
            foreign("org", "acme-"),
            jwks(&[Algorithm::Es256, Algorithm::Rs256]),
            vectors["acme_keys"].to_string(),
        ),
        ("shop", "shop", foreign("tenant", "shop-"), KeyForm::Secret, secret),
    ];
    let mut published = Vec::new();
    let trusted = parts.map(|(name, iss, claims, form, keys)| {
        let source = Arc::new(Published(Mutex::new(keys)));
        published.push(Arc::clone(&source));
        Trusted {
            issuer: Issuer::new(iss, "igny8-api", 0, claims).unwrap(),
            keys: KeyStore::new(name, form, source, Arc::new(Stopped), Duration::from_secs(300)),
        }
    });
    Setting {
        tokens: Tokens::new(trusted.into(), 1_000),
        published,
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

impl Setting {
    fn verify(&self, token: &str) -> Result<Arc<Identity>, Refusal> {
        block_on(self.tokens.verify(token, now()))
    }

    fn is_cached(&self, token: &str) -> bool {
        self.tokens.cached(token.as_bytes(), now()).is_some()
    }
}

fn good(name: &str) -> &'static str {
    vectors()["good"][name].as_str().unwrap()
}

/// Every token of an attack is refused with this code, is not remembered, and changes nothing for the good ones.
#[track_caller]
fn refused_as(attack: &str, refusal: Refusal) {
    let setting = setting();
    let tokens = vectors()["attacks"][attack].as_array().unwrap();
    for (place, token) in tokens.iter().enumerate() {
        let token = token.as_str().unwrap();
        let outcome = setting.verify(token).map(|identity| format!("{identity:?}"));
        assert_eq!(outcome, Err(refusal), "{attack}, {place}: {token}");
        assert!(!setting.is_cached(token), "{attack}, {place}: remembered");
    }
    assert_eq!(setting.tokens.cache_len(), 0);
    for name in ["core", "acme_ec", "acme_rsa", "shop"] {
        assert!(setting.verify(good(name)).is_ok(), "{name} after {attack}");
    }
}

#[test]
fn good_tokens_of_every_issuer_and_algorithm_are_accepted_and_say_whose_they_are() {
    let setting = setting();
    for (name, account, user, role) in [
        ("core", "7", "42", "owner"),
        ("acme_ec", "acme-7", "acme-9", ""),
        ("acme_rsa", "acme-7", "acme-9", ""),
        ("shop", "shop-7", "shop-9", ""),
        ("shop_with_a_kid", "shop-7", "shop-9", ""),
    ] {
        let identity = setting.verify(good(name)).unwrap();
        let told = (&identity.account_value, &identity.user_value, &identity.role_value);
        assert!(
            told.0 == account && told.1 == user && told.2 == role,
            "{name}: {told:?}"
        );
        assert!(setting.is_cached(good(name)), "{name}");
        assert_eq!(identity.asks_core().is_some(), name == "core", "{name}");
    }
}

#[test]
fn another_issuers_word_never_makes_anybody_staff_or_names_an_account_of_others() {
    let setting = setting();
    let staff = setting.verify(good("acme_that_claims_to_be_staff")).unwrap();
    assert!(staff.asks_core().is_none() && staff.role_value.is_empty() && staff.account_value == "acme-7");
    let shops = setting.verify(good("acme_with_another_issuers_prefix")).unwrap();
    assert_eq!(shops.account_value, "acme-shop-7");
}

#[test]
fn every_attack_of_the_script_has_its_test() {
    let source = std::fs::read_to_string(repository().join("proxy/tests/jose.rs")).unwrap();
    for attack in vectors()["attacks"].as_object().unwrap().keys() {
        assert!(
            source.contains(&format!("{attack} =>")),
            "{attack} is made and not tried"
        );
    }
}

macro_rules! attacks {
    ($($name:ident => $refusal:ident,)*) => {
        $(#[test]
        fn $name() {
            refused_as(stringify!($name), Refusal::$refusal);
        })*
    };
}

attacks! {
    alg_none => TokenInvalid,
    hs256_with_a_public_key => TokenInvalid,
    another_alg_of_the_same_key => TokenInvalid,
    kid_injection => TokenInvalid,
    keys_in_the_header => TokenInvalid,
    crit => TokenInvalid,
    b64 => TokenInvalid,
    duplicate_names => TokenInvalid,
    wrong_typ => TokenInvalid,
    wrong_aud => TokenInvalid,
    a_token_for_the_app_at_the_public_edge => TokenInvalid,
    exp_missing => TokenInvalid,
    exp_of_another_form => TokenInvalid,
    expired => TokenExpired,
    nbf_in_the_future => TokenInvalid,
    iat_in_the_future => TokenInvalid,
    trailing_data => TokenInvalid,
    padded_base64 => TokenInvalid,
    another_base64 => TokenInvalid,
    white_space => TokenInvalid,
    oversized => TokenInvalid,
    another_issuers_key => TokenInvalid,
    iss_unknown => TokenInvalid,
    account_that_is_no_name => TokenInvalid,
    sub_missing_or_no_user => TokenInvalid,
    es256_out_of_range => TokenInvalid,
    es256_of_another_form => TokenInvalid,
    ed25519_malleable_or_null => TokenInvalid,
    rs256_with_1024_bits => TokenInvalid,
    rs256_with_a_small_exponent => TokenInvalid,
    rs256_with_exponent_one => TokenInvalid,
    rs256_of_another_form => TokenInvalid,
    a_secret_that_is_published => TokenInvalid,
    hs256_with_an_empty_or_short_key => TokenInvalid,
    hs256_cut_short => TokenInvalid,
    another_serialization => TokenInvalid,
    text_that_is_no_json => TokenInvalid,
}

#[test]
fn a_remembered_token_ends_with_the_key_that_signed_it_and_others_go_on() {
    let setting = setting();
    for name in ["core", "acme_ec", "acme_rsa", "shop"] {
        setting.verify(good(name)).unwrap();
    }
    // Acme takes its elliptic key away; the others' keys stay.
    let mut left = vectors()["acme_keys"].clone();
    left["keys"].as_array_mut().unwrap().remove(0);
    *setting.published[1].0.lock().unwrap() = left.to_string();
    block_on(setting.tokens.issuers()[1].keys.refresh()).unwrap();
    assert!(!setting.is_cached(good("acme_ec")) && !setting.is_cached(good("acme_rsa")));
    assert!(setting.is_cached(good("core")) && setting.is_cached(good("shop")));
    assert_eq!(setting.verify(good("acme_ec")).unwrap_err(), Refusal::TokenInvalid);
    assert!(setting.verify(good("acme_rsa")).is_ok());

    *setting.published[2].0.lock().unwrap() = "another secret of more than 32 bytes\n".to_owned();
    block_on(setting.tokens.issuers()[2].keys.refresh()).unwrap();
    assert_eq!(setting.verify(good("shop")).unwrap_err(), Refusal::TokenInvalid);
    assert!(setting.is_cached(good("core")));
}

#[test]
fn a_set_with_the_private_half_of_its_keys_verifies_nothing() {
    let mut keys = vectors()["core_keys"].clone();
    keys["keys"][0]["d"] = json!("AAAA");
    assert!(KeySet::parse(keys.to_string().as_bytes(), &Algorithm::ALL).is_err());
}
