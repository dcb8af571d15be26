//! The receipt book: appends to a customer's chain in the very transaction that changes the consent.
//!
//! A change is read, signed for and written: the receipt's place in the chain can be taken once, so of
//! two appends at the same time one is refused, reads the new head and signs again. Stopped anywhere,
//! either all of a change is written or nothing of it.
//!
//! What others call: [`ReceiptBook::save_consent`] for any change of a consent, which decides by
//! itself what receipt and events the change leaves ([`Trace`]); [`ReceiptBook::record_erasure`] once
//! a connection's data key is destroyed; [`Table::receipts`] and [`ReceiptBook::public_key`] to show.

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, TransactWriteItem, Update};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use jiff::Timestamp;
use passerelle_domain::consent::Consent;
use passerelle_domain::ids::{ClientId, ConnectionId, CustomerReference};
use passerelle_domain::receipt::{Actor, Entry, Head, SignedReceipt};
use passerelle_domain::trace::Trace;

use crate::attributes::{Item, bytes, get_bytes, get_number, moment, number, text};
use crate::clients::Clients;
use crate::consents::consent_update;
use crate::error::Error;
use crate::table::{AsSliceOf, Key, Table};

/// Tries before an append gives way to the others.
const TRIES: usize = 6;

/// Appends receipts. Clones share connections.
#[derive(Debug, Clone)]
pub struct ReceiptBook {
    table: Table,
    kms: aws_sdk_kms::Client,
    key_id: String,
}

impl ReceiptBook {
    /// The book signed with a KMS key (`RECEIPT_KEY_ID`), over the tables.
    #[must_use]
    pub fn new(clients: &Clients, table: Table, key_id: impl Into<String>) -> Self {
        Self {
            table,
            kms: clients.kms.clone(),
            key_id: key_id.into(),
        }
    }

    /// The same book, counting with a table's meter.
    #[must_use]
    pub fn metered_with(&self, table: &Table) -> Self {
        Self {
            table: table.clone(),
            ..self.clone()
        }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.table
    }

    /// Stores the next version of a consent with what the change leaves behind: receipt and events.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the consent was changed since it was read.
    pub async fn save_consent(
        &self,
        before: &Consent,
        after: &Consent,
        actor: Actor,
        now: Timestamp,
    ) -> Result<(), Error> {
        let update = consent_update(&self.table.name, after, now)?;
        let update = TransactWriteItem::builder().update(update).build();
        let trace = Trace::of(before, after, actor, now);
        self.commit(vec![update], &trace).await
    }

    /// Records once that a connection's data key was destroyed. Call it when it is; again is harmless.
    ///
    /// # Errors
    /// When AWS does not answer; call again.
    pub async fn record_erasure(
        &self,
        consent: &Consent,
        connection: &ConnectionId,
        now: Timestamp,
    ) -> Result<(), Error> {
        let client = &consent.client;
        let found = self.table.connection(client, connection).await?;
        let Some((gate, _)) = found else {
            return Ok(());
        };
        let mark = Update::builder()
            .table_name(&self.table.name)
            .set_key(Some(Key::gate(client, connection).into_item()))
            .update_expression("SET erased_at = :now")
            .condition_expression("phase = :closed AND attribute_not_exists(erased_at)")
            .expression_attribute_values(":now", moment(now))
            .expression_attribute_values(":closed", text("closed"))
            .build()
            .map_err(|_| Error::Unreadable("gate"))?;
        let mark = TransactWriteItem::builder().update(mark).build();
        let sequence = consent.version;
        let trace = Trace::of_erasure(consent, connection, &gate.institution, sequence, now);
        match self.commit(vec![mark], &trace).await {
            // Recorded before.
            Ok(()) | Err(Error::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The public half of the signing key: DER SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// When KMS does not answer.
    pub async fn public_key(&self) -> Result<Vec<u8>, Error> {
        self.table.meter.kms();
        let answer = self
            .kms
            .get_public_key()
            .key_id(&self.key_id)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        let key = answer.public_key.ok_or(Error::Unreadable("public key"))?;
        Ok(key.into_inner())
    }

    /// Makes writes together with what they leave behind: all or none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when a condition of `writes` is refused.
    pub(crate) async fn commit(
        &self,
        writes: Vec<TransactWriteItem>,
        trace: &Trace,
    ) -> Result<(), Error> {
        let given = writes.len();
        for _ in 0..TRIES {
            let mut all = writes.clone();
            if let Some(entry) = &trace.receipt {
                all.push(self.signed(entry).await?);
            }
            for event in &trace.events {
                all.push(self.table.put_event(event)?);
            }
            match self.try_all(all, given).await? {
                Attempt::Written => return Ok(()),
                Attempt::Refused => return Err(Error::Conflict),
                // Somebody took the place in the chain: there is a new head.
                Attempt::Overtaken => {}
            }
        }
        Err(Error::Throttled(
            "others kept appending to the same chain".into(),
        ))
    }

    /// The write that appends a receipt after the present head.
    async fn signed(&self, entry: &Entry) -> Result<TransactWriteItem, Error> {
        let head = self.table.head(&entry.client, &entry.customer).await?;
        let receipt = head.next(entry.clone(), &self.key_id);
        let body = receipt
            .canonical()
            .map_err(|_| Error::Unreadable("receipt: it is too long to be signed"))?;
        let signature = self.sign(&body).await?;
        let key = Key::receipt(&entry.client, &entry.customer, receipt.sequence);
        Ok(self.table.put_new(key.with([
            ("receipt", bytes(body)),
            ("signature", bytes(signature)),
            ("sequence", number(receipt.sequence)),
        ])))
    }

    async fn sign(&self, body: &[u8]) -> Result<Vec<u8>, Error> {
        self.table.meter.kms();
        let answer = self
            .kms
            .sign()
            .key_id(&self.key_id)
            .message(Blob::new(body))
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        let signature = answer.signature.ok_or(Error::Unreadable("signature"))?;
        Ok(signature.into_inner())
    }

    async fn try_all(
        &self,
        writes: Vec<TransactWriteItem>,
        given: usize,
    ) -> Result<Attempt, Error> {
        let answer = self
            .table
            .client
            .transact_write_items()
            .set_transact_items(Some(writes))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .await;
        match answer {
            Ok(answer) => {
                self.table.meter.table_write(answer.consumed_capacity());
                Ok(Attempt::Written)
            }
            Err(SdkError::ServiceError(failure)) => {
                let overtaken = was_overtaken(failure.err(), given);
                match Error::from_sdk(SdkError::ServiceError(failure)) {
                    Error::Conflict if overtaken => Ok(Attempt::Overtaken),
                    Error::Conflict => Ok(Attempt::Refused),
                    Error::Busy(_) => Ok(Attempt::Overtaken),
                    error => Err(error),
                }
            }
            Err(error) => Err(Error::from_sdk(error)),
        }
    }
}

/// What came of one try.
enum Attempt {
    Written,
    /// A condition of the change itself does not hold.
    Refused,
    /// Only the place in the chain was taken, or another transaction was at work on the same items.
    Overtaken,
}

/// Whether a cancelled transaction is worth another try: none of the first `given` writes was refused
/// by its own condition.
fn was_overtaken(error: &TransactWriteItemsError, given: usize) -> bool {
    let TransactWriteItemsError::TransactionCanceledException(cancelled) = error else {
        return false;
    };
    let refused = |code: Option<&str>| code == Some("ConditionalCheckFailed");
    let mut reasons = cancelled.cancellation_reasons().iter();
    !cancelled.cancellation_reasons().is_empty()
        && !reasons
            .by_ref()
            .take(given)
            .any(|reason| refused(reason.code()))
}

impl Table {
    /// A customer's chain, oldest first, as it was signed.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn receipts(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
    ) -> Result<Vec<SignedReceipt>, Error> {
        let mut receipts = Vec::new();
        let mut from = None;
        loop {
            let query = self.chain(client, customer).set_exclusive_start_key(from);
            let answer = query.send().await.map_err(Error::from_sdk)?;
            self.meter
                .table_read(answer.consumed_capacity.as_slice_of());
            for item in answer.items.unwrap_or_default() {
                receipts.push(read_receipt(&item)?);
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(receipts);
            }
        }
    }

    /// Where a customer's chain ends.
    async fn head(&self, client: &ClientId, customer: &CustomerReference) -> Result<Head, Error> {
        let query = self.chain(client, customer);
        let answer = query
            .scan_index_forward(false)
            .limit(1)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        self.meter
            .table_read(answer.consumed_capacity.as_slice_of());
        match answer.items.unwrap_or_default().first() {
            None => Ok(Head::start()),
            Some(last) => Ok(Head::after(
                get_number(last, "sequence")?,
                get_bytes(last, "receipt")?,
            )),
        }
    }

    fn chain(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.name)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", text(Key::receipt(client, customer, 0).pk))
            .consistent_read(true)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
    }
}

fn read_receipt(item: &Item) -> Result<SignedReceipt, Error> {
    Ok(SignedReceipt {
        bytes: get_bytes(item, "receipt")?.to_vec(),
        signature: get_bytes(item, "signature")?.to_vec(),
    })
}
