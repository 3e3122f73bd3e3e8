//! The doctor: every invariant, checked on a live database, account by account.

use super::StoryError;
use crate::domain::account::AccountKind;
use crate::domain::ledger::{LedgerHead, follow};
use crate::domain::period::first_fault;
use crate::storage::Store;
use crate::storage::survey::{self, AccountSurvey};
use igny8_contract::ids::AccountId;
use serde::Serialize;

/// How many accounts are read from one state of the database.
const BATCH: i64 = 500;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub account_id: AccountId,
    /// A sentence.
    pub what: String,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub accounts: usize,
    pub findings: Vec<Finding>,
}

/// Checks every account.
///
/// # Errors
/// `storage_unavailable`.
pub async fn examine(store: &Store) -> Result<Report, StoryError> {
    let mut report = Report {
        accounts: 0,
        findings: Vec::new(),
    };
    let mut after = 0;
    loop {
        // A snapshot for each batch: what is committed meanwhile is not seen half.
        let mut snapshot = store.snapshot().await?;
        let ids = survey::account_ids(&mut snapshot, after, BATCH).await?;
        let Some(last) = ids.last() else { return Ok(report) };
        after = last.0;
        for id in ids {
            let Some(account) = survey::account(&mut snapshot, id).await? else {
                continue;
            };
            report.accounts += 1;
            report.findings.extend(
                faults(&account)
                    .into_iter()
                    .map(|what| Finding { account_id: id, what }),
            );
        }
    }
}

fn faults(account: &AccountSurvey) -> Vec<String> {
    let mut faults = ledger_faults(account);
    if account.users == 0 {
        faults.push("it has no user".into());
    }
    if account.audit_lines == 0 {
        faults.push("its beginning is not in the audit".into());
    }
    match account.kind {
        AccountKind::Staff => {
            if !account.movements.is_empty() || !account.subscriptions.is_empty() {
                faults.push("it is the staff's and has credits or a subscription".into());
            }
        }
        AccountKind::Customer => faults.extend(customer_faults(account)),
    }
    faults
}

fn ledger_faults(account: &AccountSurvey) -> Vec<String> {
    let mut faults = Vec::new();
    let mut head = LedgerHead::default();
    for movement in &account.movements {
        match follow(head, *movement) {
            Some(next) => head = next,
            None => {
                faults.push(format!(
                    "ledger entry {} does not continue entry {}",
                    movement.sequence, head.sequence
                ));
                head = LedgerHead {
                    balance: movement.balance_after,
                    sequence: movement.sequence,
                };
            }
        }
    }
    let sum: i128 = account
        .movements
        .iter()
        .map(|movement| i128::from(movement.amount.0))
        .sum();
    if sum != i128::from(account.ledger.balance.0) {
        faults.push(format!(
            "it has {} credits and its ledger comes to {sum}",
            account.ledger.balance.0
        ));
    }
    if head.sequence != account.ledger.sequence {
        faults.push(format!(
            "it counts {} ledger entries and has {}",
            account.ledger.sequence, head.sequence
        ));
    }
    faults
}

fn customer_faults(account: &AccountSurvey) -> Vec<String> {
    let mut faults = Vec::new();
    if account.movements.is_empty() {
        faults.push("it never got any credits".into());
    }
    if account.owners == 0 {
        faults.push("it has no owner".into());
    }
    let running: Vec<_> = account
        .subscriptions
        .iter()
        .filter(|subscription| !subscription.has_ended)
        .collect();
    // One that has ended, by its trial's end or for good, is followed by none until the next payment.
    let needs_one = matches!(account.status.as_str(), "trial" | "active" | "past_due");
    if running.len() > 1 || (running.is_empty() && needs_one) {
        faults.push(format!("it has {} running subscriptions", running.len()));
    }
    let trialing = running.iter().any(|subscription| subscription.status == "trialing");
    if account.status == "trial" && !trialing {
        faults.push("it is on trial and its subscription is not".into());
    }
    for subscription in &account.subscriptions {
        let fault = first_fault(&subscription.periods);
        faults.extend(fault.map(|fault| format!("subscription {}: {fault}", subscription.id)));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ledger::Movement;
    use crate::domain::period::Period;
    use crate::storage::survey::SubscriptionSurvey;
    use igny8_contract::credits::Credits;
    use igny8_contract::time::Timestamp;

    fn healthy() -> AccountSurvey {
        AccountSurvey {
            id: AccountId(1),
            kind: AccountKind::Customer,
            status: "trial".into(),
            ledger: LedgerHead {
                balance: Credits(2000),
                sequence: 1,
            },
            movements: vec![Movement {
                sequence: 1,
                amount: Credits(2000),
                balance_after: Credits(2000),
            }],
            users: 1,
            owners: 1,
            audit_lines: 1,
            subscriptions: vec![SubscriptionSurvey {
                id: 1,
                status: "trialing".into(),
                has_ended: false,
                periods: vec![Period::first(Timestamp(0), 14)],
            }],
        }
    }

    #[test]
    fn a_healthy_account_has_no_finding() {
        assert_eq!(faults(&healthy()), Vec::<String>::new());
    }

    #[test]
    fn every_broken_invariant_is_found() {
        let breaks: [fn(&mut AccountSurvey); 11] = [
            |account| account.ledger.balance.0 += 1,
            |account| account.ledger.sequence += 1,
            |account| account.movements[0].balance_after.0 += 1,
            |account| account.movements[0].sequence = 2,
            |account| account.movements.clear(),
            |account| account.users = 0,
            |account| account.owners = 0,
            |account| account.audit_lines = 0,
            |account| account.subscriptions.clear(),
            |account| account.subscriptions[0].periods.clear(),
            |account| account.kind = AccountKind::Staff,
        ];
        for (index, break_it) in breaks.into_iter().enumerate() {
            let mut account = healthy();
            break_it(&mut account);
            assert_ne!(faults(&account), Vec::<String>::new(), "break {index}");
        }
    }
}
