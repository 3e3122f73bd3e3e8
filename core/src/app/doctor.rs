//! The doctor: every invariant, checked on a live database, account by account.

use super::{BillingTerms, StoryError};
use crate::domain::account::AccountKind;
use crate::domain::book::Rules;
use crate::domain::cycle::grants_of;
use crate::domain::period::{Period, first_fault};
use crate::domain::subscription::{PaymentMethod, SubscriptionStatus};
use crate::storage::survey::{self, AccountSurvey, SubscriptionSurvey};
use crate::storage::{Store, oddity, plan};
use igny8_contract::ids::AccountId;
use igny8_contract::standing::SuspendReason;
use igny8_contract::time::Timestamp;
use serde::Serialize;

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Nothing where it is no single account's.
    pub account_id: Option<AccountId>,
    /// A sentence.
    pub what: String,
}

/// What the doctor found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    pub accounts: usize,
    pub findings: Vec<Finding>,
}

/// How far the doctor has come: accounts checked, and accounts in all.
pub type Progress<'a> = &'a mut (dyn FnMut(usize, i64) + Send);

/// Checks every account, and what is no single account's.
///
/// # Errors
/// `storage_unavailable`.
pub async fn examine(store: &Store, terms: &BillingTerms, progress: Progress<'_>) -> Result<Report, StoryError> {
    let mut report = Report {
        accounts: 0,
        findings: Vec::new(),
    };
    let total = {
        let mut snapshot = store.snapshot().await?;
        let odd = oddity::of_all(&mut snapshot).await?;
        let finding = |what| Finding { account_id: None, what };
        report.findings.extend(odd.into_iter().map(finding));
        survey::count(&mut snapshot).await?
    };
    let mut after = 0;
    loop {
        // A snapshot for each batch: what is committed meanwhile is not seen half.
        let mut snapshot = store.snapshot().await?;
        let Some(batch) = survey::next_batch(&mut snapshot, after).await? else {
            return Ok(report);
        };
        after = batch.last;
        let plans = plan::all(&mut snapshot).await?;
        let rules = terms.rules(&plans);
        for account in survey::accounts(&mut snapshot, batch).await? {
            report.accounts += 1;
            let account_id = Some(account.book.account_id);
            let finding = |what| Finding { account_id, what };
            report
                .findings
                .extend(faults(&account, &rules).into_iter().map(finding));
        }
        progress(report.accounts, total);
    }
}

fn faults(account: &AccountSurvey, rules: &Rules<'_>) -> Vec<String> {
    let mut faults = ledger_faults(account);
    faults.extend(account.book.purse.fault());
    if account.users == 0 {
        faults.push("it has no user".into());
    }
    if !account.has_audit {
        faults.push("its beginning is not in the audit".into());
    }
    match account.kind {
        AccountKind::Staff => {
            if account.entries.last_sequence != 0 || !account.subscriptions.is_empty() {
                faults.push("it is the staff's and has credits or a subscription".into());
            }
        }
        AccountKind::Customer => faults.extend(customer_faults(account, rules)),
    }
    faults.extend(account.oddities.iter().cloned());
    faults
}

fn ledger_faults(account: &AccountSurvey) -> Vec<String> {
    let (head, entries) = (account.book.purse.head, account.entries);
    let mut faults = Vec::new();
    if let Some(sequence) = entries.first_break {
        faults.push(format!("ledger entry {sequence} does not continue the one before it"));
    }
    if entries.total != head.balance.0 {
        faults.push(format!(
            "it has {} credits and its ledger comes to {}",
            head.balance.0, entries.total
        ));
    }
    if entries.last_sequence != head.sequence {
        faults.push(format!(
            "it counts {} ledger entries and has {}",
            head.sequence, entries.last_sequence
        ));
    }
    faults
}

fn customer_faults(account: &AccountSurvey, rules: &Rules<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if account.entries.last_sequence == 0 {
        faults.push("it never got any credits".into());
    }
    if account.owners == 0 {
        faults.push("it has no owner".into());
    }
    let running = account
        .subscriptions
        .iter()
        .filter(|of| of.subscription.ended_at.is_none());
    if running.count() > 1 {
        faults.push("it has several running subscriptions".into());
    }
    for of in &account.subscriptions {
        let number = of.subscription.number;
        let fault = first_fault(&of.periods).or_else(|| subscription_fault(of));
        faults.extend(fault.map(|fault| format!("subscription {number}: {fault}")));
    }
    match account.subscriptions.last() {
        None => faults.push("it never had a subscription".into()),
        Some(latest) if !latest.periods.is_empty() => faults.extend(latest_faults(account, latest, rules)),
        Some(_) => {}
    }
    faults
}

fn subscription_fault(of: &SubscriptionSurvey) -> Option<String> {
    let subscription = &of.subscription;
    let status = subscription.status;
    if status.is_terminal() != subscription.ended_at.is_some() {
        return Some(format!("it is {} and its end says otherwise", status.as_str()));
    }
    if status != SubscriptionStatus::PastDue && subscription.grace_end.is_some() {
        return Some(format!("it is {} and has a grace", status.as_str()));
    }
    let (method, is_trial) = (subscription.payment_method, status == SubscriptionStatus::Trialing);
    if !status.is_terminal() && (method == PaymentMethod::Trial) != is_trial {
        return Some(format!("it is {} and paid by {}", status.as_str(), method.as_str()));
    }
    let Period { start, end, .. } = subscription.period;
    (is_trial && end != start.plus_days(subscription.trial_days))
        .then(|| format!("its trial is of {} days and its period is not", subscription.trial_days))
}

/// How the account pays follows from its subscription; a plan that staff assign, though it runs already, is paid for by hand.
fn payment_fault(account: Option<PaymentMethod>, status: SubscriptionStatus, paid: PaymentMethod) -> Option<String> {
    let fits = match status {
        SubscriptionStatus::Trialing => account.is_none(),
        SubscriptionStatus::Active | SubscriptionStatus::PastDue => {
            account == Some(paid) || account == Some(PaymentMethod::Manual)
        }
        SubscriptionStatus::Cancelled | SubscriptionStatus::Expired => true,
    };
    (!fits).then(|| {
        let account = account.map_or("nothing", PaymentMethod::as_str);
        format!("it pays by {account} and its subscription is paid by {}", paid.as_str())
    })
}

/// What is wrong with the latest subscription, and with what follows from it.
fn latest_faults(account: &AccountSurvey, latest: &SubscriptionSurvey, rules: &Rules<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let (book, subscription) = (&account.book, &latest.subscription);
    if book.plan_id != Some(subscription.plan_id) {
        faults.push(format!("its plan is not that of subscription {}", subscription.number));
    }
    let paid = (subscription.status, subscription.payment_method);
    faults.extend(payment_fault(book.payment_method, paid.0, paid.1));
    match rules.plan(subscription.plan_id) {
        Err(_) => faults.push(format!("subscription {}: there is no such plan", subscription.number)),
        Ok(plan) => {
            let most = grants_of(&plan.terms);
            let runs = matches!(
                subscription.status,
                SubscriptionStatus::Trialing | SubscriptionStatus::Active
            );
            if subscription.grants > most || (runs && subscription.grants < 1) {
                faults.push(format!(
                    "subscription {}: its latest period has had {} grants of {most}",
                    subscription.number, subscription.grants
                ));
            }
            // A plan that was changed since may have granted nothing then.
            let granted = plan.terms.effective_credits().0 > 0 && latest.plan_changed_at <= latest.period_stored_at;
            if runs && granted && !latest.has_bucket {
                faults.push(format!(
                    "subscription {}: there is no bucket of its latest grant",
                    subscription.number
                ));
            }
        }
    }
    if let Some((status, reason)) = book.standing()
        && !book.is_blocked()
        && (status, reason) != (book.status, book.suspend_reason)
    {
        let word = |reason: Option<SuspendReason>| reason.map_or("", SuspendReason::as_str);
        faults.push(format!(
            "its status is {} {} and its subscription says {} {}",
            book.status.as_str(),
            word(book.suspend_reason),
            status.as_str(),
            word(reason)
        ));
    }
    faults.extend(due_fault(account.due, book.due(rules)));
    faults
}

/// The worker may come early, never late: it would not come at all for an account that says nothing.
fn due_fault(stored: Option<Timestamp>, due: Option<Timestamp>) -> Option<String> {
    match (stored, due) {
        (_, None) => None,
        (Some(stored), Some(due)) if stored <= due => None,
        (stored, Some(due)) => Some(format!(
            "it is due at {} and the worker would come {}",
            due.0,
            stored.map_or_else(|| "never".to_owned(), |stored| format!("at {}", stored.0))
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::book::Book;
    use crate::domain::plan::Plan;
    use crate::domain::plan::tests::terms;
    use crate::storage::survey::LedgerSurvey;
    use igny8_contract::credits::Credits;
    use igny8_contract::ids::PlanId;
    use igny8_contract::standing::AccountStatus;

    const BEGUN: Timestamp = Timestamp(1_000_000);

    fn plans() -> Vec<Plan> {
        vec![Plan {
            id: PlanId(1),
            terms: terms("free-trial", 2000, 0),
        }]
    }

    fn rules(plans: &[Plan]) -> Rules<'_> {
        Rules {
            plans,
            trial_grace_days: 0,
            past_due_grace_days: 7,
            seller: "",
        }
    }

    /// An account that has just signed up, with a hold.
    fn healthy() -> AccountSurvey {
        let plans = plans();
        let rules = rules(&plans);
        let mut book = Book::open(&plans[0], &rules, BEGUN).unwrap().of(AccountId(1));
        let until = BEGUN.plus_seconds(900);
        book.purse
            .hold(Credits(300), until, "x".into(), "{}".into(), BEGUN)
            .unwrap();
        let subscription = book.subscription.clone().unwrap();
        AccountSurvey {
            kind: AccountKind::Customer,
            due: book.due(&rules),
            entries: LedgerSurvey {
                total: 2000,
                last_sequence: 1,
                first_break: None,
            },
            users: 1,
            owners: 1,
            has_audit: true,
            subscriptions: vec![SubscriptionSurvey {
                periods: vec![subscription.period],
                subscription,
                period_stored_at: BEGUN,
                plan_changed_at: Timestamp(0),
                has_bucket: true,
            }],
            oddities: Vec::new(),
            book,
        }
    }

    fn found(account: &AccountSurvey) -> Vec<String> {
        faults(account, &rules(&plans()))
    }

    fn latest(account: &mut AccountSurvey) -> &mut crate::domain::subscription::Subscription {
        &mut account.subscriptions[0].subscription
    }

    #[test]
    fn a_healthy_account_has_no_finding() {
        assert_eq!(found(&healthy()), Vec::<String>::new());
    }

    type Break = fn(&mut AccountSurvey);

    /// What is broken, and what is said of it.
    const BREAKS: [(&str, Break); 31] = [
        ("its ledger comes to", |account| account.book.purse.head.balance.0 += 1),
        ("its buckets hold", |account| {
            account.book.purse.buckets[0].remaining.0 += 1
        }),
        ("ledger entries and has", |account| {
            account.book.purse.head.sequence += 1
        }),
        ("does not continue", |account| account.entries.first_break = Some(1)),
        ("its ledger comes to", |account| account.entries.total -= 1),
        ("its holds come to", |account| account.book.purse.buckets[0].held.0 -= 1),
        ("its holds come to", |account| account.book.purse.holds.clear()),
        ("never got any credits", |account| account.entries.last_sequence = 0),
        ("no user", |account| account.users = 0),
        ("no owner", |account| account.owners = 0),
        ("not in the audit", |account| account.has_audit = false),
        ("never had a subscription", |account| account.subscriptions.clear()),
        ("there is no period", |account| account.subscriptions[0].periods.clear()),
        ("the staff's", |account| account.kind = AccountKind::Staff),
        ("several running", |account| {
            let another = account.subscriptions[0].clone();
            account.subscriptions.push(another);
        }),
        ("its end says otherwise", |account| {
            latest(account).ended_at = Some(BEGUN)
        }),
        ("its end says otherwise", |account| {
            latest(account).status = SubscriptionStatus::Expired;
        }),
        ("has a grace", |account| latest(account).grace_end = Some(BEGUN)),
        ("0 grants of 1", |account| latest(account).grants = 0),
        ("2 grants of 1", |account| latest(account).grants = 2),
        ("no bucket of its latest grant", |account| {
            account.subscriptions[0].has_bucket = false
        }),
        ("its subscription says trial", |account| {
            account.book.status = AccountStatus::Active
        }),
        ("is not that of subscription 1", |account| {
            account.book.plan_id = Some(PlanId(2))
        }),
        ("it is trialing and paid by stripe", |account| {
            latest(account).payment_method = PaymentMethod::Stripe;
        }),
        ("it is active and paid by trial", |account| {
            latest(account).status = SubscriptionStatus::Active;
        }),
        ("it pays by stripe and its subscription is paid by trial", |account| {
            account.book.payment_method = Some(PaymentMethod::Stripe);
        }),
        ("it pays by nothing and its subscription is paid by manual", |account| {
            latest(account).status = SubscriptionStatus::Active;
            latest(account).payment_method = PaymentMethod::Manual;
        }),
        (
            "it pays by bank_transfer and its subscription is paid by stripe",
            |account| {
                account.book.payment_method = Some(PaymentMethod::BankTransfer);
                latest(account).status = SubscriptionStatus::Active;
                latest(account).payment_method = PaymentMethod::Stripe;
            },
        ),
        ("its trial is of 15 days", |account| latest(account).trial_days = 15),
        ("come never", |account| account.due = None),
        ("come at", |account| {
            account.due = account.due.map(|due| due.plus_seconds(1))
        }),
    ];

    #[test]
    fn every_broken_invariant_is_found() {
        for (sentence, break_it) in BREAKS {
            let mut account = healthy();
            break_it(&mut account);
            let found = found(&account);
            assert!(
                found.iter().any(|fault| fault.contains(sentence)),
                "{sentence}: {found:?}"
            );
        }
    }

    #[test]
    fn what_the_database_finds_odd_is_a_finding() {
        let mut account = healthy();
        account.oddities.push("payment 1 has no receipt".into());
        assert_eq!(found(&account), ["payment 1 has no receipt"]);
    }

    #[test]
    fn what_is_only_unusual_is_no_finding() {
        let usual: [fn(&mut AccountSurvey); 3] = [
            |account| account.due = Some(Timestamp(0)),
            |account| {
                account.book.status = AccountStatus::Suspended;
                account.book.suspend_reason = Some(SuspendReason::Abuse);
            },
            |account| {
                account.subscriptions[0].has_bucket = false;
                account.subscriptions[0].plan_changed_at = BEGUN.plus_seconds(1);
            },
        ];
        for change in usual {
            let mut account = healthy();
            change(&mut account);
            assert_eq!(found(&account), Vec::<String>::new());
        }
    }
}
