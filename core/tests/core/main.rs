//! The core as others meet it: the real command, over real sockets, on SQLite and on a real PostgreSQL.
//!
//! A [`site::Site`] is a database of a test's own with everything that `igny8-core` needs beside it. Tests that are about
//! storage run once for each engine through [`site::on_both`].

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod bad_input;
mod billing;
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
mod life;
mod openapi;
mod races;
mod reporting;
mod schema;
mod signup;
mod site;
mod starved;
mod stripe;
mod test_clock;
mod worker;
