//! Who sends a webhook: the signature that Stripe lays over it, as its documentation says to verify it.
//!
//! `Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex>…]`: each `v1` is an HMAC-SHA256 of `<seconds>.<raw body>`, one for
//! each signing secret that is in use there. Other schemes (`v0`, of test mode) count for nothing.

use super::secret_file::read_lines;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use igny8_contract::time::{Clock, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

/// Bytes of an HMAC-SHA256.
const TAG_BYTES: usize = 32;

/// What webhooks are proven with.
#[derive(Debug)]
pub struct Webhooks {
    secret_file: PathBuf,
    tolerance_seconds: i64,
    /// The machine's: Stripe knows no other time.
    clock: Arc<dyn Clock>,
    secrets: RwLock<Arc<Vec<SecretString>>>,
}

impl Webhooks {
    /// Reads the signing secrets.
    ///
    /// # Errors
    /// A file that cannot be read, is open to others, or holds no secret.
    pub fn open(secret_file: PathBuf, tolerance_seconds: i64, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let secrets = RwLock::new(Arc::new(read_lines(&secret_file)?));
        Ok(Self {
            secret_file,
            tolerance_seconds,
            clock,
            secrets,
        })
    }

    /// Reads the signing secrets again. The ones in use stay where that fails.
    ///
    /// # Errors
    /// As for [`Webhooks::open`].
    pub fn reload(&self) -> io::Result<()> {
        let secrets = Arc::new(read_lines(&self.secret_file)?);
        *self.secrets.write().unwrap_or_else(PoisonError::into_inner) = secrets;
        Ok(())
    }

    /// Whether Stripe has sent `body`, and has sent it now.
    #[must_use]
    pub fn are_from_stripe(&self, signature: &str, body: &[u8]) -> bool {
        let secrets = Arc::clone(&self.secrets.read().unwrap_or_else(PoisonError::into_inner));
        is_signed(signature, body, &secrets, self.tolerance_seconds, self.clock.now())
    }
}

/// A signature field, taken apart.
struct Signature<'a> {
    /// As it was written: it is part of what is signed.
    time: &'a str,
    seconds: i64,
    tags: Vec<[u8; TAG_BYTES]>,
}

fn is_signed(signature: &str, body: &[u8], secrets: &[SecretString], tolerance_seconds: i64, now: Timestamp) -> bool {
    let Some(signature) = parse(signature) else {
        return false;
    };
    if now.unix_seconds().abs_diff(signature.seconds) > tolerance_seconds.unsigned_abs() {
        return false;
    }
    let signed = [signature.time.as_bytes(), b".", body].concat();
    // One digest for each secret, however many tags somebody writes into the field.
    secrets.iter().any(|secret| {
        let key = Key::new(HMAC_SHA256, secret.expose_secret().as_bytes());
        let expected = sign(&key, &signed);
        signature
            .tags
            .iter()
            .any(|tag| verify_slices_are_equal(expected.as_ref(), tag).is_ok())
    })
}

/// Nothing where there is not exactly one time.
fn parse(field: &str) -> Option<Signature<'_>> {
    let (mut time, mut tags) = (None, Vec::new());
    for element in field.split(',') {
        match element.split_once('=') {
            Some(("t", _)) if time.is_some() => return None,
            Some(("t", text)) => time = Some(text),
            Some(("v1", hex)) => tags.extend(tag(hex)),
            _ => {}
        }
    }
    let time = time.filter(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()))?;
    Some(Signature {
        time,
        seconds: time.parse().ok()?,
        tags,
    })
}

fn tag(hex: &str) -> Option<[u8; TAG_BYTES]> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect();
    bytes?.try_into().ok()
}

fn digit(hex: u8) -> Option<u8> {
    char::from(hex).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;
    const SECRET: &str = "whsec_first_0123456789";
    const OTHER: &str = "whsec_other_0123456789";
    const NOW: i64 = 1_767_225_600;

    fn hex(secret: &str, time: &str, body: &[u8]) -> String {
        let key = Key::new(HMAC_SHA256, secret.as_bytes());
        let tag = sign(&key, &[time.as_bytes(), b".", body].concat());
        tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn is_taken(signature: &str, body: &[u8], secrets: &[&str]) -> bool {
        let secrets: Vec<SecretString> = secrets.iter().map(|secret| SecretString::from(*secret)).collect();
        is_signed(signature, body, &secrets, 300, Timestamp(NOW * 1_000_000 + 999_999))
    }

    #[test]
    fn what_the_documentation_of_the_hmac_gives_is_taken() {
        // `printf '1767225600.{"id":"evt_1"}' | openssl dgst -sha256 -hmac whsec_first_0123456789`
        let known = "b9031cd072ceec454da2a1f34a224453ed7f22a7afc22d85466dd4943976e8c9";
        assert_eq!(hex(SECRET, "1767225600", BODY), known);
        assert!(is_taken(&format!("t=1767225600,v1={known}"), BODY, &[SECRET]));
    }

    #[test]
    fn one_good_tag_for_one_of_the_secrets_is_enough() {
        let time = NOW.to_string();
        let (good, bad) = (hex(SECRET, &time, BODY), hex("whsec_unknown_0123456789", &time, BODY));
        for signature in [
            format!("t={time},v1={good}"),
            format!("v1={good},t={time}"),
            format!("t={time},v1={bad},v1={good}"),
            format!("t={time},v1=,v1=zz,v1={good},v0={bad},v2={bad},x"),
            format!("t={time},v1={}", good.to_uppercase()),
        ] {
            assert!(is_taken(&signature, BODY, &[SECRET]), "{signature}");
            assert!(is_taken(&signature, BODY, &[OTHER, SECRET]), "{signature}");
            assert!(!is_taken(&signature, BODY, &[OTHER]), "{signature}");
            assert!(!is_taken(&signature, BODY, &[]), "{signature}");
            assert!(!is_taken(&signature, br#"{"id":"evt_2"}"#, &[SECRET]), "{signature}");
            assert!(!is_taken(&signature, b"", &[SECRET]), "{signature}");
        }
    }

    #[test]
    fn a_field_without_exactly_one_time_or_without_a_tag_of_v1_is_refused() {
        let time = NOW.to_string();
        let good = hex(SECRET, &time, BODY);
        for signature in [
            String::new(),
            ",".into(),
            "t=".into(),
            format!("t={time}"),
            format!("v1={good}"),
            format!("t={time},v0={good}"),
            format!("t={time},v2={good}"),
            format!("t={time},V1={good}"),
            format!("t={time},t={time},v1={good}"),
            format!("t=,v1={good}"),
            format!("t=+{time},v1={good}"),
            format!("t= {time},v1={good}"),
            format!("t={time}, v1={good}"),
            format!("t=-{time},v1={good}"),
            format!("t=99999999999999999999,v1={good}"),
            format!("t={time};v1={good}"),
            format!("t={time},v1={}", &good[..62]),
            format!("t={time},v1={good}00"),
            format!("t={time},v1={}", &good[..63]),
            format!("t={time},v1={}ä", &good[..62]),
        ] {
            assert!(!is_taken(&signature, BODY, &[SECRET]), "{signature}");
        }
    }

    #[test]
    fn a_time_counts_within_the_tolerance_in_both_directions() {
        for (seconds, taken) in [(-301, false), (-300, true), (0, true), (300, true), (301, false)] {
            let time = (NOW + seconds).to_string();
            let signature = format!("t={time},v1={}", hex(SECRET, &time, BODY));
            assert_eq!(is_taken(&signature, BODY, &[SECRET]), taken, "{seconds}");
        }
        // The time itself is signed: it cannot be moved.
        let moved = format!("t={NOW},v1={}", hex(SECRET, &(NOW - 301).to_string(), BODY));
        assert!(!is_taken(&moved, BODY, &[SECRET]));
    }
}
