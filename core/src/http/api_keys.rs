//! The API keys of an account.

use super::Service;
use super::answer::{Envelope, Refused, data, issued};
use super::ask::{in_person, of_own};
use super::bearer::{Tenant, only};
use super::body::NoBody;
use super::idempotency::Keyed;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::passage::RequestId;
use super::query::{self, PageQuery};
use super::shapes::Page;
use super::shapes::people::{self, ApiKey, IssuedKey};
use super::valid::{instant, is_account_role, is_line, valid};
use crate::app::api_keys::{self, Creation, Rotation};
use crate::domain::api_key::{OVERLAP_MOST_SECONDS, OVERLAP_SECONDS};
use crate::domain::role::Act;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use garde::Validate;
use http::StatusCode;
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::ApiKeyId;
use serde::Deserialize;
use utoipa::ToSchema;

const NAME: usize = 100;

refusals!(ListRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired ValidationFailed StorageUnavailable);

/// The account's API keys, newest first, the ended ones included. For its owner and its admins, in person.
#[utoipa::path(
    get, path = "/api/v1/account/api-keys/", tag = "account", security(("bearer" = [])),
    params(
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("limit" = Option<i64>, Query, description = "Keys of a page, 1 to 200; 50 where it is left out")
    ),
    responses((status = 200, description = "A page of keys", body = Envelope<Page<ApiKey>>), ListRefusals)
)]
pub async fn list_api_keys(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    page: PageQuery,
) -> Result<Response, Refused> {
    only(identity, Act::ManageKeys)?;
    let core = &service.core;
    let listed = api_keys::list(&core.store, identity.account_id, page.before, page.limit).await?;
    let now = core.machine_now();
    let items = listed.keys.iter().map(|key| ApiKey::at(key, now)).collect();
    let next = listed.next_before.map(query::cursor);
    Ok(data(StatusCode::OK, Page { items, next }))
}

/// A key that is to be made.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CreateKeyBody {
    /// What it is for.
    #[schema(required = true, max_length = 100, example = "nightly import")]
    #[serde(default)]
    #[garde(custom(is_line::<NAME>))]
    pub name: String,
    /// `owner`, `admin`, `editor` or `viewer`, and not more than your own; `editor` where it is left out.
    #[schema(example = "viewer")]
    #[serde(default)]
    #[garde(inner(custom(is_account_role)))]
    pub role: Option<String>,
    /// When it ends by itself; it does not where this is left out.
    #[schema(format = "date-time", example = "2027-01-01T00:00:00Z")]
    #[serde(default)]
    #[garde(skip)]
    pub expires_at: Option<String>,
}

impl CreateKeyBody {
    fn read(&self, by: igny8_contract::ids::UserId) -> Result<Creation, Refused> {
        valid(self)?;
        let role = self.role.as_deref().and_then(AccountRole::parse);
        Ok(Creation {
            by,
            name: self.name.trim().to_owned(),
            role: role.unwrap_or(AccountRole::Editor),
            expires_at: self
                .expires_at
                .as_deref()
                .map(|text| instant("expires_at", text))
                .transpose()?,
        })
    }
}

refusals!(CreateRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired TooManyApiKeys IdempotencyKeyReused MalformedBody BodyTooLarge UnsupportedMediaType
    ValidationFailed StorageUnavailable);

/// Make an API key. It is in this answer and nowhere else. It acts for whoever makes it, with its own role, and ends with
/// them. For the owner and admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/api-keys/", tag = "account", security(("bearer" = [])), request_body = CreateKeyBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, no other key is made; the answer is then without `key`")),
    responses((status = 201, description = "The key", body = Envelope<IssuedKey>), CreateRefusals)
)]
pub async fn create_api_key(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<CreateKeyBody>,
) -> Result<Response, Refused> {
    only(identity, Act::ManageKeys)?;
    let creation = keyed.body.read(identity.user_id)?;
    let ask = of_own(&keyed, identity, request_id);
    let core = service.core.clone();
    let story = async move { api_keys::create(&core, ask, creation, people::issued_key).await };
    Ok(issued(service.stories.run(story).await?, "key"))
}

/// How long an old key works on beside the new one.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RotateKeyBody {
    /// 0 to 2592000; a day where it is left out.
    #[schema(minimum = 0, maximum = 2_592_000, example = 3600)]
    #[serde(default)]
    #[garde(range(min = 0, max = OVERLAP_MOST_SECONDS))]
    pub overlap_seconds: Option<i64>,
}

refusals!(RotateRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired NotFound ApiKeyEnded TooManyApiKeys IdempotencyKeyReused MalformedBody BodyTooLarge
    UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Make the key that takes the place of another one. Both work during the overlap. The new key has the old one's name, role
/// and length of life, and acts for whoever rotates.
#[utoipa::path(
    post, path = "/api/v1/account/api-keys/{id}/rotate/", tag = "account", security(("bearer" = [])),
    request_body(content = RotateKeyBody, description = "Nothing at all for an overlap of a day"),
    params(
        ("id" = i64, Path, description = "The key's number"),
        ("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once; the answer is then without `key`")
    ),
    responses((status = 201, description = "The new key", body = Envelope<IssuedKey>), RotateRefusals)
)]
pub async fn rotate_api_key(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<RotateKeyBody>,
) -> Result<Response, Refused> {
    only(identity, Act::ManageKeys)?;
    valid(&keyed.body)?;
    let rotation = Rotation {
        by: identity.user_id,
        id: ApiKeyId(id),
        overlap_seconds: keyed.body.overlap_seconds.unwrap_or(OVERLAP_SECONDS),
    };
    let ask = of_own(&keyed, identity, request_id);
    let core = service.core.clone();
    let story = async move { api_keys::rotate(&core, ask, rotation, people::issued_key).await };
    Ok(issued(service.stories.run(story).await?, "key"))
}

refusals!(RevokeRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired NotFound MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed
    StorageUnavailable);

/// Revoke an API key: it is refused everywhere within a second. It may be repeated. For the owner and admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/api-keys/{id}/revoke/", tag = "account", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The key's number")),
    responses((status = 200, description = "The key", body = Envelope<ApiKey>), RevokeRefusals)
)]
pub async fn revoke_api_key(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    _: NoBody,
) -> Result<Response, Refused> {
    only(identity, Act::ManageKeys)?;
    let ask = in_person(identity, request_id);
    let core = service.core.clone();
    let story = async move { api_keys::revoke(&core, ask, identity.user_id, ApiKeyId(id)).await };
    let key = service.stories.run(story).await?;
    Ok(data(StatusCode::OK, ApiKey::at(&key, service.core.machine_now())))
}

/// The same as `revoke/`.
#[utoipa::path(
    delete, path = "/api/v1/account/api-keys/{id}/", tag = "account", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The key's number")),
    responses((status = 200, description = "The key", body = Envelope<ApiKey>), RevokeRefusals)
)]
pub async fn delete_api_key(
    service: State<Service>,
    identity: Tenant,
    id: Numbered,
    request_id: Extension<RequestId>,
    body: NoBody,
) -> Result<Response, Refused> {
    revoke_api_key(service, identity, id, request_id, body).await
}
