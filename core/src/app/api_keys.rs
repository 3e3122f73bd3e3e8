//! The API keys of an account: made, listed, rotated and revoked by its people.

use super::by_staff::not_found;
use super::change::Ask;
use super::in_account::{Entered, Issued, enter, issue, issued_before, lock, note, secret_bytes};
use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::domain::api_key::{ApiKey, KeyStatus, MOST_KEYS, MOST_WITH_OVERLAP, may_end_at};
use crate::domain::role::{Act, may_give};
use crate::storage::api_key::{self, NewKey};
use crate::storage::{Connection, Store};
use igny8_contract::api_key::{compose, visible_part};
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::{Value, json};

/// How a key is shown. The answer that it becomes is kept: it holds no secret.
pub type Show = fn(&ApiKey, Timestamp) -> Result<Value, StoryError>;

/// A page of keys.
#[derive(Clone, Debug)]
pub struct KeyPage {
    /// Newest first.
    pub keys: Vec<ApiKey>,
    /// Ask for keys before this number to go on; nothing on the last page.
    pub next_before: Option<i64>,
}

/// The `limit` newest keys of an account before the number `before`, the ended ones included.
///
/// # Errors
/// `storage_unavailable`.
pub async fn list(store: &Store, id: AccountId, before: i64, limit: usize) -> Result<KeyPage, StoryError> {
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut keys = api_key::page(&mut *store.read().await?, id, before, fetched).await?;
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next_before = keys.last().filter(|_| more).map(|key| key.id.0);
    Ok(KeyPage { keys, next_before })
}

/// A key that is asked for.
#[derive(Clone, Debug)]
pub struct Creation {
    pub by: UserId,
    /// Not empty.
    pub name: String,
    pub role: AccountRole,
    pub expires_at: Option<Timestamp>,
}

struct Given<T> {
    ask: Ask,
    what: T,
    /// Drawn before the transaction, which may run several times.
    secret: String,
    show: Show,
    machine_now: Timestamp,
}

impl<T> Given<T> {
    fn new(core: &Core, ask: Ask, what: T, show: Show) -> Self {
        let mut visible = [0; 8];
        core.random.fill(&mut visible);
        Self {
            ask,
            what,
            secret: compose(visible, secret_bytes(core)),
            show,
            machine_now: core.machine_now(),
        }
    }
}

/// Makes a key.
///
/// # Errors
/// `role_required` for a role above the maker's, `validation_failed` for an end in the past, `too_many_api_keys`,
/// `idempotency_key_reused`, `storage_unavailable`.
pub async fn create(core: &Core, ask: Ask, creation: Creation, show: Show) -> Result<Issued, StoryError> {
    let given = Given::new(core, ask, creation, show);
    core.store
        .write(&given, |connection, given| Box::pin(commit_creation(connection, given)))
        .await
}

async fn commit_creation(connection: &mut Connection, given: &Given<Creation>) -> Result<Issued, StoryError> {
    let (ask, creation, now) = (&given.ask, &given.what, given.machine_now);
    let Entered { account, actor } = enter(connection, ask, creation.by, Act::ManageKeys).await?;
    if let Some(issued) = issued_before(connection, ask).await? {
        return Ok(issued);
    }
    may_give(actor.role, creation.role)
        .map_err(|refusal| StoryError::field(refusal, "role", "It must not be more than your own."))?;
    if creation.expires_at.is_some_and(|end| !may_end_at(end, now)) {
        let sentence = "It must lie in the future, within ten years.";
        return Err(StoryError::field(Refusal::ValidationFailed, "expires_at", sentence));
    }
    if api_key::count_working(connection, account.id, now).await? >= MOST_KEYS {
        return Err(Refusal::TooManyApiKeys.into());
    }
    let new = NewKey {
        account_id: account.id,
        user_id: actor.id,
        name: creation.name.clone(),
        visible: visible_part(&given.secret).to_owned(),
        secret_hash: sha_256(given.secret.as_bytes()),
        role: creation.role,
        replaces: None,
        expires_at: creation.expires_at,
    };
    let key = insert(connection, &new, now).await?;
    note(connection, trail(ask), "api_key.created", &told(&key), now).await?;
    let data = (given.show)(&key, now)?;
    issue(connection, ask, data, &given.secret, now).await
}

async fn insert(connection: &mut Connection, new: &NewKey, now: Timestamp) -> Result<ApiKey, StoryError> {
    let id = api_key::insert(connection, new, now).await?;
    let key = api_key::by_id(connection, id).await?;
    key.ok_or_else(|| StoryError::Fault("a new API key is not there".into()))
}

fn trail(ask: &Ask) -> (AccountId, crate::storage::trail::Actor, &str) {
    (ask.account_id, ask.actor, &ask.request_id)
}

/// What the audit says of a key.
fn told(key: &ApiKey) -> Value {
    json!({
        "api_key_id": key.id, "name": key.name, "visible": key.visible, "role": key.role,
        "expires_at_us": key.expires_at, "replaces": key.replaces,
    })
}

/// A key that is to be followed by another.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    pub by: UserId,
    pub id: ApiKeyId,
    /// How long both work.
    pub overlap_seconds: i64,
}

/// Makes the key that follows another one. It acts for whoever rotates, since they get to see it.
///
/// # Errors
/// `not_found`, `api_key_ended`, `role_required` for a key that can do more than they can, `too_many_api_keys`,
/// `idempotency_key_reused`, `storage_unavailable`.
pub async fn rotate(core: &Core, ask: Ask, rotation: Rotation, show: Show) -> Result<Issued, StoryError> {
    let given = Given::new(core, ask, rotation, show);
    core.store
        .write(&given, |connection, given| Box::pin(commit_rotation(connection, given)))
        .await
}

async fn commit_rotation(connection: &mut Connection, given: &Given<Rotation>) -> Result<Issued, StoryError> {
    let (ask, rotation, now) = (&given.ask, given.what, given.machine_now);
    let Entered { account, actor } = enter(connection, ask, rotation.by, Act::ManageKeys).await?;
    if let Some(issued) = issued_before(connection, ask).await? {
        return Ok(issued);
    }
    let old = own(connection, account.id, rotation.id).await?;
    let decided = old.rotate(actor.role, rotation.overlap_seconds, now)?;
    if api_key::count_working(connection, account.id, now).await? >= MOST_WITH_OVERLAP {
        return Err(Refusal::TooManyApiKeys.into());
    }
    let new = NewKey {
        account_id: account.id,
        user_id: actor.id,
        name: old.name.clone(),
        visible: visible_part(&given.secret).to_owned(),
        secret_hash: sha_256(given.secret.as_bytes()),
        role: old.role,
        replaces: Some(old.id),
        expires_at: decided.new_ends,
    };
    let key = insert(connection, &new, now).await?;
    api_key::end_at(connection, old.id, decided.old_ends).await?;
    let mut detail = told(&key);
    detail["replaced_expires_at_us"] = json!({"before": old.expires_at, "after": decided.old_ends});
    note(connection, trail(ask), "api_key.rotated", &detail, now).await?;
    let data = (given.show)(&key, now)?;
    issue(connection, ask, data, &given.secret, now).await
}

/// A key of this account. Another account's is not there.
async fn own(connection: &mut Connection, account_id: AccountId, id: ApiKeyId) -> Result<ApiKey, StoryError> {
    let key = api_key::by_id(connection, id).await?;
    Ok(key
        .filter(|key| key.account_id == account_id)
        .ok_or(Refusal::NotFound)?)
}

/// Revokes a key: it opens nothing from now on. One that is revoked already stays so. Whoever manages keys may revoke any.
///
/// # Errors
/// `not_found`, `role_required`, `storage_unavailable`.
pub async fn revoke(core: &Core, ask: Ask, by: UserId, id: ApiKeyId) -> Result<ApiKey, StoryError> {
    let given = (ask, by, id, core.machine_now());
    core.store
        .write(&given, |connection, (ask, by, id, now)| {
            Box::pin(async move {
                let Entered { account, .. } = enter(connection, ask, *by, Act::ManageKeys).await?;
                let key = own(connection, account.id, *id).await?;
                if key.revoked_at.is_some() {
                    return Ok(key);
                }
                end(connection, ask, &key, *now).await?;
                own(connection, account.id, *id).await
            })
        })
        .await
}

/// Ends a key that is not revoked yet.
async fn end(connection: &mut Connection, ask: &Ask, key: &ApiKey, now: Timestamp) -> Result<(), StoryError> {
    api_key::revoke(connection, key.id, now).await?;
    let mut detail = told(key);
    detail["status"] = json!({"before": key.status(now).as_str(), "after": KeyStatus::Revoked.as_str()});
    note(connection, trail(ask), "api_key.revoked", &detail, now).await
}

/// Revokes a customer's key, by staff.
///
/// # Errors
/// `not_found`, `storage_unavailable`.
pub async fn revoke_by_staff(core: &Core, ask: Ask, id: ApiKeyId) -> Result<(), StoryError> {
    let given = (ask, id, core.machine_now());
    core.store
        .write(&given, |connection, (ask, id, now)| {
            Box::pin(async move {
                lock(connection, ask.account_id).await.map_err(not_found)?;
                let key = own(connection, ask.account_id, *id).await?;
                if key.revoked_at.is_none() {
                    end(connection, ask, &key, *now).await?;
                }
                Ok::<(), StoryError>(())
            })
        })
        .await
}
