//! What the proxy knows of accounts, users, sign-ins and sessions: what core's change feed tells, and what core and the app
//! say when they are asked.
//!
//! Background services own the HTTP clients; requests ask them with a deadline. No lock and no map guard is held while
//! anybody waits for an answer.

pub mod client;
pub mod core;
pub mod follow;
pub mod keys;
pub mod mirror;
mod peace;
pub mod sessions;
pub mod standing;

use std::time::Duration;

/// How long a word of core's is good: one of the feed for everything, an answer for what was asked. With the time of a
/// question it stays below the second in which a suspension is to be felt.
const FRESH: Duration = Duration::from_millis(700);
