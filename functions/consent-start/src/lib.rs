//! Opens a consent and shows the hosted journey: reassurance, bank choice, purposes.
