//! Who makes this request: the core verifies access tokens itself and believes no header that names an account.

use super::standing::standing;
use super::{Core, StoryError};
use crate::domain::token;
use igny8_contract::claims::{AccountRole, PlatformRole};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::StandingQuery;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{StandingNeed, TokenFacts, validate_token};

/// Who makes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: UserId,
    pub account_id: AccountId,
    /// As the token says; a token whose roles are no longer the user's is refused.
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
}

/// The identity that an access token proves, if it may make a request with this need now.
///
/// # Errors
/// `token_invalid`, `token_expired`, `token_revoked`, the refusals of standing, `storage_unavailable`.
pub async fn identify(core: &Core, token: &str, need: StandingNeed, reads: bool) -> Result<Identity, StoryError> {
    Ok(identify_sign_in(core, token, need, reads).await?.0)
}

/// [`identify`], and the `sid` of the sign-in that the token is of.
///
/// # Errors
/// As for [`identify`].
pub async fn identify_sign_in(
    core: &Core,
    token: &str,
    need: StandingNeed,
    reads: bool,
) -> Result<(Identity, String), StoryError> {
    let machine_now = core.machine_now();
    let claims = core.keys.verify(token, machine_now).ok_or(Refusal::TokenInvalid)?;
    token::check(&claims, &core.tokens, machine_now)?;
    let user_id = claims.user_id().ok_or(Refusal::TokenInvalid)?;
    let query = StandingQuery {
        account_id: claims.account_id,
        user_id,
        sid: claims.sid.clone(),
    };
    let facts = standing(&core.store, &query).await?;
    validate_token(&TokenFacts::from(&claims), &facts, need, reads, core.now())?;
    let identity = Identity {
        user_id,
        account_id: claims.account_id,
        role: claims.role,
        platform_role: claims.platform_role,
    };
    Ok((identity, claims.sid))
}
