//! How Passerelle speaks to AWS: the table, the vault, the queues.
