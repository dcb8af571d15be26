//! The insurer reads, purpose-checked: connections, accounts, transactions, scores.
