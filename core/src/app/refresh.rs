//! Keeping a sign-in going: a refresh token for a new pair.

use super::profile::{self, Profile};
use super::sign_in::{SignedIn, Visitor};
use super::tick::catch_up;
use super::{Core, StoryError, read};
use crate::adapters::refresh_token::RefreshToken;
use crate::domain::sign_in::{SignInTerms, Spent, Verdict, judge};
use crate::storage::Connection;
use crate::storage::sign_in::{self, SignIn};
use crate::storage::trail::{Actor, Audit, audit};
use igny8_contract::ids::UserId;
use igny8_contract::refusal::Refusal;
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use secrecy::{ExposeSecret, SecretString};

struct Asked {
    token: RefreshToken,
    /// For the token after it, if there is to be one.
    nonce: [u8; 32],
    visitor: Visitor,
    terms: SignInTerms,
    request_id: String,
    now: Timestamp,
}

/// What is committed, whether or not it is a yes.
enum Outcome {
    Goes(Box<Going>),
    /// The sign-in is over.
    Over(Refusal),
    /// It was ended just now, since somebody has kept a token.
    Stolen {
        user_id: UserId,
        sign_in_id: i64,
    },
}

struct Going {
    sid: String,
    token: RefreshToken,
    expires_at: Timestamp,
    profile: Profile,
}

/// A new pair for a refresh token, which is spent. See [`judge`] for tokens that were spent before.
///
/// # Errors
/// `token_invalid` for what is no token of ours, `token_expired` where it was not used for too long, `token_revoked` where
/// its sign-in is over, `storage_unavailable`.
pub async fn refresh(
    core: &Core,
    token: &SecretString,
    visitor: Visitor,
    request_id: String,
) -> Result<SignedIn, StoryError> {
    let mut nonce = [0; 32];
    core.random.fill(&mut nonce);
    let asked = Asked {
        token: RefreshToken::parse(token.expose_secret()).ok_or(Refusal::TokenInvalid)?,
        nonce,
        visitor,
        terms: core.sign_ins,
        request_id,
        now: core.machine_now(),
    };
    let outcome = core
        .store
        .write(&asked, |connection, asked| Box::pin(commit(connection, asked)))
        .await?;
    match outcome {
        Outcome::Over(refusal) => Err(refusal.into()),
        Outcome::Stolen { user_id, sign_in_id } => {
            metrics::counter!("igny8_core_refreshes_total", "outcome" => "reused").increment(1);
            tracing::warn!(%user_id, sign_in_id, "a spent refresh token was sent again: its sign-in is ended");
            Err(Refusal::TokenRevoked.into())
        }
        Outcome::Goes(going) => {
            metrics::counter!("igny8_core_refreshes_total", "outcome" => "done").increment(1);
            let profile = present(core, going.profile).await;
            core.pair(profile, &going.sid, &going.token, going.expires_at, asked.now)
        }
    }
}

/// The same once its account is brought up to the present. The old token is spent: what fails here keeps no new one back.
async fn present(core: &Core, profile: Profile) -> Profile {
    let (account_id, id) = (profile.user.account_id, profile.user.id);
    match catch_up(core, account_id).await {
        Ok(true) => read::profile(core, account_id, id).await.unwrap_or(profile),
        Ok(false) | Err(_) => profile,
    }
}

async fn commit(connection: &mut Connection, asked: &Asked) -> Result<Outcome, StoryError> {
    let found = sign_in::lock_family(connection, &asked.token.family_hash()).await?;
    let found = found.ok_or(Refusal::TokenInvalid)?;
    if found.ended_at.is_some() {
        return Ok(Outcome::Over(Refusal::TokenRevoked));
    }
    if found.expires_at <= asked.now {
        return Ok(Outcome::Over(Refusal::TokenExpired));
    }
    let links = sign_in::links(connection, found.id).await?;
    let current = match judge(&links, &asked.token.token_hash(), &asked.terms, asked.now) {
        Verdict::Stolen => return stolen(connection, &found, asked).await,
        Verdict::Follow(nonces) => nonces
            .iter()
            .fold(asked.token.clone(), |token, nonce| token.next(nonce)),
        Verdict::Rotate(generation) => {
            let next = asked.token.next(&asked.nonce);
            let spent = Spent {
                nonce: asked.nonce,
                at: asked.now,
            };
            let forgotten = Timestamp(asked.now.0 - asked.terms.grace_seconds * MICROS_PER_SECOND);
            sign_in::rotate(connection, found.id, generation, spent, &next.token_hash(), forgotten).await?;
            next
        }
    };
    let profile = profile::of_user(connection, found.user_id).await?;
    if !profile.user.is_active {
        return Err(Refusal::TokenRevoked.into());
    }
    let expires_at = asked.terms.ends(found.created_at, asked.now);
    sign_in::touch(connection, found.id, &asked.visitor.address, expires_at, asked.now).await?;
    Ok(Outcome::Goes(Box::new(Going {
        sid: found.sid,
        token: current,
        expires_at,
        profile,
    })))
}

/// Ends the sign-in for whoever has a token of it.
async fn stolen(connection: &mut Connection, found: &SignIn, asked: &Asked) -> Result<Outcome, StoryError> {
    let profile = profile::of_user(connection, found.user_id).await?;
    let line = Audit {
        account_id: Some(profile.user.account_id),
        actor: Actor::System,
        action: "sign_in.reused_token",
        detail: serde_json::json!({
            "user_id": found.user_id, "sign_in_id": found.id, "address": asked.visitor.address,
            "sign_in": {"before": "running", "after": "ended"},
        })
        .to_string(),
        request_id: &asked.request_id,
    };
    audit(connection, &line, asked.now).await?;
    sign_in::end_by_id(connection, found.id, found.user_id, asked.now).await?;
    Ok(Outcome::Stolen {
        user_id: found.user_id,
        sign_in_id: found.id,
    })
}
