//! What clients see of API keys, members, invitations and the audit, and staff of customers.

use super::{Account, Credits, Subscription, rfc_3339};
use crate::app::StoryError;
use crate::app::customers::{Customer, Portrait};
use crate::domain;
use crate::domain::member::Invitation;
use crate::storage::audit::Line;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

fn value<T: Serialize>(shape: &T) -> Result<Value, StoryError> {
    serde_json::to_value(shape).map_err(|error| StoryError::Fault(error.to_string()))
}

/// An API key, without itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct ApiKey {
    pub id: i64,
    #[schema(example = "nightly import")]
    pub name: String,
    /// How the key begins, to tell keys apart.
    #[schema(example = "igk_7Qm2xKpA")]
    pub prefix: String,
    /// `owner`, `admin`, `editor` or `viewer`; less where its maker has less by now.
    #[schema(example = "editor")]
    pub role: &'static str,
    /// `active`, `replaced` (rotated, and still working), `expired` or `revoked`.
    #[schema(example = "active")]
    pub status: &'static str,
    /// The user who made it: it acts for them, and ends with them.
    pub user_id: i64,
    /// The key that this one takes the place of.
    pub replaces: Option<i64>,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
    /// Null where it does not end by itself.
    #[schema(format = "date-time")]
    pub expires_at: Option<String>,
    /// To within a few seconds; null where it was never used.
    #[schema(format = "date-time")]
    pub last_used_at: Option<String>,
    #[schema(format = "date-time")]
    pub revoked_at: Option<String>,
}

impl ApiKey {
    /// A key as it is at this time of the machine.
    #[must_use]
    pub fn at(key: &domain::api_key::ApiKey, now: Timestamp) -> Self {
        Self {
            id: key.id.0,
            name: key.name.clone(),
            prefix: key.visible.clone(),
            role: key.role.as_str(),
            status: key.status(now).as_str(),
            user_id: key.user_id.0,
            replaces: key.replaces.map(|id| id.0),
            created_at: rfc_3339(key.created_at),
            expires_at: key.expires_at.map(rfc_3339),
            last_used_at: key.last_used_at.map(rfc_3339),
            revoked_at: key.revoked_at.map(rfc_3339),
        }
    }
}

/// A new API key with itself, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedKey {
    #[serde(flatten)]
    pub api_key: ApiKey,
    /// The key: send it as `X-Api-Key` or as `Authorization: Bearer`. Null where the request was sent again under its
    /// `Idempotency-Key`: it is told once, and stored nowhere.
    #[schema(example = "igk_7Qm2xKpA…")]
    pub key: Option<String>,
}

/// The answer that is kept for a new key: without it.
///
/// # Errors
/// What the serialiser says.
pub fn issued_key(key: &domain::api_key::ApiKey, now: Timestamp) -> Result<Value, StoryError> {
    value(&IssuedKey {
        api_key: ApiKey::at(key, now),
        key: None,
    })
}

/// One of the people of an account.
#[derive(Debug, Serialize, ToSchema)]
pub struct Member {
    pub id: i64,
    #[schema(format = "email", example = "ada@example.com")]
    pub email: String,
    pub first_name: String,
    pub last_name: String,
    /// `owner`, `admin`, `editor` or `viewer`.
    #[schema(example = "editor")]
    pub role: &'static str,
    /// Whether they can sign in.
    pub is_active: bool,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub joined_at: String,
}

impl From<&domain::user::User> for Member {
    fn from(user: &domain::user::User) -> Self {
        Self {
            id: user.id.0,
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            role: user.role.as_str(),
            is_active: user.is_active,
            joined_at: rfc_3339(user.created_at),
        }
    }
}

/// An invitation that waits, without its token.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationShape {
    pub id: i64,
    #[schema(format = "email", example = "grace@example.com")]
    pub email: String,
    #[schema(example = "editor")]
    pub role: &'static str,
    /// The user who sent it.
    pub invited_by: i64,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
    #[schema(format = "date-time", example = "2026-01-08T00:00:00.000000Z")]
    pub expires_at: String,
}

impl From<&Invitation> for InvitationShape {
    fn from(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.email.clone(),
            role: invitation.role.as_str(),
            invited_by: invitation.invited_by.0,
            created_at: rfc_3339(invitation.created_at),
            expires_at: rfc_3339(invitation.expires_at),
        }
    }
}

/// A new invitation with its token, shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub struct IssuedInvitation {
    #[serde(flatten)]
    pub invitation: InvitationShape,
    /// What the invited person joins with. Null where the request was sent again under its `Idempotency-Key`.
    pub token: Option<String>,
}

/// The answer that is kept for an invitation: without its token.
///
/// # Errors
/// What the serialiser says.
pub fn issued_invitation(invitation: &Invitation) -> Result<Value, StoryError> {
    value(&IssuedInvitation {
        invitation: InvitationShape::from(invitation),
        token: None,
    })
}

/// Who acted.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditActor {
    /// `user`, `staff`, `command` or `system`.
    #[schema(example = "user")]
    pub kind: String,
    /// Null for everybody but users.
    pub user_id: Option<i64>,
    pub email: Option<String>,
    /// The API key by which they acted; null where they did so in person.
    pub api_key_id: Option<i64>,
}

/// One line of the audit.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditLine {
    pub id: i64,
    #[schema(example = "api_key.created")]
    pub action: String,
    pub actor: AuditActor,
    #[schema(value_type = Object)]
    pub detail: Value,
    pub request_id: String,
    #[schema(format = "date-time", example = "2026-01-01T00:00:00.000000Z")]
    pub created_at: String,
}

/// What staff write for themselves.
const OF_THE_HOUSE: [&str; 2] = ["note", "override_reason"];

impl From<&Line> for AuditLine {
    fn from(line: &Line) -> Self {
        let is_user = line.actor_kind == "user";
        let mut detail: Value = serde_json::from_str(&line.detail).unwrap_or_default();
        if let Some(members) = detail.as_object_mut().filter(|_| !is_user) {
            members.retain(|name, _| !OF_THE_HOUSE.contains(&name.as_str()));
        }
        Self {
            id: line.id,
            action: line.action.clone(),
            actor: AuditActor {
                kind: line.actor_kind.clone(),
                user_id: line.actor_user_id.filter(|_| is_user),
                email: line.actor_email.clone().filter(|_| is_user),
                api_key_id: line.actor_key_id,
            },
            detail,
            request_id: line.request_id.clone(),
            created_at: rfc_3339(line.created_at),
        }
    }
}

/// A customer in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct CustomerShape {
    #[serde(flatten)]
    pub account: Account,
    /// The addresses of its owners.
    pub owners: Vec<String>,
}

impl From<&Customer> for CustomerShape {
    fn from(customer: &Customer) -> Self {
        Self {
            account: Account::from(&customer.account),
            owners: customer.owners.clone(),
        }
    }
}

/// What the account may do now on ordinary routes: null where it may, else the code of the refusal.
#[derive(Debug, Serialize, ToSchema)]
pub struct StandingShape {
    #[schema(example = "trial_ended")]
    pub reads: Option<&'static str>,
    #[schema(example = "trial_ended")]
    pub writes: Option<&'static str>,
}

/// One customer, looked at from all sides.
#[derive(Debug, Serialize, ToSchema)]
pub struct PortraitShape {
    pub account: Account,
    pub subscription: Option<Subscription>,
    pub credits: Credits,
    pub members: Vec<Member>,
    /// How many API keys work.
    pub api_keys: i64,
    pub standing: StandingShape,
}

impl From<&Portrait> for PortraitShape {
    fn from(portrait: &Portrait) -> Self {
        let code = |verdict: Result<(), Refusal>| verdict.err().map(Refusal::code);
        let (balance, held) = (portrait.account.account.ledger.balance.0, portrait.held.0);
        Self {
            account: Account::from(&portrait.account),
            subscription: portrait.subscription.as_ref().map(Subscription::from),
            credits: Credits {
                balance,
                held,
                available: balance - held,
            },
            members: portrait.people.iter().map(Member::from).collect(),
            api_keys: portrait.keys,
            standing: StandingShape {
                reads: code(portrait.standing.reads),
                writes: code(portrait.standing.writes),
            },
        }
    }
}
