//! Shutting a customer's account out, and letting it in again.

use super::by_staff::change_customer;
use super::change::{Answer, Ask, Done};
use super::{Core, StoryError};
use crate::domain::book::{Book, Rules};
use igny8_contract::standing::SuspendReason;
use serde_json::Value;

/// Suspends an account for a reason of the house's own: abuse, or another one of staff's.
///
/// # Errors
/// `not_found`; as for [`super::change::change`].
pub async fn suspend<R>(
    core: &Core,
    ask: Ask,
    reason: SuspendReason,
    note: Option<String>,
    render: R,
) -> Result<Answer, StoryError>
where
    R: Fn(&Done<()>) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, _: &Rules<'_>, _| {
        book.suspend(reason);
        if let Some(note) = &note {
            book.explain("note", note);
        }
        Ok(())
    };
    change_customer(core, ask, decide, render).await
}

/// Takes such a suspension back: the account stands as its subscription says. One that is not suspended so stays as it is.
///
/// # Errors
/// `not_found`; as for [`super::change::change`].
pub async fn reinstate<R>(core: &Core, ask: Ask, note: Option<String>, render: R) -> Result<Answer, StoryError>
where
    R: Fn(&Done<()>) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, _: &Rules<'_>, _| {
        book.reinstate();
        if let Some(note) = &note {
            book.explain("note", note);
        }
        Ok(())
    };
    change_customer(core, ask, decide, render).await
}
