//! A bank that behaves like a real one: ledger, login, approval, Berlin Group facade.
