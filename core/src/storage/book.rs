//! Books: an account's credits, subscription and pending payment, loaded whole under a lock and stored by what changed.

use super::account;
use super::error::Error;
use super::payment::{self, Stored};
use super::purse::{self, Changed, EntryIds};
use super::store::Connection;
use super::subscription;
use super::trail::{Actor, Audit, audit};
use crate::domain::book::{Book, Change, Rules};
use crate::domain::period::Period;
use crate::domain::purse::Purse;
use crate::domain::subscription::Subscription;
use igny8_contract::ids::AccountId;
use igny8_contract::time::Timestamp;
use std::collections::BTreeSet;

/// Who changes a book, for the audit.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    pub actor: Actor,
    pub request_id: &'a str,
}

/// What storing a book has made.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    pub entry_ids: EntryIds,
    pub payment: Option<Stored>,
}

/// The book of an account, locked until the transaction ends; nothing where the account is not there.
///
/// # Errors
/// What the database says.
pub async fn load(connection: &mut Connection, id: AccountId) -> Result<Option<Book>, Error> {
    let locked = account::lock(connection, &BTreeSet::from([id])).await?;
    let mut purses = purse::load(connection, &locked, true).await?;
    let Some(locked) = locked.into_iter().next() else {
        return Ok(None);
    };
    Ok(Some(Book {
        account_id: id,
        status: locked.account.status,
        suspend_reason: locked.account.suspend_reason,
        plan_id: locked.account.plan_id,
        payment_method: locked.account.payment_method,
        purse: purses.remove(&id).unwrap_or_default(),
        subscription: subscription::latest(connection, id).await?,
        pending: payment::pending(connection, id).await?,
        changes: Vec::new(),
    }))
}

/// Stores the books that accounts begin with. The accounts were added with what their books say of them.
///
/// # Errors
/// What the database says.
pub async fn begin(connection: &mut Connection, books: &[Book], now: Timestamp) -> Result<(), Error> {
    let begun: Vec<(AccountId, &Subscription, Period)> = books
        .iter()
        .filter_map(|book| book.subscription.as_ref().map(|new| (book.account_id, new, new.period)))
        .collect();
    subscription::begin(connection, &begun, now).await?;
    let empty = Purse::default();
    let changed: Vec<Changed<'_>> = books
        .iter()
        .map(|book| Changed {
            account_id: book.account_id,
            before: &empty,
            after: &book.purse,
        })
        .collect();
    purse::save(connection, &changed, now).await?;
    Ok(())
}

/// Stores what has become of a book since it was loaded as `before`.
///
/// # Errors
/// [`Error::Raced`] where another transaction has confirmed the same payment; what the database says.
pub async fn save(
    connection: &mut Connection,
    before: &Book,
    after: &Book,
    by: By<'_>,
    rules: &Rules<'_>,
    now: Timestamp,
) -> Result<Saved, Error> {
    let id = after.account_id;
    let mut saved = Saved::default();
    let mut stored = before.subscription.as_ref();
    for change in &after.changes {
        match change {
            Change::SubscriptionBegun(new) => {
                let latest = after.subscription.as_ref().filter(|latest| latest.number == new.number);
                let row = latest.unwrap_or(new);
                subscription::begin(connection, &[(id, row, new.period)], now).await?;
                stored = Some(row);
            }
            Change::SubscriptionEnded(ended) => {
                subscription::update(connection, id, ended, now).await?;
                stored = Some(ended);
            }
            Change::PeriodClosed { subscription, period } => {
                subscription::close_period(connection, id, *subscription, *period).await?;
            }
            Change::PeriodBegun { subscription, period } => {
                subscription::begin_periods(connection, &[(id, *subscription, *period)], now).await?;
            }
            Change::PaymentRequested(new) => payment::request(connection, id, new, now).await?,
            Change::PaymentWithdrawn { reference } => payment::withdraw(connection, reference).await?,
            Change::PaymentConfirmed(confirmed) => {
                saved.payment = Some(payment::confirm(connection, id, confirmed, now).await?);
            }
            Change::Noted {
                action,
                detail,
                by_time,
            } => {
                let line = Audit {
                    account_id: Some(id),
                    actor: if *by_time { Actor::System } else { by.actor },
                    action,
                    detail: detail.to_string(),
                    request_id: by.request_id,
                };
                audit(connection, &line, now).await?;
            }
        }
    }
    if let Some(latest) = &after.subscription
        && stored != Some(latest)
    {
        subscription::update(connection, id, latest, now).await?;
    }
    let changed = Changed {
        account_id: id,
        before: &before.purse,
        after: &after.purse,
    };
    saved.entry_ids = purse::save(connection, &[changed], now).await?;
    account::save(connection, after, after.due(rules), now).await?;
    Ok(saved)
}
