//! The igny8 core: accounts, plans, credits, subscriptions and tokens.
//!
//! Arrows point down: `http` and `cli` tell stories of `app`; `app` loads, lets `domain` decide, and commits through
//! `storage`; `adapters` touch the machine. `domain` knows nobody. `worker` and `mailer` tell the stories that nobody
//! asks for.

pub mod adapters;
pub mod app;
pub mod cli;
pub mod config;
pub mod domain;
pub mod http;
pub mod mailer;
pub mod serve;
pub mod storage;
pub mod worker;
