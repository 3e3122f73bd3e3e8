mod claims;
mod form;
mod header;

use super::super::issuer::{ClaimRules, Issuer, IssuerError};
use super::super::keys::Algorithm;
use super::*;
use crate::tokens::testing::{AUD, ISS, KID, NOW, Signer, payload};
use igny8_contract::claims::AccessClaims;
use igny8_contract::time::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

/// Verifies a token of the core's; what its claims say when everything holds.
fn verify_compact(token: &[u8], keys: &KeySet, issuer: &Issuer, now: Timestamp) -> Result<AccessClaims, TokenError> {
    let token = Compact::parse(token)?;
    let claims = token.claims()?;
    issuer.core_claims(&token, &claims, keys, now)
}

fn verify(token: &str) -> Result<AccessClaims, TokenError> {
    verify_at(token, NOW)
}

fn verify_at(token: &str, seconds: i64) -> Result<AccessClaims, TokenError> {
    let keys = KeySet::parse(Signer::new(1).key_set().as_bytes(), &[Algorithm::EdDsa]).unwrap();
    verify_compact(
        token.as_bytes(),
        &keys,
        &Issuer::new(ISS, AUD, 10, ClaimRules::Core).unwrap(),
        Timestamp(0).plus_seconds(seconds),
    )
}

/// A token with this header text, signed by the right key.
fn with_header(header: &str) -> String {
    Signer::new(1).sign(header, &payload().to_string())
}

/// A token with this payload text, signed by the right key.
fn with_payload(payload: &str) -> String {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID});
    Signer::new(1).sign(&header.to_string(), payload)
}

/// A token whose payload has one member changed; null takes it away.
fn with_claim(name: &str, value: Value) -> String {
    let mut changed = payload();
    if value.is_null() {
        changed.as_object_mut().unwrap().remove(name).unwrap();
    } else {
        changed[name] = value;
    }
    with_payload(&changed.to_string())
}

fn good() -> String {
    with_payload(&payload().to_string())
}

#[test]
fn a_good_token_says_what_was_signed() {
    let claims = verify(&good()).unwrap();
    assert_eq!(serde_json::to_value(&claims).unwrap(), payload());
}

#[test]
fn members_that_nobody_knows_are_let_pass() {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID, "x5t": "a", "note": {"a": 1}});
    assert!(verify(&with_header(&header.to_string())).is_ok());
    assert!(verify(&with_claim("scope", json!("a b"))).is_ok());
}

#[test]
fn an_issuer_needs_names_and_a_leeway_of_at_most_thirty_seconds() {
    assert_eq!(
        Issuer::new("", AUD, 0, ClaimRules::Core).unwrap_err(),
        IssuerError::Empty
    );
    assert_eq!(
        Issuer::new(ISS, "", 0, ClaimRules::Core).unwrap_err(),
        IssuerError::Empty
    );
    for leeway in [-1, 31] {
        assert_eq!(
            Issuer::new(ISS, AUD, leeway, ClaimRules::Core).unwrap_err(),
            IssuerError::Leeway
        );
    }
    assert!(Issuer::new(ISS, AUD, 30, ClaimRules::Core).is_ok());
}

#[test]
fn everything_but_expiry_is_one_refusal_to_the_client() {
    for token in [
        good() + "x",
        with_claim("aud", json!("x")),
        with_header("{}"),
        with_payload("{}"),
    ] {
        assert_eq!(verify(&token).unwrap_err().refusal(), Refusal::TokenInvalid);
    }
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic_or_pass(token in prop::collection::vec(any::<u8>(), 0..600)) {
        let keys = KeySet::parse(Signer::new(1).key_set().as_bytes(), &[Algorithm::EdDsa]).unwrap();
        let issuer = Issuer::new(ISS, AUD, 10, ClaimRules::Core).unwrap();
        prop_assert!(verify_compact(&token, &keys, &issuer, Timestamp(i64::MAX)).is_err());
        prop_assert!(verify_compact(&token, &keys, &issuer, Timestamp(i64::MIN)).is_err());
    }

    #[test]
    fn a_good_token_with_any_byte_changed_is_refused(place: prop::sample::Index, byte: u8) {
        let mut token = good().into_bytes();
        let place = place.index(token.len());
        prop_assume!(token[place] != byte);
        token[place] = byte;
        let keys = KeySet::parse(Signer::new(1).key_set().as_bytes(), &[Algorithm::EdDsa]).unwrap();
        let issuer = Issuer::new(ISS, AUD, 10, ClaimRules::Core).unwrap();
        prop_assert!(verify_compact(&token, &keys, &issuer, Timestamp(0).plus_seconds(NOW)).is_err());
    }
}
