//! What the header says: algorithm, key, type, and what it must not bring along.

use super::*;
use crate::tokens::testing::base64url_of;
use aws_lc_rs::hmac;

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
