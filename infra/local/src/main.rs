//! The whole suite on one machine.

use std::process::ExitCode;

use clap::Parser;
use passerelle_local::Command;

#[tokio::main]
async fn main() -> ExitCode {
    match Command::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}
