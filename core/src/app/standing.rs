//! The standing of one account, one of its users and one sign-in or API key: what proxies ask for.

use super::StoryError;
use crate::domain::api_key::ApiKey;
use crate::storage::{Connection, Store, account, api_key, feed, user};
use igny8_contract::feed::StandingAnswer;
use igny8_contract::ids::ApiKeyId;
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

/// The key of this number with its standing, from one state of the database.
///
/// # Errors
/// `storage_unavailable`.
pub async fn key_standing(store: &Store, id: ApiKeyId) -> Result<Option<(ApiKey, StandingFacts)>, StoryError> {
    let mut snapshot = store.snapshot().await?;
    match api_key::by_id(&mut snapshot, id).await? {
        Some(key) => of_key(&mut snapshot, key).await.map(Some),
        None => Ok(None),
    }
}

/// The key with this SHA-256 with its standing, from one state of the database.
///
/// # Errors
/// `storage_unavailable`.
pub async fn key_standing_by_hash(
    store: &Store,
    hash: [u8; 32],
) -> Result<Option<(ApiKey, StandingFacts)>, StoryError> {
    let mut snapshot = store.snapshot().await?;
    match api_key::by_hash(&mut snapshot, hash).await? {
        Some(key) => of_key(&mut snapshot, key).await.map(Some),
        None => Ok(None),
    }
}

async fn of_key(snapshot: &mut Connection, key: ApiKey) -> Result<(ApiKey, StandingFacts), StoryError> {
    let account = account::facts(&mut *snapshot, key.account_id).await?;
    // A key belongs to no sign-in.
    let user = user::facts(snapshot, key.account_id, key.user_id, "").await?;
    let facts = StandingFacts {
        account,
        user: user.map(|(user, _)| user),
        sid_active: key.revoked_at.is_none(),
    };
    Ok((key, facts))
}
