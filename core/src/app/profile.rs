//! Who someone is: user, account, plan and subscription together.

use super::StoryError;
use crate::domain::account::Account;
use crate::domain::plan::Plan;
use crate::domain::subscription::Subscription;
use crate::domain::user::User;
use crate::storage;
use crate::storage::Connection;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::refusal::Refusal;

/// An account with its plan. Staff have no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountProfile {
    pub account: Account,
    pub plan: Option<Plan>,
}

/// A user and what belongs to their account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub user: User,
    pub account: AccountProfile,
    pub subscription: Option<Subscription>,
}

/// An account with its plan.
///
/// # Errors
/// `account_missing`, or what the database says.
pub async fn of_account(connection: &mut Connection, id: AccountId) -> Result<AccountProfile, StoryError> {
    let account = storage::account::by_id(&mut *connection, id)
        .await?
        .ok_or(Refusal::AccountMissing)?;
    let plan = match account.plan_id {
        Some(id) => storage::plan::by_id(connection, id).await?,
        None => None,
    };
    Ok(AccountProfile { account, plan })
}

/// A user and what belongs to their account.
///
/// # Errors
/// `token_revoked` where the user is gone, `account_missing`, or what the database says.
pub async fn of_user(connection: &mut Connection, id: UserId) -> Result<Profile, StoryError> {
    let user = storage::user::by_id(&mut *connection, id)
        .await?
        .ok_or(Refusal::TokenRevoked)?;
    let account = of_account(&mut *connection, user.account_id).await?;
    let subscription = storage::subscription::latest(connection, user.account_id).await?;
    Ok(Profile {
        user,
        account,
        subscription,
    })
}
