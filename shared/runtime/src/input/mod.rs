//! What a request carries, read strictly: an unknown field, a wrong type or an oversized body is a
//! problem that names the place, and never repeats what was sent.

mod body;
mod explain;
mod parameters;

pub(crate) use body::written;
pub use body::{BODY_LIMIT, Form, Json};
pub use parameters::{Path, Query};
