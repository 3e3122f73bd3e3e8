//! What the proxy knows of accounts, users and sessions: short-lived copies of what core and the app say.
//!
//! One background service owns the HTTP client; requests ask it with a deadline. No lock and no map guard is held while
//! anybody waits for an answer.

pub mod client;
pub mod core;
pub mod keys;
pub mod sessions;
pub mod standing;
