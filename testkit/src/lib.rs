//! Development only: starts the real processes that tests talk to, owns their ports and temporary folders, sends raw bytes.

pub mod postgres;
