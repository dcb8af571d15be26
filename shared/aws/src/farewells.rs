//! Consents a bank is still to be told the end of. A farewell holds the token it takes, sealed under the
//! connection's token key, and goes with it: told, or given up after
//! [`passerelle_domain::farewell::KEPT_FOR`].

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::farewell::next_try;
use passerelle_domain::ids::{ClientId, ConnectionId, InstitutionId};
use zeroize::Zeroizing;

use crate::attributes::{
    Item, bytes, get_bytes, get_moment, get_number, get_parsed, moment, number, text,
};
use crate::connections::token_place;
use crate::due::Owed;
use crate::error::Error;
use crate::store::Store;
use crate::table::{Key, Table, sortable};

/// A consent whose end the bank is to be told now.
#[derive(Debug)]
pub struct DueFarewell {
    /// Whose it is.
    pub client: ClientId,
    /// The connection it fed.
    pub connection: ConnectionId,
    /// The bank.
    pub institution: InstitutionId,
    /// The token to tell it with, as the connector wrote it.
    pub token: Zeroizing<Vec<u8>>,
    key: Key,
    /// Which of the connection's tokens it is.
    token_seq: u64,
    /// Whether the connection has ended with it; otherwise it was renewed.
    last: bool,
    owed_since: Timestamp,
    tries: u32,
}

/// How telling the bank came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// The bank knows.
    Told,
    /// It could not be told; it is tried again unless the time is up.
    NotYet,
    /// It cannot be told with this token: trying again is of no use.
    Never,
}

/// The writes that owe a farewell for the token of a data item; none where it holds no token.
pub(crate) fn owed_farewell(
    table: &Table,
    owner: (&ClientId, &ConnectionId),
    institution: &InstitutionId,
    data: &Item,
    last: bool,
    now: Timestamp,
) -> Result<Option<TransactWriteItem>, Error> {
    if !data.contains_key("token") {
        return Ok(None);
    }
    let token_seq = get_number(data, "token_seq")?;
    let item = Key::farewell(owner.0, owner.1, token_seq).with([
        ("token", bytes(get_bytes(data, "token")?)),
        ("token_seq", number(token_seq)),
        ("institution", text(institution.as_str())),
        ("last", number(u64::from(last))),
        ("owed_since", moment(now)),
        ("tries", number(0)),
        ("due_shard", text(Owed::Farewell.shard_text(owner.1))),
        ("due_at", text(sortable(now))),
    ]);
    let put = Put::builder()
        .table_name(&table.name)
        .set_item(Some(item))
        .build();
    Ok(Some(TransactWriteItem::builder().set_put(put.ok()).build()))
}

impl Store {
    /// Farewells that are due, at most `limit`, longest owed first. Each is lent for a few minutes:
    /// another sweep does not take it meanwhile.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn take_farewells(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<DueFarewell>, Error> {
        let mut taken = Vec::new();
        for key in self.table.take_due(Owed::Farewell, now, limit).await? {
            match self.open_farewell(key.clone(), now).await {
                Ok(farewell) => taken.extend(farewell),
                // Its key is gone: nobody can use the token, nothing is left to say.
                Err(Error::Erased) => self.table.delete(&self.table.name, key).await?,
                Err(error) => return Err(error),
            }
        }
        Ok(taken)
    }

    async fn open_farewell(&self, key: Key, now: Timestamp) -> Result<Option<DueFarewell>, Error> {
        let Some((client, connection)) = key.connection_of() else {
            return Ok(None);
        };
        let Some(item) = self.table.get(&self.table.name, key.clone()).await? else {
            return Ok(None);
        };
        let token_key = self.vault.token_key(&client, &connection, now).await?;
        let token_seq = get_number(&item, "token_seq")?;
        let place = token_place(&client, &connection, token_seq);
        let token = token_key.open(&place, get_bytes(&item, "token")?)?;
        Ok(Some(DueFarewell {
            institution: get_parsed(&item, "institution")?,
            token,
            last: get_number(&item, "last")? == 1,
            owed_since: get_moment(&item, "owed_since")?,
            tries: u32::try_from(get_number(&item, "tries")?).unwrap_or(u32::MAX),
            key,
            client,
            connection,
            token_seq,
        }))
    }

    /// Puts a renewed token in the place of the one it was renewed with.
    ///
    /// # Errors
    /// [`Error::Erased`] when its key is gone, and when AWS does not answer.
    pub async fn keep_farewell_token(
        &self,
        farewell: &DueFarewell,
        token: &[u8],
        now: Timestamp,
    ) -> Result<(), Error> {
        let (client, connection) = (&farewell.client, &farewell.connection);
        let token_key = self.vault.token_key(client, connection, now).await?;
        let place = token_place(client, connection, farewell.token_seq);
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(farewell.key.clone().into_item()))
            .update_expression("SET #token = :token")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", bytes(token_key.seal(&place, token)?))
            .build();
        let write = TransactWriteItem::builder().set_update(update.ok()).build();
        self.table.transact(vec![write]).await
    }

    /// Notes how it came out. Told or given up, the token goes, and after the last one its key.
    ///
    /// # Errors
    /// When the table does not answer; the farewell is then said again.
    pub async fn said(
        &self,
        farewell: &DueFarewell,
        said: Said,
        now: Timestamp,
    ) -> Result<(), Error> {
        let again = match said {
            Said::NotYet => next_try(farewell.owed_since, farewell.tries, now),
            Said::Told | Said::Never => None,
        };
        let writes = match again {
            Some(at) => vec![self.try_again(farewell, at)],
            None => self.over(farewell, said, now),
        };
        match self.table.transact(writes).await {
            // Said by another sweep meanwhile.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn try_again(&self, farewell: &DueFarewell, at: Timestamp) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(farewell.key.clone().into_item()))
            .update_expression("SET tries = :tries, due_at = :due")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(
                ":tries",
                number(u64::from(farewell.tries.saturating_add(1))),
            )
            .expression_attribute_values(":due", text(sortable(at)))
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }

    fn over(&self, farewell: &DueFarewell, said: Said, now: Timestamp) -> Vec<TransactWriteItem> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(farewell.key.clone().into_item()))
            .condition_expression("attribute_exists(pk)")
            .build();
        let mut writes = vec![TransactWriteItem::builder().set_delete(delete.ok()).build()];
        if farewell.last {
            writes.push(self.destroy_token_key(farewell));
            writes.push(self.note_on_gate(farewell, said, now));
        }
        writes
    }

    fn destroy_token_key(&self, farewell: &DueFarewell) -> TransactWriteItem {
        let key = Key::connection_key(&farewell.client, &farewell.connection);
        let update = Update::builder()
            .table_name(&self.table.keys_name)
            .set_key(Some(key.into_item()))
            .update_expression("REMOVE #token")
            .expression_attribute_names("#token", "token")
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }

    fn note_on_gate(
        &self,
        farewell: &DueFarewell,
        said: Said,
        now: Timestamp,
    ) -> TransactWriteItem {
        let name = match said {
            Said::Told => "bank_told_at",
            Said::NotYet | Said::Never => "bank_given_up_at",
        };
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(
                Key::gate(&farewell.client, &farewell.connection).into_item(),
            ))
            .update_expression("SET #said = :now")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#said", name)
            .expression_attribute_values(":now", moment(now))
            .build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }
}
