//! What the claims say, in tokens that are signed by the right key.

use super::super::super::issuer::DATE_MAX;
use super::*;

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
