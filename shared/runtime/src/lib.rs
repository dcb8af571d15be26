#![doc = include_str!("../README.md")]

mod batch;
mod browser;
mod caller;
mod clock;
mod command;
mod correlation;
mod door;
mod edge;
mod entropy;
mod environment;
mod event;
mod function;
mod gateway;
mod host_cookie;
mod idempotency;
mod input;
mod invocation;
mod own_form;
pub mod pages;
mod problem;
mod public_address;
mod scope;
pub mod telemetry;
mod typed_code;
mod visitor;
mod work;

pub use browser::Browser;
pub use caller::Caller;
pub use clock::Clock;
pub use correlation::Correlation;
pub use door::{Door, Routes};
pub use entropy::{entropy, fresh_secret};
pub use environment::{Environment, StartError};
pub use function::{Function, run};
pub use host_cookie::{HostCookie, SameSite};
pub use idempotency::idempotency_key;
pub use input::{BODY_LIMIT, Form, Json, Path, Query};
pub use invocation::Invocation;
pub use problem::{Code, FieldError, Place, Problem};
pub use public_address::PublicAddress;
pub use scope::{Scope, UnknownScope};
pub use typed_code::TypedCode;
pub use visitor::{OwnAddress, Visitor, preferred_locale};
pub use work::{Part, Tick, Work, WorkError};

/// What [`run`] and [`Function::answer`] end with when the platform is told of an error.
pub use lambda_runtime::Error;
