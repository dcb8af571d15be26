//! What a call is made under, whatever it asks.

use crate::deadline::Deadline;
use crate::ids::CorrelationId;

/// The work a call belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallContext {
    /// Follows the work through the logs.
    pub correlation: CorrelationId,
    /// When the work must be over, and every call of it with it.
    pub deadline: Deadline,
}
