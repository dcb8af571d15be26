//! Accounts, balances, transactions: filtered, reconciled, sealed, stored; scoring queued.
