//! The machine's random source.

use igny8_contract::random::Random;

/// Randomness from the operating system, by aws-lc-rs.
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the machine's random source is read"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Going on would mean predictable tokens.
            std::process::abort();
        }
    }
}
