//! The bank as a program of its own: a bank any open-banking developer can test against.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use clap::Parser;
use tokio::net::TcpListener;

use crate::{Bank, BankSettings, TestAuthority, router, serve_strictly};

/// A bank that behaves like a real one, on a loopback port.
#[derive(Debug, Parser)]
pub struct Command {
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
    /// Be strict: serve https, demand certificates and signatures, and write the files a client
    /// needs for them into this folder.
    #[arg(long, value_name = "FOLDER")]
    mtls: Option<PathBuf>,
    /// Who the test certificates are issued to.
    #[arg(long, default_value = "PSDFR-ACPR-00000")]
    client_id: String,
}

impl Command {
    /// Opens the bank and serves it until the process is told to end.
    ///
    /// # Errors
    /// A port that is taken, or a file that cannot be read.
    pub async fn run(self) -> Result<(), Box<dyn std::error::Error>> {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        let listener = TcpListener::bind(address).await?;
        let scheme = if self.mtls.is_some() { "https" } else { "http" };
        let base_url = format!("{scheme}://{}", listener.local_addr()?);
        let bank = Bank::new(BankSettings {
            base_url: base_url.parse()?,
            seed: self.seed,
            clock: Arc::new(jiff::Timestamp::now),
            personae: self.personae,
            state: self.state,
        })?
        .with_movable_clock();
        tracing::info!(
            base_url,
            people = bank.people().len(),
            "the sandbox bank is open"
        );
        let bank = Arc::new(bank);
        let end = async {
            // Without a signal handler the process simply ends when it is told to.
            let _ = tokio::signal::ctrl_c().await;
        };
        match self.mtls {
            Some(folder) => {
                let authority = TestAuthority::new()?;
                authority.write_client_files(&folder, &self.client_id, bank.today())?;
                serve_strictly(listener, bank, Arc::new(authority), end).await?;
            }
            None => {
                axum::serve(listener, router(bank))
                    .with_graceful_shutdown(end)
                    .await?;
            }
        }
        Ok(())
    }
}
