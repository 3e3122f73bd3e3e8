//! Users.

use super::bulk;
use super::error::Error;
use super::row::{flag, instant, number, optional_number, optional_word, text, word};
use super::store::Connection;
use crate::domain::user::{NewUser, User};
use igny8_contract::claims::{AccountRole, PlatformRole};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::messages::UserFacts;
use igny8_contract::time::Timestamp;
use sqlx::any::AnyRow;
use std::collections::{BTreeMap, HashSet};

/// The columns that are read, by name: a migration under a running core must not change what a statement answers.
macro_rules! columns {
    () => {
        "users.id, users.account_id, users.email, users.first_name, users.last_name, users.role, \
         users.platform_role, users.is_superuser, users.is_active, users.epoch, \
         users.email_verified_at_us, users.created_at_us"
    };
}

fn user(row: &AnyRow) -> Result<User, Error> {
    Ok(User {
        id: UserId(number(row, "id")?),
        account_id: AccountId(number(row, "account_id")?),
        email: text(row, "email")?,
        first_name: text(row, "first_name")?,
        last_name: text(row, "last_name")?,
        role: word(row, "role", AccountRole::parse)?,
        platform_role: optional_word(row, "platform_role", PlatformRole::parse)?,
        is_superuser: flag(row, "is_superuser")?,
        is_active: flag(row, "is_active")?,
        epoch: number(row, "epoch")?,
        email_verified_at: optional_number(row, "email_verified_at_us")?.map(Timestamp),
        created_at: instant(row, "created_at_us")?,
    })
}

/// Adds a user; nothing where the address is taken.
///
/// # Errors
/// What the database says.
pub async fn insert(
    connection: &mut Connection,
    account_id: AccountId,
    new: &NewUser,
    now: Timestamp,
) -> Result<Option<User>, Error> {
    Ok(insert_all(connection, &[(account_id, new)], now).await?.pop())
}

/// Adds users and gives back those whose address was free, in no order.
///
/// # Errors
/// What the database says.
pub async fn insert_all(
    connection: &mut Connection,
    new: &[(AccountId, &NewUser)],
    now: Timestamp,
) -> Result<Vec<User>, Error> {
    // A transaction waits for another that adds the same address. All of them go by one order, so that no two wait for each other.
    let mut ordered = new.to_vec();
    ordered.sort_by(|(_, one), (_, other)| one.email.cmp(&other.email));
    let text = concat!(
        "INSERT INTO users (account_id, email, password_hash, first_name, last_name, role, platform_role, \
         is_superuser, is_active, created_at_us, updated_at_us) VALUES {} \
         ON CONFLICT (email) DO NOTHING RETURNING ",
        columns!()
    );
    let columns = ["?", "?", "?", "?", "?", "?", "?", "?", "1", "?", "?"];
    let rows = bulk::fetch(connection, text, &columns, &ordered, |insert, (account_id, new)| {
        insert
            .bind(account_id.0)
            .bind(&new.email)
            .bind(&new.password_hash)
            .bind(&new.first_name)
            .bind(&new.last_name)
            .bind(new.role.as_str())
            .bind(new.platform_role.map(PlatformRole::as_str))
            .bind(i64::from(new.is_superuser))
            .bind(now.0)
            .bind(now.0)
    })
    .await?;
    rows.iter().map(user).collect()
}

/// Which of these addresses in their normal form somebody has.
///
/// # Errors
/// What the database says.
pub async fn taken(connection: &mut Connection, emails: &[&str]) -> Result<HashSet<String>, Error> {
    let select = "SELECT email FROM users WHERE email IN {}";
    let rows = bulk::find(connection, select, emails, |select, email| select.bind(*email)).await?;
    rows.iter().map(|row| text(row, "email")).collect()
}

/// One user.
///
/// # Errors
/// What the database says.
pub async fn by_id(connection: &mut Connection, id: UserId) -> Result<Option<User>, Error> {
    let row = sqlx::query(concat!("SELECT ", columns!(), " FROM users WHERE id = $1"))
        .bind(id.0)
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(user).transpose()
}

/// The user of an address in its normal form, and their password's PHC string.
///
/// # Errors
/// What the database says.
pub async fn by_email(connection: &mut Connection, email: &str) -> Result<Option<(User, String)>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", users.password_hash FROM users WHERE email = $1"
    ))
    .bind(email)
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((user(&row)?, text(&row, "password_hash")?)))
        .transpose()
}

/// Every member of staff.
///
/// # Errors
/// What the database says.
pub async fn staff(connection: &mut Connection) -> Result<Vec<User>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE platform_role IS NOT NULL ORDER BY id"
    ))
    .fetch_all(connection)
    .await?;
    rows.iter().map(user).collect()
}

/// Raises a user's epoch, which makes every token of theirs worthless.
///
/// # Errors
/// What the database says.
pub async fn raise_epoch(connection: &mut Connection, id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE users SET epoch = epoch + 1, updated_at_us = $2 WHERE id = $1")
        .bind(id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// Shuts a user out and raises their epoch, which makes every token of theirs worthless.
///
/// # Errors
/// What the database says.
pub async fn disable(connection: &mut Connection, id: UserId, now: Timestamp) -> Result<(), Error> {
    sqlx::query("UPDATE users SET is_active = 0, epoch = epoch + 1, updated_at_us = $2 WHERE id = $1")
        .bind(id.0)
        .bind(now.0)
        .execute(connection)
        .await?;
    Ok(())
}

/// The people of an account, those who have been removed left out, in the order in which they joined.
///
/// # Errors
/// What the database says.
pub async fn of_account(connection: &mut Connection, account_id: AccountId) -> Result<Vec<User>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE account_id = $1 AND removed_at_us IS NULL ORDER BY id"
    ))
    .bind(account_id.0)
    .fetch_all(connection)
    .await?;
    rows.iter().map(user).collect()
}

/// Whether a user still has this password (by its PHC string) and is not shut out. Until the transaction ends nobody
/// changes it.
///
/// # Errors
/// What the database says.
pub async fn lock_with_password(connection: &mut Connection, id: UserId, password_hash: &str) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE users SET password_hash = password_hash WHERE id = $1 AND password_hash = $2 AND is_active = 1",
    )
    .bind(id.0)
    .bind(password_hash)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a user another password and raises their epoch, which makes every token of theirs worthless. Says whether the
/// user is there and not shut out.
///
/// # Errors
/// What the database says.
pub async fn set_password(
    connection: &mut Connection,
    id: UserId,
    password_hash: &str,
    now: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE users SET password_hash = $2, epoch = epoch + 1, updated_at_us = $3 WHERE id = $1 AND is_active = 1",
    )
    .bind(id.0)
    .bind(password_hash)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a user reads the mail of this address, if it is still theirs; says whether it is.
///
/// # Errors
/// What the database says.
pub async fn verify_email(connection: &mut Connection, id: UserId, email: &str, now: Timestamp) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE users SET email_verified_at_us = COALESCE(email_verified_at_us, $3), updated_at_us = $3 \
         WHERE id = $1 AND email = $2 AND is_active = 1",
    )
    .bind(id.0)
    .bind(email)
    .bind(now.0)
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// What the decision on a token needs to know of a user of this account, and whether this sign-in of theirs runs.
///
/// # Errors
/// What the database says.
pub async fn facts(
    connection: &mut Connection,
    account_id: AccountId,
    id: UserId,
    sid: &str,
) -> Result<Option<(UserFacts, bool)>, Error> {
    let row = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        ", (SELECT COUNT(*) FROM sign_in WHERE sign_in.sid = $3 AND sign_in.user_id = users.id \
         AND sign_in.ended_at_us IS NULL) AS running FROM users WHERE id = $1 AND account_id = $2"
    ))
    .bind(id.0)
    .bind(account_id.0)
    .bind(sid)
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some((of_facts(&user(&row)?), number(&row, "running")? > 0)))
}

const fn of_facts(user: &User) -> UserFacts {
    UserFacts {
        is_active: user.is_active,
        role: user.role,
        platform_role: user.platform_role,
        user_epoch: user.epoch,
    }
}

/// What the decision on a token needs to know of several users, and whose they are; those that are not there are left out.
///
/// # Errors
/// What the database says.
pub async fn facts_of(
    connection: &mut Connection,
    ids: &[UserId],
) -> Result<BTreeMap<UserId, (AccountId, UserFacts)>, Error> {
    let text = concat!("SELECT ", columns!(), " FROM users WHERE users.id IN {}");
    let rows = bulk::find(connection, text, ids, |select, id| select.bind(id.0)).await?;
    rows.iter()
        .map(|row| user(row).map(|user| (user.id, (user.account_id, of_facts(&user)))))
        .collect()
}

/// The same of the first `limit` users after one, in the order of their ids.
///
/// # Errors
/// What the database says.
pub async fn facts_after(
    connection: &mut Connection,
    id: UserId,
    limit: i64,
) -> Result<Vec<(UserId, AccountId, UserFacts)>, Error> {
    let rows = sqlx::query(concat!(
        "SELECT ",
        columns!(),
        " FROM users WHERE users.id > $1 ORDER BY users.id LIMIT $2"
    ))
    .bind(id.0)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| user(row).map(|user| (user.id, user.account_id, of_facts(&user))))
        .collect()
}
