//! Changing a customer's book by staff: the account is named in the request, and the staff's own is none of them.

use super::change::{Answer, Ask, Done, change};
use super::{Core, StoryError};
use crate::domain::book::{Book, Rules};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::Value;

/// Refuses a book that is not a customer's.
///
/// # Errors
/// `not_found`.
pub(super) const fn of_customer(book: &Book) -> Result<(), Refusal> {
    if book.plan_id.is_some() {
        Ok(())
    } else {
        Err(Refusal::NotFound)
    }
}

/// An account that is not there is, to staff, an object that is not there.
pub(super) fn not_found(error: StoryError) -> StoryError {
    match error {
        StoryError::Refused(Refusal::AccountMissing) => Refusal::NotFound.into(),
        other => other,
    }
}

/// Takes one decision on a customer's book.
///
/// # Errors
/// `not_found` where there is no such customer; as for [`change`].
pub(super) async fn change_customer<T, D, R>(core: &Core, ask: Ask, decide: D, render: R) -> Result<Answer, StoryError>
where
    T: Send + 'static,
    D: Fn(&mut Book, &Rules<'_>, Timestamp) -> Result<T, StoryError> + Send + Sync,
    R: Fn(&Done<T>) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, rules: &Rules<'_>, now: Timestamp| {
        of_customer(book)?;
        decide(book, rules, now)
    };
    change(core, ask, decide, render).await.map_err(not_found)
}
