//! What only a purpose taken back justified is erased. The consent says so in the write that takes the
//! purpose back; this does it, under a claim, so that no sync writes at the same time. Each step can be
//! repeated.

use aws_sdk_dynamodb::types::{TransactWriteItem, Update};
use jiff::Timestamp;
use passerelle_domain::consent::{Consent, ConsentEvent, ConsentState};
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_domain::purpose::DataClass;

use crate::attributes::{bytes, number};
use crate::claims::{Claim, ClaimRefusal};
use crate::content::{Content, sealed_content};
use crate::error::Error;
use crate::store::Store;
use crate::table::Key;

impl Store {
    /// Erases what a narrowed consent no longer justifies and notes that it is done. `false` when a
    /// sync is at work: call again later.
    ///
    /// # Errors
    /// When AWS does not answer; call again.
    pub async fn finish_narrowing(&self, consent: &Consent, now: Timestamp) -> Result<bool, Error> {
        let ConsentState::Valid {
            connection,
            owes_erasure_since: Some(_),
            ..
        } = &consent.state
        else {
            return Ok(true);
        };
        let owner = (&consent.client, connection);
        if !consent.justifies(DataClass::Transactions) && !self.erase_lines(owner, now).await? {
            return Ok(false);
        }
        let table = &self.table;
        if !consent.justifies(DataClass::Scores) {
            let choices = Key::choices(&consent.client, connection);
            table.delete(&table.name, choices).await?;
        }
        table
            .forget_unjustified_scores(&consent.client, &consent.customer, now)
            .await?;
        let Ok(done) = consent.apply(ConsentEvent::Erased, now) else {
            return Ok(true);
        };
        self.table.save_consent(&done, &[], now).await?;
        Ok(true)
    }

    /// Pages, buffers and the memory of served lines; then a fresh data key, so that every copy of them,
    /// backups included, is noise. `false` when a sync is at work.
    async fn erase_lines(
        &self,
        owner: (&ClientId, &ConnectionId),
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (client, connection) = owner;
        let claim = match self
            .table
            .claim_without_call(client, connection, now)
            .await?
        {
            Ok(claim) => claim,
            Err(ClaimRefusal::Leased) => return Ok(false),
            // Nothing is held any more.
            Err(_) => return Ok(true),
        };
        for key in self.table.keys_of_partition(owner).await? {
            let holds_lines = key.sk.starts_with("M#") || key.sk.starts_with(Key::PART);
            if holds_lines || key == Key::choices(client, connection) {
                self.table.delete(&self.table.name, key).await?;
            }
        }
        self.seal_the_rest_anew(&claim, now).await?;
        self.table.release(&claim).await?;
        Ok(true)
    }

    /// What stays (accounts, the token) under a fresh data key; the one before is overwritten.
    async fn seal_the_rest_anew(&self, claim: &Claim, now: Timestamp) -> Result<(), Error> {
        let (client, connection) = (claim.client(), claim.id());
        let loaded = self.load(claim, now).await?;
        let kept = Content {
            accounts: loaded.content.accounts,
            attended: loaded.content.attended,
            ..Content::default()
        };
        let (key, wrapped) = self.vault.fresh_data_key(client, connection, now).await?;
        let content = sealed_content(&key, client, connection, claim.seq, &kept)?;
        let table = &self.table;
        let data = Update::builder()
            .table_name(&table.name)
            .set_key(Some(Key::data(client, connection).into_item()))
            .update_expression("SET seq = :seq, content = :content")
            .condition_expression("seq < :seq")
            .expression_attribute_values(":seq", number(claim.seq))
            .expression_attribute_values(":content", bytes(content))
            .build();
        let keys = Update::builder()
            .table_name(&table.keys_name)
            .set_key(Some(Key::connection_key(client, connection).into_item()))
            .update_expression("SET #wrapped = :wrapped")
            .condition_expression("attribute_exists(#wrapped)")
            .expression_attribute_names("#wrapped", "wrapped")
            .expression_attribute_values(":wrapped", bytes(wrapped))
            .build();
        let gate = Update::builder()
            .table_name(&table.name)
            .set_key(Some(Key::gate(client, connection).into_item()))
            .update_expression("SET no_lines = :yes")
            .condition_expression("seq = :seq")
            .expression_attribute_values(":yes", number(1))
            .expression_attribute_values(":seq", number(claim.seq))
            .build();
        let writes = [data, keys, gate];
        let writes = writes.map(|it| TransactWriteItem::builder().set_update(it.ok()).build());
        self.table.transact(writes.into()).await
    }
}
