//! Signing in to core's own panel, and who sits in it.
//!
//! A session is a random value that the browser keeps; here lies its SHA-256 alone. Every sign-in begins a new one and ends
//! the one that the browser brought, so nobody can lay a session of theirs under somebody else's sign-in.

use super::budgets::{self, Purse};
use super::login::{self, Shown};
use super::second_factor::{self, Factor};
use super::sign_in::Visitor;
use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::domain::role::{PanelAct, may_in_panel};
use crate::domain::user::User;
use crate::storage::trail::{Actor, Audit, audit};
use crate::storage::{Connection, session, user};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::Timestamp;
use secrecy::SecretString;

/// How long somebody may take from the password to the code.
const STEP_SECONDS: i64 = 300;
/// A session is prolonged in the database only where that gives it this much more: reading pages is not writing.
const PROLONG_SECONDS: i64 = 30;

/// The browser that somebody signs in with.
#[derive(Clone, Debug)]
pub struct Browser {
    pub visitor: Visitor,
    /// What the sign-in's forms are bound to.
    pub form: String,
    /// The session that it brought, whatever that is worth.
    pub brought: Option<String>,
    pub request_id: String,
}

/// How far somebody has come.
#[derive(Debug)]
pub enum Step {
    /// The value of their session's cookie.
    In(SecretString),
    /// A code is missing; this comes back with it.
    CodeMissing(String),
}

struct Attempt<'a> {
    core: &'a Core,
    user_id: UserId,
    password_hash: String,
    code: Option<SecretString>,
    purses: Vec<Purse>,
    token: String,
    browser: Browser,
    now: Timestamp,
}

fn hash(token: &str) -> [u8; 32] {
    sha_256(token.as_bytes())
}

fn draw(core: &Core) -> String {
    let mut bytes = [0; 32];
    core.random.fill(&mut bytes);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What the unfinished sign-in of this browser is sealed for.
fn place(browser: &Browser) -> String {
    format!("panel sign-in of {}", browser.form)
}

/// Signs staff in by their password. A customer is told what a stranger is told.
///
/// # Errors
/// `invalid_credentials`, `throttled`, `storage_unavailable`.
pub async fn begin(
    core: &Core,
    email: Option<String>,
    password: SecretString,
    browser: Browser,
) -> Result<Step, StoryError> {
    let shown = login::show_password(core, email.as_deref(), password, &browser.visitor.address).await?;
    attempt(core, shown, None, browser).await
}

/// The second step: the code of an authenticator app or a recovery code, with what the first step gave.
///
/// # Errors
/// `invalid_credentials` where the first step is too long ago or another browser's, `totp_invalid`, `throttled`,
/// `storage_unavailable`.
pub async fn go_on(core: &Core, pending: &str, code: SecretString, browser: Browser) -> Result<Step, StoryError> {
    let (id, password_hash) = opened(core, pending, &browser).ok_or(Refusal::InvalidCredentials)?;
    let user = user::by_id(&mut *core.store.read().await?, id).await?;
    let user = user.ok_or(Refusal::InvalidCredentials)?;
    let purses = login::pay(core, &user.email, &browser.visitor.address).await?;
    let shown = Shown {
        user,
        password_hash,
        purses,
    };
    attempt(core, shown, Some(code), browser).await
}

async fn attempt(core: &Core, shown: Shown, code: Option<SecretString>, browser: Browser) -> Result<Step, StoryError> {
    let attempt = Attempt {
        core,
        user_id: shown.user.id,
        password_hash: shown.password_hash,
        code,
        purses: shown.purses,
        token: draw(core),
        browser,
        now: core.machine_now(),
    };
    let is_in = core
        .store
        .write(&attempt, |connection, attempt| Box::pin(commit(connection, attempt)))
        .await?;
    if is_in {
        Ok(Step::In(attempt.token.into()))
    } else {
        Ok(Step::CodeMissing(sealed(core, &attempt)?))
    }
}

/// Whether a session has begun; where a code is missing, none has.
async fn commit(connection: &mut Connection, attempt: &Attempt<'_>) -> Result<bool, StoryError> {
    let (id, now) = (attempt.user_id, attempt.now);
    if !user::lock_with_password(connection, id, &attempt.password_hash).await? {
        return Err(Refusal::InvalidCredentials.into());
    }
    let user = user::by_id(connection, id).await?.ok_or(Refusal::InvalidCredentials)?;
    may_in_panel(user.platform_role, PanelAct::Look).map_err(|_| Refusal::InvalidCredentials)?;
    match second_factor::check(attempt.core, connection, id, attempt.code.as_ref(), now).await? {
        Factor::Wrong => return Err(Refusal::TotpInvalid.into()),
        Factor::Missing => {
            budgets::give_back(connection, &attempt.purses).await?;
            return Ok(false);
        }
        Factor::NotNeeded | Factor::Right => {}
    }
    if let Some(brought) = &attempt.browser.brought {
        session::end(connection, &hash(brought), now).await?;
    }
    let expires_at = attempt.core.panel.ends(now, now);
    let address = &attempt.browser.visitor.address;
    session::begin(connection, &hash(&attempt.token), id, address, expires_at, now).await?;
    record(connection, &user, "panel.signed_in", &attempt.browser.request_id, now).await?;
    budgets::give_back(connection, &attempt.purses).await?;
    Ok(true)
}

async fn record(
    connection: &mut Connection,
    user: &User,
    action: &'static str,
    request_id: &str,
    now: Timestamp,
) -> Result<(), StoryError> {
    let line = Audit {
        account_id: Some(user.account_id),
        actor: Actor::User(user.id),
        action,
        detail: "{}".into(),
        request_id,
    };
    Ok(audit(connection, &line, now).await?)
}

/// What the browser keeps between the two steps: nobody else can read or make it, and in another browser it is worth nothing.
fn sealed(core: &Core, attempt: &Attempt<'_>) -> Result<String, StoryError> {
    let text = format!("{} {} {}", attempt.user_id, attempt.now.0, attempt.password_hash);
    let sealed = core
        .seal
        .seal(&place(&attempt.browser), text.as_bytes(), core.random.as_ref())?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

fn opened(core: &Core, pending: &str, browser: &Browser) -> Option<(UserId, String)> {
    let sealed = URL_SAFE_NO_PAD.decode(pending).ok()?;
    let text = String::from_utf8(core.seal.unseal(&place(browser), &sealed).ok()?).ok()?;
    let (id, rest) = text.split_once(' ')?;
    let (begun, password_hash) = rest.split_once(' ')?;
    let ends = Timestamp(begun.parse().ok()?).plus_seconds(STEP_SECONDS);
    (core.machine_now() < ends).then_some((UserId(id.parse().ok()?), password_hash.to_owned()))
}

/// Who sits in the panel with this cookie; nothing where the session is unknown or over, or its user is shut out. Using a
/// session keeps it from ending idle.
///
/// # Errors
/// `storage_unavailable`.
pub async fn sitting(core: &Core, token: &str) -> Result<Option<User>, StoryError> {
    let (hash, now) = (hash(token), core.machine_now());
    let mut connection = core.store.read().await?;
    let Some(running) = session::running(&mut connection, &hash, now).await? else {
        return Ok(None);
    };
    let user = user::by_id(&mut connection, running.user_id).await?;
    drop(connection);
    let Some(user) = user.filter(|user| user.is_active) else {
        return Ok(None);
    };
    let ends = core.panel.ends(running.created_at, now);
    if ends
        > running
            .expires_at
            .plus_seconds(PROLONG_SECONDS.min(core.panel.idle_seconds / 10))
    {
        let given = (hash, ends, now);
        core.store
            .write_quietly(&given, |connection, (hash, ends, now)| {
                Box::pin(async move {
                    session::prolong(connection, hash, *ends, *now)
                        .await
                        .map_err(StoryError::from)
                })
            })
            .await?;
    }
    Ok(Some(user))
}

/// Ends the session that somebody sits with.
///
/// # Errors
/// `storage_unavailable`.
pub async fn leave(core: &Core, token: String, sitting: User, request_id: String) -> Result<(), StoryError> {
    let given = (hash(&token), sitting, request_id, core.machine_now());
    core.store
        .write(&given, |connection, (hash, sitting, request_id, now)| {
            Box::pin(async move {
                if session::end(connection, hash, *now).await?.is_some() {
                    record(connection, sitting, "panel.signed_out", request_id, *now).await?;
                }
                Ok::<(), StoryError>(())
            })
        })
        .await
}
