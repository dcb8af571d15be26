#![doc = include_str!("../README.md")]

mod bank_acts;
mod command;
mod tenant_acts;

use std::sync::Arc;

use passerelle_aws::{Clients, Error, Table};
use passerelle_banks::{AispCertificates, BankSettings, Onboarded};
use passerelle_runtime::{Clock, Environment, Function, Problem, StartError};
use serde_json::Value;

use crate::command::Command;

pub(crate) struct Registry {
    pub(crate) table: Table,
    /// What a registered bank is checked against.
    pub(crate) bank_settings: BankSettings,
    pub(crate) clock: Clock,
}

/// Reads `TABLE_NAME` and `BANK_CLIENT_ID`; `QWAC_GIVEN` and `QSEAL_GIVEN` where we have such a
/// certificate.
///
/// # Errors
/// [`StartError`] naming the variable that is missing.
pub fn function(environment: &Environment, clients: &Clients) -> Result<Function, StartError> {
    let registry = Arc::new(Registry {
        // Nothing here is sealed: no key is needed.
        table: Table::new(clients, environment.text("TABLE_NAME")?, ""),
        bank_settings: BankSettings {
            sandbox_bank_url: None,
            sandbox_bank_authority: None,
            aggregator: None,
            aggregator_secret: None,
            onboarded: Onboarded::default(),
            client_id: environment.text("BANK_CLIENT_ID")?,
            // No bank is called: that there are certificates is enough to know.
            certificates: AispCertificates {
                qwac: environment.optional("QWAC_GIVEN"),
                qseal: environment.optional("QSEAL_GIVEN"),
                ..AispCertificates::none()
            },
        },
        clock: environment.clock(),
    });
    Ok(Function::new("registry").command(move |command| {
        let registry = Arc::clone(&registry);
        async move { registry.obey(command).await }
    }))
}

impl Registry {
    async fn obey(&self, command: Command) -> Result<Value, Problem> {
        match command {
            Command::RegisterTenant { client, name } => self.register_tenant(client, name).await,
            Command::SuspendTenant { client } => self.suspend_tenant(client).await,
            Command::ResumeTenant { client } => self.resume_tenant(client).await,
            Command::ListTenants {} => self.list_tenants().await,
            Command::RegisterBank { bank, registration } => {
                self.register_bank(bank, registration).await
            }
            Command::ForgetBank { bank } => self.forget_bank(bank).await,
            Command::ListBanks {} => self.list_banks().await,
        }
    }
}

/// What a failing table means to an operator.
pub(crate) fn refused(error: Error) -> Problem {
    if error.is_retryable() {
        Problem::unavailable(&error)
    } else {
        Problem::internal(&error)
    }
}
