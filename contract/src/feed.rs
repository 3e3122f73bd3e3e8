//! The change feed: how proxies learn at once what has changed in anybody's standing.
//!
//! | call | query | answer |
//! | --- | --- | --- |
//! | `GET /internal/v1/snapshot` | `after`, the `next` of the page before | [`SnapshotPage`] |
//! | `GET /internal/v1/changes` | `after`, `generation`, `stamp`, `wait_ms` | [`Changes`]; 410 with a [`FeedHead`]: take a new snapshot |
//!
//! Every number names a state of the database: what was committed up to it. A message says what *is*, as of a number, not what
//! was done to it; so whoever meets it twice, or after a newer one, loses nothing. Each page of a snapshot has a number of its
//! own; who follows the feed from the number of the first page on ends where the database is.

use crate::ids::{AccountId, UserId};
use crate::messages::{StandingFacts, UserFacts};
use crate::standing::AccountFacts;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// The changes after a number; waits for the next one where there is none yet.
pub const CHANGES_PATH: &str = "/internal/v1/changes";
/// A page of everything.
pub const SNAPSHOT_PATH: &str = "/internal/v1/snapshot";
/// How long [`CHANGES_PATH`] waits at most, in milliseconds; also where the query does not say.
pub const WAIT_MAX_MS: u64 = 25_000;

/// A place in the feed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedHead {
    /// Which database: a copy has another one.
    pub generation: String,
    pub seq: i64,
    /// Drawn at random with `seq`: a database that was put back from a backup has other stamps under the same numbers.
    pub stamp: i64,
}

/// What stands now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case", deny_unknown_fields)]
pub enum Item {
    /// An account; without facts where it is not there.
    Account { id: AccountId, facts: Option<AccountFacts> },
    /// A user; without facts where they are not there.
    User {
        id: UserId,
        /// Nothing where they are not there.
        account_id: Option<AccountId>,
        facts: Option<UserFacts>,
    },
    /// A sign-in has ended; its last token runs out at `until_us`.
    SignIn { sid: String, until_us: Timestamp },
    /// A session of core's own panel has ended: the SHA-256 of its cookie's value, in hexadecimal digits.
    Session { digest: String },
    /// An API key is revoked or changed: the SHA-256 of the key, in hexadecimal digits.
    ApiKey { digest: String },
    /// The key set that is published is another one.
    KeySet,
}

/// One thing that has changed, and when that was committed, by the database's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub at_us: Timestamp,
    pub item: Item,
}

/// What has changed after a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// Up to where this goes, and so where to go on.
    pub upto: FeedHead,
    /// As of which number the items stand; not below `upto.seq`.
    pub as_of: i64,
    /// How long after the question came the database was read, in microseconds: until then nothing is missing here, unless
    /// `as_of` is above `upto.seq`.
    pub waited_us: u64,
    pub changes: Vec<Change>,
}

/// A page of everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotPage {
    /// The number as of which this page stands.
    pub head: FeedHead,
    pub items: Vec<Item>,
    /// What to ask for next; nothing after the last page.
    pub next: Option<String>,
}

/// The answer to a question for a standing, with the number as of which it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StandingAnswer {
    pub account: Option<AccountFacts>,
    pub user: Option<UserFacts>,
    pub sid_active: bool,
    pub generation: String,
    pub seq: i64,
}

impl StandingAnswer {
    /// What it says, without its number.
    #[must_use]
    pub fn facts(&self) -> StandingFacts {
        StandingFacts {
            account: self.account.clone(),
            user: self.user.clone(),
            sid_active: self.sid_active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both sides are built from this file, but not always at the same time: what is on the wire does not change unnoticed.
    #[test]
    fn the_words_on_the_wire_stay() {
        let changes = Changes {
            upto: FeedHead {
                generation: "g".into(),
                seq: 3,
                stamp: 7,
            },
            as_of: 4,
            waited_us: 5,
            changes: vec![
                Change {
                    at_us: Timestamp(1),
                    item: Item::User {
                        id: UserId(2),
                        account_id: None,
                        facts: None,
                    },
                },
                Change {
                    at_us: Timestamp(1),
                    item: Item::KeySet,
                },
            ],
        };
        let text = r#"{"upto":{"generation":"g","seq":3,"stamp":7},"as_of":4,"waited_us":5,"changes":[{"at_us":1,"item":{"what":"user","id":2,"account_id":null,"facts":null}},{"at_us":1,"item":{"what":"key_set"}}]}"#;
        assert_eq!(serde_json::to_string(&changes).unwrap(), text);
        assert_eq!(serde_json::from_str::<Changes>(text).unwrap(), changes);
    }
}
