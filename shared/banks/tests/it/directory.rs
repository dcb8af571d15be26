//! Every bank of the directory has a connector, or says what is missing.

use passerelle_banks::{
    AispCertificates, BankError, BankSettings, Banks, Onboarded, OpenToken, Reachability, Through,
};

use crate::sandbox::{Sandbox, access, context};

fn banks(with_aggregator: bool) -> Banks {
    banks_and(
        with_aggregator,
        Onboarded::default(),
        AispCertificates::none(),
    )
    .unwrap()
}

fn banks_and(
    with_aggregator: bool,
    onboarded: Onboarded,
    certificates: AispCertificates,
) -> Result<Banks, BankError> {
    let aggregator = with_aggregator.then(|| "1234@acme.biapi.pro".parse().unwrap());
    Banks::new(BankSettings {
        sandbox_bank_url: Some("http://127.0.0.1:8095".parse().unwrap()),
        sandbox_bank_authority: None,
        aggregator,
        aggregator_secret: None,
        onboarded,
        client_id: "PSDFR-ACPR-12345".to_owned(),
        certificates,
    })
}

/// Certificates by name: nobody opens them here.
fn named(qwac: Option<&str>, qseal: Option<&str>) -> AispCertificates {
    AispCertificates {
        qwac: qwac.map(str::to_owned),
        qseal: qseal.map(str::to_owned),
        ..AispCertificates::none()
    }
}

/// Said when a function starts, not by the bank at the first person's connection.
#[test]
fn a_registered_bank_without_the_certificates_it_wants_is_refused_at_the_start() {
    let lcl =
        r#"{"lcl": {"authorisation": "https://a.example/a", "token": "https://a.example/t"}}"#;
    let n26 = r#"{"n26": {"api": "https://b.example"}}"#;
    let started = |setting: &str, certificates| {
        let banks = banks_and(false, setting.parse().unwrap(), certificates);
        banks.map(drop).map_err(|error| error.to_string())
    };
    let (one, both) = (named(Some("w"), None), named(Some("w"), Some("s")));
    for setting in [lcl, n26] {
        let error = started(setting, AispCertificates::none()).unwrap_err();
        assert!(error.contains("QWAC"), "{error}");
    }
    assert_eq!(started(n26, one.clone()), Ok(()));
    assert!(started(lcl, one).unwrap_err().contains("QSealC"));
    assert_eq!(started(lcl, both), Ok(()));
}

#[test]
fn a_bank_that_is_ready_has_a_connector_and_the_others_say_what_is_missing() {
    for with_aggregator in [false, true] {
        let banks = banks(with_aggregator);
        for entry in banks.directory().entries() {
            let id = &entry.institution.id;
            match (&entry.reachable, banks.connector(id)) {
                (Reachability::Ready { through }, Ok(_)) => {
                    assert!(with_aggregator || *through == Through::Bank, "{id}");
                }
                (Reachability::NeedsOnboarding { why }, Err(error)) => {
                    assert!(!why.is_empty());
                    assert!(matches!(error, BankError::NeedsOnboarding { .. }), "{id}");
                }
                (reachable, connector) => panic!("{id}: {reachable:?}, {connector:?}"),
            }
        }
    }
}

#[tokio::test]
async fn the_aggregators_page_is_told_who_asks_and_where_to_return() {
    let sandbox = Sandbox::open().await;
    let connector = banks(true).connector(&"lcl".parse().unwrap()).unwrap();
    let started = connector
        .start_authorisation(&sandbox.request())
        .await
        .unwrap();
    let page = started.way.href;
    assert_eq!(page.host_str(), Some("webview.powens.com"));
    assert_eq!(page.path(), "/fr/connect");
    let said = |name: &str| {
        page.query_pairs()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    assert_eq!(said("domain").as_deref(), Some("acme.biapi.pro"));
    assert_eq!(said("client_id").as_deref(), Some("1234"));
    assert_eq!(said("state").as_deref(), Some("state-0123456789"));
    assert_eq!(said("max_connections").as_deref(), Some("1"));
    assert!(
        said("redirect_uri")
            .unwrap()
            .starts_with("https://insurer.example/")
    );
    assert!(said("code").is_none(), "the provider makes a new user");
}

fn token_given_at(endpoint: &str) -> OpenToken {
    let token = serde_json::json!({
        "access": "t0ken", "refresh": null, "expires_at": "2027-01-01T00:00:00Z",
        "bank_consent_id": null, "token_endpoint": endpoint,
        "authorised_at": "2026-11-22T10:00:00Z", "renewed": false,
    });
    OpenToken::from_bytes(token.to_string().as_bytes()).unwrap()
}

/// The hosts here answer nobody: a call that was made would fail in another way.
#[tokio::test]
async fn a_token_is_shown_only_to_who_gave_it() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let onboarded = r#"{
        "lcl": { "authorisation": "https://lcl.example/authorize", "token": "https://lcl.example/token" },
        "milleis": { "api": "https://milleis.example" }
    }"#;
    let certificates = named(Some("qwac"), Some("qseal"));
    let banks = banks_and(true, onboarded.parse().unwrap(), certificates).unwrap();
    let aggregated = token_given_at("https://acme.biapi.pro/2.0/auth/token/access");
    let own = token_given_at("https://lcl.example/token");
    for (bank, token) in [
        ("lcl", &aggregated),
        ("milleis", &aggregated),
        ("bnp-paribas", &own),
    ] {
        let connector = banks.connector(&bank.parse().unwrap()).unwrap();
        let access = access(token, &attended, &context);
        let read = connector.accounts(&access).await.unwrap_err();
        assert!(
            matches!(read, BankError::TokenRefused { .. }),
            "{bank}: {read}"
        );
        let ended = connector.end_consent(&access).await.unwrap_err();
        assert!(
            matches!(ended, BankError::TokenRefused { .. }),
            "{bank}: {ended}"
        );
    }
    // What the aggregator opened is read and ended there, even when the bank has registered us since.
    assert!(own.stands_apart_from(&aggregated));
    let lcl = "lcl".parse().unwrap();
    let road = |token| format!("{:?}", banks.connector_of(&lcl, token).unwrap());
    assert!(road(&aggregated).starts_with("Powens"));
    assert!(road(&own).starts_with("Stet"));
}
