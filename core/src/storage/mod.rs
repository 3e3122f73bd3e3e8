//! The only room with SQL: it keeps what `domain` decided, on SQLite and on PostgreSQL, by one SQL text.
//!
//! A story writes through [`Store::write`]: one transaction, committed when the story answers, rolled back whole when it
//! does not, tried again where PostgreSQL asks for it. The functions in the files below take the connection of such a
//! transaction; none of them decides anything.

pub mod account;
pub mod api_key;
pub mod audit;
pub mod book;
mod bulk;
pub mod copy;
pub mod database;
pub mod error;
mod fail_point;
pub mod feed;
pub mod hold;
pub mod idempotency;
pub mod ledger;
pub mod mailed_token;
pub mod member;
pub mod migrations;
pub mod oddity;
pub mod payment;
pub mod plan;
pub mod purse;
pub mod receipt;
pub mod row;
pub mod session;
pub mod sign_in;
pub mod sign_in_budget;
pub mod store;
pub mod stripe_event;
pub mod subscription;
pub mod survey;
pub mod test_clock;
pub mod totp;
pub mod trail;
pub mod user;

pub use database::{Database, Engine, Lock};
pub use error::Error;
pub use store::{Aborts, Connection, Store, StoryFuture};
