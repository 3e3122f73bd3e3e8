//! The codes of the second factor: HOTP (RFC 4226) with SHA-1 and six digits, as every authenticator app makes them.

use aws_lc_rs::hmac;
use igny8_contract::random::Random;
use std::fmt::Write as _;
use subtle::ConstantTimeEq;

/// The length of a secret: that of an HMAC-SHA-1 (RFC 4226, section 4, R6).
pub const SECRET_BYTES: usize = 20;
/// How many recovery codes there are.
pub const RECOVERY_CODES: usize = 10;
/// The random bytes of a recovery code: 80 bits, beyond guessing even from its SHA-256.
const RECOVERY_BYTES: usize = 10;

/// A new secret.
#[must_use]
pub fn draw_secret(random: &dyn Random) -> [u8; SECRET_BYTES] {
    let mut secret = [0; SECRET_BYTES];
    random.fill(&mut secret);
    secret
}

/// The code of a time step.
#[must_use]
pub fn code(secret: &[u8], step: i64) -> String {
    // SHA-1 is broken for signatures, not for this (RFC 6238, appendix B names the alternatives that apps do not speak).
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let offset = usize::from(tag[tag.len() - 1] & 0x0f);
    let cut = u32::from_be_bytes([tag[offset], tag[offset + 1], tag[offset + 2], tag[offset + 3]]);
    format!("{:06}", (cut & 0x7fff_ffff) % 1_000_000)
}

/// Whether this is the code of that step. It takes the same time either way.
#[must_use]
pub fn is_code_of(secret: &[u8], step: i64, given: &str) -> bool {
    code(secret, step).as_bytes().ct_eq(given.as_bytes()).into()
}

/// A secret as people type it and apps read it (RFC 4648, base 32 without padding).
#[must_use]
pub fn base_32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let (mut text, mut held, mut bits) = (String::new(), 0_u32, 0);
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(LETTERS[((held >> bits) & 31) as usize]));
        }
    }
    if bits > 0 {
        text.push(char::from(LETTERS[((held << (5 - bits)) & 31) as usize]));
    }
    text
}

/// What an authenticator app reads from a picture (the Key URI format).
#[must_use]
pub fn uri(issuer: &str, email: &str, secret: &str) -> String {
    let (issuer, email) = (escaped(issuer), escaped(email));
    format!("otpauth://totp/{issuer}:{email}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits=6&period=30")
}

fn escaped(text: &str) -> String {
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _infallible = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

/// A new recovery code, in groups of four letters.
#[must_use]
pub fn draw_recovery_code(random: &dyn Random) -> String {
    let mut bytes = [0; RECOVERY_BYTES];
    random.fill(&mut bytes);
    let text = base_32(&bytes).to_ascii_lowercase();
    let groups: Vec<&str> = (0..4).map(|group| &text[group * 4..group * 4 + 4]).collect();
    groups.join("-")
}

/// The one form of a recovery code, however it was typed; nothing where it cannot be one.
#[must_use]
pub fn normal_recovery_code(typed: &str) -> Option<String> {
    let kept = typed
        .chars()
        .filter(|c| !matches!(c, '-' | ' '))
        .map(|c| c.to_ascii_lowercase());
    let kept: String = kept.collect();
    (kept.len() == 16 && kept.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'2'..=b'7'))).then_some(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::random::OsRandom;
    use crate::domain::totp::step;
    use igny8_contract::time::Timestamp;

    #[test]
    fn the_codes_are_those_of_rfc_4226_and_rfc_6238() {
        let secret = b"12345678901234567890";
        let first: Vec<String> = (0..10).map(|counter| code(secret, counter)).collect();
        // RFC 4226, appendix D.
        assert_eq!(
            first,
            [
                "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"
            ]
        );
        // RFC 6238, appendix B: the last six of its eight digits.
        for (seconds, expected) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let at = Timestamp(0).plus_seconds(seconds);
            assert_eq!(code(secret, step(at)), expected, "{seconds}");
            assert!(is_code_of(secret, step(at), expected));
            assert!(!is_code_of(secret, step(at) + 1, expected));
        }
    }

    #[test]
    fn base_32_is_that_of_rfc_4648() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "MY"),
            (b"fo", "MZXQ"),
            (b"foo", "MZXW6"),
            (b"foob", "MZXW6YQ"),
            (b"fooba", "MZXW6YTB"),
            (b"foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base_32(bytes), text);
        }
    }

    #[test]
    fn the_uri_is_escaped() {
        assert_eq!(
            uri("ig ny/8", "a+b@c.de", "MZXW6"),
            "otpauth://totp/ig%20ny%2F8:a%2Bb%40c.de?secret=MZXW6&issuer=ig%20ny%2F8&algorithm=SHA1&digits=6&period=30"
        );
    }

    #[test]
    fn a_recovery_code_is_read_however_it_is_typed() {
        let code = draw_recovery_code(&OsRandom);
        assert_eq!(code.len(), 19);
        let normal = normal_recovery_code(&code).unwrap();
        assert_eq!(
            normal_recovery_code(&code.replace('-', " ").to_uppercase()),
            Some(normal)
        );
        for other in [
            "",
            "123456",
            "abcd-efgh-ijkl",
            "abcd-efgh-ijkl-mno1",
            "äbcd-efgh-ijkl-mnop",
        ] {
            assert_eq!(normal_recovery_code(other), None, "{other}");
        }
    }
}
