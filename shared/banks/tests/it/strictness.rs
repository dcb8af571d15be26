//! Certificates and signatures, demanded by a bank that means it.

use std::sync::Arc;

use passerelle_banks::{AispCertificates, BankError, CertificateKind, Connector};
use sandbox_bank::TestAuthority;

use crate::sandbox::{access, context, decide_with};
use crate::strict_bank::{CLIENT_ID, IN_FORCE, OVER, Safe, StrictBank};

const SIGNING: [&str; 3] = ["sandbox-bank", "sandbox-bank-stet", "sandbox-bank-stet-a2"];

/// From the consent to its end; every call is signed and shows the certificate.
async fn the_whole_road(bank: &StrictBank, connector: &dyn Connector) {
    let (attended, context) = (bank.attended(), context());
    let token = bank.connect(connector).await.unwrap();
    let first = access(&token, &attended, &context);
    let account = connector.accounts(&first).await.unwrap().remove(0);
    let window = connector
        .transactions(&first, &account, None)
        .await
        .unwrap();
    assert!(window.lines.len() > 500, "{}", window.lines.len());
    let renewed = connector
        .refresh_token(&token, &context, bank.clock.now())
        .await
        .unwrap();
    let second = access(&renewed, &attended, &context);
    assert!(!connector.accounts(&second).await.unwrap().is_empty());
    connector.end_consent(&second).await.unwrap();
}

fn code_of(error: BankError) -> String {
    assert!(error.is_ours());
    match error {
        BankError::IdentityRefused { code } => code.to_string(),
        other => panic!("{other:?}"),
    }
}

/// What the bank says to the first signed call: a consent at Berlin Group, the accounts at STET.
async fn first_refusal(
    bank: &StrictBank,
    institution: &str,
    certificates: AispCertificates,
) -> BankError {
    let connector = bank.connector(institution, certificates);
    match connector.start_authorisation(&bank.request()).await {
        Err(error) => error,
        Ok(_) => {
            let honest = bank.connector(institution, bank.certificates(bank.safe()));
            let token = bank.connect(honest.as_ref()).await.unwrap();
            let (attended, context) = (bank.attended(), context());
            let access = access(&token, &attended, &context);
            connector.accounts(&access).await.unwrap_err()
        }
    }
}

#[tokio::test]
async fn with_certificate_and_signature_every_dialect_is_spoken_to_the_end() {
    let bank = StrictBank::open().await;
    for institution in SIGNING {
        let connector = bank.connector(institution, bank.certificates(bank.safe()));
        the_whole_road(&bank, connector.as_ref()).await;
    }
}

#[tokio::test]
async fn a_key_that_is_never_given_away_signs_as_well() {
    let bank = StrictBank::open().await;
    let mut safe = bank.safe();
    let bundle = safe.secrets.get_mut().unwrap().remove("qseal").unwrap();
    let at = bundle.find("-----BEGIN PRIVATE KEY").unwrap();
    let (certificate, key) = bundle.split_at(at);
    safe.put("qseal", certificate.to_owned());
    safe.held = Some(key.to_owned());
    let certificates = AispCertificates {
        qseal_key: Some("held-key".to_owned()),
        ..bank.certificates(safe)
    };
    let connector = bank.connector("sandbox-bank", certificates);
    the_whole_road(&bank, connector.as_ref()).await;
}

#[tokio::test]
async fn without_a_certificate_every_dialect_refuses_us_and_not_the_person() {
    let bank = StrictBank::open().await;
    for institution in SIGNING {
        let error = first_refusal(&bank, institution, AispCertificates::none()).await;
        assert!(error.needs_psu().is_none() && !error.is_retryable());
        assert_eq!(code_of(error), "CERTIFICATE_MISSING", "{institution}");
    }
}

#[tokio::test]
async fn without_a_signature_every_dialect_refuses_us() {
    let bank = StrictBank::open().await;
    for institution in SIGNING {
        let certificates = AispCertificates {
            qseal: None,
            ..bank.certificates(bank.safe())
        };
        let error = first_refusal(&bank, institution, certificates).await;
        assert_eq!(code_of(error), "SIGNATURE_MISSING", "{institution}");
    }
}

#[tokio::test]
async fn a_certificate_of_an_authority_the_bank_does_not_know_opens_no_line() {
    let bank = StrictBank::open().await;
    let stranger = TestAuthority::new().unwrap();
    let safe = bank.safe();
    safe.put("qwac", stranger.qwac(CLIENT_ID, IN_FORCE).unwrap());
    let error = first_refusal(&bank, "sandbox-bank", bank.certificates(safe)).await;
    assert_eq!(code_of(error), "TLS_UNKNOWN_AUTHORITY");
}

#[tokio::test]
async fn a_seal_of_an_authority_the_bank_does_not_know_signs_nothing() {
    let bank = StrictBank::open().await;
    let stranger = TestAuthority::new().unwrap();
    for (institution, code) in [
        ("sandbox-bank", "CERTIFICATE_INVALID"),
        ("sandbox-bank-stet", "SIGNATURE_INVALID"),
        ("sandbox-bank-stet-a2", "SIGNATURE_INVALID"),
    ] {
        let safe = bank.safe();
        safe.put("qseal", stranger.qseal(CLIENT_ID, IN_FORCE).unwrap());
        let error = first_refusal(&bank, institution, bank.certificates(safe)).await;
        assert_eq!(code_of(error), code, "{institution}");
    }
}

#[tokio::test]
async fn a_bank_that_cannot_prove_itself_is_not_spoken_to() {
    let bank = StrictBank::open().await;
    let stranger = TestAuthority::new().unwrap();
    for trusted in [Some(stranger.pem()), None] {
        let connector =
            bank.connector_trusting("sandbox-bank", bank.certificates(bank.safe()), trusted);
        let error = connector
            .start_authorisation(&bank.request())
            .await
            .unwrap_err();
        assert!(matches!(error, BankError::UntrustedBank), "{error:?}");
        assert!(error.bank_unavailable() && !error.is_retryable());
    }
}

#[tokio::test]
async fn another_third_partys_certificate_gets_no_tokens_in_our_name() {
    let bank = StrictBank::open().await;
    let safe = of_another_third_party(&bank);
    let another = bank.connector("sandbox-bank", bank.certificates(safe));
    let honest = bank.connector("sandbox-bank", bank.certificates(bank.safe()));
    let started = honest.start_authorisation(&bank.request()).await.unwrap();
    let browser = bank.client(None);
    let back = decide_with(&browser, started.way.href, "camille.martin", "approve").await;
    let (code, issuer) = (back.code.as_ref(), back.issuer.as_deref());
    let now = bank.clock.now();
    let error = another
        .exchange_code(&started.secrets, code, issuer, &context(), now)
        .await
        .unwrap_err();
    assert_eq!(code_of(error), "invalid_client");
}

#[tokio::test]
async fn a_certificate_that_is_over_is_said_so_before_any_bank_is_asked() {
    let bank = StrictBank::open().await;
    for (name, kind) in [
        ("qwac", CertificateKind::Qwac),
        ("qseal", CertificateKind::QSeal),
    ] {
        let safe = bank.safe();
        let pem = match kind {
            CertificateKind::Qwac => bank.authority.qwac(CLIENT_ID, OVER),
            CertificateKind::QSeal => bank.authority.qseal(CLIENT_ID, OVER),
        };
        safe.put(name, pem.unwrap());
        // An address where nobody answers: had it been asked, the error would be another one.
        let nowhere = "https://127.0.0.1:9/".parse().unwrap();
        let connector = crate::strict_bank::connector_at(
            &nowhere,
            "sandbox-bank",
            bank.certificates(safe),
            Some(bank.authority.pem()),
        );
        let error = connector
            .start_authorisation(&bank.request())
            .await
            .unwrap_err();
        assert!(
            matches!(error, BankError::CertificateExpired { certificate, .. } if certificate == kind),
            "{error:?}"
        );
        let text = error.to_string();
        assert!(
            text.contains("2026-11-22") && text.contains("install"),
            "{text}"
        );
        assert!(!error.is_retryable() && !error.bank_unavailable() && error.is_ours());
    }
}

#[tokio::test]
async fn a_bank_refuses_a_certificate_that_is_over_even_when_our_clock_is_behind() {
    let bank = StrictBank::open().await;
    let safe = bank.safe();
    safe.put("qwac", bank.authority.qwac(CLIENT_ID, OVER).unwrap());
    let certificates = AispCertificates {
        clock: Arc::new(|| "2026-06-01T00:00:00Z".parse().unwrap()),
        ..bank.certificates(safe)
    };
    let error = first_refusal(&bank, "sandbox-bank", certificates).await;
    assert_eq!(code_of(error), "TLS_CERTIFICATE_EXPIRED");
}

#[tokio::test]
async fn a_date_more_than_five_minutes_away_is_refused() {
    let bank = StrictBank::open().await;
    for institution in ["sandbox-bank-stet", "sandbox-bank-stet-a2"] {
        let certificates = AispCertificates {
            clock: Arc::new(|| "2026-11-22T09:54:00Z".parse().unwrap()),
            ..bank.certificates(bank.safe())
        };
        let error = first_refusal(&bank, institution, certificates).await;
        assert_eq!(code_of(error), "TIMESTAMP_INVALID", "{institution}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_and_a_closed_safe_is_no_outage() {
    let bank = StrictBank::open().await;
    let safe = Arc::new(bank.safe());
    let soon = sandbox_bank::Life {
        until: passerelle_domain::Date::constant(2026, 11, 23),
        ..IN_FORCE
    };
    safe.put("qwac", bank.authority.qwac(CLIENT_ID, soon).unwrap());
    let connector = bank.connector("sandbox-bank", bank.certificates_of(Arc::clone(&safe)));
    bank.connect(connector.as_ref()).await.unwrap();

    // Two hours later the safe does not open; what was read is used on.
    let kept = std::mem::take(&mut *safe.secrets.lock().unwrap());
    bank.clock.advance_minutes(120);
    bank.connect(connector.as_ref()).await.unwrap();

    // The day after, the renewed certificate lies in it.
    *safe.secrets.lock().unwrap() = kept;
    safe.put("qwac", bank.authority.qwac(CLIENT_ID, IN_FORCE).unwrap());
    bank.clock.advance_minutes(24 * 60);
    bank.connect(connector.as_ref()).await.unwrap();
}

#[tokio::test]
async fn certificates_that_cannot_be_used_say_what_is_wrong_with_them() {
    let bank = StrictBank::open().await;
    let good = bank.safe();
    let secret = |name: &str| good.secrets.lock().unwrap()[name].clone();
    let without_key = |pem: String| pem.split("-----BEGIN PRIVATE").next().unwrap().to_owned();
    for (qwac, qseal) in [
        (String::new(), secret("qseal")),
        ("no PEM at all".to_owned(), secret("qseal")),
        (without_key(secret("qwac")), secret("qseal")),
        (secret("qwac"), without_key(secret("qseal"))),
        // An elliptic key signs nothing a bank would take.
        (secret("qwac"), secret("qwac")),
    ] {
        let safe = Safe::default();
        safe.put("qwac", qwac);
        safe.put("qseal", qseal);
        let error = first_refusal(&bank, "sandbox-bank", bank.certificates(safe)).await;
        assert!(matches!(error, BankError::Certificate { .. }), "{error:?}");
        assert!(!error.is_retryable());
    }
    let error = first_refusal(&bank, "sandbox-bank", bank.certificates(Safe::default())).await;
    assert!(matches!(error, BankError::Keys(_)) && error.is_retryable());
}

/// Certificates of somebody else's, sound in every way.
fn of_another_third_party(bank: &StrictBank) -> Safe {
    const ANOTHER: &str = "PSDDE-BAFIN-54321";
    let safe = Safe::default();
    safe.put("qwac", bank.authority.qwac(ANOTHER, IN_FORCE).unwrap());
    safe.put("qseal", bank.authority.qseal(ANOTHER, IN_FORCE).unwrap());
    safe
}

/// A token and a consent are bound to who they were given to: found or stolen, they open nothing.
#[tokio::test]
async fn another_third_party_reads_and_ends_nothing_of_ours() {
    let bank = StrictBank::open().await;
    let every = SIGNING.into_iter().chain(["sandbox-bank-redirect"]);
    for institution in every {
        let ours = bank.connector(institution, bank.certificates(bank.safe()));
        let theirs = bank.connector(
            institution,
            bank.certificates(of_another_third_party(&bank)),
        );
        let token = match institution {
            "sandbox-bank-redirect" => bank.connect_without_code(ours.as_ref()).await,
            _ => bank.connect(ours.as_ref()).await.unwrap(),
        };
        let (attended, context) = (bank.attended(), context());
        let access = access(&token, &attended, &context);
        let stolen = theirs.accounts(&access).await;
        assert!(stolen.is_err(), "{institution}");
        // Whether it is told "unknown" or "not yours": nothing ends.
        let _ = theirs.end_consent(&access).await;
        assert!(
            !ours.accounts(&access).await.unwrap().is_empty(),
            "{institution}"
        );
    }
}

/// The certificate of the connection and that of the seal name one third party.
#[tokio::test]
async fn anothers_seal_signs_nothing_for_us() {
    let bank = StrictBank::open().await;
    for institution in SIGNING {
        let safe = bank.safe();
        let another = of_another_third_party(&bank);
        let seal = another.secrets.lock().unwrap()["qseal"].clone();
        safe.put("qseal", seal);
        let error = first_refusal(&bank, institution, bank.certificates(safe)).await;
        assert_eq!(code_of(error), "CERTIFICATE_INVALID", "{institution}");
    }
}
