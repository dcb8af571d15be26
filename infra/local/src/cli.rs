//! The command: what can be chosen, what is printed.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::embedded_aws::Storage;
use crate::error::LocalError;
use crate::issuer::CLIENTS;
use crate::suite::{Options, Suite};

/// Runs the whole suite on this machine: API, hosted pages, sandbox bank, queues and schedules.
#[derive(Debug, Parser)]
#[command(name = "passerelle", version)]
pub struct Command {
    /// Loopback port; 0 takes any that is free.
    #[arg(long, default_value_t = 8787)]
    port: u16,
    /// Folder that keeps tables, keys and the bank's state between two starts.
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".passerelle",
        conflicts_with = "in_memory"
    )]
    state: PathBuf,
    /// Keep nothing: everything ends with the process.
    #[arg(long)]
    in_memory: bool,
    /// Start at this time instead of now, for instance 2026-11-22T08:00:00Z.
    #[arg(long, value_name = "RFC3339")]
    clock: Option<Timestamp>,
    /// The same number gives the sandbox bank the same people with the same movements.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Folder of persona files to bring into the sandbox bank.
    #[arg(long, value_name = "DIR")]
    personae: Option<PathBuf>,
    /// How long a read takes at the sandbox bank's `bank-slow`, in milliseconds; ten seconds when not given.
    #[arg(long, value_name = "N")]
    slow_bank_call_ms: Option<u64>,
    /// Template to run; template.yaml of this project when not given.
    #[arg(long, value_name = "FILE")]
    template: Option<PathBuf>,
}

impl Command {
    /// Starts the suite, prints where it is, and runs until it is interrupted.
    ///
    /// # Errors
    /// [`LocalError`] when the suite cannot start.
    pub async fn run(self) -> Result<(), LocalError> {
        let log = passerelle_runtime::telemetry::readable_layer(std::io::stderr);
        // A log that was started before us is as good.
        let _ = tracing_subscriber::registry().with(log).try_init();
        let kept = self.kept();
        let suite = Suite::start(self.options()).await?;
        print(&banner(&suite, &kept))?;
        interrupted().await;
        print("\nStopping. What was under way is found due at the next start.\n")?;
        suite.stop().await;
        Ok(())
    }

    fn kept(&self) -> String {
        if self.in_memory {
            return "nowhere: everything ends with this process".to_owned();
        }
        let state = std::path::absolute(&self.state).unwrap_or_else(|_| self.state.clone());
        state.display().to_string()
    }

    fn options(self) -> Options {
        let storage = if self.in_memory {
            Storage::Memory
        } else {
            Storage::Folder(self.state)
        };
        Options {
            port: self.port,
            storage,
            clock: self.clock,
            seed: self.seed,
            personae: self.personae,
            slow_bank_call: self.slow_bank_call_ms.map(Duration::from_millis),
            template: self.template,
        }
    }
}

/// What a newcomer needs to go on.
fn banner(suite: &Suite, kept: &str) -> String {
    let base = suite.base_url().as_str().trim_end_matches('/');
    let (client, secret) = CLIENTS[0];
    let people = suite.people();
    let logins: Vec<&str> = people
        .iter()
        .take(5)
        .map(|person| person.login.as_str())
        .collect();
    format!(
        "
Passerelle is running. Interrupt with Ctrl-C.

  Demonstration   {base}/
  API             {base}/v1
  Sandbox bank    {base}/sandbox-bank, password `sandbox`
                  {} people, for instance {}
  State           {kept}

  A token         curl -s -u {client}:{secret} -d grant_type=client_credentials {base}/issuer/token
  Another time    curl -d '{{\"advance\":\"P90D\"}}' {base}/local/clock

Open the demonstration, ask a customer, choose the sandbox bank, log in, approve: accounts, sorted
transactions and a first score appear within seconds.
",
        people.len(),
        logins.join(", "),
    )
}

fn print(text: &str) -> Result<(), LocalError> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(LocalError::file(
        "writing to",
        std::path::Path::new("standard output"),
    ))
}

/// Ends on Ctrl-C, or on the signal with which a supervisor asks.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminated) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminated.recv() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_are_consistent_and_have_the_documented_defaults() {
        use clap::CommandFactory;
        Command::command().debug_assert();
        let options = Command::parse_from(["passerelle"]).options();
        assert_eq!(options.port, 8787);
        assert_eq!(
            options.storage,
            Storage::Folder(PathBuf::from(".passerelle"))
        );
        assert!(options.personae.is_none() && options.clock.is_none());
        let options = Command::parse_from(["passerelle", "--in-memory", "--port", "0"]).options();
        assert_eq!(options.storage, Storage::Memory);
        assert!(Command::try_parse_from(["passerelle", "--clock", "yesterday"]).is_err());
        assert!(Command::try_parse_from(["passerelle", "--in-memory", "--state", "x"]).is_err());
    }
}
