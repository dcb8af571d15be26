//! EventBridge Scheduler on one machine: `rate` and `cron` expressions driven by the suite's clock.

mod expression;

pub use expression::Expression;
