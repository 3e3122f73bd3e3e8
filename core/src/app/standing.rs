//! The standing of one account, one of its users and one sign-in: what proxies ask for.

use super::StoryError;
use crate::storage::{Store, account, user};
use igny8_contract::messages::{StandingFacts, StandingQuery};

/// The standing that is asked for, from one state of the database.
///
/// # Errors
/// `storage_unavailable`.
pub async fn standing(store: &Store, query: &StandingQuery) -> Result<StandingFacts, StoryError> {
    let mut snapshot = store.snapshot().await?;
    let account = account::facts(&mut snapshot, query.account_id).await?;
    let user = user::facts(&mut snapshot, query.account_id, query.user_id, &query.sid).await?;
    let (user, sid_active) = user.map_or((None, false), |(user, running)| (Some(user), running));
    Ok(StandingFacts {
        account,
        user,
        sid_active,
    })
}
