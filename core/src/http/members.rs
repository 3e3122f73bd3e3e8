//! The people of an account, and those who are asked to join it.

use super::Service;
use super::answer::{Envelope, Refused, data, issued};
use super::ask::{in_person, of_own};
use super::auth_bodies::{is_email, is_given};
use super::bearer::{Tenant, only};
use super::body::{NoBody, Object};
use super::idempotency::Keyed;
use super::numbered::Numbered;
use super::openapi::refusals;
use super::passage::RequestId;
use super::refresh_cookie::{Delivery, deliver, is_delivery};
use super::shapes::people::{self, InvitationShape, IssuedInvitation, Member};
use super::shapes::{self, Page};
use super::valid::{is_account_role, is_name, role_of, trimmed, valid};
use crate::app::invitations::{self, Acceptance, Invite};
use crate::app::members;
use crate::app::sign_in::Visitor;
use crate::domain::role::Act;
use crate::domain::user::normal_email;
use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use garde::Validate;
use http::{HeaderMap, StatusCode};
use igny8_contract::ids::UserId;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;

refusals!(ListRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled StorageUnavailable);

/// The account's members, in the order in which they joined. There are at most 200, on one page.
#[utoipa::path(
    get, path = "/api/v1/account/members/", tag = "account", security(("bearer" = [])),
    responses((status = 200, description = "Every member", body = Envelope<Page<Member>>), ListRefusals)
)]
pub async fn list_members(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    let people = members::list(&service.core, identity.account_id).await?;
    let items = people.iter().map(Member::from).collect();
    Ok(data(StatusCode::OK, Page { items, next: None }))
}

refusals!(WaitingRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired StorageUnavailable);

/// The invitations that wait, newest first. For the owner and admins, in person.
#[utoipa::path(
    get, path = "/api/v1/account/members/invitations/", tag = "account", security(("bearer" = [])),
    responses(
        (status = 200, description = "Every open invitation", body = Envelope<Page<InvitationShape>>),
        WaitingRefusals
    )
)]
pub async fn list_invitations(State(service): State<Service>, Tenant(identity): Tenant) -> Result<Response, Refused> {
    only(identity, Act::ManageMembers)?;
    let waiting = invitations::list(&service.core, identity.account_id).await?;
    let items = waiting.iter().map(InvitationShape::from).collect();
    Ok(data(StatusCode::OK, Page { items, next: None }))
}

/// Who is asked to join, and as what.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct InviteBody {
    #[schema(required = true, format = "email", max_length = 254, example = "grace@example.com")]
    #[serde(default)]
    #[garde(custom(is_email))]
    pub email: String,
    /// `owner`, `admin`, `editor` or `viewer`, and not more than your own.
    #[schema(required = true, example = "editor")]
    #[serde(default)]
    #[garde(custom(is_account_role))]
    pub role: String,
}

refusals!(InviteRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired AlreadyMember MemberElsewhere TooManyMembers IdempotencyKeyReused MalformedBody
    BodyTooLarge UnsupportedMediaType ValidationFailed StorageUnavailable);

/// Ask somebody to join. The token is mailed to them and in this answer; it works for seven days, once. An earlier invitation
/// of the same address is revoked by it. For the owner and admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/members/invite/", tag = "account", security(("bearer" = [])), request_body = InviteBody,
    params(("Idempotency-Key" = Option<String>, Header, description = "Sent again under its key, it takes effect once; the answer is then without `token`")),
    responses((status = 201, description = "The invitation", body = Envelope<IssuedInvitation>), InviteRefusals)
)]
pub async fn invite_member(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Extension(request_id): Extension<RequestId>,
    keyed: Keyed<InviteBody>,
) -> Result<Response, Refused> {
    only(identity, Act::ManageMembers)?;
    valid(&keyed.body)?;
    let invite = Invite {
        by: identity.user_id,
        email: normal_email(&keyed.body.email).unwrap_or_default(),
        role: role_of(&keyed.body.role)?,
    };
    let ask = of_own(&keyed, identity, request_id);
    let core = service.core.clone();
    let story = async move { invitations::invite(&core, ask, invite, people::issued_invitation).await };
    Ok(issued(service.stories.run(story).await?, "token"))
}

refusals!(ChangeRefusals: CredentialsRequired TokenInvalid TokenExpired TokenRevoked AccountMissing AccountSuspended
    AccountCancelled RoleRequired NotFound LastOwner MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed
    StorageUnavailable);

/// Take an invitation back. It may be repeated. For the owner and admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/members/invitations/{id}/revoke/", tag = "account", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The invitation's number")),
    responses((status = 204, description = "It opens nothing any more"), ChangeRefusals)
)]
pub async fn revoke_invitation(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    _: NoBody,
) -> Result<Response, Refused> {
    only(identity, Act::ManageMembers)?;
    let ask = in_person(identity, request_id);
    let core = service.core.clone();
    let story = async move { invitations::revoke(&core, ask, identity.user_id, id).await };
    service.stories.run(story).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Another role.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RoleBody {
    /// `owner`, `admin`, `editor` or `viewer`, and not more than your own.
    #[schema(required = true, example = "admin")]
    #[serde(default)]
    #[garde(custom(is_account_role))]
    pub role: String,
}

/// Give a member another role. Their access tokens end; they get new ones by signing in. Owners alone make and unmake
/// owners, and one is always left. For the owner and admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/members/{id}/role/", tag = "account", security(("bearer" = [])),
    request_body = RoleBody, params(("id" = i64, Path, description = "The user's number")),
    responses((status = 200, description = "The member", body = Envelope<Member>), ChangeRefusals)
)]
pub async fn change_member_role(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    Object(body): Object<RoleBody>,
) -> Result<Response, Refused> {
    only(identity, Act::ManageMembers)?;
    valid(&body)?;
    let (role, ask) = (role_of(&body.role)?, in_person(identity, request_id));
    let core = service.core.clone();
    let story = async move { members::change_role(&core, ask, identity.user_id, UserId(id), role).await };
    let member = service.stories.run(story).await?;
    Ok(data(StatusCode::OK, Member::from(&member)))
}

/// Remove a member: their sign-ins, API keys and open invitations end. Their address can be used again. For the owner and
/// admins, in person.
#[utoipa::path(
    post, path = "/api/v1/account/members/{id}/remove/", tag = "account", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user's number")),
    responses((status = 204, description = "They are gone"), ChangeRefusals)
)]
pub async fn remove_member(
    State(service): State<Service>,
    Tenant(identity): Tenant,
    Numbered(id): Numbered,
    Extension(request_id): Extension<RequestId>,
    _: NoBody,
) -> Result<Response, Refused> {
    only(identity, Act::ManageMembers)?;
    let ask = in_person(identity, request_id);
    let core = service.core.clone();
    let story = async move { members::remove(&core, ask, identity.user_id, UserId(id)).await };
    service.stories.run(story).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The same as `remove/`.
#[utoipa::path(
    delete, path = "/api/v1/account/members/{id}/", tag = "account", security(("bearer" = [])),
    params(("id" = i64, Path, description = "The user's number")),
    responses((status = 204, description = "They are gone"), ChangeRefusals)
)]
pub async fn delete_member(
    service: State<Service>,
    identity: Tenant,
    id: Numbered,
    request_id: Extension<RequestId>,
    body: NoBody,
) -> Result<Response, Refused> {
    remove_member(service, identity, id, request_id, body).await
}

/// Who joins.
#[derive(Debug, Deserialize, ToSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct AcceptBody {
    /// From the invitation.
    #[schema(required = true, value_type = String)]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub token: SecretString,
    /// At least 8 characters, and hard to guess.
    #[schema(required = true, value_type = String, format = "password", min_length = 8, example = "plover-tannin-93-gazette")]
    #[serde(default)]
    #[garde(custom(is_given))]
    pub password: SecretString,
    #[schema(max_length = 100, example = "Grace")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub first_name: Option<String>,
    #[schema(max_length = 100, example = "Hopper")]
    #[serde(default)]
    #[garde(custom(is_name))]
    pub last_name: Option<String>,
    /// Where the refresh token goes: `cookie` (the default), or `body` for clients that keep no cookies.
    #[schema(example = "cookie")]
    #[serde(default)]
    #[garde(custom(is_delivery))]
    pub refresh_delivery: Option<String>,
}

refusals!(AcceptRefusals: MalformedBody BodyTooLarge UnsupportedMediaType ValidationFailed WeakPassword InvitationInvalid
    AlreadyMember MemberElsewhere AccountSuspended AccountCancelled StorageUnavailable);

/// Join the account that one was invited to: a new user with the invitation's role, signed in.
#[utoipa::path(
    post, path = "/api/v1/auth/invitations/accept/", tag = "auth", request_body = AcceptBody,
    responses((status = 201, description = "Joined, and signed in", body = Envelope<shapes::SignedIn>), AcceptRefusals)
)]
pub async fn accept_invitation(
    State(service): State<Service>,
    Extension(request_id): Extension<RequestId>,
    visitor: Visitor,
    headers: HeaderMap,
    Object(body): Object<AcceptBody>,
) -> Result<Response, Refused> {
    valid(&body)?;
    let delivery = Delivery::asked_for(body.refresh_delivery.as_deref());
    let acceptance = Acceptance {
        token: body.token,
        password: body.password,
        first_name: trimmed(body.first_name).unwrap_or_default(),
        last_name: trimmed(body.last_name).unwrap_or_default(),
        visitor,
        request_id: request_id.0,
    };
    let core = service.core.clone();
    let story = async move { invitations::accept(&core, acceptance).await };
    let joined = service.stories.run(story).await?;
    deliver(&service, StatusCode::CREATED, &joined, delivery, &headers)
}
