//! Passwords: how hard one is to guess.

use zxcvbn::{Score, zxcvbn};

/// The fewest characters.
pub const MIN_CHARACTERS: usize = 8;
/// The most characters: room for any passphrase, none for making the server work.
pub const MAX_CHARACTERS: usize = 256;
/// Judging costs more than linear time in the length, so only this many characters are judged.
const JUDGED_CHARACTERS: usize = 72;

/// Why a password is refused, in a sentence for the person who chose it. `about` are words that an attacker would try
/// first: the address, names.
///
/// # Errors
/// A sentence that says what is wrong and what would help.
pub fn judge(password: &str, about: &[&str]) -> Result<(), String> {
    let characters = password.chars().count();
    if characters < MIN_CHARACTERS {
        return Err(format!("Use at least {MIN_CHARACTERS} characters."));
    }
    if characters > MAX_CHARACTERS {
        return Err(format!("Use at most {MAX_CHARACTERS} characters."));
    }
    let judged: String = password.chars().take(JUDGED_CHARACTERS).collect();
    let about: Vec<&str> = about.iter().copied().filter(|word| !word.is_empty()).collect();
    let verdict = zxcvbn(&judged, &about);
    if verdict.score() >= Score::Three {
        return Ok(());
    }
    let feedback = verdict.feedback();
    let reason = feedback
        .and_then(|feedback| feedback.warning().map(|warning| warning.to_string()))
        .unwrap_or_else(|| "It is too easy to guess.".to_owned());
    let advice = feedback.and_then(|feedback| feedback.suggestions().first().map(|advice| advice.to_string()));
    Err(advice.map_or_else(|| reason.clone(), |advice| format!("{reason} {advice}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_common_and_personal_passwords_are_refused_with_a_reason() {
        for (password, about) in [
            ("short", &[][..]),
            ("password", &[]),
            ("password123", &[]),
            ("qwertyuiop", &[]),
            ("aaaaaaaaaaaa", &[]),
            ("lovelace1815", &["ada", "lovelace"]),
        ] {
            let reason = judge(password, about).expect_err(password);
            assert!(reason.ends_with('.'), "{password}: {reason}");
        }
    }

    #[test]
    fn a_long_phrase_is_good_and_its_length_is_bounded() {
        assert_eq!(judge("plover-tannin-93-gazette", &["ada@example.com"]), Ok(()));
        assert!(judge(&"xk9 ".repeat(100), &[]).is_err());
    }
}
