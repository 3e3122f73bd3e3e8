//! Ending a subscription with its running period, and taking that back.

use super::change::{Answer, Ask, Done, change};
use super::{Core, StoryError};
use crate::domain::book::{Book, Rules};
use serde_json::Value;

/// Sets (or, with `cancel` false, takes back) the end of the subscription with its running period. Asked for again, it
/// changes nothing.
///
/// # Errors
/// `subscription_ended`, `account_suspended`, `account_cancelled`; as for [`change`].
pub async fn cancel_at_period_end<R>(core: &Core, ask: Ask, cancel: bool, render: R) -> Result<Answer, StoryError>
where
    R: Fn(&Done<()>) -> Result<Value, StoryError> + Send + Sync,
{
    let decide = |book: &mut Book, _: &Rules<'_>, _| {
        book.is_open_to_its_people()?;
        Ok(book.cancel_at_period_end(cancel)?)
    };
    change(core, ask, decide, render).await
}
