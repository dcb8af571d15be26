//! What a person has with a client: each connection with the consent and the bank behind it.

use jiff::tz::TimeZone;
use passerelle_aws::self_care::Psu;
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::consent::{Consent, ConsentState};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::purpose::Purpose;
use passerelle_domain::{Date, Timestamp};
use passerelle_runtime::Problem;
use passerelle_runtime::pages::Brand;

use crate::pages::{Erasure, Standing, UntilWhen};
use crate::{Connections, refused};

/// A connection of the person's.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) connection: Connection,
    pub(crate) consent: Consent,
    pub(crate) bank_name: String,
}

impl Held {
    /// Whether the person's agreement holds now.
    pub(crate) fn is_live(&self, now: Timestamp) -> bool {
        matches!(&self.consent.state, ConsentState::Valid { valid_until, .. } if now < *valid_until)
    }

    /// Since when and until when.
    pub(crate) fn until_when(&self) -> Option<UntilWhen> {
        match &self.consent.state {
            ConsentState::Valid {
                granted_at,
                valid_until,
                ..
            } => Some(UntilWhen {
                granted: day(*granted_at),
                until: day(*valid_until),
            }),
            _ => None,
        }
    }

    /// Where it stands, as the person is told.
    pub(crate) fn standing(&self, now: Timestamp) -> Standing {
        let erasure = self.erasure();
        match &self.consent.state {
            ConsentState::Valid { valid_until, .. } if now >= *valid_until => Standing::Expired {
                on: day(*valid_until),
                erasure,
            },
            ConsentState::Valid { .. } | ConsentState::Received { .. } => self.while_live(),
            ConsentState::Expired { at, .. } => Standing::Expired {
                on: day(*at),
                erasure,
            },
            ConsentState::RevokedByPsu { at } => Standing::Withdrawn {
                on: day(*at),
                erasure,
            },
            ConsentState::TerminatedByTpp { at } | ConsentState::Rejected { at, .. } => {
                Standing::Ended {
                    on: day(*at),
                    erasure,
                }
            }
        }
    }

    fn erasure(&self) -> Erasure {
        match (&self.connection.status, &self.consent.state) {
            (ConnectionStatus::Closed { .. }, _) => Erasure::Done,
            (_, ConsentState::Expired { erase_at, .. }) => Erasure::On(day(*erase_at)),
            _ => Erasure::Doing,
        }
    }

    fn while_live(&self) -> Standing {
        match &self.connection.status {
            ConnectionStatus::Connected => Standing::Reading,
            ConnectionStatus::Active { last_synced_at, .. } => Standing::Active {
                last_read: *last_synced_at,
            },
            ConnectionStatus::ReauthenticationNeeded { since, .. } => {
                Standing::BankAsksAgain { since: day(*since) }
            }
            ConnectionStatus::NoEligibleAccount { .. } => Standing::NothingToRead,
            ConnectionStatus::Closed { since } => Standing::Ended {
                on: day(*since),
                erasure: Erasure::Done,
            },
        }
    }
}

/// The day a moment lies in.
pub(crate) fn day(moment: Timestamp) -> Date {
    moment.to_zoned(TimeZone::UTC).date()
}

impl Connections {
    /// Everything the person ever connected, newest first.
    pub(crate) async fn held_by(&self, psu: &Psu) -> Result<Vec<Held>, Problem> {
        let table = self.store.table();
        let ids = table.connections_of(&psu.client, &psu.customer).await;
        let mut held = Vec::new();
        for id in ids.map_err(refused)? {
            held.extend(self.found(psu, &id).await?);
        }
        held.sort_by_key(|held| std::cmp::Reverse(held.connection.created_at));
        Ok(held)
    }

    /// One connection of this person's; somebody else's is not there.
    pub(crate) async fn held(&self, psu: &Psu, id: &ConnectionId) -> Result<Held, Problem> {
        let found = self.found(psu, id).await?;
        found.ok_or_else(Problem::not_found)
    }

    async fn found(&self, psu: &Psu, id: &ConnectionId) -> Result<Option<Held>, Problem> {
        let table = self.store.table();
        let connection = table.connection(&psu.client, id).await.map_err(refused)?;
        let Some((connection, _)) = connection.filter(|(it, _)| it.customer == psu.customer) else {
            return Ok(None);
        };
        let consent = table.consent(&psu.client, &connection.consent).await;
        let Some(consent) = consent.map_err(refused)? else {
            return Ok(None);
        };
        let entry = self.directory.get(&connection.institution);
        Ok(Some(Held {
            bank_name: entry.map_or_else(
                || connection.institution.to_string(),
                |entry| entry.institution.name.clone(),
            ),
            connection,
            consent: consent.consent,
        }))
    }

    /// The purposes the person agreed to, which are allowed now, in the catalogue's words.
    pub(crate) fn granted(&self, held: &Held, now: Timestamp) -> Vec<&Purpose> {
        let asked = held.consent.requested.iter().map(|asked| &asked.code);
        asked
            .filter(|code| held.consent.allows(code, now))
            .filter_map(|code| self.catalogue.find(code))
            .collect()
    }

    /// The client as the person knows it.
    pub(crate) async fn brand(&self, psu: &Psu) -> Result<Brand, Problem> {
        Ok(brand_of(psu, &self.held_by(psu).await?))
    }
}

/// The name under which the person was asked last.
pub(crate) fn brand_of(psu: &Psu, held: &[Held]) -> Brand {
    let named = held.iter().find_map(|held| held.consent.brand.clone());
    Brand {
        name: named.unwrap_or_else(|| psu.client.to_string()),
        ..Brand::default()
    }
}
