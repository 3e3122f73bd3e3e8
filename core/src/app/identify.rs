//! Who makes this request: the core verifies access tokens itself and believes no header that names an account.

use super::standing::{key_standing, standing};
use super::{Core, StoryError};
use crate::domain::token;
use crate::storage::trail::Actor;
use igny8_contract::claims::{AccessClaims, AccountRole, PlatformRole};
use igny8_contract::ids::{AccountId, ApiKeyId, UserId};
use igny8_contract::messages::StandingQuery;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{KeyUse, StandingNeed, TokenFacts, validate_key, validate_token};

/// Who makes the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A person, or the maker of the key.
    pub user_id: UserId,
    pub account_id: AccountId,
    /// As the token says; a token whose roles are no longer the user's is refused. Of a key: the role that it has now.
    pub role: AccountRole,
    pub platform_role: Option<PlatformRole>,
    /// The key by which a program acts; nothing where somebody acts in person.
    pub api_key: Option<ApiKeyId>,
}

impl Identity {
    /// How the audit names them.
    #[must_use]
    pub fn actor(self) -> Actor {
        self.api_key
            .map_or(Actor::User(self.user_id), |key| Actor::Key(self.user_id, key))
    }
}

/// The identity that a token proves, if it may make a request with this need now: an access token, or one of our own that
/// an API key was exchanged for.
///
/// # Errors
/// `token_invalid`, `token_expired`, `token_revoked`, `api_key_invalid`, the refusals of standing, `storage_unavailable`.
pub async fn identify(core: &Core, token: &str, need: StandingNeed, reads: bool) -> Result<Identity, StoryError> {
    let claims = checked(core, token)?;
    match claims.api_key_id {
        Some(id) => identify_key(core, &claims, id, (need, reads)).await,
        None => identify_person(core, &claims, (need, reads)).await,
    }
}

/// [`identify`] for people alone, and the `sid` of the sign-in that the token is of.
///
/// # Errors
/// As for [`identify`]; `role_required` for an API key.
pub async fn identify_sign_in(
    core: &Core,
    token: &str,
    need: StandingNeed,
    reads: bool,
) -> Result<(Identity, String), StoryError> {
    let claims = checked(core, token)?;
    if claims.api_key_id.is_some() {
        return Err(Refusal::RoleRequired.into());
    }
    let identity = identify_person(core, &claims, (need, reads)).await?;
    Ok((identity, claims.sid))
}

/// The claims of a token of ours that is good by itself.
fn checked(core: &Core, token: &str) -> Result<AccessClaims, StoryError> {
    let machine_now = core.machine_now();
    let claims = core.keys.verify(token, machine_now).ok_or(Refusal::TokenInvalid)?;
    token::check(&claims, &core.tokens, machine_now)?;
    Ok(claims)
}

async fn identify_person(
    core: &Core,
    claims: &AccessClaims,
    (need, reads): (StandingNeed, bool),
) -> Result<Identity, StoryError> {
    let user_id = claims.user_id().ok_or(Refusal::TokenInvalid)?;
    let query = StandingQuery {
        account_id: claims.account_id,
        user_id,
        sid: claims.sid.clone(),
    };
    let facts = standing(&core.store, &query).await?;
    validate_token(&TokenFacts::from(claims), &facts, need, reads, core.now())?;
    Ok(Identity {
        user_id,
        account_id: claims.account_id,
        role: claims.role,
        platform_role: claims.platform_role,
        api_key: None,
    })
}

/// The key itself is asked again: a token outlives what may have happened to it.
async fn identify_key(
    core: &Core,
    claims: &AccessClaims,
    id: ApiKeyId,
    (need, reads): (StandingNeed, bool),
) -> Result<Identity, StoryError> {
    let user_id = claims.user_id().ok_or(Refusal::TokenInvalid)?;
    let found = key_standing(&core.store, id).await?;
    let (key, facts) = found
        .filter(|(key, _)| (key.account_id, key.user_id) == (claims.account_id, user_id))
        .ok_or(Refusal::ApiKeyInvalid)?;
    let key_use = KeyUse {
        expires_at: key.expires_at,
        machine_now: core.machine_now(),
        asks_standing: core.validate_api_key,
    };
    validate_key(key_use, &facts, need, reads, core.now())?;
    let maker = facts.user.ok_or(Refusal::ApiKeyInvalid)?;
    Ok(Identity {
        user_id,
        account_id: key.account_id,
        role: key.effective_role(maker.role),
        platform_role: None,
        api_key: Some(id),
    })
}
