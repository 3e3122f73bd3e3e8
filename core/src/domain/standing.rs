//! What others need to know of an account to decide on its standing; the decision itself is the contract's.

use super::account::Account;
use igny8_contract::standing::AccountFacts;
use igny8_contract::time::Timestamp;

/// The plan word of an account that has no plan: the staff's.
pub const NO_PLAN: &str = "staff";

/// What the rest of the system needs to know of an account to decide on its standing.
#[must_use]
pub fn account_facts(
    account: &Account,
    plan_slug: Option<&str>,
    period_end: Option<Timestamp>,
    grace_end: Option<Timestamp>,
) -> AccountFacts {
    AccountFacts {
        status: account.status,
        reason: account.suspend_reason,
        plan: plan_slug.unwrap_or(NO_PLAN).to_owned(),
        account_epoch: account.epoch,
        period_end_us: period_end,
        grace_end_us: grace_end,
    }
}
