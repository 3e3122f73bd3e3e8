//! The credit ledger: an append-only row of entries whose sum is the balance, never negative.

use igny8_contract::credits::Credits;
use igny8_contract::refusal::Refusal;

/// What moved the balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransactionType {
    /// Credits that a plan grants.
    Subscription,
    Purchase,
    Bonus,
    Consumption,
    Adjustment,
    Expiry,
    Refund,
}

impl TransactionType {
    /// Every type.
    pub const ALL: [Self; 7] = [
        Self::Subscription,
        Self::Purchase,
        Self::Bonus,
        Self::Consumption,
        Self::Adjustment,
        Self::Expiry,
        Self::Refund,
    ];

    /// The word on the wire and in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Subscription => "subscription",
            Self::Purchase => "purchase",
            Self::Bonus => "bonus",
            Self::Consumption => "consumption",
            Self::Adjustment => "adjustment",
            Self::Expiry => "expiry",
            Self::Refund => "refund",
        }
    }

    /// The type of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Where an account's ledger stands: what the next entry continues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LedgerHead {
    /// The sum of all entries.
    pub balance: Credits,
    /// The sequence of the last entry; 0 before the first.
    pub sequence: i64,
}

/// The numbers of one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    pub sequence: i64,
    /// Positive for credits that come, negative for credits that go; never 0.
    pub amount: Credits,
    pub balance_after: Credits,
}

impl LedgerHead {
    /// The entry that moves the balance by `amount`.
    ///
    /// # Errors
    /// `insufficient_credits` where the balance would fall below 0; `internal` for an amount of 0 or one that leaves the
    /// range of 64 bits.
    pub fn append(self, amount: Credits) -> Result<Movement, Refusal> {
        let balance_after = self.balance.checked_add(amount).ok_or(Refusal::Internal)?;
        let sequence = self.sequence.checked_add(1).ok_or(Refusal::Internal)?;
        if amount == Credits::ZERO {
            return Err(Refusal::Internal);
        }
        if balance_after < Credits::ZERO {
            return Err(Refusal::InsufficientCredits);
        }
        Ok(Movement {
            sequence,
            amount,
            balance_after,
        })
    }
}

/// The ledger after `movement`, if it is the one that continues `head`.
#[must_use]
pub fn follow(head: LedgerHead, movement: Movement) -> Option<LedgerHead> {
    let expected = head.append(movement.amount).ok()?;
    (expected == movement).then_some(LedgerHead {
        balance: movement.balance_after,
        sequence: movement.sequence,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_balance_is_never_negative_and_an_entry_never_empty() {
        let head = LedgerHead {
            balance: Credits(5),
            sequence: 3,
        };
        assert_eq!(head.append(Credits(-6)), Err(Refusal::InsufficientCredits));
        assert_eq!(head.append(Credits(0)), Err(Refusal::Internal));
        assert_eq!(head.append(Credits(i64::MAX)), Err(Refusal::Internal));
        let movement = Movement {
            sequence: 4,
            amount: Credits(-5),
            balance_after: Credits(0),
        };
        assert_eq!(head.append(Credits(-5)), Ok(movement));
    }

    #[test]
    fn an_entry_that_skips_or_miscounts_does_not_follow() {
        let head = LedgerHead {
            balance: Credits(5),
            sequence: 3,
        };
        let good = Movement {
            sequence: 4,
            amount: Credits(2),
            balance_after: Credits(7),
        };
        assert_eq!(
            follow(head, good),
            Some(LedgerHead {
                balance: Credits(7),
                sequence: 4
            })
        );
        assert_eq!(follow(head, Movement { sequence: 5, ..good }), None);
        assert_eq!(
            follow(
                head,
                Movement {
                    balance_after: Credits(8),
                    ..good
                }
            ),
            None
        );
    }

    proptest! {
        #[test]
        fn whatever_is_appended_the_balance_is_the_sum_and_never_negative(
            amounts in proptest::collection::vec(-50..50_i64, 0..60)
        ) {
            let (mut head, mut sum, mut entries) = (LedgerHead::default(), 0, 0);
            for amount in amounts {
                if let Ok(movement) = head.append(Credits(amount)) {
                    head = follow(head, movement).expect("it was appended to this head");
                    sum += amount;
                    entries += 1;
                }
                prop_assert_eq!(head.balance, Credits(sum));
                prop_assert_eq!(head.sequence, entries);
                prop_assert!(head.balance >= Credits::ZERO);
            }
        }
    }
}
