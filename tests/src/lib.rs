//! Journeys across functions, architecture checks, the Lambda runtime.
