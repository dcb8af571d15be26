//! Sealed monthly pages per account, and the delta buffer that keeps a sync from writing them.
//!
//! A page holds a month's booked lines: canonical rows, zstd, AES-256-GCM. New lines gather in the
//! data item and are flushed to their pages when they outgrow it. A flush writes the pages first; the
//! commit trims the buffer and says in the same write that the flush counts. A page keeps its last
//! changes apart from what was confirmed before them, so that those of a flush that was never committed
//! are not seen by anybody and are replaced by the next one.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use futures::stream::{self, StreamExt};
use jiff::Timestamp;
use passerelle_domain::Date;
use passerelle_domain::account::Account;
use passerelle_domain::connection::Connection;
use passerelle_domain::ids::{AccountId, ClientId, ConnectionId, TransactionId};
use passerelle_domain::transaction::{PendingTransaction, Transaction};
use serde::{Deserialize, Serialize};

use crate::attributes::{Item, bytes, get_bytes, get_number, get_text, number, text};
use crate::choices::SealedChoices;
use crate::claims::Claim;
use crate::connections::{Loaded, OpenContent, open_content, read_connection};
use crate::content::{AccountDelta, Content, Delta, pack, unpack};
use crate::error::Error;
use crate::store::Store;
use crate::table::{AsSliceOf, Key};
use crate::vault::{DataKey, Place};

/// Pages written at once: a first reading has hundreds.
const AT_ONCE: usize = 8;

/// A month of one account.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
struct Page {
    /// Booked lines by id.
    rows: BTreeMap<TransactionId, Transaction>,
    /// Lines the bank served once and no longer does: kept as lineage, never counted.
    tombstones: BTreeMap<TransactionId, Transaction>,
    /// What the flush under the page's `seq` changed. It counts once that flush is committed.
    #[serde(default)]
    changes: AccountDelta,
}

impl Page {
    /// The page with its last changes made, when they were committed, and forgotten otherwise.
    fn settled(mut self, committed: bool) -> Self {
        let changes = std::mem::take(&mut self.changes);
        if committed {
            self.apply(&changes);
        }
        self
    }

    fn apply(&mut self, changes: &AccountDelta) {
        for (id, row) in &changes.upserts {
            self.tombstones.remove(id);
            self.rows.insert(id.clone(), row.clone());
        }
        for id in changes.vanished.keys() {
            if let Some(row) = self.rows.remove(id) {
                self.tombstones.insert(id.clone(), row);
            }
        }
    }
}

/// Everything readable of a connection.
#[derive(Debug, Clone)]
pub struct History {
    /// The connection as it stands.
    pub connection: Connection,
    /// The `seq` of the last commit: names this state of the data.
    pub seq: u64,
    /// Its accounts with their booked lines, oldest first.
    pub accounts: Vec<AccountHistory>,
    pub(crate) choices: Option<SealedChoices>,
    pub(crate) key: DataKey,
}

/// One account with its lines.
#[derive(Debug, Clone)]
pub struct AccountHistory {
    /// The account.
    pub account: Account,
    /// Booked lines, oldest first.
    pub booked: Vec<Transaction>,
    /// What is expected.
    pub pending: Vec<PendingTransaction>,
    /// The first day the bank served.
    pub history_from: Option<Date>,
}

impl Store {
    /// Writes the buffered changes of `content`, the successor of `loaded`'s, into their pages and empties
    /// its buffer. Nobody sees them before `content` is committed. Once per claim: a second flush would
    /// take the first one for abandoned.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a newer worker wrote a page first.
    pub async fn flush(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        content: &mut Content,
    ) -> Result<(), Error> {
        let committed = &loaded.content.flushes;
        let months = content.delta.by_month().into_iter();
        let writes = months.map(|((account, month), changes)| async move {
            let key = Key::month(claim.client(), claim.id(), &account, month);
            let stored = self.table.get(&self.table.name, key.clone()).await?;
            let mut page = match &stored {
                Some(item) => open_page(claim_owner(claim), &loaded.key, item, committed)?,
                None => Page::default(),
            };
            page.changes = changes;
            self.put_page(claim, loaded, key, &page).await
        });
        let mut writes = stream::iter(writes).buffer_unordered(AT_ONCE);
        while let Some(written) = writes.next().await {
            written?;
        }
        content.delta = Delta::default();
        content.flushes.insert(claim.seq);
        Ok(())
    }

    async fn put_page(
        &self,
        claim: &Claim,
        loaded: &Loaded,
        key: Key,
        page: &Page,
    ) -> Result<(), Error> {
        let (client, connection) = claim_owner(claim);
        let kind = key.sk.clone();
        let place = Place {
            client,
            owner: connection.as_str(),
            kind: &kind,
            seq: claim.seq,
        };
        let sealed = loaded.key.seal(&place, &pack(page)?)?;
        let item = key.with([("page", bytes(sealed)), ("seq", number(claim.seq))]);
        let answer = self
            .table
            .client
            .put_item()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(seq) OR seq <= :seq")
            .expression_attribute_values(":seq", number(claim.seq))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.table
            .meter
            .table_write(answer.consumed_capacity.as_slice_of());
        Ok(())
    }

    /// Reads everything of a connection: its gate, data item and pages in one query, and its key.
    ///
    /// # Errors
    /// [`Error::Erased`] when its key was destroyed.
    pub async fn history(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<Option<History>, Error> {
        let items = self.partition(client, connection).await?;
        let find = |sk: &str| {
            items
                .iter()
                .find(|item| get_text(item, "sk").is_ok_and(|it| it == sk))
        };
        let (Some(gate), Some(data)) = (find("G"), find("D")) else {
            return Ok(None);
        };
        let key = self.vault.connection_key(client, connection, now).await?;
        let standing = read_connection(client, connection, gate, Some(data))?;
        let OpenContent { content, seq } = open_content(client, connection, &key, data)?;
        let mut rows = self.open_pages((client, connection), &key, &items, &content.flushes)?;
        for (account, changes) in &content.delta.0 {
            rows.entry(account.clone()).or_default().apply(changes);
        }
        let accounts = content
            .accounts
            .into_iter()
            .map(|account| AccountHistory {
                booked: in_order(rows.remove(&account.id).unwrap_or_default()),
                pending: content
                    .pending
                    .get(&account.id)
                    .cloned()
                    .unwrap_or_default(),
                history_from: content.history_from.get(&account.id).copied(),
                account,
            })
            .collect();
        Ok(Some(History {
            connection: standing,
            seq,
            accounts,
            choices: find("CHOICES").map(SealedChoices::of_item).transpose()?,
            key,
        }))
    }

    fn open_pages(
        &self,
        owner: (&ClientId, &ConnectionId),
        key: &DataKey,
        items: &[Item],
        committed: &BTreeSet<u64>,
    ) -> Result<BTreeMap<AccountId, Page>, Error> {
        let mut accounts: BTreeMap<AccountId, Page> = BTreeMap::new();
        for item in items {
            let Some(month) = get_text(item, "sk")?.strip_prefix("M#") else {
                continue;
            };
            let account = month.split('#').next().unwrap_or_default();
            let account = account.parse().map_err(|_| Error::Unreadable("page key"))?;
            let page = open_page(owner, key, item, committed)?;
            let gathered = accounts.entry(account).or_default();
            gathered.rows.extend(page.rows);
            gathered.tombstones.extend(page.tombstones);
        }
        Ok(accounts)
    }

    async fn partition(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
    ) -> Result<Vec<Item>, Error> {
        let mut items = Vec::new();
        let mut from: Option<Item> = None;
        loop {
            let partition: AttributeValue = text(Key::connection_partition(client, connection));
            let answer = self
                .table
                .client
                .query()
                .table_name(&self.table.name)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", partition)
                .consistent_read(true)
                .set_exclusive_start_key(from)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .await
                .map_err(Error::from_sdk)?;
            self.table
                .meter
                .table_read(answer.consumed_capacity.as_slice_of());
            items.extend(answer.items.unwrap_or_default());
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(items);
            }
        }
    }
}

fn claim_owner(claim: &Claim) -> (&ClientId, &ConnectionId) {
    (&claim.connection.client, &claim.connection.id)
}

/// A page as the committed flushes leave it.
fn open_page(
    owner: (&ClientId, &ConnectionId),
    key: &DataKey,
    item: &Item,
    committed: &BTreeSet<u64>,
) -> Result<Page, Error> {
    let seq = get_number(item, "seq")?;
    let place = Place {
        client: owner.0,
        owner: owner.1.as_str(),
        kind: get_text(item, "sk")?,
        seq,
    };
    let page: Page = unpack(&key.open(&place, get_bytes(item, "page")?)?)?;
    Ok(page.settled(committed.contains(&seq)))
}

fn in_order(page: Page) -> Vec<Transaction> {
    let ordered: BTreeSet<(Date, TransactionId)> = page
        .rows
        .values()
        .map(|row| (row.booking_date, row.id.clone()))
        .collect();
    let mut rows = page.rows;
    ordered
        .into_iter()
        .filter_map(|(_, id)| rows.remove(&id))
        .collect()
}
