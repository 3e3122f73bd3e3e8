//! Passwords: how hard one is to guess.

use zxcvbn::{Score, zxcvbn};

/// The fewest characters.
pub const MIN_CHARACTERS: usize = 8;
/// The most characters: room for any passphrase, none for making the server work.
pub const MAX_CHARACTERS: usize = 256;
/// Only so many characters are judged at most.
const MOST_JUDGED: usize = 72;
/// So many are judged whatever it takes: nothing is taken for strong by its first few characters.
const FEWEST_JUDGED: usize = 12;
/// The most readings of a password times the square of its length: some milliseconds of a processor.
const MOST_WORK: usize = 80_000;
/// Which characters zxcvbn reads as a letter, a letter a text. It tries every way to give each letter one of those that occur.
const READ_AS_LETTERS: [&str; 12] = ["4@", "8", "({[<", "3", "69", "1!|", "1|7", "0", "$5", "+7", "%", "2"];

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
    let about: Vec<&str> = about.iter().copied().filter(|word| !word.is_empty()).collect();
    let verdict = zxcvbn(judged(password), &about);
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

/// The beginning of a password that is judged. zxcvbn looks for words in every part of it, once for each reading: a password
/// of 72 characters with all that can be read as letters took it a third of a second.
fn judged(password: &str) -> &str {
    let beginnings = (password.char_indices())
        .filter_map(|(start, last)| password.get(..start + last.len_utf8()))
        .zip(1..=MOST_JUDGED);
    let judged = beginnings.take_while(|(beginning, length)| {
        *length <= FEWEST_JUDGED || readings(beginning) * length * length <= MOST_WORK
    });
    judged.last().map_or("", |(beginning, _)| beginning)
}

/// In how many ways zxcvbn reads a text, at most. A character that stands for two letters is tried as either.
fn readings(text: &str) -> usize {
    let of_letter = |characters: &&str| {
        let ways = |character: &char| 1 + usize::from("1|7".contains(*character));
        let occur = characters.chars().filter(|character| text.contains(*character));
        occur.map(|character| ways(&character)).sum::<usize>().max(1)
    };
    READ_AS_LETTERS.iter().map(of_letter).product()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    /// Everything that zxcvbn reads as a letter, over and over.
    fn hostile(length: usize) -> String {
        "4@8({[<369 1!|70$5+%2".chars().cycle().take(length).collect()
    }

    #[test]
    fn whoever_makes_the_judge_work_is_judged_by_the_beginning() {
        for length in [MIN_CHARACTERS, FEWEST_JUDGED] {
            assert_eq!(judged(&hostile(length)), hostile(length));
        }
        assert_eq!(judged(&hostile(MAX_CHARACTERS)).chars().count(), 14);
        assert_eq!(judge(&hostile(MAX_CHARACTERS), &[]), Ok(()));
    }

    #[test]
    fn whatever_people_choose_is_judged_whole() {
        for password in [
            "plover-tannin-93-gazette",
            "correct horse battery staple",
            "Tr0ub4dor&3 and P@ssw0rd1234567890",
            "v7#Kq2!mZp9$wX4@Lr8%",
            "grün-äußerst-ölig-72 \u{1f980}",
            &"quoit ".repeat(12),
        ] {
            assert_eq!(judged(password), password);
        }
    }

    proptest! {
        #[test]
        fn what_is_judged_is_the_beginning_and_its_work_is_bounded(password in "[4@8({\\[<3691!|70$5+%2a-e\u{e9}\u{1f980}]{0,256}|\\PC{0,256}") {
            let judged = judged(&password);
            prop_assert!(password.starts_with(judged));
            let length = judged.chars().count();
            prop_assert!(length >= password.chars().count().min(FEWEST_JUDGED));
            prop_assert!(length <= FEWEST_JUDGED || readings(judged) * length * length <= MOST_WORK);
        }

        #[test]
        fn the_judge_never_panics(password in "\\PC{0,80}", about in "\\PC{0,40}") {
            let _ = judge(&password, &[&about]);
        }
    }
}
