//! How Passerelle speaks to banks: one Connector trait, the dialects, the directory.
