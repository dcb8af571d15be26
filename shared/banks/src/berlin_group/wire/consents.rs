//! Consents and their authorisation.

use jiff::civil::Date;
use passerelle_domain::private::Private;
use serde::Deserialize;
use serde_json::json;

use crate::bank_day;
use crate::connector::{BankConsent, BankConsentEnd};
use crate::error::BankError;
use crate::wire::{Link, LooseText};

/// The body of `POST /v1/consents` for a bank-offered, recurring consent.
pub(crate) fn consent_request(valid_until: Date, frequency: u8, owner_name: bool) -> String {
    let mut access = json!({"accounts": [], "balances": [], "transactions": []});
    if owner_name && let Some(members) = access.as_object_mut() {
        members.insert("additionalInformation".to_owned(), json!({"ownerName": []}));
    }
    json!({
        "access": access,
        "recurringIndicator": true,
        "validUntil": valid_until.to_string(),
        "frequencyPerDay": frequency,
        "combinedServiceIndicator": false,
    })
    .to_string()
}

/// The answer to `POST /v1/consents`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedConsent {
    pub(crate) consent_id: String,
    #[serde(flatten)]
    pub(crate) sca: ScaOffer,
}

/// How the person can decide, as a consent or an authorisation offers it. The links decide: some
/// banks leave `scaStatus` out, or misspell members nobody needs (Q49).
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ScaOffer {
    psu_message: LooseText,
    #[serde(rename = "_links")]
    links: ScaLinks,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScaLinks {
    #[serde(rename = "scaOAuth")]
    sca_oauth: Option<Link>,
    sca_redirect: Option<Link>,
    sca_status: Option<Link>,
    start_authorisation: Option<Link>,
    confirmation: Option<Link>,
}

/// What a person must do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ScaStep<'a> {
    /// Log in at the authorisation server that the link describes.
    OAuth(&'a str),
    /// Decide on the bank's page.
    Redirect {
        page: &'a str,
        /// Where the code the person brings back must go.
        confirmation: Option<&'a str>,
    },
    /// Nothing yet: the authorisation must be started first.
    Start(&'a str),
    /// Decide on another device.
    Decoupled { message: Option<&'a str> },
}

impl ScaOffer {
    pub(crate) fn step(&self) -> Option<ScaStep<'_>> {
        fn href(link: &Option<Link>) -> Option<&str> {
            link.as_ref().and_then(Link::href)
        }
        let links = &self.links;
        let redirect = |page| ScaStep::Redirect {
            page,
            confirmation: href(&links.confirmation),
        };
        href(&links.sca_oauth)
            .map(ScaStep::OAuth)
            .or_else(|| href(&links.sca_redirect).map(redirect))
            .or_else(|| href(&links.start_authorisation).map(ScaStep::Start))
            .or_else(|| {
                href(&links.sca_status)?;
                let message = self.psu_message.text();
                Some(ScaStep::Decoupled { message })
            })
    }
}

/// The body that carries a confirmation code.
pub(crate) fn confirmation(code: &Private) -> String {
    json!({"confirmationCode": code.expose()}).to_string()
}

/// The answer to a confirmation.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Confirmed {
    sca_status: LooseText,
}

impl Confirmed {
    /// Whether the bank says that the authorisation is lost.
    pub(crate) fn has_failed(&self) -> bool {
        self.sca_status.text() == Some("failed")
    }
}

/// The answer to `GET /v1/consents/{id}`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConsentInformation {
    consent_status: String,
    #[serde(default)]
    valid_until: LooseText,
}

impl ConsentInformation {
    pub(crate) fn read(&self) -> Result<BankConsent, BankError> {
        let ended = |end| Ok(BankConsent::Ended(end));
        match self.consent_status.as_str() {
            "valid" => {
                let last = self.valid_until.text().and_then(bank_day::read_date);
                let last = last.ok_or(BankError::Nonsense {
                    what: "a valid consent without a readable end",
                })?;
                Ok(BankConsent::Valid {
                    valid_until: bank_day::end_of_day(last),
                })
            }
            "received" | "partiallyAuthorised" => Ok(BankConsent::Pending),
            "rejected" => ended(BankConsentEnd::Rejected),
            "expired" => ended(BankConsentEnd::Expired),
            "revokedByPsu" => ended(BankConsentEnd::RevokedByPsu),
            "terminatedByTpp" => ended(BankConsentEnd::TerminatedByTpp),
            _ => Err(BankError::Nonsense {
                what: "an unknown consent status",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consent_is_valid_until_the_end_of_the_banks_day() {
        let read = |json: &str| {
            serde_json::from_str::<ConsentInformation>(json)
                .unwrap()
                .read()
        };
        assert_eq!(
            read(r#"{"consentStatus":"valid","validUntil":"2026-12-31"}"#).unwrap(),
            BankConsent::Valid {
                valid_until: "2026-12-31T23:00:00Z".parse().unwrap()
            }
        );
        assert_eq!(
            read(r#"{"consentStatus":"partiallyAuthorised"}"#).unwrap(),
            BankConsent::Pending
        );
        assert!(read(r#"{"consentStatus":"valid"}"#).is_err());
        assert!(read(r#"{"consentStatus":"weird"}"#).is_err());
    }

    #[test]
    fn the_links_decide_what_the_person_must_do() {
        let step = |links: &str| {
            let json = format!(
                r#"{{"consentId":"c","psuMessage":"Ouvrez votre application","_links":{links}}}"#
            );
            let created: CreatedConsent = serde_json::from_str(&json).unwrap();
            format!("{:?}", created.sca.step())
        };
        assert!(step(r#"{"scaOAuth":{"href":"/m"},"scaStatus":{"href":"/s"}}"#).contains("OAuth"));
        assert!(step(r#"{"scaRedirect":"/p","confirmation":"/c"}"#).contains(r#"Some("/c")"#));
        assert!(step(r#"{"startAuthorisation":{"href":"/a"},"scaStatus":"/s"}"#).contains("Start"));
        assert!(step(r#"{"scaStatus":{"href":"/s"}}"#).contains("Ouvrez"));
        assert_eq!(step(r#"{"self":{"href":"/c"}}"#), "None");
    }

    #[test]
    fn q49_misspelt_and_missing_members_do_no_harm() {
        let json = r#"{"consentId":"c","optFormat":"characters","optMaxLength":6,
            "chosenScaMethod":{"authenticationType":[]},"_links":{"scaRedirect":{"href":"/p"},"x":7}}"#;
        let created: CreatedConsent = serde_json::from_str(json).unwrap();
        assert!(matches!(created.sca.step(), Some(ScaStep::Redirect { .. })));
        assert!(
            !serde_json::from_str::<Confirmed>("{}")
                .unwrap()
                .has_failed()
        );
    }
}
