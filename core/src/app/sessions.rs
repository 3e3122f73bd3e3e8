//! Sessions of core's own panel: looked up and ended at their source.

use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::storage::session;
use crate::storage::trail::{Actor, Audit, audit};
use igny8_contract::messages::{SessionFacts, SessionQuery};
use igny8_contract::time::Timestamp;

/// What is stored of a session's cookie.
fn token_hash(query: &SessionQuery) -> Vec<u8> {
    sha_256(query.session.as_bytes()).to_vec()
}

/// Whose session it is. A session that is unknown or over is nobody's.
///
/// # Errors
/// `storage_unavailable`.
pub async fn look_up(core: &Core, query: &SessionQuery) -> Result<SessionFacts, StoryError> {
    let mut connection = core.store.read().await?;
    Ok(session::facts(&mut connection, &token_hash(query), core.machine_now())
        .await?
        .unwrap_or_default())
}

/// Ends a session; one that is unknown or over stays so.
///
/// # Errors
/// `storage_unavailable`.
pub async fn revoke(core: &Core, query: &SessionQuery, request_id: String) -> Result<(), StoryError> {
    let given: (Vec<u8>, String, Timestamp) = (token_hash(query), request_id, core.machine_now());
    core.store
        .write(&given, |connection, (hash, request_id, now)| {
            Box::pin(async move {
                let Some(user_id) = session::end(connection, hash, *now).await? else {
                    return Ok(());
                };
                let line = Audit {
                    account_id: None,
                    actor: Actor::System,
                    action: "session.revoked",
                    detail: serde_json::json!({
                        "user_id": user_id, "session": {"before": "running", "after": "ended"},
                    })
                    .to_string(),
                    request_id,
                };
                Ok(audit(connection, &line, *now).await?)
            })
        })
        .await
}
