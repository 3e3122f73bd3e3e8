//! Accounts: the tenants, and the one that staff belong to.

use super::ledger::LedgerHead;
use super::subscription::PaymentMethod;
use igny8_contract::ids::{AccountId, PlanId};
use igny8_contract::standing::{AccountStatus, SuspendReason};
use igny8_contract::time::Timestamp;

/// The name of the account that staff belong to.
const STAFF_ACCOUNT_NAME: &str = "Staff";

/// Whose account it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountKind {
    /// A tenant: has a plan, a subscription and credits.
    Customer,
    /// The platform's own people: no plan, no subscription, no credits.
    Staff,
}

impl AccountKind {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Staff => "staff",
        }
    }

    /// The kind of a word; nothing for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Customer, Self::Staff]
            .into_iter()
            .find(|kind| kind.as_str() == word)
    }
}

/// An account that is about to begin. It always begins without credits: the ledger brings them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAccount {
    pub kind: AccountKind,
    pub name: String,
    pub status: AccountStatus,
    pub plan_id: Option<PlanId>,
    /// How many buckets it begins with.
    pub bucket_count: i64,
    /// When time itself first changes something; nothing where it never does.
    pub due: Option<Timestamp>,
}

impl NewAccount {
    /// The one that staff belong to.
    #[must_use]
    pub fn of_staff() -> Self {
        Self {
            kind: AccountKind::Staff,
            name: STAFF_ACCOUNT_NAME.into(),
            status: AccountStatus::Active,
            plan_id: None,
            bucket_count: 0,
            due: None,
        }
    }
}

/// An account as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub kind: AccountKind,
    pub name: String,
    pub status: AccountStatus,
    pub suspend_reason: Option<SuspendReason>,
    pub plan_id: Option<PlanId>,
    /// How it paid last; nothing where it never has.
    pub payment_method: Option<PaymentMethod>,
    pub ledger: LedgerHead,
    pub epoch: i64,
    pub created_at: Timestamp,
}

/// The name of an account whose owner gave none: their own name, else what stands before the `@`.
#[must_use]
pub fn default_name(first_name: &str, last_name: &str, email: &str) -> String {
    let full = format!("{first_name} {last_name}");
    let full = full.trim();
    if full.is_empty() {
        email.split('@').next().unwrap_or(email).to_owned()
    } else {
        full.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_named_after_its_owner_where_nothing_else_is_said() {
        assert_eq!(default_name("Ada", "Lovelace", "ada@example.com"), "Ada Lovelace");
        assert_eq!(default_name("", "Lovelace", "ada@example.com"), "Lovelace");
        assert_eq!(default_name("", "", "ada@example.com"), "ada");
    }
}
