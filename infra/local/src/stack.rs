//! What a deployment would be told, as this machine answers it.

use std::collections::BTreeMap;

/// Region every embedded service claims to be in.
pub(crate) const REGION: &str = "eu-west-3";
/// Account number every embedded service claims to belong to.
pub(crate) const ACCOUNT: &str = "123456789012";
/// Stack name: begins every physical name.
pub(crate) const STACK: &str = "passerelle-local";
/// The audience of the embedded issuer's tokens.
pub(crate) const AUDIENCE: &str = "passerelle";

/// Where SQS says a queue is.
pub(crate) fn queue_url(name: &str) -> String {
    format!("https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}")
}

/// Values for the template's parameters when everything runs behind `base_url`.
pub(crate) fn parameters(base_url: &str) -> BTreeMap<String, String> {
    [
        ("Stage", "dev".to_owned()),
        ("JwtIssuer", format!("{base_url}/issuer")),
        ("JwtAudience", AUDIENCE.to_owned()),
        ("PublicUrl", base_url.to_owned()),
        ("SandboxBankUrl", format!("{base_url}/sandbox-bank")),
        ("BankClientId", "PSDFR-ACPR-00000".to_owned()),
        ("AispName", "Passerelle (sandbox)".to_owned()),
        ("AispRegistration", "00000".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}
