//! The model test: stories of money, drawn at random, told by the domain alone and by the core on both databases.
//!
//! A [`story::Story`] is a row of steps that is the same for the same number. [`world::World`] tells it by the domain alone
//! and checks after every step what must hold of every account ([`checks`]).
//! `IGNY8_MODEL_SEED` names the first story that is told, `IGNY8_MODEL_STORIES` how many are.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod act;
mod audit;
mod catalogue;
mod checks;
mod coverage;
mod effects;
mod history;
mod pure;
mod story;
mod telling;
mod world;
