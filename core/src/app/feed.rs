//! The change feed, as proxies follow it: pages of everything, then what has changed, told within moments of its commit.

use super::{Core, StoryError};
use crate::domain::feed::{Place, Standing, judge};
use crate::storage::feed::{self, Noted, What};
use crate::storage::{self, Connection, account, user};
use igny8_contract::feed::{Change, Changes, FeedHead, Item, SnapshotPage};
use igny8_contract::ids::{AccountId, UserId};
use igny8_contract::time::{MICROS_PER_SECOND, Timestamp};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{Mutex, watch};

/// How often somebody who waits looks at the database: other processes commit, too, and do not say so.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// How many rows of the feed one answer goes through at most.
const ROWS: i64 = 1000;
/// How many accounts or users a page of a snapshot has at most.
const PAGE: i64 = 2000;

/// What those who wait share.
#[derive(Debug, Default)]
pub struct Feed {
    /// The head, and when the look at it began: one look serves all who came before it.
    last: Mutex<Option<(Duration, FeedHead)>>,
    /// True once nobody is to wait any more. Nothing where the process does not serve.
    stopping: Option<watch::Receiver<bool>>,
}

/// What a follower is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    Changes(Changes),
    /// They need a new snapshot; the feed has come to here.
    TakeSnapshot(FeedHead),
}

impl Feed {
    /// A feed at which nobody waits any more once `stopping` says so.
    #[must_use]
    pub fn until(stopping: watch::Receiver<bool>) -> Self {
        Self {
            last: Mutex::default(),
            stopping: Some(stopping),
        }
    }

    /// The head as it was at `from` or later, and when it was looked at.
    async fn head(&self, core: &Core, from: Duration) -> Result<(Duration, FeedHead), StoryError> {
        let mut last = self.last.lock().await;
        if let Some((at, head)) = &*last
            && *at >= from
        {
            return Ok((*at, head.clone()));
        }
        let at = core.machine.elapsed();
        let head = feed::head(&mut *core.store.follower().await?).await?;
        *last = Some((at, head.clone()));
        Ok((at, head))
    }

    fn is_stopping(&self) -> bool {
        self.stopping.as_ref().is_some_and(|stopping| *stopping.borrow())
    }

    async fn stopped(&self) {
        match self.stopping.clone() {
            Some(mut stopping) => drop(stopping.wait_for(|stopping| *stopping).await),
            None => std::future::pending().await,
        }
    }
}

/// What has changed after `place`. Where nothing has, it waits for the next change, at most for `wait`.
///
/// # Errors
/// `storage_unavailable`.
pub async fn changes(core: &Core, place: &Place, wait: Duration) -> Result<Told, StoryError> {
    let begun = core.machine.elapsed();
    let mut from = begun;
    loop {
        let mut committed = std::pin::pin!(core.store.committed().notified());
        // From here on no commit of this process goes unnoticed.
        committed.as_mut().enable();
        let (at, head) = core.feed.head(core, from).await?;
        if judge(place, &head, None) != Standing::Current {
            return read(core, place, begun).await;
        }
        let now = core.machine.elapsed();
        let left = (begun + wait).saturating_sub(now);
        if left.is_zero() || core.feed.is_stopping() {
            return Ok(Told::Changes(nothing(head, at.saturating_sub(begun))));
        }
        tokio::select! {
            () = committed => {}
            () = tokio::time::sleep(left.min(LOOK_EVERY)) => {}
            () = core.feed.stopped() => {}
        }
        from = core.machine.elapsed();
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn nothing(head: FeedHead, waited: Duration) -> Changes {
    Changes {
        as_of: head.seq,
        upto: head,
        waited_us: micros(waited),
        changes: Vec::new(),
    }
}

/// What has changed after `place`, from one state of the database.
async fn read(core: &Core, place: &Place, begun: Duration) -> Result<Told, StoryError> {
    let mut snapshot = core.store.followers_snapshot().await?;
    let waited = core.machine.elapsed().saturating_sub(begun);
    let head = feed::head(&mut snapshot).await?;
    let stamp_there = feed::stamp(&mut snapshot, place.seq).await?;
    match judge(place, &head, stamp_there) {
        Standing::Lost => return Ok(Told::TakeSnapshot(head)),
        Standing::Current => return Ok(Told::Changes(nothing(head, waited))),
        Standing::Behind => {}
    }
    let mut rows = feed::after(&mut snapshot, place.seq, ROWS).await?;
    if rows.len() >= usize::try_from(ROWS).unwrap_or(usize::MAX) {
        // What belongs to one number is not torn apart. One that fills an answer by itself is told by a snapshot.
        let last = rows.last().map_or(0, |row| row.seq);
        rows.retain(|row| row.seq < last);
    }
    let Some(last) = rows.last() else {
        return Ok(Told::TakeSnapshot(head));
    };
    let upto = FeedHead {
        generation: head.generation,
        seq: last.seq,
        stamp: last.stamp,
    };
    Ok(Told::Changes(Changes {
        upto,
        as_of: head.seq,
        waited_us: micros(waited),
        changes: told(&mut snapshot, rows, core.tokens.ttl_seconds).await?,
    }))
}

/// What the rows are about, as it stands now: each thing once, with the time of its first change.
async fn told(connection: &mut Connection, rows: Vec<Noted>, ttl_seconds: i64) -> Result<Vec<Change>, StoryError> {
    let mut first = BTreeMap::new();
    for row in rows {
        first.entry((row.what, row.subject)).or_insert(row.at);
    }
    let ids = |wanted| {
        let of_kind = first.keys().filter(move |(what, _)| *what == wanted);
        of_kind
            .map(|(_, subject)| number(subject))
            .collect::<Result<Vec<_>, _>>()
    };
    let accounts: Vec<AccountId> = ids(What::Account)?.into_iter().map(AccountId).collect();
    let users: Vec<UserId> = ids(What::User)?.into_iter().map(UserId).collect();
    let mut accounts = account::facts_of(connection, &accounts).await?;
    let mut users = user::facts_of(connection, &users).await?;
    let mut changes = Vec::with_capacity(first.len());
    for ((what, subject), at) in first {
        let item = match what {
            What::Account => {
                let id = AccountId(number(&subject)?);
                let facts = accounts.remove(&id);
                Item::Account { id, facts }
            }
            What::User => {
                let id = UserId(number(&subject)?);
                let (account_id, facts) = users.remove(&id).unzip();
                Item::User { id, account_id, facts }
            }
            What::SignIn => Item::SignIn {
                sid: subject,
                until_us: Timestamp(at.0.saturating_add(ttl_seconds * MICROS_PER_SECOND)),
            },
            What::Session => Item::Session { digest: subject },
            What::ApiKey => Item::ApiKey { digest: subject },
            What::KeySet => Item::KeySet,
        };
        changes.push(Change { at_us: at, item });
    }
    Ok(changes)
}

fn number(subject: &str) -> Result<i64, storage::Error> {
    let unexpected = |_| storage::Error::Unexpected(format!("{subject:?} for an id in feed_change"));
    subject.parse().map_err(unexpected)
}

/// Where a snapshot goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursor {
    Accounts(AccountId),
    Users(UserId),
}

impl Cursor {
    /// Where every snapshot begins.
    pub const START: Self = Self::Accounts(AccountId(i64::MIN));

    /// Reads what [`Cursor::text`] wrote.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        let id = id.parse().ok()?;
        match kind {
            "accounts" => Some(Self::Accounts(AccountId(id))),
            "users" => Some(Self::Users(UserId(id))),
            _ => None,
        }
    }

    fn text(self) -> String {
        match self {
            Self::Accounts(id) => format!("accounts:{id}"),
            Self::Users(id) => format!("users:{id}"),
        }
    }
}

/// A page of everything that proxies keep: every account, then every user, in the order of their ids. Sign-ins and API keys
/// are not among it: those are asked for when they are first met.
///
/// # Errors
/// `storage_unavailable`.
pub async fn snapshot(core: &Core, cursor: Cursor) -> Result<SnapshotPage, StoryError> {
    let mut snapshot = core.store.followers_snapshot().await?;
    let head = feed::head(&mut snapshot).await?;
    let whole = usize::try_from(PAGE).unwrap_or(usize::MAX);
    let (items, next) = match cursor {
        Cursor::Accounts(after) => {
            let page = account::facts_after(&mut snapshot, after, PAGE).await?;
            let next = match page.last() {
                Some((last, _)) if page.len() >= whole => Cursor::Accounts(*last),
                _ => Cursor::Users(UserId(i64::MIN)),
            };
            let item = |(id, facts)| Item::Account { id, facts: Some(facts) };
            (page.into_iter().map(item).collect(), Some(next))
        }
        Cursor::Users(after) => {
            let page = user::facts_after(&mut snapshot, after, PAGE).await?;
            let next = page
                .last()
                .filter(|_| page.len() >= whole)
                .map(|(last, ..)| Cursor::Users(*last));
            let item = |(id, account_id, facts)| Item::User {
                id,
                account_id: Some(account_id),
                facts: Some(facts),
            };
            (page.into_iter().map(item).collect(), next)
        }
    };
    Ok(SnapshotPage {
        head,
        items,
        next: next.map(Cursor::text),
    })
}

/// Notes the published key set, so that the feed tells of it where it is another one. `noted` is what this process noted
/// last: as long as that has not changed, nobody is asked.
///
/// # Errors
/// `storage_unavailable`.
pub async fn note_key_set(core: &Core, noted: &mut Option<String>) -> Result<(), StoryError> {
    let published = core.keys.published(core.machine_now());
    let kids: Vec<String> = published.keys.into_iter().map(|key| key.kid).collect();
    let digest = kids.join(" ");
    if noted.as_ref() == Some(&digest) {
        return Ok(());
    }
    // A process that starts again with the keys that are known begins no transaction.
    if feed::key_set(&mut *core.store.read().await?).await? != digest {
        core.store
            .write(&digest, |connection, digest| {
                Box::pin(async move { Ok::<(), StoryError>(feed::note_key_set(connection, digest).await?) })
            })
            .await?;
    }
    *noted = Some(digest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_nothing_else_is_one() {
        for cursor in [Cursor::START, Cursor::Accounts(AccountId(7)), Cursor::Users(UserId(0))] {
            assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }
        for text in ["", "7", "accounts", "accounts:", "accounts:x", "plans:1", "users:1:2"] {
            assert_eq!(Cursor::parse(text), None, "{text}");
        }
    }
}
