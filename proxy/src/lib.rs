//! The security sidecar. Modules stand in the order in which a request meets them.

pub mod answer;
pub mod check;
pub mod config;
pub mod directory;
pub mod edge;
pub mod explain;
pub mod facts;
pub mod front;
pub mod gate;
pub mod gateway;
pub mod listening;
pub mod ops;
pub mod outgoing;
pub mod passage;
pub mod policy;
pub mod preflight;
pub mod reload;
pub mod replay;
pub mod serve;
pub mod takeover;
pub mod telemetry;
pub mod throttle;
pub mod tls;
pub mod tokens;
