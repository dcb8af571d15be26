//! What a person has with a client: each connection with the consent and the bank behind it.

use jiff::tz::TimeZone;
use passerelle_aws::self_care::Psu;
use passerelle_domain::connection::{Connection, ConnectionStatus};
use passerelle_domain::consent::{Consent, ConsentState};
use passerelle_domain::ids::ConnectionId;
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::{Catalogue, PurposeCode, PurposeTerms, PurposeText};
use passerelle_domain::tenant::TenantSettings;
use passerelle_domain::{Date, Timestamp};
use passerelle_runtime::Problem;
use passerelle_runtime::pages::{Brand, theme_address};

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
            (ConnectionStatus::Closed { erasure, .. }, _) if erasure.rows_erased_at.is_some() => {
                Erasure::Done
            }
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
            ConnectionStatus::Closed { since, .. } => Standing::Ended {
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
}

/// A purpose the person allows now.
#[derive(Debug, Clone)]
pub(crate) struct Granted<'a> {
    pub(crate) code: &'a PurposeCode,
    /// What it allows, as the person was told when they agreed.
    pub(crate) terms: &'a PurposeTerms,
    /// How it is explained; its code where the catalogue has dropped it since.
    pub(crate) text: PurposeText,
}

impl Held {
    /// What the person allows now, in the catalogue's words.
    pub(crate) fn granted(
        &self,
        catalogue: &Catalogue,
        locale: Locale,
        now: Timestamp,
    ) -> Vec<Granted<'_>> {
        let allowed = self.consent.requested.iter();
        allowed
            .filter(|asked| self.consent.allows(&asked.code, now))
            .map(|asked| Granted {
                code: &asked.code,
                terms: &asked.terms,
                text: text(catalogue, &asked.code, locale),
            })
            .collect()
    }
}

fn text(catalogue: &Catalogue, code: &PurposeCode, locale: Locale) -> PurposeText {
    let known = catalogue
        .find(code)
        .and_then(|purpose| purpose.text(locale));
    known.cloned().unwrap_or_else(|| PurposeText {
        title: code.to_string(),
        explanation: String::new(),
        learned: String::new(),
        if_refused: String::new(),
    })
}

/// The client's face: as it set it, else under the name by which the person was asked last.
pub(crate) fn brand_of(psu: &Psu, settings: &TenantSettings, held: &[Held]) -> Brand {
    let asked_as = held.iter().find_map(|held| held.consent.brand.clone());
    let name = settings.display_name.clone().or(asked_as);
    let accent = settings.accent.map(|accent| accent.to_string());
    let address = |url: &passerelle_domain::tenant::HttpsAddress| url.as_str().to_owned();
    Brand {
        name: name.unwrap_or_else(|| psu.client.to_string()),
        logo: None,
        style: accent.map(|colour| theme_address(colour.trim_start_matches('#'))),
        terms: settings.terms_url.as_ref().map(address),
        privacy: settings.privacy_url.as_ref().map(address),
    }
}
