//! The banks that registered us: checked before they are kept, by the parser that reads them later.

use std::collections::BTreeMap;

use passerelle_banks::check_registration;
use passerelle_runtime::Problem;
use serde_json::{Map, Value, json};

use crate::command::Name;
use crate::{Registry, refused};

impl Registry {
    pub(crate) async fn register_bank(
        &self,
        bank: Name,
        registration: Map<String, Value>,
    ) -> Result<Value, Problem> {
        let said = Value::Object(registration);
        let text = said.to_string();
        let opens = check_registration(&self.bank_settings, bank.as_str(), &text)
            .map_err(|error| Problem::invalid_body("#/register-bank", error.to_string()))?;
        let kept = self.table.register_bank(bank.as_str(), &text);
        kept.await.map_err(refused)?;
        tracing::info!(
            outcome = "bank-registered",
            bank = bank.as_str(),
            opens = opens.len(),
            "the registry was changed"
        );
        Ok(json!({ "bank": bank.as_str(), "registration": said, "opens": opens }))
    }

    pub(crate) async fn forget_bank(&self, bank: Name) -> Result<Value, Problem> {
        let forgotten = self.table.forget_bank(bank.as_str());
        forgotten.await.map_err(refused)?;
        tracing::info!(
            outcome = "bank-forgotten",
            bank = bank.as_str(),
            "the registry was changed"
        );
        Ok(json!({ "bank": bank.as_str(), "registration": null }))
    }

    pub(crate) async fn list_banks(&self) -> Result<Value, Problem> {
        let kept = self.table.registered_banks().await.map_err(refused)?;
        // What was kept is JSON; should one be damaged, it is told as it is.
        let banks: BTreeMap<String, Value> = kept
            .into_iter()
            .map(|(name, text)| {
                let said = serde_json::from_str(&text).unwrap_or(Value::String(text));
                (name, said)
            })
            .collect();
        Ok(json!({ "banks": banks }))
    }
}
