//! Development only: starts the real processes that tests talk to, owns their ports and temporary folders, sends raw bytes.
//!
//! A test asks [`stack::Stack`] for a whole igny8 (core, the example Django app, the proxy before them) in a folder of
//! its own, and talks to it with [`http`] (well-behaved requests) or [`raw`] (exactly these bytes). Tests of one file
//! share a stack where they can. [`process`] ends every process with the test that started it, [`ports`] gives two tests
//! never the same port, and [`wait`] waits for conditions, never for a length of time.

pub mod config;
pub mod django;
pub mod echo;
pub mod edge;
pub mod folder;
pub mod frames;
pub mod hostile;
pub mod http;
pub mod panel;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod raw;
pub mod redis;
pub mod smtp;
pub mod stack;
pub mod wait;
pub mod watched;
