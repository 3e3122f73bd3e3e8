//! Ending the sign-ins that somebody shows tokens of: for signing out, and for signing up in a browser that was signed in.

use super::{Core, StoryError};
use crate::adapters::refresh_token::RefreshToken;
use crate::domain::token;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, sign_in, user};
use igny8_contract::claims::AccessClaims;
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};

/// The tokens that a request brought, whatever they are good for.
#[derive(Debug, Default)]
pub struct Brought {
    pub access: Option<SecretString>,
    pub refresh: Option<SecretString>,
}

/// The sign-ins that tokens of ours name.
#[derive(Debug, Default)]
pub struct Leaving {
    access: Option<(AccessClaims, UserId)>,
    family_hash: Option<[u8; 32]>,
}

impl Leaving {
    /// Nothing is to be ended.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        self.access.is_none() && self.family_hash.is_none()
    }
}

/// Whose sign-ins these tokens name: an access token of ours, expired or not, and a refresh token, spent or not.
#[must_use]
pub fn leaving(core: &Core, brought: &Brought, now: Timestamp) -> Leaving {
    let claims = brought
        .access
        .as_ref()
        .and_then(|access| core.keys.verify(access.expose_secret(), now));
    let ours = |claims: &AccessClaims| {
        matches!(
            token::check(claims, &core.tokens, now),
            Ok(()) | Err(Refusal::TokenExpired)
        )
    };
    let access = claims
        .filter(ours)
        .and_then(|claims| claims.user_id().map(|id| (claims, id)));
    let refresh = brought
        .refresh
        .as_ref()
        .and_then(|refresh| RefreshToken::parse(refresh.expose_secret()));
    Leaving {
        access,
        family_hash: refresh.map(|refresh| refresh.family_hash()),
    }
}

/// Ends them, each with a line in the audit. What is over already stays so.
///
/// # Errors
/// What the database says.
pub async fn leave(
    connection: &mut Connection,
    leaving: &Leaving,
    request_id: &str,
    now: Timestamp,
) -> Result<(), StoryError> {
    let mut sign_ins = Vec::new();
    if let Some((claims, user_id)) = &leaving.access {
        sign_ins.push((claims.sid.clone(), *user_id));
    }
    if let Some(family_hash) = &leaving.family_hash
        && let Some(found) = sign_in::lock_family(connection, family_hash).await?
    {
        sign_ins.push((found.sid, found.user_id));
    }
    for (sid, user_id) in sign_ins {
        let Some(user) = user::by_id(connection, user_id).await? else {
            continue;
        };
        if !sign_in::end(connection, &sid, user_id, now).await? {
            continue;
        }
        let line = Audit {
            account_id: Some(user.account_id),
            actor: Actor::User(user_id),
            action: "user.signed_out",
            detail: "{}".into(),
            request_id,
        };
        audit(connection, &line, now).await?;
    }
    Ok(())
}
