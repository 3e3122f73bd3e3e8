//! Sign-ins: how long one goes on, and the chain of refresh tokens that keeps it going.
//!
//! Every use of a token spends it and makes the next one. Several tabs of a browser may send one token at once, so for a
//! short grace a spent token still leads to the end of its chain: to the same token for all of them, never to a second
//! chain. After that, whoever sends a spent token has kept a copy: nobody can say who is the owner, so it ends for both.

use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};

/// How long sign-ins go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignInTerms {
    /// After this long without a use it is over.
    pub idle_seconds: i64,
    /// After this long it is over in any case.
    pub absolute_seconds: i64,
    /// How long a spent token still leads to the end of its chain.
    pub grace_seconds: i64,
}

impl SignInTerms {
    /// When a sign-in that began then and is used now is over, unless it is used again.
    #[must_use]
    pub fn ends(&self, begun: Timestamp, now: Timestamp) -> Timestamp {
        let idle = now.plus_seconds(self.idle_seconds);
        idle.min(begun.plus_seconds(self.absolute_seconds))
    }
}

/// One token of a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// 1 for the first token of a sign-in.
    pub generation: i64,
    /// The token's SHA-256.
    pub token_hash: [u8; 32],
    /// Nothing for the one token that is not spent.
    pub spent: Option<Spent>,
}

/// A token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// What, together with the token itself, makes the next one.
    pub nonce: [u8; 32],
    pub at: Timestamp,
}

/// What follows from a token that somebody has sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the current one, of this generation: it is spent, and the next one made.
    Rotate(i64),
    /// Another tab has spent it just now: these nonces lead, one by one, to the current token.
    Follow(Vec<[u8; 32]>),
    /// Somebody has kept a copy.
    Stolen,
}

/// Judges a token of a running sign-in. `links` are in the order of their generations.
#[must_use]
pub fn judge(links: &[Link], token_hash: &[u8; 32], terms: &SignInTerms, now: Timestamp) -> Verdict {
    let Some(place) = links.iter().position(|link| link.token_hash == *token_hash) else {
        return Verdict::Stolen;
    };
    match links[place].spent {
        None => Verdict::Rotate(links[place].generation),
        Some(spent) if is_in_grace(spent.at, terms, now) => {
            let nonces = links[place..].iter().filter_map(|link| link.spent);
            Verdict::Follow(nonces.map(|spent| spent.nonce).collect())
        }
        Some(_) => Verdict::Stolen,
    }
}

/// Whether a token that was spent then may still be sent by another tab. A clock that goes back makes no grace longer
/// than it is.
fn is_in_grace(spent_at: Timestamp, terms: &SignInTerms, now: Timestamp) -> bool {
    (now.0 - spent_at.0).abs() <= terms.grace_seconds * MICROS_PER_SECOND
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: SignInTerms = SignInTerms {
        idle_seconds: 100,
        absolute_seconds: 250,
        grace_seconds: 10,
    };

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * MICROS_PER_SECOND)
    }

    /// Tokens that were spent at these times, and the current one after them.
    fn chain(spent: &[i64]) -> Vec<Link> {
        let link = |(index, spent): (usize, Option<i64>)| {
            let mark = u8::try_from(index).unwrap();
            Link {
                generation: i64::from(mark) + 1,
                token_hash: [mark; 32],
                spent: spent.map(|spent| Spent {
                    nonce: [100 + mark; 32],
                    at: at(spent),
                }),
            }
        };
        let all = spent.iter().copied().map(Some).chain([None]);
        all.enumerate().map(link).collect()
    }

    #[test]
    fn the_current_token_is_spent() {
        assert_eq!(judge(&chain(&[]), &[0; 32], &TERMS, at(5)), Verdict::Rotate(1));
        assert_eq!(judge(&chain(&[1, 3]), &[2; 32], &TERMS, at(5)), Verdict::Rotate(3));
    }

    #[test]
    fn within_the_grace_every_tab_is_led_to_the_one_end_of_the_chain() {
        let chain = chain(&[1, 3]);
        assert_eq!(
            judge(&chain, &[0; 32], &TERMS, at(11)),
            Verdict::Follow(vec![[100; 32], [101; 32]])
        );
        assert_eq!(
            judge(&chain, &[1; 32], &TERMS, at(13)),
            Verdict::Follow(vec![[101; 32]])
        );
    }

    #[test]
    fn a_spent_token_after_the_grace_was_stolen_and_so_was_one_that_is_long_forgotten() {
        let chain = chain(&[1, 3]);
        assert_eq!(judge(&chain, &[0; 32], &TERMS, at(12)), Verdict::Stolen);
        assert_eq!(judge(&chain, &[9; 32], &TERMS, at(3)), Verdict::Stolen);
        let no_grace = SignInTerms {
            grace_seconds: 0,
            ..TERMS
        };
        assert_eq!(judge(&chain, &[1; 32], &no_grace, at(4)), Verdict::Stolen);
    }

    #[test]
    fn a_clock_that_went_back_makes_no_endless_grace() {
        assert_eq!(judge(&chain(&[1000]), &[0; 32], &TERMS, at(5)), Verdict::Stolen);
    }

    #[test]
    fn a_sign_in_goes_on_while_it_is_used_and_not_for_ever() {
        assert_eq!(TERMS.ends(at(0), at(0)), at(100));
        assert_eq!(TERMS.ends(at(0), at(90)), at(190));
        assert_eq!(TERMS.ends(at(0), at(200)), at(250));
    }
}
