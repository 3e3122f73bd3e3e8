//! Links that are mailed: what for, how long they work, and when a mail that could not be sent is tried again.

use super::member::INVITATION_DAYS;
use igny8_contract::time::Timestamp;

/// What a link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    VerifyEmail,
    ResetPassword,
    /// Joining an account.
    Invitation,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::VerifyEmail, Self::ResetPassword, Self::Invitation];

    /// The word in the database and in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::Invitation => "invitation",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == word)
    }
}

/// How long links work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkTerms {
    pub verify_seconds: i64,
    pub reset_seconds: i64,
}

impl LinkTerms {
    /// Until when a link that is made now works.
    #[must_use]
    pub const fn ends(&self, purpose: Purpose, now: Timestamp) -> Timestamp {
        match purpose {
            Purpose::VerifyEmail => now.plus_seconds(self.verify_seconds),
            Purpose::ResetPassword => now.plus_seconds(self.reset_seconds),
            Purpose::Invitation => now.plus_days(INVITATION_DAYS),
        }
    }
}

/// How long after the first try the second one follows, in seconds. Each next pause is twice as long.
const FIRST_PAUSE_SECONDS: i64 = 5;
const LONGEST_PAUSE_SECONDS: i64 = 900;

/// When a mail is tried again that could not be sent in so many tries; nothing where its link has ended by then.
#[must_use]
pub fn next_try(tries: i64, ends_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    let doublings = u32::try_from(tries - 1).unwrap_or(0).min(16);
    let pause = (FIRST_PAUSE_SECONDS << doublings).min(LONGEST_PAUSE_SECONDS);
    Some(now.plus_seconds(pause)).filter(|next| *next < ends_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_tried_less_and_less_often_while_its_link_would_work() {
        let (mut now, ends_at, mut pauses) = (Timestamp(0), Timestamp(0).plus_seconds(3600), Vec::new());
        for tries in 1.. {
            let Some(next) = next_try(tries, ends_at, now) else {
                break;
            };
            pauses.push((next.0 - now.0) / 1_000_000);
            now = next;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]);
        assert!(next_try(i64::MAX, Timestamp(i64::MAX), Timestamp(0)).is_some());
    }

    #[test]
    fn every_purpose_is_read_back() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::parse(purpose.as_str()), Some(purpose));
        }
        assert_eq!(Purpose::parse("other"), None);
    }
}
