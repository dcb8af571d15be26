//! Legal texts: what a person was shown, kept for ever under the hash that receipts name.
//!
//! Written when a consent is opened, before anybody reads them; never changed, never expired. They
//! are the client's words and ours, nothing of a person.

use jiff::Timestamp;
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::ClientId;

use crate::attributes::{bytes, get_bytes, moment};
use crate::error::Error;
use crate::table::{Key, Table};

impl Table {
    /// Keeps a text, unless it is kept already; returns its name.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn keep_text(
        &self,
        client: &ClientId,
        document: &[u8],
        now: Timestamp,
    ) -> Result<ContentHash, Error> {
        let hash = ContentHash::of(document);
        let key = Key::text(client, &hash);
        // Most texts were kept by the first consent that showed them: a read is cheaper than a write.
        if self.get(&self.name, key.clone()).await?.is_none() {
            let item = key.with([("text", bytes(document)), ("first_shown_at", moment(now))]);
            match self.transact(vec![self.put_new(item)]).await {
                // Another consent was first with the same bytes.
                Ok(()) | Err(Error::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(hash)
    }

    /// The bytes of a text of this client's.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn text(
        &self,
        client: &ClientId,
        hash: &ContentHash,
    ) -> Result<Option<Vec<u8>>, Error> {
        let item = self.get(&self.name, Key::text(client, hash)).await?;
        item.as_ref()
            .map(|item| get_bytes(item, "text").map(<[u8]>::to_vec))
            .transpose()
    }
}
