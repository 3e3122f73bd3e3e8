//! Chance as an argument: the random source that programs pass by hand.

/// A source of bytes that nobody can predict.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes`. Ends the process rather than return anything predictable.
    fn fill(&self, bytes: &mut [u8]);
}
