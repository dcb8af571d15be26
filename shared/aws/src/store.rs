//! The table together with the vault: what functions that read or write sealed data hold.

use crate::clients::Clients;
use crate::meter::Meter;
use crate::table::Table;
use crate::vault::Vault;

/// The tables and the vault. Clones share connections and the key cache.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) table: Table,
    pub(crate) vault: Vault,
}

impl Store {
    /// A store over tables and a vault key (`TABLE_NAME`, `KEYS_TABLE_NAME`, `VAULT_KEY_ID`).
    #[must_use]
    pub fn new(clients: &Clients, table: Table, vault_key: impl Into<String>) -> Self {
        let vault = Vault::new(clients, vault_key, table.clone());
        Self { table, vault }
    }

    /// The same store with a fresh meter: one operation, one count.
    #[must_use]
    pub fn metered(&self) -> Self {
        let table = self.table.metered();
        let vault = self.vault.metered(&table.meter);
        Self { table, vault }
    }

    /// What this handle used so far.
    #[must_use]
    pub fn meter(&self) -> &Meter {
        self.table.meter()
    }

    /// The tables, for what is not sealed.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// The vault, for keys that are a client's.
    #[must_use]
    pub fn vault(&self) -> &Vault {
        &self.vault
    }
}
