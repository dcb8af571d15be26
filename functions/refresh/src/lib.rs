//! Queues the connections that are due, inside the bank call budget.
