//! Signing out.

use super::leaving::{Brought, leave, leaving};
use super::{Core, StoryError};

/// Ends the sign-ins of the tokens that are shown: an access token, expired or not, and a refresh token. A token that is
/// not ours, or whose sign-in is over, ends nothing and is no error.
///
/// # Errors
/// `storage_unavailable`.
pub async fn logout(core: &Core, brought: Brought, request_id: String) -> Result<(), StoryError> {
    let now = core.machine_now();
    let given = (leaving(core, &brought, now), request_id, now);
    if given.0.is_nobody() {
        return Ok(());
    }
    core.store
        .write(&given, |connection, (leaving, request_id, now)| {
            Box::pin(leave(connection, leaving, request_id, *now))
        })
        .await
}
