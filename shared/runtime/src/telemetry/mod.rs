//! The log: one JSON object per line on standard output.
//!
//! `RUST_LOG` decides how much (default `info`), with one exception: what the wire-level
//! dependencies say below `info` is never written, because they print headers, bodies and whole
//! events, and no token, IBAN or name may reach a log whatever somebody sets.

mod json_lines;

use std::time::Duration;

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{EnvFilter, FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry};

use crate::clock::Clock;
use json_lines::JsonLines;

/// Crates that print what goes over the wire.
const WIRE: [&str; 12] = [
    "aws_",
    "axum",
    "h2",
    "hyper",
    "lambda_",
    "reqwest",
    "rustls",
    "tower",
    "want",
    "dynoxide",
    "winterbaume",
    "mio",
];

/// Starts the log of a process that is one function, and keeps the words of a panic out of it: they
/// may quote data, the place does not. Does nothing when a log was started before.
pub fn init(service: &'static str) {
    let layer = layer(service, Clock::system(), std::io::stdout);
    if Registry::default().with(layer).try_init().is_ok() {
        std::panic::set_hook(Box::new(|panic| {
            let place = panic.location().map(ToString::to_string);
            tracing::error!(outcome = "panicked", place, "a panic was caught");
        }));
    }
}

/// The JSON lines as a layer: with a clock and a writer of the caller's choice.
pub fn layer<S, W>(service: &'static str, clock: Clock, writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + 'static,
{
    JsonLines::new(service, clock, writer).with_filter(filter())
}

/// Lines for a person to read, for the suite on one machine. The same filter holds.
pub fn readable_layer<S, W>(writer: W) -> impl Layer<S>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer()
        .compact()
        .with_ansi(false)
        .with_target(false)
        .with_writer(writer)
        .with_filter(filter())
}

fn filter<S>() -> impl Filter<S> {
    let chosen = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    FilterExt::<S>::and(chosen, filter_fn(may_be_written))
}

fn may_be_written(metadata: &Metadata<'_>) -> bool {
    *metadata.level() <= Level::INFO || !WIRE.iter().any(|wire| metadata.target().starts_with(wire))
}

/// A duration in milliseconds, to the microsecond: `duration_ms` of a log line.
#[must_use]
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
