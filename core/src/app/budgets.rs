//! Who may try how often: attempts are taken before the work and given back where the work shows that it was no guess.
//!
//! Names that nobody has are counted like names that somebody has. A success gives back what it took itself, so it hands
//! nobody else's attempts out. A stranger cannot shut the owner of a name out for good: from an address where the owner
//! has signed in before, the owner has a budget of their own, and everybody's fills up again.

use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::domain::budget::{Budget, network};
use crate::storage::{Connection, sign_in_budget};
use igny8_contract::ids::UserId;
use igny8_contract::time::Timestamp;

/// How much may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetTerms {
    /// Passwords and codes for one name.
    pub per_name: Budget,
    /// Passwords and codes from one address.
    pub per_address: Budget,
    /// Mails to one address of mail.
    pub mails_per_name: Budget,
    /// Mails asked for from one address.
    pub mails_per_address: Budget,
}

/// One budget, and what it is found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    key: [u8; 32],
    budget: Budget,
}

impl Purse {
    fn new(budget: Budget, kind: &str, parts: &[&str]) -> Self {
        // No part holds a NUL: these are addresses and numbers.
        let text = [&[kind], parts].concat().join("\0");
        Self {
            key: sha_256(text.as_bytes()),
            budget,
        }
    }
}

impl BudgetTerms {
    /// What a sign-in pays from. `is_known` says that the name's owner has signed in from this address before.
    #[must_use]
    pub fn of_sign_in(&self, name: &str, address: &str, is_known: bool) -> Vec<Purse> {
        let network = network(address);
        let of_name = if is_known {
            Purse::new(self.per_name, "name at address", &[name, &network])
        } else {
            Purse::new(self.per_name, "name", &[name])
        };
        vec![of_name, Purse::new(self.per_address, "address", &[&network])]
    }

    /// What somebody who is signed in pays from where they show their password or a code.
    #[must_use]
    pub fn of_user(&self, id: UserId) -> Vec<Purse> {
        vec![Purse::new(self.per_name, "user", &[&id.to_string()])]
    }

    /// What mail to a name is paid from.
    #[must_use]
    pub fn of_mail_to(&self, name: &str) -> Purse {
        Purse::new(self.mails_per_name, "mail to", &[name])
    }

    /// What asking for mail from an address is paid from.
    #[must_use]
    pub fn of_mail_from(&self, address: &str) -> Purse {
        Purse::new(self.mails_per_address, "mail from", &[&network(address)])
    }
}

/// Takes an attempt from each of these budgets, or none from any.
///
/// # Errors
/// [`StoryError::Throttled`] where one has none left, `storage_unavailable`.
pub async fn take(core: &Core, mut purses: Vec<Purse>) -> Result<Vec<Purse>, StoryError> {
    // One order for all: two who want the same budgets wait for each other and do not lock each other out.
    purses.sort_by_key(|purse| purse.key);
    let given = (purses, core.machine_now());
    core.store
        .write(&given, |connection, (purses, now)| {
            Box::pin(async move {
                for purse in purses {
                    take_in(connection, *purse, *now).await?;
                }
                Ok::<(), StoryError>(())
            })
        })
        .await?;
    Ok(given.0)
}

/// Takes an attempt from a budget.
///
/// # Errors
/// [`StoryError::Throttled`] where it has none left; what the database says.
pub async fn take_in(connection: &mut Connection, purse: Purse, now: Timestamp) -> Result<(), StoryError> {
    let full_at = sign_in_budget::lock(connection, &purse.key).await?;
    let full_at = purse.budget.take(full_at, now).map_err(StoryError::Throttled)?;
    Ok(sign_in_budget::save(connection, &purse.key, full_at).await?)
}

/// Gives back what was taken: it was no guess. `purses` are in the order that [`take`] gave them.
///
/// # Errors
/// What the database says.
pub async fn give_back(connection: &mut Connection, purses: &[Purse]) -> Result<(), StoryError> {
    for purse in purses {
        let full_at = sign_in_budget::lock(connection, &purse.key).await?;
        sign_in_budget::save(connection, &purse.key, purse.budget.give_back(full_at)).await?;
    }
    Ok(())
}

/// Fills budgets up again.
///
/// # Errors
/// What the database says.
pub async fn fill_up(connection: &mut Connection, mut purses: Vec<Purse>) -> Result<(), StoryError> {
    purses.sort_by_key(|purse| purse.key);
    for purse in purses {
        sign_in_budget::save(connection, &purse.key, Timestamp(0)).await?;
    }
    Ok(())
}
