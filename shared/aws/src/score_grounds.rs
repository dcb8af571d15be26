//! What a person's consents allow to be scored, as they stand in the table at this moment.

use jiff::Timestamp;
use passerelle_domain::ids::{ClientId, ConsentId, CustomerReference};
use passerelle_domain::score_grounds::ScoreGrounds;

use crate::attributes::{get_parsed, get_text};
use crate::error::Error;
use crate::table::{Key, Table};

impl Table {
    /// What may be scored of a person now: one gate and one consent are read per connection.
    ///
    /// # Errors
    /// When the table does not answer.
    pub async fn score_grounds(
        &self,
        client: &ClientId,
        customer: &CustomerReference,
        now: Timestamp,
    ) -> Result<ScoreGrounds, Error> {
        let mut grounds = ScoreGrounds::default();
        for connection in self.connections_of(client, customer).await? {
            let gate = self.get(&self.name, Key::gate(client, &connection)).await?;
            let Some(gate) = gate else { continue };
            if get_text(&gate, "phase")? == "closed" {
                continue;
            }
            let consent: ConsentId = get_parsed(&gate, "consent")?;
            if let Some(stored) = self.consent(client, &consent).await? {
                grounds.add(&connection, &stored.consent, now);
            }
        }
        Ok(grounds)
    }
}
