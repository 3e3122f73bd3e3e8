//! How a token is written: its parts, their base64url, their JSON.

use super::*;

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
