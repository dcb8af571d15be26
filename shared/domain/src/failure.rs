//! Errors that say whether to try again.

/// An error after which somebody decides whether the same attempt is worth another try.
pub trait Failure: std::error::Error {
    /// Whether the same attempt may succeed later.
    fn is_retryable(&self) -> bool;
}
