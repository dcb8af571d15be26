//! The sandbox bank alone.

use std::process::ExitCode;

use clap::Parser;
use sandbox_bank::Command;

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match Command::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "the sandbox bank cannot open");
            ExitCode::FAILURE
        }
    }
}
