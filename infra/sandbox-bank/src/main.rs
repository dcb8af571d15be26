//! The sandbox bank alone: a bank any open-banking developer can test against.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use sandbox_bank::{Bank, BankSettings, router};
use tokio::net::TcpListener;

/// A bank that behaves like a real one, on a loopback port.
#[derive(Debug, Parser)]
struct Arguments {
    /// The loopback port to listen on.
    #[arg(long, default_value_t = 8095)]
    port: u16,
    /// The seed its people are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A folder of persona files to import.
    #[arg(long)]
    personae: Option<PathBuf>,
    /// A file that keeps consents and tokens over a restart.
    #[arg(long)]
    state: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    match open(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "the sandbox bank cannot open");
            ExitCode::FAILURE
        }
    }
}

async fn open(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port));
    let listener = TcpListener::bind(address).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let bank = Bank::new(BankSettings {
        base_url: base_url.parse()?,
        seed: arguments.seed,
        clock: Arc::new(jiff::Timestamp::now),
        personae: arguments.personae,
        state: arguments.state,
    })?;
    tracing::info!(
        base_url,
        people = bank.people().len(),
        "the sandbox bank is open"
    );
    axum::serve(listener, router(Arc::new(bank)))
        .with_graceful_shutdown(async {
            // Without a signal handler the process simply ends when it is told to.
            let _ = tokio::signal::ctrl_c().await;
        })
        .await?;
    Ok(())
}
