//! Keys of an issuer that every program under test trusts, made anew for each run, and tokens signed with them.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// The issuer, as every configuration names it.
pub const ISSUER: &str = "https://bench.example/";
pub const AUDIENCE: &str = "igny8-api";
/// How long a token lasts: longer than any run.
const LIFE_SECONDS: i64 = 3600;
/// A secret that may also stand in a configuration file of nginx or HAProxy.
pub const SECRET: &str = "a-secret-for-one-run-on-loopback";

/// How a token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Rs256, Self::Es256];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
        }
    }

    /// The `iss` of its tokens: the proxy has one key source for each issuer.
    pub fn issuer(self) -> String {
        format!("{ISSUER}{}", self.name())
    }
}

pub struct Keys {
    secret: hmac::Key,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    now: i64,
}

impl Keys {
    /// New keys; `now` is the time in seconds since 1970.
    pub fn generate(now: i64) -> Self {
        Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()),
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            now,
        }
    }

    /// A token for this account and user.
    pub fn token(&self, algorithm: Algorithm, account: u64, user: u64) -> String {
        let header = json!({"alg": algorithm.name(), "typ": "JWT", "kid": algorithm.name()});
        let claims = json!({
            "iss": algorithm.issuer(), "aud": AUDIENCE, "sub": user.to_string(), "tenant": account.to_string(),
            "iat": self.now, "exp": self.now + LIFE_SECONDS,
        });
        let signed = format!("{}.{}", encoded(&header), encoded(&claims));
        let random = SystemRandom::new();
        let signature = match algorithm {
            Algorithm::Hs256 => hmac::sign(&self.secret, signed.as_bytes()).as_ref().to_vec(),
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa
                    .sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
                    .unwrap();
                signature
            }
            Algorithm::Es256 => self.ec.sign(&random, signed.as_bytes()).unwrap().as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The public keys as a key set.
    pub fn key_set(&self) -> Value {
        let rsa = self.rsa.public_key();
        let point = self.ec.public_key().as_ref();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [
            {
                "kty": "RSA", "kid": "RS256", "alg": "RS256", "use": "sig",
                "n": number(rsa.modulus().big_endian_without_leading_zero()),
                "e": number(rsa.exponent().big_endian_without_leading_zero()),
            },
            {
                "kty": "EC", "kid": "ES256", "alg": "ES256", "use": "sig", "crv": "P-256",
                "x": number(&point[1..33]), "y": number(&point[33..]),
            },
        ]})
    }

    /// What HAProxy verifies with: the secret itself, or the text of a PEM file.
    pub fn pem(&self, algorithm: Algorithm) -> Option<String> {
        let der: PublicKeyX509Der<'_> = match algorithm {
            Algorithm::Hs256 => return None,
            Algorithm::Rs256 => self.rsa.public_key().as_der().unwrap(),
            Algorithm::Es256 => self.ec.public_key().as_der().unwrap(),
        };
        let text = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = (0..text.len())
            .step_by(64)
            .map(|start| &text[start..text.len().min(start + 64)])
            .collect();
        Some(format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            lines.join("\n")
        ))
    }
}

fn encoded(part: &Value) -> String {
    URL_SAFE_NO_PAD.encode(part.to_string())
}
