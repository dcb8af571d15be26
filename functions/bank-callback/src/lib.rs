//! The return from the bank: code to tokens, tokens to the vault, first sync queued.
