//! Signing out.

use super::{Core, StoryError};
use crate::domain::token;
use crate::storage::sign_in;
use crate::storage::trail::{Actor, Audit, audit};
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;

struct Leaving {
    claims: AccessClaims,
    user_id: UserId,
    request_id: String,
    now: Timestamp,
}

/// Ends the sign-in of an access token of ours, be it expired or not. A token that is not ours, or whose sign-in is
/// over, ends nothing and is no error.
///
/// # Errors
/// `storage_unavailable`.
pub async fn logout(core: &Core, bearer: Option<&str>, request_id: String) -> Result<(), StoryError> {
    let now = core.machine_now();
    let Some(claims) = bearer.and_then(|token| core.keys.verify(token, now)) else {
        return Ok(());
    };
    let ours = matches!(
        token::check(&claims, &core.tokens, now),
        Ok(()) | Err(Refusal::TokenExpired)
    );
    let Some(user_id) = claims.user_id().filter(|_| ours) else {
        return Ok(());
    };
    let leaving = Leaving {
        claims,
        user_id,
        request_id,
        now,
    };
    core.store
        .write(&leaving, |connection, leaving| {
            Box::pin(async move {
                if !sign_in::end(connection, &leaving.claims.sid, leaving.user_id, leaving.now).await? {
                    return Ok(());
                }
                let line = Audit {
                    account_id: Some(leaving.claims.account_id),
                    actor: Actor::User(leaving.user_id),
                    action: "user.signed_out",
                    detail: "{}".into(),
                    request_id: &leaving.request_id,
                };
                Ok(audit(connection, &line, leaving.now).await?)
            })
        })
        .await
}
