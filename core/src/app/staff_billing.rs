//! What staff do to a customer's subscription and credits without a payment. Each says why, and the audit keeps it.

use super::by_staff::change_customer;
use super::change::{Answer, Ask, Done};
use super::{Core, StoryError};
use crate::domain::billing::{Adjustment, LateMode};
use crate::domain::book::{Book, Rules};
use crate::domain::ledger::{Movement, TransactionType};
use crate::domain::purse::Reason;
use crate::storage::ledger::Entry;
use igny8_contract::credits::Credits;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::Value;

/// Renews the running subscription from the end of its latest period.
///
/// # Errors
/// `not_found`, `subscription_ended`, `not_renewable`, `renewal_mode_required`; as for [`super::change::change`].
pub async fn renew<R>(
    core: &Core,
    ask: Ask,
    mode: Option<LateMode>,
    reason: String,
    render: R,
) -> Result<Answer, StoryError>
where
    R: Fn(&Done<()>) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, rules: &Rules<'_>, now| {
        book.renew(rules, mode, now)?;
        book.explain("reason", &reason);
        Ok(())
    };
    change_customer(core, ask, decide, render).await
}

/// Gives a customer a plan that nobody pays for here: one by agreement, or one without a price.
///
/// # Errors
/// `not_found`, `validation_failed` for a plan that is unknown or the free trial, `paid_plan_needs_payment`; as for
/// [`super::change::change`].
pub async fn assign_plan<R>(
    core: &Core,
    ask: Ask,
    plan_slug: String,
    reason: String,
    render: R,
) -> Result<Answer, StoryError>
where
    R: Fn(&Done<()>) -> Result<Value, StoryError> + Send + Sync,
{
    let wrong = |sentence: &str| StoryError::field(Refusal::ValidationFailed, "plan_slug", sentence);
    let decide = |book: &mut Book, rules: &Rules<'_>, now| {
        let found = rules.plans.iter().find(|plan| plan.terms.slug == plan_slug);
        let plan = found.ok_or_else(|| wrong("There is no such plan."))?;
        book.assign(plan, now).map_err(|refusal| match refusal {
            Refusal::PlanRequired => wrong("Sign-up alone gives the free trial."),
            other => other.into(),
        })?;
        book.explain("reason", &reason);
        Ok(())
    };
    change_customer(core, ask, decide, render).await
}

/// Credits to add or take.
#[derive(Clone, Debug)]
pub struct CreditChange {
    /// More than 0 to add, less to take; never 0.
    pub amount: Credits,
    pub kind: TransactionType,
    pub reason: String,
    /// Days until what is added expires; nothing where it does not.
    pub expires_in_days: Option<i64>,
}

/// Adds or takes credits; the entry is what comes of it.
///
/// # Errors
/// `not_found`, `insufficient_credits` for more than can be used; as for [`super::change::change`].
pub async fn adjust_credits<R>(core: &Core, ask: Ask, credits: CreditChange, render: R) -> Result<Answer, StoryError>
where
    R: Fn(&Entry) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, _: &Rules<'_>, now: Timestamp| {
        let adjustment = Adjustment {
            amount: credits.amount,
            kind: credits.kind,
            reason: credits.reason.clone(),
            expires_at: credits.expires_in_days.map(|days| now.plus_days(days)),
        };
        book.adjust(adjustment, now)?;
        let made = book.purse.journal.entries.last().cloned();
        Ok(made.ok_or(Refusal::Internal)?)
    };
    change_customer(core, ask, decide, |done| render(&entry(done)?)).await
}

/// The entry that an adjustment has made, as it is stored.
fn entry(done: &Done<(Movement, Reason)>) -> Result<Entry, StoryError> {
    let (movement, reason) = &done.outcome;
    let id = done.saved.entry_ids.get(&(done.book.account_id, movement.sequence));
    Ok(Entry {
        id: *id.ok_or(Refusal::Internal)?,
        movement: *movement,
        reason: reason.clone(),
        created_at: done.now,
    })
}
