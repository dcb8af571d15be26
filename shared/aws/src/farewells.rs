//! Consents a bank is still to be told the end of: of a connection that ended or was renewed, and of an
//! attempt that came to nothing. A farewell holds the token it takes, sealed under the connection's token
//! key or the attempt's own, and goes with it: told, or given up after
//! [`passerelle_domain::farewell::KEPT_FOR`].
//!
//! A connection's token key opens every farewell of that connection, so it goes with the last of them. The
//! gate counts them.

use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use futures::{StreamExt, stream};
use jiff::Timestamp;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::farewell::next_try;
use passerelle_domain::ids::{AuthorisationId, ClientId, ConnectionId, InstitutionId};
use zeroize::Zeroizing;

use crate::attributes::{
    Item, bytes, get_bytes, get_moment, get_number, get_parsed, get_text, moment, number, text,
};
use crate::connections::token_place;
use crate::due::{OverdueWalk, Owed};
use crate::error::Error;
use crate::store::Store;
use crate::table::{Key, Table, sortable};
use crate::vault::{DataKey, Place};

/// How often the end of a farewell is tried again when another one of the connection got in between.
const TRIES: usize = 5;

/// Whose key opens the token of a farewell.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Opener {
    /// The connection's token key.
    Connection {
        /// Which of the connection's tokens it is.
        token_seq: u64,
        /// Whether the connection has ended with it; otherwise it was renewed.
        last: bool,
    },
    /// The key of an attempt that came to nothing.
    Attempt(AuthorisationId),
}

/// A consent whose end the bank is to be told now.
#[derive(Debug)]
pub struct DueFarewell {
    /// Whose it is.
    pub client: ClientId,
    /// The connection it fed, or would have made.
    pub connection: ConnectionId,
    /// The bank.
    pub institution: InstitutionId,
    /// The token to tell it with, as the connector wrote it.
    pub token: Zeroizing<Vec<u8>>,
    key: Key,
    opener: Opener,
    owed_since: Timestamp,
    tries: u32,
}

impl DueFarewell {
    /// Where its token belongs.
    fn place(&self) -> Place<'_> {
        self.opener.place(&self.client, &self.connection)
    }
}

impl Opener {
    fn of(item: &Item) -> Result<Self, Error> {
        if item.contains_key("attempt") {
            return get_parsed(item, "attempt").map(Self::Attempt);
        }
        Ok(Self::Connection {
            token_seq: get_number(item, "token_seq")?,
            last: get_number(item, "last")? == 1,
        })
    }

    fn place<'a>(&'a self, client: &'a ClientId, connection: &'a ConnectionId) -> Place<'a> {
        match self {
            Self::Connection { token_seq, .. } => token_place(client, connection, *token_seq),
            Self::Attempt(attempt) => Place {
                client,
                owner: attempt.as_str(),
                kind: "exchanged",
                seq: 0,
            },
        }
    }
}
/// Farewells that were lent to a sweep.
#[derive(Debug, Default)]
pub struct TakenFarewells {
    /// What is to be said.
    pub farewells: Vec<DueFarewell>,
    /// How many could not be opened.
    pub unopened: usize,
}

/// Farewells opened at a time.
const AT_ONCE: usize = 8;

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

/// The write that owes the bank a farewell for the token an attempt holds.
pub(crate) fn attempt_farewell(
    table: &Table,
    attempt: &Authorisation,
    sealed_token: &[u8],
    now: Timestamp,
) -> TransactWriteItem {
    let (client, connection) = (&attempt.client, &attempt.connection);
    let item = Key::attempt_farewell(client, connection, &attempt.id).with([
        ("token", bytes(sealed_token)),
        ("attempt", text(attempt.id.as_str())),
        ("institution", text(attempt.institution.as_str())),
        ("owed_since", moment(now)),
        ("tries", number(0)),
        ("due_shard", text(Owed::Farewell.shard_text(connection))),
        ("due_at", text(sortable(now))),
    ]);
    let put = Put::builder()
        .table_name(&table.name)
        .set_item(Some(item))
        .build();
    TransactWriteItem::builder().set_put(put.ok()).build()
}

impl Store {
    /// The next farewells of a walk, at most `limit`, longest owed first. Each is lent for a few minutes:
    /// another sweep does not take it meanwhile. One that cannot be opened comes up again, less and less
    /// often, and keeps no other waiting.
    ///
    /// # Errors
    /// When AWS does not answer.
    pub async fn take_farewells(
        &self,
        walk: &mut OverdueWalk,
        limit: usize,
        now: Timestamp,
    ) -> Result<TakenFarewells, Error> {
        let keys = self.table.take_due(walk, limit).await?;
        let opened = stream::iter(keys)
            .map(|key| async move {
                let opened = match self.open_farewell(key.clone(), now).await {
                    // Its key is gone: nobody can use the token, nothing is left to say.
                    Err(Error::Erased) => {
                        let deleted = self.table.delete(&self.table.name, key.clone()).await;
                        deleted.map(|()| None)
                    }
                    opened => opened,
                };
                (key, opened)
            })
            .buffered(AT_ONCE);
        let opened: Vec<_> = opened.collect().await;
        let mut taken = TakenFarewells::default();
        for (key, opened) in opened {
            match opened {
                Ok(farewell) => taken.farewells.extend(farewell),
                Err(error) => {
                    taken.unopened += 1;
                    let connection = key.connection_of().map(|(_, id)| id.to_string());
                    tracing::error!(%error, connection, "a farewell cannot be opened yet");
                }
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
        let opener = Opener::of(&item)?;
        let key_of_token = self.opener(&client, &connection, &opener, now).await?;
        let place = opener.place(&client, &connection);
        let token = key_of_token.open(&place, get_bytes(&item, "token")?)?;
        Ok(Some(DueFarewell {
            institution: get_parsed(&item, "institution")?,
            token,
            owed_since: get_moment(&item, "owed_since")?,
            tries: u32::try_from(get_number(&item, "tries")?).unwrap_or(u32::MAX),
            key,
            opener,
            client,
            connection,
        }))
    }

    /// The key that opens the token of a farewell.
    async fn opener(
        &self,
        client: &ClientId,
        connection: &ConnectionId,
        opener: &Opener,
        now: Timestamp,
    ) -> Result<DataKey, Error> {
        match opener {
            Opener::Connection { .. } => self.vault.token_key(client, connection, now).await,
            Opener::Attempt(attempt) => self.vault.attempt_token_key(client, attempt, now).await,
        }
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
        let key = self
            .opener(client, connection, &farewell.opener, now)
            .await?;
        let sealed = key.seal(&farewell.place(), token)?;
        let update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(farewell.key.clone().into_item()))
            .update_expression("SET #token = :token")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_names("#token", "token")
            .expression_attribute_values(":token", bytes(sealed))
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
        for _ in 0..TRIES {
            let writes = match again {
                Some(at) => vec![self.try_again(farewell, at)],
                None => self.over(farewell, said, now).await?,
            };
            match self.table.transact(writes).await {
                // Said by another sweep meanwhile, or another farewell of the connection ended.
                Err(Error::Conflict) if self.is_owed(farewell).await? => {}
                Ok(()) | Err(Error::Conflict) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Err(Error::Conflict)
    }

    async fn is_owed(&self, farewell: &DueFarewell) -> Result<bool, Error> {
        let table = &self.table;
        let item = table.get(&table.name, farewell.key.clone()).await?;
        Ok(item.is_some())
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

    /// The writes that end a farewell: its token goes, and the key with the last one it opens.
    async fn over(
        &self,
        farewell: &DueFarewell,
        said: Said,
        now: Timestamp,
    ) -> Result<Vec<TransactWriteItem>, Error> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(farewell.key.clone().into_item()))
            .condition_expression("attribute_exists(pk)")
            .build();
        let mut writes = vec![TransactWriteItem::builder().set_delete(delete.ok()).build()];
        match &farewell.opener {
            Opener::Attempt(attempt) => writes.push(self.destroy_attempt_key(farewell, attempt)),
            Opener::Connection { last, .. } => {
                let gate = Key::gate(&farewell.client, &farewell.connection);
                let gate = self.table.get(&self.table.name, gate).await?;
                let gate = gate.ok_or(Error::Erased)?;
                let owed = get_number(&gate, "farewells")?;
                if owed == 1 && get_text(&gate, "phase")? == "closed" {
                    writes.push(self.destroy_token_key(farewell));
                }
                let told = last.then_some(said);
                writes.push(self.one_less(farewell, owed, told, now));
            }
        }
        Ok(writes)
    }

    fn destroy_attempt_key(
        &self,
        farewell: &DueFarewell,
        attempt: &AuthorisationId,
    ) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.table.keys_name)
            .set_key(Some(
                Key::attempt_token_key(&farewell.client, attempt).into_item(),
            ))
            .build();
        TransactWriteItem::builder().set_delete(delete.ok()).build()
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

    /// One farewell less on the gate; of the connection's last token, how the bank was told.
    fn one_less(
        &self,
        farewell: &DueFarewell,
        owed: u64,
        said: Option<Said>,
        now: Timestamp,
    ) -> TransactWriteItem {
        let key = Key::gate(&farewell.client, &farewell.connection);
        let mut set = "SET farewells = :left".to_owned();
        let mut update = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(key.into_item()))
            .condition_expression("farewells = :owed")
            .expression_attribute_values(":owed", number(owed))
            .expression_attribute_values(":left", number(owed.saturating_sub(1)));
        if let Some(said) = said {
            let name = match said {
                Said::Told => "bank_told_at",
                Said::NotYet | Said::Never => "bank_given_up_at",
            };
            set.push_str(", #said = :now");
            update = update
                .expression_attribute_names("#said", name)
                .expression_attribute_values(":now", moment(now));
        }
        let update = update.update_expression(set).build();
        TransactWriteItem::builder().set_update(update.ok()).build()
    }
}
