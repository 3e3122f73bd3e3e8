//! Who makes a request, proven by the access token in its `Authorization` field and by nothing else.

use super::Service;
use super::answer::Refused;
use crate::app::identify::{Identity, identify, identify_sign_in};
use crate::domain::role::{Act, may};
use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, Method};
use igny8_contract::claims::PlatformRole;
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::StandingNeed;

/// The one bearer credential of a request.
///
/// # Errors
/// `credentials_required`, `credentials_ambiguous` for several fields, `token_invalid` for another scheme.
pub fn bearer(headers: &HeaderMap) -> Result<&str, Refusal> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let field = fields.next().ok_or(Refusal::CredentialsRequired)?;
    if fields.next().is_some() {
        return Err(Refusal::CredentialsAmbiguous);
    }
    let text = field.to_str().map_err(|_| Refusal::TokenInvalid)?;
    let (scheme, token) = text.split_once(' ').ok_or(Refusal::TokenInvalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Refusal::TokenInvalid);
    }
    if token.contains(',') {
        return Err(Refusal::CredentialsAmbiguous);
    }
    Ok(token)
}

/// The access token of a request, and whether the request only reads.
fn access_token(parts: &Parts) -> Result<(&str, bool), Refusal> {
    let token = bearer(&parts.headers)?;
    // Proxies exchange keys for tokens; one that comes here itself has not come through them.
    if token.starts_with(igny8_contract::api_key::PREFIX) {
        return Err(Refusal::ApiKeyInvalid);
    }
    Ok((token, matches!(parts.method, Method::GET | Method::HEAD)))
}

async fn proven(parts: &Parts, service: &Service, need: StandingNeed) -> Result<Identity, Refused> {
    let (token, reads) = access_token(parts)?;
    Ok(identify(&service.core, token, need, reads).await?)
}

/// Who makes a request to a route that is open to every account that exists: a person, or a program by its API key.
#[derive(Clone, Copy, Debug)]
pub struct Known(pub Identity);

impl FromRequestParts<Service> for Known {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        proven(parts, service, StandingNeed::Auth).await.map(Self)
    }
}

/// A person on a route that is open to every account that exists, and the `sid` of the sign-in with which they ask. A
/// program has none, and its API key is refused.
#[derive(Clone, Debug)]
pub struct WithSignIn(pub Identity, pub String);

impl FromRequestParts<Service> for WithSignIn {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        let (token, reads) = access_token(parts)?;
        let (identity, sid) = identify_sign_in(&service.core, token, StandingNeed::Auth, reads).await?;
        Ok(Self(identity, sid))
    }
}

/// Who makes a request to a route that is open to whoever can still put their account right.
#[derive(Clone, Copy, Debug)]
pub struct Tenant(pub Identity);

impl FromRequestParts<Service> for Tenant {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        proven(parts, service, StandingNeed::Any).await.map(Self)
    }
}

/// Who makes a request to a route that is open to accounts in good standing alone.
#[derive(Clone, Copy, Debug)]
pub struct Member(pub Identity);

impl FromRequestParts<Service> for Member {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        proven(parts, service, StandingNeed::Required).await.map(Self)
    }
}

/// A member of the platform's staff.
#[derive(Clone, Copy, Debug)]
pub struct Staff(pub Identity);

impl FromRequestParts<Service> for Staff {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, service: &Service) -> Result<Self, Refused> {
        let identity = proven(parts, service, StandingNeed::Any).await?;
        match identity.platform_role {
            Some(PlatformRole::Developer | PlatformRole::Admin) => Ok(Self(identity)),
            None => Err(Refusal::RoleRequired.into()),
        }
    }
}

/// Refuses whoever may not do this in their account.
///
/// # Errors
/// `role_required`.
pub fn only(identity: Identity, act: Act) -> Result<Identity, Refusal> {
    may(identity.role, identity.api_key.is_some(), act)?;
    Ok(identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_bearer_credential_is_read() {
        let read = |fields: &[&str]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(AUTHORIZATION, field.parse().unwrap());
            }
            bearer(&headers).map(str::to_owned)
        };
        assert_eq!(read(&["Bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(read(&["bearer a.b.c"]).as_deref(), Ok("a.b.c"));
        assert_eq!(read(&[]), Err(Refusal::CredentialsRequired));
        assert_eq!(read(&["Bearer a", "Bearer a"]), Err(Refusal::CredentialsAmbiguous));
        assert_eq!(read(&["Bearer a,b"]), Err(Refusal::CredentialsAmbiguous));
        for other in ["Bearer", "Bearer ", "Bearer  a", "Bearer a b", "Basic a", "a.b.c", ""] {
            assert_eq!(read(&[other]), Err(Refusal::TokenInvalid), "{other:?}");
        }
    }
}
