//! The model test: stories of money, drawn at random, told by the domain alone and by the core on both databases.
//!
//! A [`story::Story`] is a row of steps that is the same for the same number. [`world::World`] tells it by the domain alone
//! and checks after every step what must hold of every account ([`checks`]). [`engine::Engine`] tells it to a core on a
//! database, which must come to the same.
//!
//! `IGNY8_MODEL_SEED` names the first story that is told, `IGNY8_MODEL_STORIES` how many are.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod act;
mod audit;
mod catalogue;
mod checks;
mod coverage;
mod databases;
mod effects;
mod engine;
mod history;
mod on_engines;
mod pure;
mod records;
mod resolve;
mod story;
mod stripe;
mod telling;
mod world;
