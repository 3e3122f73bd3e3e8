//! Sending the mail that waits. A mail is queued with what it is about, in one transaction, and sent afterwards.
//!
//! Several processes send at once: whoever takes a mail on has it for a while to themselves. Where a process dies after a
//! server has taken a mail and before that is noted, the mail is sent again, under the same Message-ID.

use super::{Core, StoryError};
use crate::adapters::digest::sha_256;
use crate::adapters::mail::{Mail, MailFault, WHOLE_TIMEOUT};
use crate::domain::link::{Purpose, next_try};
use crate::storage::mailed_token::{self, Due, NewLink};
use igny8_contract::time::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::task::JoinSet;

/// How many mails are listed at once.
const PAGE: i64 = 64;
/// How many are sent at once.
const CONCURRENCY: usize = 4;

impl Core {
    /// A link that is made now. What is stored of it tells nobody its token.
    #[must_use]
    pub fn new_link(&self, purpose: Purpose, now: Timestamp) -> NewLink {
        let mut nonce = [0; 32];
        self.random.fill(&mut nonce);
        let token = self.seal.link_token(purpose.as_str(), &nonce);
        NewLink {
            purpose,
            nonce,
            token_hash: sha_256(token.expose_secret().as_bytes()),
            expires_at: self.links.ends(purpose, now),
        }
    }

    /// The token of a link, which is stored nowhere.
    #[must_use]
    pub fn token_of(&self, link: &NewLink) -> SecretString {
        self.seal.link_token(link.purpose.as_str(), &link.nonce)
    }
}

/// Sends what is due, and says how many mails it has taken on.
///
/// # Errors
/// `storage_unavailable`. What can be sent is sent all the same.
pub async fn send_due(core: &Core) -> Result<usize, StoryError> {
    let ids = mailed_token::due(&mut *core.store.read().await?, core.machine_now(), PAGE).await?;
    let (count, mut ids, mut running) = (ids.len(), ids.into_iter(), JoinSet::new());
    let mut failed = None;
    loop {
        while running.len() < CONCURRENCY {
            let Some(id) = ids.next() else { break };
            let core = core.clone();
            running.spawn(async move { send(&core, id).await });
        }
        match running.join_next().await {
            None => return failed.map_or(Ok(count), Err),
            Some(Ok(Ok(()))) => {}
            Some(Ok(Err(error))) => failed = Some(error),
            Some(Err(error)) => failed = Some(StoryError::Fault(error.to_string())),
        }
    }
}

async fn send(core: &Core, id: i64) -> Result<(), StoryError> {
    let now = core.machine_now();
    // Longer than sending can take.
    let lease = now.plus_seconds(2 * WHOLE_TIMEOUT.as_secs().cast_signed());
    let given = (id, lease, now);
    let due = core
        .store
        .write(&given, |connection, (id, lease, now)| {
            Box::pin(mailed_token::take_on(connection, *id, *lease, *now))
        })
        .await?;
    let Some(due) = due else { return Ok(()) };
    let outcome = if due.expires_at <= now {
        Err(MailFault::Never("its link has ended".into()))
    } else {
        core.mailer.send(&mail(core, &due)).await
    };
    note(core, &due, outcome).await
}

fn mail(core: &Core, due: &Due) -> Mail {
    Mail {
        id: format!("{}-{}", due.created_at.0, due.id),
        purpose: due.purpose,
        recipient: due.recipient.clone(),
        token: core.seal.link_token(due.purpose.as_str(), &due.nonce),
        until: due.expires_at,
    }
}

async fn note(core: &Core, due: &Due, outcome: Result<(), MailFault>) -> Result<(), StoryError> {
    let (id, purpose, now) = (due.id, due.purpose.as_str(), core.machine_now());
    let (word, next) = match &outcome {
        Ok(()) => ("sent", None),
        Err(MailFault::Never(_)) => ("given_up", None),
        Err(MailFault::NotNow(_)) => match next_try(due.tries, due.expires_at, now) {
            Some(next) => ("postponed", Some(next)),
            None => ("given_up", None),
        },
    };
    metrics::counter!("igny8_core_mails_total", "purpose" => purpose, "outcome" => word).increment(1);
    match &outcome {
        Ok(()) => tracing::info!(mail = id, purpose, "a mail was sent"),
        Err(error) => {
            tracing::warn!(mail = id, purpose, tries = due.tries, outcome = word, %error, "a mail was not sent")
        }
    }
    let given = (id, outcome.is_ok(), next, now);
    core.store
        .write(&given, |connection, (id, is_sent, next, now)| {
            Box::pin(async move {
                if *is_sent {
                    mailed_token::sent(connection, *id, *now).await
                } else {
                    mailed_token::postpone(connection, *id, *next).await
                }
            })
        })
        .await?;
    Ok(())
}
