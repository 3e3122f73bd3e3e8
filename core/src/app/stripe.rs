//! Stripe's webhooks: each event once, together with its effect, in whatever order they come.

use super::{BillingTerms, Core, StoryError};
use crate::domain::stripe::decision::{Link, Outcome, Told};
use crate::domain::stripe::{Checkout, Event, Fact};
use crate::domain::subscription::PaymentMethod;
use crate::storage::book::By;
use crate::storage::stripe_event::{Linked, Stored};
use crate::storage::trail::Actor;
use crate::storage::{Connection, book, payment, plan, stripe_event};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

struct Given {
    event: Event,
    request_id: String,
    terms: BillingTerms,
    now: Timestamp,
}

/// Takes an event in. One that has come before changes nothing, and is answered with what has become of it.
///
/// # Errors
/// `storage_unavailable`.
pub async fn receive(core: &Core, event: Event, request_id: String) -> Result<Outcome, StoryError> {
    let given = Given {
        event,
        request_id,
        terms: core.billing.clone(),
        now: core.now(),
    };
    let outcome = core
        .store
        .write(&given, |connection, given| Box::pin(commit(connection, given)))
        .await?;
    let (event, told) = (&given.event, outcome.as_str());
    if matches!(
        outcome,
        Outcome::AmountMismatch | Outcome::UnknownReference | Outcome::Unexpected
    ) {
        tracing::warn!(
            event = event.id,
            kind = event.kind,
            outcome = told,
            "an event of Stripe's needs somebody"
        );
    } else {
        tracing::info!(
            event = event.id,
            kind = event.kind,
            outcome = told,
            "an event of Stripe's"
        );
    }
    metrics::counter!("igny8_core_stripe_events_total", "outcome" => outcome.as_str()).increment(1);
    Ok(outcome)
}

async fn commit(connection: &mut Connection, given: &Given) -> Result<Outcome, StoryError> {
    let (event, now) = (&given.event, given.now);
    let known = match event.fact.subscription() {
        Some(subscription) => stripe_event::lock(connection, subscription, now).await?,
        None => Linked::default(),
    };
    if let Some(outcome) = stripe_event::outcome(connection, &event.id).await? {
        return Ok(outcome);
    }
    let mut linked = known.clone();
    let occurred_at = event.occurred_at.unwrap_or(now);
    let outcome = hear(connection, given, &mut linked, &event.fact, occurred_at).await?;
    let stored = Stored {
        id: &event.id,
        kind: &event.kind,
        fact: &event.fact,
        occurred_at,
        outcome,
    };
    stripe_event::add(connection, &stored, now).await?;
    hear_what_waits(connection, given, &mut linked).await?;
    if linked != known && linked.link.subscription.is_some() {
        stripe_event::save(connection, &linked).await?;
    }
    Ok(outcome)
}

/// Carries out what has waited, again and again: what one event makes possible may be what an earlier one waits for.
async fn hear_what_waits(connection: &mut Connection, given: &Given, linked: &mut Linked) -> Result<(), StoryError> {
    let Some(subscription) = linked.account_id.and(linked.link.subscription.clone()) else {
        return Ok(());
    };
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for event in stripe_event::waiting(connection, &subscription).await? {
            let outcome = hear(connection, given, linked, &event.fact, event.occurred_at).await?;
            if outcome != Outcome::Waiting {
                stripe_event::finish(connection, &event.id, outcome, given.now).await?;
                goes_on = true;
            }
        }
    }
    Ok(())
}

async fn hear(
    connection: &mut Connection,
    given: &Given,
    linked: &mut Linked,
    fact: &Fact,
    occurred_at: Timestamp,
) -> Result<Outcome, StoryError> {
    if let Fact::Checkout(checkout) = fact {
        let Some((account_id, reference)) = asked_for(connection, checkout).await? else {
            return Ok(Outcome::UnknownReference);
        };
        if linked.account_id.is_none_or(|known| known == account_id) && linked.link.reference.is_none() {
            linked.account_id = Some(account_id);
            linked.link.reference = Some(reference);
        } else if (linked.account_id, &linked.link.reference) != (Some(account_id), &Some(reference)) {
            // A second checkout for a subscription that has one: Stripe knows no such thing.
            return Ok(Outcome::Unexpected);
        }
    }
    match (linked.account_id, fact) {
        (_, Fact::Nothing) => Ok(Outcome::Ignored),
        (None, _) => Ok(Outcome::Waiting),
        (Some(account_id), _) => of_account(connection, given, account_id, &mut linked.link, fact, occurred_at).await,
    }
}

/// Whose payment a checkout is for.
async fn asked_for(
    connection: &mut Connection,
    checkout: &Checkout,
) -> Result<Option<(AccountId, String)>, StoryError> {
    let Some(reference) = &checkout.reference else {
        return Ok(None);
    };
    let account_id = payment::account_of_reference(connection, reference).await?;
    Ok(account_id.map(|account_id| (account_id, reference.clone())))
}

async fn of_account(
    connection: &mut Connection,
    given: &Given,
    account_id: AccountId,
    link: &mut Link,
    fact: &Fact,
    occurred_at: Timestamp,
) -> Result<Outcome, StoryError> {
    let before = book::load(connection, account_id)
        .await?
        .ok_or(Refusal::AccountMissing)?;
    let is_known = match fact.paid() {
        Some(paid) => payment::known(connection, PaymentMethod::Stripe, &paid.external_id)
            .await?
            .is_some(),
        None => false,
    };
    let plans = plan::all(connection).await?;
    let (rules, now) = (given.terms.rules(&plans), given.now);
    let mut book = before.clone();
    book.pass_time(&rules, now)?;
    let told = Told {
        fact,
        occurred_at,
        is_known,
    };
    let outcome = book.hear(&rules, link, told, now)?;
    if book != before {
        let by = By {
            actor: Actor::System,
            request_id: &given.request_id,
        };
        book::save(connection, &before, &book, by, &rules, now).await?;
    }
    Ok(outcome)
}
