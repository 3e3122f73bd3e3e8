//! When API keys were last used: noted in memory as proxies ask, and written together every few seconds, so that no request
//! costs a write. What was noted last is lost with a process that is killed.

use super::{Core, StoryError};
use crate::storage::Connection;
use crate::storage::api_key;
use igny8_contract::ids::ApiKeyId;
use igny8_contract::time::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How often uses are written.
const WRITTEN_EVERY: Duration = Duration::from_secs(5);

/// What was noted and is not written yet: one instant for each key that exists and was used.
#[derive(Clone, Debug, Default)]
pub struct KeyUses(Arc<Mutex<BTreeMap<ApiKeyId, Timestamp>>>);

impl KeyUses {
    /// A key is used now.
    pub fn note(&self, id: ApiKeyId, at: Timestamp) {
        let mut noted = self.noted();
        let last = noted.entry(id).or_insert(at);
        *last = at.max(*last);
    }

    fn take(&self) -> Vec<(ApiKeyId, Timestamp)> {
        std::mem::take(&mut *self.noted()).into_iter().collect()
    }

    fn noted(&self) -> MutexGuard<'_, BTreeMap<ApiKeyId, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes what was noted. Where that fails, it stays noted.
///
/// # Errors
/// `storage_unavailable`.
pub async fn write(core: &Core) -> Result<(), StoryError> {
    let uses = core.key_uses.take();
    if uses.is_empty() {
        return Ok(());
    }
    let written: Result<(), StoryError> = core
        .store
        .write(&uses, |connection: &mut Connection, uses| {
            Box::pin(async move { Ok(api_key::note_uses(connection, uses).await?) })
        })
        .await;
    if written.is_err() {
        for (id, at) in uses {
            core.key_uses.note(id, at);
        }
    }
    written
}

/// Writes every few seconds until `stopping` says so, and once more then. `_under_way` is held until that is done.
pub async fn keep_writing(core: Core, mut stopping: watch::Receiver<bool>, _under_way: mpsc::Sender<()>) {
    loop {
        // It stops, too, where nobody is left to say so.
        let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
        let stops = tokio::time::timeout(WRITTEN_EVERY, stop).await.is_ok();
        if let Err(error) = write(&core).await {
            tracing::warn!(%error, "the last uses of API keys could not be written; they are tried again");
        }
        if stops {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_uses_of_a_key_are_one_write_of_the_latest() {
        let uses = KeyUses::default();
        for at in [5, 9, 7] {
            uses.note(ApiKeyId(1), Timestamp(at));
        }
        uses.note(ApiKeyId(2), Timestamp(3));
        assert_eq!(uses.take(), [(ApiKeyId(1), Timestamp(9)), (ApiKeyId(2), Timestamp(3))]);
        assert_eq!(uses.take(), []);
    }
}
