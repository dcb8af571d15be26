//! Ends consents whose time is up and destroys their keys.
