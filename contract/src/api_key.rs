//! API keys as text: how one is put together and how a mistyped one is told from one that might exist. Pure.
//!
//! `igk_` · 8 characters that may be shown · 43 that stand for 32 random bytes · 6 of a checksum; all of them `0-9A-Za-z`, so
//! that a double click takes the whole key. The checksum keeps slips of the pen away from the database; it proves nothing.

/// How every key begins.
pub const PREFIX: &str = "igk_";
/// How many characters after the prefix may be shown.
pub const VISIBLE: usize = 8;
/// How many random bytes are secret.
pub const SECRET_BYTES: usize = 32;
/// How long a key is.
pub const LENGTH: usize = PREFIX.len() + VISIBLE + SECRET_DIGITS + CHECK_DIGITS;

const SECRET_DIGITS: usize = 43;
const CHECK_DIGITS: usize = 6;
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The key of these random bytes.
#[must_use]
pub fn compose(visible: [u8; 8], secret: [u8; SECRET_BYTES]) -> String {
    let mut key = PREFIX.to_owned();
    push_digits(&mut key, &visible, VISIBLE);
    push_digits(&mut key, &secret, SECRET_DIGITS);
    let check = checksum(key.as_bytes());
    push_digits(&mut key, &check.to_be_bytes(), CHECK_DIGITS);
    key
}

/// Whether a text could be a key: its length, its characters and its checksum fit.
#[must_use]
pub fn is_well_formed(text: &[u8]) -> bool {
    if text.len() != LENGTH || !text.starts_with(PREFIX.as_bytes()) {
        return false;
    }
    let (body, check) = text.split_at(LENGTH - CHECK_DIGITS);
    let mut expected = String::with_capacity(CHECK_DIGITS);
    push_digits(&mut expected, &checksum(body).to_be_bytes(), CHECK_DIGITS);
    text[PREFIX.len()..].iter().all(u8::is_ascii_alphanumeric) && check == expected.as_bytes()
}

/// The part of a key that may be shown and stored, its prefix included.
#[must_use]
pub fn visible_part(key: &str) -> &str {
    key.get(..PREFIX.len() + VISIBLE).unwrap_or_default()
}

/// Whether the value of an `Authorization` field holds a key, whatever its scheme.
#[must_use]
pub fn is_in(authorization: &[u8]) -> bool {
    // Asked for every request: only the places where a word begins are looked at.
    let begins = |word: &[u8]| word.starts_with(PREFIX.as_bytes());
    begins(authorization)
        || memchr::memchr3_iter(b' ', b'\t', b',', authorization).any(|place| begins(&authorization[place + 1..]))
}

/// The `count` lowest digits to the base of 62 of a big-endian number, the highest first.
fn push_digits(out: &mut String, number: &[u8], count: usize) {
    let mut rest = number.to_vec();
    let mut digits = Vec::with_capacity(count);
    for _ in 0..count {
        let mut remainder = 0_u32;
        for byte in &mut rest {
            let value = remainder << 8 | u32::from(*byte);
            // Less than 62 times 256 divided by 62: a byte.
            *byte = (value / 62) as u8;
            remainder = value % 62;
        }
        digits.push(char::from(DIGITS[remainder as usize]));
    }
    out.extend(digits.iter().rev());
}

/// CRC-32 as in ISO/IEC 3309, reflected.
fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_key_is_sixty_one_characters_that_a_double_click_takes() {
        let key = compose([0; 8], [255; 32]);
        assert_eq!(key.len(), LENGTH);
        assert_eq!(LENGTH, 61);
        assert!(key.starts_with("igk_00000000"), "{key}");
        assert_eq!(visible_part(&key), "igk_00000000");
        assert!(is_well_formed(key.as_bytes()));
    }

    #[test]
    fn what_is_no_key_is_told_at_once() {
        let key = compose([7; 8], [9; 32]);
        for other in [
            "",
            "igk_",
            "igk_1234567890",
            &key[1..],
            &key[..60],
            &format!("{key}0"),
            &key.replace("igk_", "igl_"),
            &key.replace("igk_", "IGK_"),
        ] {
            assert!(!is_well_formed(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_key_is_found_under_any_scheme_and_a_token_is_none() {
        for value in [
            "Bearer igk_1",
            "bearer  igk_1",
            "igk_1",
            "Basic igk_1",
            "Bearer a, igk_1",
        ] {
            assert!(is_in(value.as_bytes()), "{value}");
        }
        assert!(!is_in(b"Bearer eyJigk_x.igk_.igk_"));
    }

    proptest! {
        #[test]
        fn every_key_is_well_formed_and_no_slip_of_the_pen_is(
            visible: [u8; 8], secret: [u8; 32], place in 4..61_usize, other in "[0-9A-Za-z_-]"
        ) {
            let key = compose(visible, secret);
            prop_assert_eq!(key.len(), LENGTH);
            prop_assert!(is_well_formed(key.as_bytes()));
            let mut slip = key.clone();
            slip.replace_range(place..=place, &other);
            prop_assert_eq!(is_well_formed(slip.as_bytes()), slip == key);
            if place + 1 < LENGTH {
                let mut bytes = key.clone().into_bytes();
                bytes.swap(place, place + 1);
                prop_assert_eq!(is_well_formed(&bytes), bytes == key.as_bytes());
            }
        }

        #[test]
        fn different_secrets_are_different_keys(one: [u8; 32], other: [u8; 32]) {
            prop_assert_eq!(compose([1; 8], one) == compose([1; 8], other), one == other);
        }

        #[test]
        fn a_key_is_found_where_a_word_begins_and_nowhere_else(field in "[igk_ ,\tx]{0,24}") {
            let in_a_word = field.split([' ', '\t', ',']).any(|word| word.starts_with(PREFIX));
            prop_assert_eq!(is_in(field.as_bytes()), in_a_word);
        }

        #[test]
        fn no_bytes_at_all_break_the_reading(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert!(!is_well_formed(&bytes));
            let _ = is_in(&bytes);
        }
    }
}
