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
pub mod sessions;
pub mod standing;
