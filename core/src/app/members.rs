//! The people of an account: listed, given other roles, removed.

use super::change::Ask;
use super::in_account::{Entered, enter, note};
use super::{Core, StoryError};
use crate::domain::member;
use crate::domain::role::Act;
use crate::domain::user::User;
use crate::storage::member::{Which, count_owners, remove as shut_out, revoke, set_role};
use crate::storage::{Connection, api_key, mailed_token, session, sign_in, user};
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use serde_json::json;

/// The people of an account, in the order in which they joined.
///
/// # Errors
/// `storage_unavailable`.
pub async fn list(core: &Core, id: AccountId) -> Result<Vec<User>, StoryError> {
    Ok(user::of_account(&mut *core.store.read().await?, id).await?)
}

/// Something that is done to a member.
#[derive(Clone, Debug)]
struct Given<T> {
    ask: Ask,
    by: UserId,
    whom: UserId,
    what: T,
    now: Timestamp,
}

/// Gives a member another role. Every token of theirs is worthless from then on; they are given a new one where they
/// refresh or sign in. The role that they have already changes nothing.
///
/// # Errors
/// `not_found`, `role_required`, `last_owner`, `storage_unavailable`.
pub async fn change_role(
    core: &Core,
    ask: Ask,
    by: UserId,
    whom: UserId,
    role: AccountRole,
) -> Result<User, StoryError> {
    let given = Given {
        ask,
        by,
        whom,
        what: role,
        now: core.machine_now(),
    };
    core.store
        .write(&given, |connection, given| Box::pin(commit_role(connection, given)))
        .await
}

async fn commit_role(connection: &mut Connection, given: &Given<AccountRole>) -> Result<User, StoryError> {
    let (ask, role, now) = (&given.ask, given.what, given.now);
    let Entered { account, actor } = enter(connection, ask, given.by, Act::ManageMembers).await?;
    let member = of_account(connection, account.id, given.whom).await?;
    member::change_role(
        actor.role,
        member.role,
        role,
        count_owners(connection, account.id).await?,
    )?;
    if member.role != role {
        set_role(connection, member.id, role, now).await?;
        let detail = json!({
            "user_id": member.id, "email": member.email, "role": {"before": member.role, "after": role},
        });
        let trail = (account.id, ask.actor, ask.request_id.as_str());
        note(connection, trail, "member.role_changed", &detail, now).await?;
    }
    of_account(connection, account.id, member.id).await
}

/// Somebody who still belongs to the account. Who belongs to another is not there.
async fn of_account(connection: &mut Connection, id: AccountId, whom: UserId) -> Result<User, StoryError> {
    let people = user::of_account(connection, id).await?;
    let found = people.into_iter().find(|member| member.id == whom);
    Ok(found.ok_or(Refusal::NotFound)?)
}

/// Removes a member, with every sign-in, session, API key and open invitation of theirs. Their address can be used again.
///
/// # Errors
/// `not_found`, `role_required`, `last_owner`, `storage_unavailable`.
pub async fn remove(core: &Core, ask: Ask, by: UserId, whom: UserId) -> Result<(), StoryError> {
    let given = Given {
        ask,
        by,
        whom,
        what: (),
        now: core.machine_now(),
    };
    core.store
        .write(&given, |connection, given| Box::pin(commit_removal(connection, given)))
        .await
}

async fn commit_removal(connection: &mut Connection, given: &Given<()>) -> Result<(), StoryError> {
    let (ask, now) = (&given.ask, given.now);
    let Entered { account, actor } = enter(connection, ask, given.by, Act::ManageMembers).await?;
    let member = of_account(connection, account.id, given.whom).await?;
    member::remove(actor.role, member.role, count_owners(connection, account.id).await?)?;
    shut_out(connection, member.id, now).await?;
    sign_in::end_all(connection, member.id, now).await?;
    session::end_all(connection, member.id, now).await?;
    let keys = api_key::revoke_all_of(connection, member.id, now).await?;
    revoke(connection, Which::From(member.id), now).await?;
    mailed_token::void_closed_invitations(connection, account.id, now).await?;
    let detail = json!({
        "user_id": member.id, "email": member.email, "role": {"before": member.role, "after": null},
        "api_keys_revoked": keys,
    });
    let trail = (account.id, ask.actor, ask.request_id.as_str());
    note(connection, trail, "member.removed", &detail, now).await
}
