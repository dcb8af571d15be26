//! What every function needs around its use case: settings, caller, problems, SQS batches, telemetry, pages.
