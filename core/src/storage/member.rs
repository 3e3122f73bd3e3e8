//! The people of an account, and those who were asked to join it.

use super::error::Error;
use super::row::{instant, number, optional_number, optional_word, text, word};
use super::store::Connection;
use crate::domain::member::{Invitation, address_of_removed};
use igny8_contract::claims::AccountRole;
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;

/// How many people an account has, those who may be shut out included.
///
/// # Errors
/// What the database says.
pub async fn count(connection: &mut Connection, account_id: AccountId) -> Result<i64, Error> {
    let row = sqlx::query("SELECT COUNT(*) AS people FROM users WHERE account_id = $1 AND removed_at_us IS NULL")
        .bind(account_id.0)
        .fetch_one(connection)
        .await?;
    number(&row, "people")
}

/// How many owners of an account can sign in.
///
/// # Errors
/// What the database says.
pub async fn count_owners(connection: &mut Connection, account_id: AccountId) -> Result<i64, Error> {
    let row =
        sqlx::query("SELECT COUNT(*) AS owners FROM users WHERE account_id = $1 AND role = 'owner' AND is_active = 1")
            .bind(account_id.0)
            .fetch_one(connection)
            .await?;
    number(&row, "owners")
}

/// Gives a user another role and raises their epoch, which makes every token of theirs worthless.
///
/// # Errors
/// What the database says.
pub async fn set_role(connection: &mut Connection, id: UserId, role: AccountRole, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE users SET role = $2, epoch = epoch + 1, updated_at_us = $3 WHERE id = $1")
        .bind(id.0)
        .bind(role.as_str())
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Removes a user: shuts them out, raises their epoch, forgets their password, and lets go of their address.
///
/// # Errors
/// What the database says.
pub async fn remove(connection: &mut Connection, id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query(
        "UPDATE users SET is_active = 0, epoch = epoch + 1, removed_at_us = $2, updated_at_us = $2, email = $3, \
         password_hash = '' WHERE id = $1",
    )
    .bind(id.0)
    .bind(now.0)
    .bind(address_of_removed(id))
    .execute(connection)
    .await?;
    Ok(())
}

/// The columns that are read, by name: a migration under a running core must not change what a statement answers. With the
/// role of whoever invited, while they can sign in.
macro_rules! columns {
    () => {
        "SELECT invitation.id, invitation.account_id, invitation.email, invitation.role, invitation.invited_by, \
         invitation.created_at_us, invitation.expires_at_us, invitation.accepted_at_us, invitation.revoked_at_us, \
         (SELECT users.role FROM users WHERE users.id = invitation.invited_by AND users.is_active = 1) AS inviter_role \
         FROM invitation "
    };
}

/// An invitation, and the role of whoever sent it, if they can still sign in.
#[derive(Clone, Debug)]
pub struct Found {
    pub invitation: Invitation,
    pub inviter: Option<AccountRole>,
}

fn found(row: &AnyRow) -> Result<Found, Error> {
    Ok(Found {
        invitation: Invitation {
            id: number(row, "id")?,
            account_id: AccountId(number(row, "account_id")?),
            email: text(row, "email")?,
            role: word(row, "role", AccountRole::parse)?,
            invited_by: UserId(number(row, "invited_by")?),
            created_at: instant(row, "created_at_us")?,
            expires_at: instant(row, "expires_at_us")?,
            accepted_at: optional_number(row, "accepted_at_us")?.map(Timestamp),
            revoked_at: optional_number(row, "revoked_at_us")?.map(Timestamp),
        },
        inviter: optional_word(row, "inviter_role", AccountRole::parse)?,
    })
}

/// Adds an invitation and says its number.
///
/// # Errors
/// What the database says.
pub async fn invite(connection: &mut Connection, new: &Invitation, token_hash: [u8; 32]) -> Result<i64, Error> {
    let row = sqlx::query(
        "INSERT INTO invitation (account_id, email, role, token_hash, invited_by, created_at_us, expires_at_us) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id",
    )
    .bind(new.account_id.0)
    .bind(&new.email)
    .bind(new.role.as_str())
    .bind(token_hash.to_vec())
    .bind(new.invited_by.0)
    .bind(new.created_at.0)
    .bind(new.expires_at.0)
    .fetch_one(connection)
    .await?;
    number(&row, "id")
}

/// The invitation with this SHA-256 of its token.
///
/// # Errors
/// What the database says.
pub async fn by_token(connection: &mut Connection, token_hash: [u8; 32]) -> Result<Option<Found>, Error> {
    let row = sqlx::query(concat!(columns!(), "WHERE invitation.token_hash = $1"))
        .bind(token_hash.to_vec())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(found).transpose()
}

/// One invitation.
///
/// # Errors
/// What the database says.
pub async fn invitation(connection: &mut Connection, id: i64) -> Result<Option<Found>, Error> {
    let row = sqlx::query(concat!(columns!(), "WHERE invitation.id = $1"))
        .bind(id)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(found).transpose()
}

/// The invitations of an account that are neither accepted nor revoked nor too old, newest first.
///
/// # Errors
/// What the database says.
pub async fn waiting(connection: &mut Connection, account_id: AccountId, now: Timestamp) -> Result<Vec<Found>, Error> {
    let rows = sqlx::query(concat!(
        columns!(),
        "WHERE invitation.account_id = $1 AND invitation.accepted_at_us IS NULL AND invitation.revoked_at_us IS NULL \
         AND invitation.expires_at_us > $2 ORDER BY invitation.id DESC"
    ))
    .bind(account_id.0)
    .bind(now.0)
    .fetch_all(connection)
    .await?;
    rows.iter().map(found).collect()
}

/// Notes who has accepted an invitation.
///
/// # Errors
/// What the database says.
pub async fn accept(connection: &mut Connection, id: i64, by: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE invitation SET accepted_at_us = $2, accepted_by = $3 WHERE id = $1")
        .bind(id)
        .bind(now.0)
        .bind(by.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Which invitations are to be revoked.
#[derive(Clone, Copy, Debug)]
pub enum Which<'a> {
    One(i64),
    /// What waits for an address.
    For(AccountId, &'a str),
    /// What a user has sent.
    From(UserId),
}

/// Revokes invitations that are neither accepted nor revoked.
///
/// # Errors
/// What the database says.
pub async fn revoke(connection: &mut Connection, which: Which<'_>, now: Timestamp) -> Result<(), Error> {
    const WAITING: &str = " AND accepted_at_us IS NULL AND revoked_at_us IS NULL";
    let text = |condition: &str| format!("UPDATE invitation SET revoked_at_us = $1 WHERE {condition}{WAITING}");
    let update = match which {
        Which::One(id) => super::bulk::query(text("id = $2")).bind(now.0).bind(id),
        Which::For(account_id, email) => super::bulk::query(text("account_id = $2 AND email = $3"))
            .bind(now.0)
            .bind(account_id.0)
            .bind(email.to_owned()),
        Which::From(user_id) => super::bulk::query(text("invited_by = $2")).bind(now.0).bind(user_id.0),
    };
    update.execute(connection).await?;
    Ok(())
}
