//! Naming an account.

use super::profile::{self, AccountProfile};
use super::{Core, StoryError};
use crate::storage::account;
use crate::storage::trail::{Actor, Audit, audit};
use igny8_contract::ids::AccountId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use std::collections::BTreeSet;

/// A name for an account, from one of its people.
#[derive(Clone, Debug)]
pub struct Rename {
    pub account_id: AccountId,
    pub by: Actor,
    /// Not empty.
    pub name: String,
    pub request_id: String,
}

/// Names an account. The name that it has already changes nothing.
///
/// # Errors
/// `account_missing`, `storage_unavailable`.
pub async fn rename(core: &Core, rename: Rename) -> Result<AccountProfile, StoryError> {
    let given: (Rename, Timestamp) = (rename, core.now());
    core.store
        .write(&given, |connection, (rename, now)| {
            Box::pin(async move {
                let id = rename.account_id;
                let locked = account::lock(connection, &BTreeSet::from([id])).await?;
                let before = locked.into_iter().next().ok_or(Refusal::AccountMissing)?.account;
                if before.name != rename.name {
                    account::rename(connection, id, &rename.name, *now).await?;
                    let detail = serde_json::json!({"name": {"before": before.name, "after": rename.name}});
                    let line = Audit {
                        account_id: Some(id),
                        actor: rename.by,
                        action: "account.renamed",
                        detail: detail.to_string(),
                        request_id: &rename.request_id,
                    };
                    audit(connection, &line, *now).await?;
                }
                profile::of_account(connection, id).await
            })
        })
        .await
}
