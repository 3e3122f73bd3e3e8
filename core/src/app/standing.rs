//! The standing of one account, one of its users and one sign-in.

use super::StoryError;
use crate::storage::{Connection, Store, account, feed, user};
use igny8_contract::feed::StandingAnswer;
use igny8_contract::messages::{StandingFacts, StandingQuery};

/// The standing that is asked for, from one state of the database.
///
/// # Errors
/// `storage_unavailable`.
pub async fn standing(store: &Store, query: &StandingQuery) -> Result<StandingFacts, StoryError> {
    of(&mut *store.snapshot().await?, query).await
}

/// The same for a proxy, which has to know how it compares with what the change feed told.
///
/// # Errors
/// `storage_unavailable`.
pub async fn standing_for_a_proxy(store: &Store, query: &StandingQuery) -> Result<StandingAnswer, StoryError> {
    let mut snapshot = store.snapshot().await?;
    let head = feed::head(&mut snapshot).await?;
    let facts = of(&mut snapshot, query).await?;
    Ok(StandingAnswer {
        account: facts.account,
        user: facts.user,
        sid_active: facts.sid_active,
        generation: head.generation,
        seq: head.seq,
    })
}

async fn of(snapshot: &mut Connection, query: &StandingQuery) -> Result<StandingFacts, StoryError> {
    let account = account::facts(snapshot, query.account_id).await?;
    let user = user::facts(snapshot, query.account_id, query.user_id, &query.sid).await?;
    let (user, sid_active) = user.map_or((None, false), |(user, running)| (Some(user), running));
    Ok(StandingFacts {
        account,
        user,
        sid_active,
    })
}
