//! The core as others meet it: the real command, over real sockets, on SQLite and on a real PostgreSQL.
//!
//! A [`site::Site`] is a database of a test's own with everything that `igny8-core` needs beside it. Tests that are about
//! storage run once for each engine through [`site::on_both`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod api_keys;
mod attempts;
mod audited;
mod bad_input;
mod billing;
mod bulk;
mod commands;
mod committer;
mod constraints;
mod contents;
mod copy;
mod crash;
mod credits;
mod doctor;
mod feed;
mod filled;
mod identity;
mod inside;
mod internal;
mod killed;
mod leaks;
mod life;
mod mail;
mod members;
mod openapi;
mod panel;
mod people;
mod races;
mod recovery;
mod refresh;
mod reporting;
mod schema;
mod second_factor;
mod sign_ups;
mod signup;
mod site;
mod starved;
mod stripe;
mod swept;
mod test_clock;
mod walk;
mod worker;
