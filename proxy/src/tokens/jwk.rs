//! One JSON Web Key (RFC 7517, RFC 7518 section 6, RFC 8037) becomes a public key that is parsed once, or a reason to pass
//! it over.

use super::keys::{Algorithm, KID_MAX, Key};
use super::roca;
use super::strict::{self, Member, Members};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};

/// The sizes of an RSA modulus, in bytes: 2048 to 8192 bits (RFC 7518, section 3.3 wants at least 2048).
const MODULUS_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// The smallest public exponent that is accepted (NIST SP 800-56B, section 6.2), and more than no exponent in use.
const EXPONENTS: std::ops::Range<u64> = 65_537..1 << 32;

/// One usable key, or why it is passed over. `accepted` are the algorithms that the issuer may use.
pub fn key(jwk: &Members<'_>, accepted: &[Algorithm]) -> Result<Key, &'static str> {
    let text = |name: &str| jwk.text(name);
    if ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
        .iter()
        .any(|private| jwk.has(private))
    {
        return Err("it carries its private half");
    }
    let kid = text("kid")
        .filter(|kid| (1..=KID_MAX).contains(&kid.len()))
        .ok_or("it has no kid of 1 to 256 bytes")?;
    let algorithm = match (text("kty"), text("crv")) {
        (Some("OKP"), Some("Ed25519")) => Algorithm::EdDsa,
        (Some("EC"), Some("P-256")) => Algorithm::Es256,
        (Some("RSA"), None) => Algorithm::Rs256,
        _ => return Err("it is not an Ed25519, P-256 or RSA key"),
    };
    if jwk.has("use") && text("use") != Some("sig") {
        return Err("its use is not sig");
    }
    if jwk.has("alg") && text("alg") != Some(algorithm.as_str()) {
        return Err("its alg is not one that its type is used with here");
    }
    if let Some(operations) = jwk.get("key_ops")
        && !matches!(operations, Member::List(operations) if operations.iter().any(|operation| operation.as_text() == Some("verify")))
    {
        return Err("its key_ops lack verify");
    }
    if !accepted.contains(&algorithm) {
        return Err("its algorithm is not one of the issuer's");
    }
    let part = |name: &str| text(name).and_then(|value| strict::base64url(value.as_bytes()));
    let public = match algorithm {
        Algorithm::EdDsa => ed25519(part("x"))?,
        Algorithm::Es256 => p256(part("x"), part("y"))?,
        Algorithm::Rs256 => rsa(part("n"), part("e"))?,
        Algorithm::Hs256 => return Err("a secret never comes in a key set"),
    };
    Ok(Key::public(kid, algorithm, public))
}

fn ed25519(x: Option<Vec<u8>>) -> Result<ParsedPublicKey, &'static str> {
    let x = x
        .filter(|x| x.len() == 32)
        .ok_or("its x is not 32 bytes in base64url")?;
    ParsedPublicKey::new(&ED25519, &x).map_err(|_| "its x is no Ed25519 key")
}

fn p256(x: Option<Vec<u8>>, y: Option<Vec<u8>>) -> Result<ParsedPublicKey, &'static str> {
    let coordinates = x.zip(y).filter(|(x, y)| x.len() == 32 && y.len() == 32);
    let (x, y) = coordinates.ok_or("its x and y are not 32 bytes each in base64url")?;
    let point = [&[4][..], &x, &y].concat();
    // A point that is not on the curve is refused here, not at the first signature.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).map_err(|_| "its x and y are no point of P-256")
}

fn rsa(n: Option<Vec<u8>>, e: Option<Vec<u8>>) -> Result<ParsedPublicKey, &'static str> {
    let (n, e) = n.zip(e).ok_or("its n and e are not base64url")?;
    let canonical = |number: &[u8]| number.first().is_some_and(|byte| *byte != 0);
    if !canonical(&n) || !canonical(&e) {
        return Err("its n or e has more bytes than it needs");
    }
    // A modulus of 256 bytes has 2048 bits only if the first of them is set.
    if !MODULUS_BYTES.contains(&n.len()) || (n.len() == *MODULUS_BYTES.start() && n[0] < 0x80) {
        return Err("its modulus has not 2048 to 8192 bits");
    }
    let exponent = e.iter().try_fold(0_u64, |number, byte| {
        number.checked_mul(256)?.checked_add(u64::from(*byte))
    });
    if !exponent.is_some_and(|exponent| EXPONENTS.contains(&exponent) && exponent % 2 == 1) {
        return Err("its exponent is not an odd number from 65537 to 2^32");
    }
    if n.last().is_none_or(|byte| byte % 2 == 0) {
        return Err("its modulus is even");
    }
    if roca::is_suspect(&n) {
        return Err("its modulus was made by a generator whose keys can be factored (ROCA)");
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| "its n and e are no RSA key")
}
