//! A signer of tokens for the tests of this room.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

pub const ISS: &str = "igny8-core";
pub const AUD: &str = "igny8-api";
pub const KID: &str = "k1";
/// Unix seconds at which the payload below was issued.
pub const NOW: i64 = 1_800_000_000;

/// A payload that is right in everything: account 7, user 42, five minutes from [`NOW`].
pub fn payload() -> Value {
    json!({
        "iss": ISS, "aud": AUD, "sub": "42", "account_id": 7, "role": "owner", "platform_role": "admin", "sid": "s-1",
        "account_epoch": 3, "user_epoch": 5, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": "j-1",
    })
}

pub fn base64url_of(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A key pair, the same for the same number.
pub struct Signer(Ed25519KeyPair);

impl Signer {
    pub fn new(number: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[number; 32]).unwrap())
    }

    pub fn public(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    pub fn x(&self) -> String {
        base64url_of(self.public())
    }

    /// A key set of this key under [`KID`].
    pub fn key_set(&self) -> String {
        self.key_set_as(KID)
    }

    /// A key set of this key under another name.
    pub fn key_set_as(&self, kid: &str) -> String {
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": kid, "x": self.x()}]})
            .to_string()
    }

    /// A token of these texts, whatever they say.
    pub fn sign(&self, header: &str, payload: &str) -> String {
        let signed = format!("{}.{}", base64url_of(header), base64url_of(payload));
        let signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", base64url_of(signature.as_ref()))
    }

    /// A good token of this key under `kid` with this `jti`.
    pub fn token(&self, kid: &str, jti: &str) -> String {
        let mut claims = payload();
        claims["jti"] = json!(jti);
        self.sign(
            &json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}).to_string(),
            &claims.to_string(),
        )
    }
}
