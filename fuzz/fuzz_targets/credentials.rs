//! Credential fields, tokens and key sets: nothing panics, no bytes that were not signed verify.

#![no_main]

use igny8_contract::time::Timestamp;
use igny8_proxy::policy::credential::{holds_credential, presented};
use igny8_proxy::policy::framing;
use igny8_proxy::tokens::keys::{Algorithm, KeySet};
use igny8_proxy::tokens::verify::Compact;
use igny8_proxy::tokens::{ClaimRules, ForeignClaims, Issuer};
use libfuzzer_sys::fuzz_target;

/// The public key of RFC 8037, appendix A.2: nobody who fuzzes has its other half at hand.
const KEYS: &str =
    r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"k","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fuzz_target!(|bytes: &[u8]| {
    let block = [b"GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: ", bytes, b"\r\n\r\n"].concat();
    if let Ok(framed) = framing::parse(&block) {
        let _a_verdict = presented(&framed, None);
    }
    let _found_or_not = std::str::from_utf8(bytes).map(holds_credential);
    let _keys_or_not = KeySet::parse(bytes, &Algorithm::ALL);
    let Ok(token) = Compact::parse(bytes) else { return };
    let Ok(claims) = token.claims() else { return };
    let secret = KeySet::secret(b"a secret of thirty-two bytes and more").expect("it is long enough");
    for (keys, rules) in [
        (
            KeySet::parse(KEYS.as_bytes(), &Algorithm::ALL).expect("a key set"),
            ClaimRules::Core,
        ),
        (
            secret,
            ClaimRules::Foreign(ForeignClaims {
                typ: "JWT".into(),
                account_claim: "org".into(),
                user_claim: "sub".into(),
                role_claim: Some("role".into()),
                account_prefix: "acme-".into(),
                user_prefix: "acme-".into(),
                asks_core: false,
            }),
        ),
    ] {
        let issuer = Issuer::new("i", "a", 0, rules).expect("an issuer");
        assert!(
            issuer.prove(&token, &claims, &keys, Timestamp(0)).is_err(),
            "forged"
        );
    }
});
