//! Asking people to join an account, and joining it.

use super::budgets::{self, Purse};
use super::change::Ask;
use super::in_account::{Entered, Issued, enter, issue, issued_before, lock, note};
use super::profile::{self, Profile};
use super::sign_in::{Beginning, SignedIn, Visitor};
use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::domain::link::Purpose;
use crate::domain::member::{Invitation, MOST_MEMBERS};
use crate::domain::role::{Act, may_give};
use crate::domain::user::NewUser;
use crate::storage::mailed_token::{self, Addressed, NewLink};
use crate::storage::member::{self, Found, Which};
use crate::storage::trail::{Actor, announce};
use crate::storage::{Connection, account, sign_in, user};
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::standing::{StandingNeed, validate_account_and_plan};
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

/// How an invitation is shown. The answer that it becomes is kept: it holds no secret.
pub type Show = fn(&Invitation) -> Result<Value, StoryError>;

/// The invitations that wait, newest first.
///
/// # Errors
/// `storage_unavailable`.
pub async fn list(core: &Core, id: AccountId) -> Result<Vec<Invitation>, StoryError> {
    let now = core.machine_now();
    let waiting = member::waiting(&mut *core.store.read().await?, id, now).await?;
    let open = |found: &Found| found.invitation.is_open(found.inviter, now).is_ok();
    Ok(waiting.into_iter().filter(open).map(|found| found.invitation).collect())
}

/// Somebody who is to be asked.
#[derive(Clone, Debug)]
pub struct Invite {
    pub by: UserId,
    /// In its normal form.
    pub email: String,
    pub role: AccountRole,
}

struct GivenInvite {
    ask: Ask,
    invite: Invite,
    /// Drawn before the transaction, which may run several times.
    link: NewLink,
    token: SecretString,
    /// What the mail is paid from.
    purse: Purse,
    show: Show,
    machine_now: Timestamp,
}

/// Asks somebody to join, by mail. An earlier invitation of theirs to this account is revoked by it. The token is in that mail
/// and in this answer; a notice without it goes to the outbox. An address that has got enough mail for now gets none: whoever
/// invites has the token.
///
/// # Errors
/// `role_required` for a role above the inviter's, `already_member`, `member_elsewhere`, `too_many_members`,
/// `idempotency_key_reused`, `storage_unavailable`.
pub async fn invite(core: &Core, ask: Ask, invite: Invite, show: Show) -> Result<Issued, StoryError> {
    let machine_now = core.machine_now();
    let link = core.new_link(Purpose::Invitation, machine_now);
    let given = GivenInvite {
        ask,
        token: core.token_of(&link),
        link,
        purse: core.budgets.of_mail_to(&invite.email),
        invite,
        show,
        machine_now,
    };
    let issued = core
        .store
        .write(&given, |connection, given| Box::pin(commit_invite(connection, given)))
        .await?;
    core.mail_waits.notify_one();
    Ok(issued)
}

/// Queues the mail of an invitation.
async fn queue(connection: &mut Connection, given: &GivenInvite, by: UserId) -> Result<(), StoryError> {
    let now = given.machine_now;
    match budgets::take_in(connection, given.purse, now).await {
        Ok(()) => {
            let mail = Addressed {
                user_id: by,
                recipient: &given.invite.email,
                link: &given.link,
                now,
            };
            Ok(mailed_token::insert_addressed(connection, &[mail]).await?)
        }
        Err(StoryError::Throttled(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn commit_invite(connection: &mut Connection, given: &GivenInvite) -> Result<Issued, StoryError> {
    let (ask, invite, now) = (&given.ask, &given.invite, given.machine_now);
    let Entered { account, actor } = enter(connection, ask, invite.by, Act::ManageMembers).await?;
    if let Some(issued) = issued_before(connection, ask).await? {
        return Ok(issued);
    }
    may_give(actor.role, invite.role)
        .map_err(|refusal| StoryError::field(refusal, "role", "It must not be more than your own."))?;
    if let Some((known, _)) = user::by_email(connection, &invite.email).await? {
        return Err(taken(known.account_id == account.id).into());
    }
    member::revoke(connection, Which::For(account.id, &invite.email), now).await?;
    mailed_token::void_closed_invitations(connection, account.id, now).await?;
    let waiting = member::waiting(connection, account.id, now).await?.len();
    let people = member::count(connection, account.id).await? + i64::try_from(waiting).unwrap_or(i64::MAX);
    if people >= MOST_MEMBERS {
        return Err(Refusal::TooManyMembers.into());
    }
    let mut invitation = Invitation {
        id: 0,
        account_id: account.id,
        email: invite.email.clone(),
        role: invite.role,
        invited_by: actor.id,
        created_at: now,
        expires_at: given.link.expires_at,
        accepted_at: None,
        revoked_at: None,
    };
    invitation.id = member::invite(connection, &invitation, given.link.token_hash).await?;
    queue(connection, given, actor.id).await?;
    let trail = (account.id, ask.actor, ask.request_id.as_str());
    note(connection, trail, "member.invited", &told(&invitation), now).await?;
    let notice = json!({
        "invitation_id": invitation.id, "email": invitation.email, "role": invitation.role, "account_name": account.name,
        "invited_by": actor.email,
    });
    announce(connection, "member.invited", account.id, &notice.to_string(), now).await?;
    let data = (given.show)(&invitation)?;
    issue(connection, ask, data, given.token.expose_secret(), now).await
}

/// What the audit says of an invitation.
fn told(invitation: &Invitation) -> Value {
    json!({"invitation_id": invitation.id, "email": invitation.email, "role": invitation.role})
}

const fn taken(here: bool) -> Refusal {
    if here {
        Refusal::AlreadyMember
    } else {
        Refusal::MemberElsewhere
    }
}

/// Takes an invitation back. One that has been accepted or revoked already stays so.
///
/// # Errors
/// `not_found`, `role_required`, `storage_unavailable`.
pub async fn revoke(core: &Core, ask: Ask, by: UserId, id: i64) -> Result<(), StoryError> {
    let given = (ask, by, id, core.machine_now());
    core.store
        .write(&given, |connection, (ask, by, id, now)| {
            Box::pin(async move {
                let Entered { account, .. } = enter(connection, ask, *by, Act::ManageMembers).await?;
                let found = member::invitation(connection, *id).await?;
                let invitation = found
                    .map(|found| found.invitation)
                    .filter(|invitation| invitation.account_id == account.id)
                    .ok_or(Refusal::NotFound)?;
                if invitation.accepted_at.is_some() || invitation.revoked_at.is_some() {
                    return Ok(());
                }
                member::revoke(connection, Which::One(*id), *now).await?;
                mailed_token::void_closed_invitations(connection, account.id, *now).await?;
                let trail = (account.id, ask.actor, ask.request_id.as_str());
                let mut detail = told(&invitation);
                detail["status"] = json!({"before": "open", "after": "revoked"});
                note(connection, trail, "member.invitation_revoked", &detail, *now).await
            })
        })
        .await
}

/// Somebody who joins.
#[derive(Debug)]
pub struct Acceptance {
    /// From the invitation.
    pub token: SecretString,
    pub password: SecretString,
    pub first_name: String,
    pub last_name: String,
    pub visitor: Visitor,
    pub request_id: String,
}

struct Decided {
    token_hash: [u8; 32],
    password_hash: String,
    first_name: String,
    last_name: String,
    beginning: Beginning,
    request_id: String,
    now: Timestamp,
}

/// Joins an account: a new user with the invitation's role, signed in. Of several who accept at once one does.
///
/// # Errors
/// `invitation_invalid`, `member_elsewhere`, `weak_password`, the refusals of standing, `storage_unavailable`.
pub async fn accept(core: &Core, acceptance: Acceptance) -> Result<SignedIn, StoryError> {
    let token_hash = sha_256(acceptance.token.expose_secret().as_bytes());
    let email = {
        // Refuses what is refused anyway before the costly hash. The transaction decides again, on the state it commits to.
        let mut connection = core.store.read().await?;
        let invitation = open(&mut connection, token_hash, core.machine_now()).await?;
        refuse_known(&mut connection, &invitation).await?;
        invitation.email
    };
    let mut about = vec![
        email.clone(),
        acceptance.first_name.clone(),
        acceptance.last_name.clone(),
    ];
    about.extend(email.split('@').next().map(str::to_owned));
    let password_hash = core
        .passwords
        .judge_and_hash(acceptance.password, about)
        .await?
        .map_err(|reason| StoryError::field(Refusal::WeakPassword, "password", reason))?;
    let decided = Decided {
        token_hash,
        password_hash,
        first_name: acceptance.first_name,
        last_name: acceptance.last_name,
        beginning: core.begin_sign_in(&acceptance.visitor),
        request_id: acceptance.request_id,
        now: core.now(),
    };
    let profile = core
        .store
        .write(&decided, |connection, decided| Box::pin(commit(connection, decided)))
        .await?;
    core.signed_in(&decided.beginning, profile)
}

async fn open(connection: &mut Connection, token_hash: [u8; 32], now: Timestamp) -> Result<Invitation, StoryError> {
    let found = member::by_token(connection, token_hash).await?;
    let found = found.ok_or(Refusal::InvitationInvalid)?;
    found.invitation.is_open(found.inviter, now)?;
    Ok(found.invitation)
}

async fn refuse_known(connection: &mut Connection, invitation: &Invitation) -> Result<(), StoryError> {
    match user::by_email(connection, &invitation.email).await? {
        Some((known, _)) => Err(taken(known.account_id == invitation.account_id).into()),
        None => Ok(()),
    }
}

async fn commit(connection: &mut Connection, decided: &Decided) -> Result<Profile, StoryError> {
    let now = decided.beginning.now;
    let invitation = open(connection, decided.token_hash, now).await?;
    // Looked up again behind the lock: somebody else may have accepted it meanwhile.
    let account = lock(connection, invitation.account_id).await?;
    let invitation = open(connection, decided.token_hash, now).await?;
    let facts = account::facts(connection, account.id).await?;
    validate_account_and_plan(facts.as_ref(), StandingNeed::Any, false, decided.now)?;
    let new = NewUser {
        email: invitation.email.clone(),
        password_hash: decided.password_hash.clone(),
        first_name: decided.first_name.clone(),
        last_name: decided.last_name.clone(),
        role: invitation.role,
        platform_role: None,
        is_superuser: false,
    };
    let joined = user::insert(connection, account.id, &new, now)
        .await?
        .ok_or(Refusal::MemberElsewhere)?;
    member::accept(connection, invitation.id, joined.id, now).await?;
    mailed_token::void_closed_invitations(connection, account.id, now).await?;
    sign_in::insert(connection, joined.id, &decided.beginning.new, now).await?;
    let detail = json!({
        "user_id": joined.id, "email": joined.email, "role": joined.role, "invitation_id": invitation.id,
    });
    let trail = (account.id, Actor::User(joined.id), decided.request_id.as_str());
    note(connection, trail, "member.joined", &detail, now).await?;
    announce(connection, "member.joined", account.id, &detail.to_string(), now).await?;
    profile::of_user(connection, joined.id).await
}
