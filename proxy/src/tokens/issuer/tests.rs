use super::*;
use crate::policy::identity::Holder;
use crate::tokens::keys::Algorithm;
use crate::tokens::testing::{AUD, KID, NOW, Signer};
use igny8_contract::refusal::Refusal;
use serde_json::{Value, json};

const ACME: &str = "https://acme.example/";

fn acme() -> ForeignClaims {
    ForeignClaims {
        typ: "JWT".into(),
        account_claim: "org".into(),
        user_claim: "sub".into(),
        role_claim: None,
        account_prefix: "acme-".into(),
        user_prefix: "acme-".into(),
        asks_core: false,
    }
}

fn payload() -> Value {
    json!({"iss": ACME, "aud": AUD, "sub": "u|9", "org": "7", "exp": NOW + 300, "iat": NOW, "is_staff": true, "platform_role": "admin"})
}

fn prove_with(rules: ForeignClaims, payload: &Value) -> Result<Identity, TokenError> {
    let signer = Signer::new(1);
    let header = json!({"alg": "EdDSA", "typ": rules.typ.to_string(), "kid": KID});
    let token = signer.sign(&header.to_string(), &payload.to_string());
    let token = Compact::parse(token.as_bytes())?;
    let keys = KeySet::parse(signer.key_set().as_bytes(), &[Algorithm::EdDsa]).unwrap();
    let issuer = Issuer::new(ACME, AUD, 10, ClaimRules::Foreign(rules)).unwrap();
    let claims = token.claims()?;
    assert!(issuer.is_named_in(&claims) || claims.text("iss") != Some(ACME));
    issuer.prove(&token, &claims, &keys, Timestamp(0).plus_seconds(NOW))
}

fn prove(name: &str, value: Value) -> Result<Identity, TokenError> {
    let mut changed = payload();
    if value.is_null() {
        changed.as_object_mut().unwrap().remove(name);
    } else {
        changed[name] = value;
    }
    prove_with(acme(), &changed)
}

#[test]
fn another_issuers_account_gets_its_prefix_and_never_a_staff_role() {
    let identity = prove_with(acme(), &payload()).unwrap();
    assert_eq!(
        (
            &identity.account_value,
            &identity.user_value,
            &identity.role_value,
            identity.exp
        ),
        (
            &"acme-7".parse().unwrap(),
            &"acme-u|9".parse().unwrap(),
            &"".parse().unwrap(),
            NOW + 300
        )
    );
    assert!(
        identity.asks_core().is_none(),
        "the core is asked about somebody it does not know"
    );
    assert!(
        matches!(&identity.holder, Holder::Foreign(foreign) if &*foreign.account == "acme-7" && !foreign.asks_core)
    );
}

#[test]
fn a_numeric_account_is_named_by_its_digits_and_nothing_else_is_a_name() {
    assert_eq!(prove("org", json!(7)).unwrap().account_value, "acme-7");
    for value in [
        json!(7.5),
        json!(-7),
        json!(true),
        json!(["7"]),
        json!({"id": 7}),
        json!(""),
        json!("7 "),
        json!("7\r\nX-Account-Id: 1"),
        json!("a,b"),
        json!("sieben\u{0}"),
        json!("ä"),
        json!("x".repeat(257)),
    ] {
        assert_eq!(prove("org", value.clone()).unwrap_err(), TokenError::Subject, "{value}");
    }
    assert_eq!(prove("org", Value::Null).unwrap_err(), TokenError::Claims);
}

#[test]
fn what_every_token_must_say_is_required_of_every_issuer() {
    for name in ["exp", "sub"] {
        assert_eq!(prove(name, Value::Null).unwrap_err(), TokenError::Claims, "{name}");
    }
    assert_eq!(prove("aud", Value::Null).unwrap_err(), TokenError::Audience);
    assert_eq!(prove("iss", Value::Null).unwrap_err(), TokenError::Issuer);
    assert_eq!(prove("sub", json!("")).unwrap_err(), TokenError::Claims);
    assert_eq!(prove("sub", json!(9)).unwrap_err(), TokenError::Claims);
    for exp in [json!("1"), json!(1.5), json!(1e300), json!(true)] {
        assert_eq!(prove("exp", exp.clone()).unwrap_err(), TokenError::Claims, "{exp}");
    }
    for (exp, error) in [
        (NOW - 10, TokenError::Expired),
        (-1, TokenError::Date),
        (i64::MAX, TokenError::Date),
    ] {
        assert_eq!(prove("exp", json!(exp)).unwrap_err(), error, "{exp}");
    }
    for name in ["nbf", "iat"] {
        assert!(prove(name, Value::Null).is_ok(), "{name} may be left out");
        assert!(prove(name, json!(NOW + 10)).is_ok(), "{name} within the leeway");
        assert_eq!(
            prove(name, json!(NOW + 11)).unwrap_err(),
            TokenError::NotYetValid,
            "{name}"
        );
        assert_eq!(prove(name, json!("now")).unwrap_err(), TokenError::Claims, "{name}");
    }
}

#[test]
fn an_audience_may_be_a_list_of_strings_that_holds_ours() {
    assert!(prove("aud", json!([AUD])).is_ok());
    assert!(prove("aud", json!(["https://acme.example/userinfo", AUD])).is_ok());
    for aud in [
        json!([]),
        json!(["other"]),
        json!([AUD, 7]),
        json!([[AUD]]),
        json!({"aud": AUD}),
        json!(vec![AUD; 17]),
        json!("igny8-api "),
        json!("IGNY8-API"),
    ] {
        assert_eq!(prove("aud", aud.clone()).unwrap_err(), TokenError::Audience, "{aud}");
    }
}

#[test]
fn a_role_is_told_only_where_its_claim_is_named_and_is_one_of_an_accounts() {
    let rules = ForeignClaims {
        role_claim: Some("role".into()),
        ..acme()
    };
    let with = |role: Value| {
        let mut payload = payload();
        payload["role"] = role;
        prove_with(rules.clone(), &payload)
    };
    assert_eq!(with(json!("editor")).unwrap().role_value, "editor");
    for role in [
        json!("superuser"),
        json!("developer"),
        json!("Owner"),
        json!(["owner"]),
        Value::Null,
    ] {
        assert_eq!(with(role.clone()).unwrap_err(), TokenError::Claims, "{role}");
    }
}

#[test]
fn a_token_of_another_type_than_the_issuers_is_refused() {
    let token = Signer::new(1).sign(
        &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": KID}).to_string(),
        &payload().to_string(),
    );
    let token = Compact::parse(token.as_bytes()).unwrap();
    assert_eq!(token.check_type("JWT"), Err(TokenError::Type));
    assert_eq!(token.check_type("at+jwt"), Ok(()));
}

#[test]
fn refusals_to_the_client_are_the_same_for_every_issuer() {
    assert_eq!(
        prove("exp", json!(NOW - 10)).unwrap_err().refusal(),
        Refusal::TokenExpired
    );
    assert_eq!(prove("aud", json!("x")).unwrap_err().refusal(), Refusal::TokenInvalid);
}
