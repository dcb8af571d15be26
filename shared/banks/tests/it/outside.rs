//! The connectors at a server that shares nothing with us. `tests/outside/prism_checks.py` starts one
//! and says where it is; without it nothing is checked.

use passerelle_banks::{
    AispCertificates, AuthorisationRequest, BankConsent, BankSettings, Banks, Connector, Onboarded,
    OpenToken,
};
use passerelle_domain::account::AccountKind;
use passerelle_domain::call_budget::{AttendedPsu, PsuPresence};
use passerelle_domain::money::Currency;
use passerelle_domain::private::Private;
use passerelle_domain::{Date, Timestamp};

use crate::sandbox::{access, context};

/// What the script tells.
struct Outside {
    connector: std::sync::Arc<dyn Connector>,
    token: OpenToken,
    has_consent: bool,
}

fn outside() -> Option<Outside> {
    let told = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
    let base = told("OUTSIDE_BANK")?;
    let consent = told("OUTSIDE_CONSENT");
    let banks = Banks::new(BankSettings {
        sandbox_bank_url: Some(base.parse().unwrap()),
        sandbox_bank_authority: None,
        aggregator: None,
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: "PSDFR-ACPR-99999".to_owned(),
        certificates: AispCertificates::none(),
    })
    .unwrap();
    let given = told("OUTSIDE_TOKEN").expect("OUTSIDE_TOKEN");
    let institution = told("OUTSIDE_INSTITUTION").expect("OUTSIDE_INSTITUTION");
    Some(Outside {
        connector: banks.connector(&institution.parse().unwrap()).unwrap(),
        token: token(&base, &given, consent.as_deref()),
        has_consent: consent.is_some(),
    })
}

fn token(base: &str, given: &str, consent: Option<&str>) -> OpenToken {
    let token = serde_json::json!({
        "access": given,
        "refresh": null,
        "expires_at": "2099-01-01T00:00:00Z",
        "bank_consent_id": consent,
        "token_endpoint": format!("{base}/token"),
        "authorised_at": Timestamp::now(),
        "renewed": false,
    });
    OpenToken::from_bytes(token.to_string().as_bytes()).unwrap()
}

fn person() -> AttendedPsu {
    AttendedPsu {
        ip_address: "192.0.2.7".parse().unwrap(),
        user_agent: Some("Mozilla/5.0".to_owned()),
        until: Timestamp::now(),
    }
}

/// Where the description stands between, what is asked to open and to end a consent is watched as well.
async fn opens_and_ends_a_consent(outside: &Outside) {
    let now = Timestamp::now();
    let today = now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let context = context();
    let request = AuthorisationRequest {
        state: Private::new("state-0123456789"),
        code_verifier: Private::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
        redirect_uri: "https://outside.example/return".parse().unwrap(),
        psu: person(),
        valid_until: today.checked_add(jiff::Span::new().days(90)).unwrap(),
        context: context.clone(),
        now,
    };
    let started = outside.connector.start_authorisation(&request);
    assert_eq!(started.await.unwrap().way.href.scheme(), "http");
    let attended = PsuPresence::Attended(person());
    let access = access(&outside.token, &attended, &context);
    outside.connector.end_consent(&access).await.unwrap();
    let status = outside.connector.consent_status(&access).await.unwrap();
    assert!(matches!(status, BankConsent::Ended(_)), "{status:?}");
}

#[tokio::test]
async fn a_connector_reads_what_the_official_description_describes() {
    let Some(outside) = outside() else {
        println!("OUTSIDE_BANK is not set: no server of others was asked");
        return;
    };
    let attended = PsuPresence::Attended(person());
    let context = context();
    let access = access(&outside.token, &attended, &context);
    if outside.has_consent {
        let status = outside.connector.consent_status(&access).await.unwrap();
        assert!(
            matches!(status, BankConsent::Valid { .. } | BankConsent::Pending),
            "{status:?}"
        );
    }
    let accounts = outside.connector.accounts(&access).await.unwrap();
    let euro = accounts.iter().filter(|account| {
        account.kind == AccountKind::Payment && account.currency == Currency::EUR
    });
    let euro: Vec<_> = euro.collect();
    assert!(!euro.is_empty(), "{} accounts", accounts.len());
    let today = Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let from: Date = today.checked_sub(jiff::Span::new().days(60)).unwrap();
    for account in euro {
        let window = outside
            .connector
            .transactions(&access, account, Some(from))
            .await
            .unwrap();
        assert!(!window.lines.is_empty());
        assert!(window.lines.iter().all(|line| line.amount.minor != 0));
    }
    if std::env::var_os("OUTSIDE_IS_WATCHED").is_some() {
        opens_and_ends_a_consent(&outside).await;
    }
}
