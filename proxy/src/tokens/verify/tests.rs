use super::super::issuer::{ClaimRules, DATE_MAX, Issuer, IssuerError};
use super::super::keys::Algorithm;
use super::*;
use crate::tokens::testing::{AUD, ISS, KID, NOW, Signer, base64url_of, payload};
use aws_lc_rs::hmac;
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
fn alg_none_is_refused_with_and_without_a_signature() {
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": KID}).to_string();
        assert_eq!(verify(&with_header(&header)), Err(TokenError::Algorithm), "{alg}");
        let unsigned = format!("{}.{}.", base64url_of(&header), base64url_of(payload().to_string()));
        assert_eq!(verify(&unsigned), Err(TokenError::Form), "{alg}");
    }
}

#[test]
fn a_token_signed_by_hmac_with_the_public_key_is_refused() {
    let signer = Signer::new(1);
    let header = json!({"alg": "HS256", "typ": "at+jwt", "kid": KID});
    let signed = format!(
        "{}.{}",
        base64url_of(header.to_string()),
        base64url_of(payload().to_string())
    );
    for secret in [signer.public(), signer.x().into_bytes(), signer.key_set().into_bytes()] {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &secret), signed.as_bytes());
        let token = format!("{signed}.{}", base64url_of(tag.as_ref()));
        assert_eq!(verify(&token), Err(TokenError::Algorithm));
    }
}

#[test]
fn an_alg_that_is_not_the_keys_is_refused_although_the_signature_holds() {
    for alg in ["ES256", "RS256", "HS256", "Ed25519", "eddsa", "EDDSA"] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": KID});
        assert_eq!(
            verify(&with_header(&header.to_string())),
            Err(TokenError::Algorithm),
            "{alg}"
        );
    }
    for header in [
        json!({"typ": "at+jwt", "kid": KID}),
        json!({"alg": ["EdDSA"], "typ": "at+jwt", "kid": KID}),
    ] {
        assert_eq!(
            verify(&with_header(&header.to_string())),
            Err(TokenError::Algorithm),
            "{header}"
        );
    }
}

#[test]
fn header_members_that_bring_their_own_trust_are_refused() {
    let own_key = json!({"kty": "OKP", "crv": "Ed25519", "x": Signer::new(2).x()});
    for (member, value) in [
        ("jwk", own_key),
        ("jku", json!("https://attacker.example/keys")),
        ("x5u", json!("https://attacker.example/cert")),
        ("x5c", json!(["MIIB"])),
        ("crit", json!(["exp"])),
        ("crit", json!([])),
        ("b64", json!(false)),
        ("b64", json!(true)),
        ("jku", Value::Null),
    ] {
        let mut header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID});
        header[member] = value;
        let by_attacker = Signer::new(2).sign(&header.to_string(), &payload().to_string());
        assert_eq!(verify(&by_attacker), Err(TokenError::HeaderMember), "{header}");
        assert_eq!(
            verify(&with_header(&header.to_string())),
            Err(TokenError::HeaderMember),
            "{header}"
        );
    }
}

#[test]
fn duplicate_names_are_refused_in_the_header_and_in_the_payload_and_nested() {
    for header in [
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","kid":"k1"}"#,
        r#"{"alg":"none","alg":"EdDSA","typ":"at+jwt","kid":"k1"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","\u0061lg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","typ":"at+jwt","kid":"k1","x":{"a":1,"a":1}}"#,
    ] {
        assert_eq!(verify(&with_header(header)), Err(TokenError::HeaderJson), "{header}");
    }
    let text = payload().to_string();
    let open = text.strip_suffix('}').unwrap();
    for more in [
        r#","account_id":8}"#,
        r#","sub":"1"}"#,
        r#","x":{"a":1,"a":1}}"#,
        r#","x":[{"a":1,"a":1}]}"#,
    ] {
        assert_eq!(
            verify(&with_payload(&format!("{open}{more}"))),
            Err(TokenError::PayloadJson),
            "{more}"
        );
    }
}

#[test]
fn a_kid_that_is_unknown_or_missing_is_refused() {
    let header = |kid: Value| json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string();
    for kid in ["k2", "", "K1", "../k1", "k1 "] {
        assert_eq!(
            verify(&with_header(&header(json!(kid)))),
            Err(TokenError::UnknownKey),
            "{kid}"
        );
    }
    for kid in [json!(1), Value::Null, json!(["k1"])] {
        assert_eq!(
            verify(&with_header(&header(kid.clone()))),
            Err(TokenError::NoKeyId),
            "{kid}"
        );
    }
    assert_eq!(
        verify(&with_header(r#"{"alg":"EdDSA","typ":"at+jwt"}"#)),
        Err(TokenError::NoKeyId)
    );
}

#[test]
fn a_token_of_another_key_under_a_known_kid_is_refused() {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID});
    let token = Signer::new(2).sign(&header.to_string(), &payload().to_string());
    assert_eq!(verify(&token), Err(TokenError::Signature));
}

#[test]
fn a_type_other_than_an_access_tokens_is_refused() {
    for typ in [
        "JWT",
        "jwt",
        "",
        "at",
        "at+jwt ",
        "application/jwt",
        "application/application/at+jwt",
        "text/at+jwt",
        "rt+jwt",
    ] {
        let header = json!({"alg": "EdDSA", "typ": typ, "kid": KID});
        assert_eq!(
            verify(&with_header(&header.to_string())),
            Err(TokenError::Type),
            "{typ}"
        );
    }
    for header in [
        json!({"alg": "EdDSA", "kid": KID}),
        json!({"alg": "EdDSA", "typ": ["at+jwt"], "kid": KID}),
    ] {
        assert_eq!(
            verify(&with_header(&header.to_string())),
            Err(TokenError::Type),
            "{header}"
        );
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"] {
        let header = json!({"alg": "EdDSA", "typ": typ, "kid": KID});
        assert!(verify(&with_header(&header.to_string())).is_ok(), "{typ}");
    }
}

#[test]
fn padding_is_refused_in_every_part() {
    let token = good();
    for part in 0..3 {
        for padding in ["=", "==", "==="] {
            let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
            parts[part].push_str(padding);
            assert_eq!(verify(&parts.join(".")), Err(TokenError::Form), "{part} {padding}");
        }
    }
}

#[test]
fn trailing_bits_are_refused_in_the_signature() {
    let token = good();
    // 64 bytes are 86 characters of which the last carries four bits that must be zero.
    let (rest, last) = token.split_at(token.len() - 1);
    assert!(["A", "Q", "g", "w"].contains(&last));
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let place = ALPHABET.find(last).unwrap();
    for other in &ALPHABET.as_bytes()[place + 1..place + 16] {
        assert_eq!(
            verify(&format!("{rest}{}", char::from(*other))),
            Err(TokenError::Form),
            "{other}"
        );
    }
}

#[test]
fn anything_around_or_inside_a_token_is_refused() {
    let token = good();
    let [header, claims, signature] = *token.split('.').collect::<Vec<_>>() else {
        panic!("three parts")
    };
    for form in [
        format!(" {token}"),
        format!("{token} "),
        format!("{token}\n"),
        format!("\t{token}"),
        format!("{token}\0"),
        format!("{token}x"),
        format!("{token}."),
        format!(".{token}"),
        format!("{token}.{signature}"),
        format!("{header}. {claims}.{signature}"),
        format!("{header}.{claims}.{signature}AAAA"),
        format!("{header}.{claims}"),
        format!("{header}.{claims}."),
        format!("{header}..{signature}"),
        format!(".{claims}.{signature}"),
        format!("{header}\n.{claims}.{signature}"),
        token.replace('.', ".."),
        "..".to_owned(),
        "...".to_owned(),
        String::new(),
        "x".to_owned(),
    ] {
        assert!(
            matches!(verify(&form), Err(TokenError::Form | TokenError::Signature)),
            "{form:?}"
        );
    }
}

#[test]
fn bytes_after_the_payloads_object_are_refused() {
    let text = payload().to_string();
    for tail in ["{}", "x", ",", "\0", "]"] {
        assert_eq!(
            verify(&with_payload(&format!("{text}{tail}"))),
            Err(TokenError::PayloadJson),
            "{tail:?}"
        );
    }
    for other in ["[]", "null", "\"a\"", "1", ""] {
        assert!(
            matches!(
                verify(&with_payload(other)),
                Err(TokenError::PayloadJson | TokenError::Form)
            ),
            "{other}"
        );
    }
}

#[test]
fn an_oversized_token_is_refused_before_anything_is_decoded() {
    let header = json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID}).to_string();
    let sized = |padding: usize| {
        let mut claims = payload();
        claims["padding"] = json!("x".repeat(padding));
        Signer::new(1).sign(&header, &claims.to_string())
    };
    let room = (TOKEN_BYTES_MAX - sized(0).len()) / 4 * 3;
    assert!(verify(&sized(room - 3)).is_ok());
    assert_eq!(verify(&sized(room + 6)), Err(TokenError::TooLong));
    assert_eq!(verify(&"a".repeat(1_000_000)), Err(TokenError::TooLong));
}

#[test]
fn an_expired_token_is_told_so_and_nothing_else_is_wrong_with_it() {
    // exp is NOW + 300 and leeway 10.
    assert!(verify_at(&good(), NOW + 309).is_ok());
    assert_eq!(verify_at(&good(), NOW + 310), Err(TokenError::Expired));
    assert_eq!(TokenError::Expired.refusal(), Refusal::TokenExpired);
    // Something else being wrong goes first.
    assert_eq!(
        verify_at(&with_claim("aud", json!("other")), NOW + 1_000),
        Err(TokenError::Audience)
    );
}

#[test]
fn nbf_in_the_future_is_refused() {
    assert!(verify(&with_claim("nbf", json!(NOW + 10))).is_ok());
    assert_eq!(
        verify(&with_claim("nbf", json!(NOW + 11))),
        Err(TokenError::NotYetValid)
    );
}

#[test]
fn iat_in_the_future_is_refused() {
    assert!(verify(&with_claim("iat", json!(NOW + 10))).is_ok());
    assert_eq!(
        verify(&with_claim("iat", json!(NOW + 11))),
        Err(TokenError::NotYetValid)
    );
}

#[test]
fn dates_are_whole_numbers_within_reason() {
    for name in ["exp", "nbf", "iat"] {
        for value in [
            json!("1800000000"),
            json!(1.5),
            json!(1e300),
            json!(u64::MAX),
            json!(true),
            json!([1]),
        ] {
            assert_eq!(
                verify(&with_claim(name, value.clone())),
                Err(TokenError::Claims),
                "{name} {value}"
            );
        }
        for value in [i64::MIN, -1, DATE_MAX + 1, i64::MAX] {
            assert_eq!(
                verify(&with_claim(name, json!(value))),
                Err(TokenError::Date),
                "{name} {value}"
            );
        }
        let text = payload().to_string();
        let whole = format!("\"{name}\":{}", payload()[name]);
        for number in ["1e999", "NaN", "Infinity", "01", "0x1", "-"] {
            let broken = text.replace(&whole, &format!("\"{name}\":{number}"));
            assert_ne!(broken, text);
            assert_eq!(
                verify(&with_payload(&broken)),
                Err(TokenError::PayloadJson),
                "{name} {number}"
            );
        }
    }
}

#[test]
fn an_audience_that_is_not_ours_is_refused_single_or_in_an_array() {
    for aud in [
        json!("other"),
        json!(""),
        json!("igny8-api "),
        json!("IGNY8-API"),
        json!("igny8-ap"),
    ] {
        assert_eq!(
            verify(&with_claim("aud", aud.clone())),
            Err(TokenError::Audience),
            "{aud}"
        );
    }
    for aud in [
        json!(["other"]),
        json!([]),
        json!(["other", AUD]),
        json!([AUD]),
        json!(1),
        json!({"a": AUD}),
    ] {
        assert_eq!(
            verify(&with_claim("aud", aud.clone())),
            Err(TokenError::Claims),
            "{aud}"
        );
    }
}

#[test]
fn an_issuer_that_is_not_ours_is_refused() {
    for iss in ["other", "", "igny8-core/", "IGNY8-CORE"] {
        assert_eq!(verify(&with_claim("iss", json!(iss))), Err(TokenError::Issuer), "{iss}");
    }
}

#[test]
fn every_claim_that_matters_is_required() {
    for name in [
        "iss",
        "aud",
        "sub",
        "account_id",
        "role",
        "sid",
        "account_epoch",
        "user_epoch",
        "iat",
        "nbf",
        "exp",
        "jti",
    ] {
        assert_eq!(
            verify(&with_claim(name, Value::Null)),
            Err(TokenError::Claims),
            "{name}"
        );
    }
}

#[test]
fn a_subject_or_account_that_is_not_a_positive_number_is_refused() {
    for sub in [
        "",
        "0",
        "-1",
        "+1",
        "042",
        "1 ",
        "x",
        "1.0",
        "99999999999999999999",
        "١",
    ] {
        assert_eq!(
            verify(&with_claim("sub", json!(sub))),
            Err(TokenError::Subject),
            "{sub}"
        );
    }
    assert_eq!(verify(&with_claim("sub", json!(42))), Err(TokenError::Claims));
    for account in [0, -1, i64::MIN] {
        assert_eq!(
            verify(&with_claim("account_id", json!(account))),
            Err(TokenError::Subject),
            "{account}"
        );
    }
    for account in [json!("7"), json!(7.0), json!(u64::MAX), json!([7])] {
        assert_eq!(
            verify(&with_claim("account_id", account.clone())),
            Err(TokenError::Claims),
            "{account}"
        );
    }
}

#[test]
fn a_role_that_nobody_knows_is_refused() {
    for (name, value) in [
        ("role", "root"),
        ("role", "Owner"),
        ("role", ""),
        ("platform_role", "superuser"),
    ] {
        assert_eq!(
            verify(&with_claim(name, json!(value))),
            Err(TokenError::Claims),
            "{name} {value}"
        );
    }
}

#[test]
fn an_empty_or_endless_sign_in_is_refused() {
    for name in ["sid", "jti"] {
        for value in [String::new(), "s".repeat(257)] {
            assert_eq!(
                verify(&with_claim(name, json!(value))),
                Err(TokenError::Claims),
                "{name}"
            );
        }
    }
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
