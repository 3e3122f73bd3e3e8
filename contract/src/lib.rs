//! What the proxy and the core say to each other: plain values and messages.
//!
//! Floor 0 of the house. Both binaries stand on it and neither imports the other. Nothing here does IO, waits, or keeps
//! state; the one clock and the one random source that programs pass around are defined (not called) here.

pub mod api_key;
pub mod claims;
pub mod credits;
pub mod edge;
pub mod feed;
pub mod headers;
pub mod ids;
pub mod messages;
pub mod random;
pub mod refusal;
pub mod standing;
pub mod time;
