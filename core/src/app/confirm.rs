//! Confirming that a bank transfer has come: each once, whoever says so, and however often.

use super::by_staff::{not_found, of_customer};
use super::change::{self, Answer, Ask, Done};
use super::{BillingTerms, Core, StoryError};
use crate::domain::billing::{Confirmation, LateMode};
use crate::domain::book::{Book, Rules};
use crate::domain::payment::ConfirmedPayment;
use crate::domain::plan::{Plan, decimal};
use crate::domain::subscription::PaymentMethod;
use crate::storage::{Connection, payment, plan};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::Value;

/// A transfer that a member of staff has seen on the bank's statement. The texts are valid in form.
#[derive(Clone, Debug)]
pub struct BankTransfer {
    /// The bank's name for it.
    pub external_payment_id: String,
    /// Minor units of the plan's currency; more than 0.
    pub amount_minor: i64,
    pub payer_name: String,
    pub plan_slug: Option<String>,
    /// Why an amount that is not the price is taken.
    pub override_reason: Option<String>,
    pub mode: Option<LateMode>,
    pub confirmed_by: UserId,
}

/// A transfer that has taken effect.
#[derive(Clone, Debug)]
pub struct Confirmed {
    pub payment: ConfirmedPayment,
    pub plan: Plan,
}

struct Given<R> {
    ask: Ask,
    transfer: BankTransfer,
    terms: BillingTerms,
    now: Timestamp,
    machine_now: Timestamp,
    render: R,
}

/// Confirms a transfer: it activates its plan, or renews it. The same transfer again is answered the same and does nothing.
///
/// # Errors
/// `not_found`, `payment_conflict`, `plan_required`, `amount_mismatch`, `renewal_mode_required`, `validation_failed` for an
/// unknown plan, `idempotency_key_reused`, `storage_unavailable`.
pub async fn confirm_bank_transfer<R>(
    core: &Core,
    ask: Ask,
    transfer: BankTransfer,
    render: R,
) -> Result<Answer, StoryError>
where
    R: Fn(&Done<Confirmed>) -> Result<Value, StoryError> + Send + Sync,
{
    let given = Given {
        ask,
        transfer,
        terms: core.billing.clone(),
        now: core.now(),
        machine_now: core.machine_now(),
        render,
    };
    core.store
        .write(&given, |connection, given| Box::pin(commit(connection, given)))
        .await
        .map_err(not_found)
}

async fn commit<R>(connection: &mut Connection, given: &Given<R>) -> Result<Answer, StoryError>
where
    R: Fn(&Done<Confirmed>) -> Result<Value, StoryError> + Send + Sync,
{
    let (ask, now) = (&given.ask, given.now);
    let before = change::locked(connection, ask).await?;
    of_customer(&before)?;
    if let Some(answer) = change::answered(connection, ask.key).await? {
        return Ok(answer);
    }
    if let Some(answer) = known(connection, ask, &given.transfer).await? {
        change::keep(connection, ask, &answer, given.machine_now).await?;
        return Ok(answer);
    }
    let plans = plan::all(connection).await?;
    let rules = given.terms.rules(&plans);
    let mut book = before.clone();
    book.pass_time(&rules, now)?;
    let outcome = decide(&mut book, &rules, &given.transfer, now)?;
    let done = change::store(connection, ask, &before, book, outcome, &rules, now).await?;
    let data = (given.render)(&done)?;
    if let Some(stored) = done.saved.payment {
        payment::keep_answer(connection, stored.id, &data.to_string()).await?;
    }
    let answer = Answer::new(200, data);
    change::keep(connection, ask, &answer, given.machine_now).await?;
    Ok(answer)
}

/// What was answered to this transfer before. The account's row is locked, so whoever confirmed it for this account has
/// committed; who confirms it for another meanwhile makes storing it a race, which is tried again.
async fn known(connection: &mut Connection, ask: &Ask, transfer: &BankTransfer) -> Result<Option<Answer>, StoryError> {
    let method = PaymentMethod::BankTransfer;
    let Some(known) = payment::known(connection, method, &transfer.external_payment_id).await? else {
        return Ok(None);
    };
    if (known.account_id, known.amount_minor) != (ask.account_id, transfer.amount_minor) {
        return Err(Refusal::PaymentConflict.into());
    }
    let unreadable = |what: String| StoryError::Fault(format!("the kept answer to a transfer: {what}"));
    let text = known.answer.ok_or_else(|| unreadable("there is none".into()))?;
    Ok(Some(Answer {
        status: 200,
        data: serde_json::from_str(&text).map_err(|error| unreadable(error.to_string()))?,
        replayed: true,
    }))
}

fn decide(
    book: &mut Book,
    rules: &Rules<'_>,
    transfer: &BankTransfer,
    now: Timestamp,
) -> Result<Confirmed, StoryError> {
    let confirmation = Confirmation {
        method: PaymentMethod::BankTransfer,
        external_id: transfer.external_payment_id.clone(),
        amount_minor: transfer.amount_minor,
        payer_name: transfer.payer_name.clone(),
        override_reason: transfer.override_reason.clone(),
        confirmed_by: Some(transfer.confirmed_by),
        plan: named_plan(rules, transfer.plan_slug.as_deref())?,
        mode: transfer.mode,
    };
    let (plan, expected) = book.quote(rules, &confirmation)?;
    let payment = book
        .confirm(rules, confirmation, now)
        .map_err(|refusal| match refusal {
            Refusal::AmountMismatch => {
                let sentence = format!("{} {} is expected.", decimal(expected), plan.terms.currency);
                StoryError::field(refusal, "amount", sentence)
            }
            other => other.into(),
        })?;
    Ok(Confirmed { payment, plan })
}

fn named_plan(rules: &Rules<'_>, slug: Option<&str>) -> Result<Option<Plan>, StoryError> {
    let Some(slug) = slug else { return Ok(None) };
    let found = rules.plans.iter().find(|plan| plan.terms.slug == slug);
    let unknown = || StoryError::field(Refusal::ValidationFailed, "plan_slug", "There is no such plan.");
    Ok(Some(found.ok_or_else(unknown)?.clone()))
}
