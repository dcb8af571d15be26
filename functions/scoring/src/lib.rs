//! Knowledge from transactions: profile and scores with reasons and evidence.
