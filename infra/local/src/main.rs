//! The whole suite on one machine.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use passerelle_local::Command;

#[tokio::main]
async fn main() -> ExitCode {
    match Command::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "passerelle: {error}");
            ExitCode::FAILURE
        }
    }
}
