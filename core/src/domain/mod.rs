//! The rules of the core, and nothing else: plain values in, decisions out.
//!
//! Nothing here does IO, reads a clock or draws a random number: every instant is an argument, so that every rule can be
//! tested at any moment. Storage keeps what is decided here and decides nothing itself.

pub mod account;
pub mod api_key;
pub mod billing;
pub mod book;
pub mod budget;
pub mod cycle;
pub mod feed;
pub mod ledger;
pub mod link;
pub mod member;
pub mod password;
pub mod payment;
pub mod period;
pub mod plan;
pub mod purse;
pub mod role;
pub mod seen;
pub mod sign_in;
pub mod standing;
pub mod stripe;
pub mod subscription;
pub mod token;
pub mod totp;
pub mod user;
