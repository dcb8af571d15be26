//! The bank directory: search and capabilities.
