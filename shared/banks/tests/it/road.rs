//! The whole road with an ordinary person.

use passerelle_banks::{BankConsent, BankConsentEnd, BankError, OpenToken};
use passerelle_domain::account::{AccountIdentification, AccountKind, BalanceType};
use passerelle_domain::connection::ReauthenticationReason;
use passerelle_domain::money::Amount;
use passerelle_domain::transaction::BookingStatus;

use crate::sandbox::{Sandbox, access, context};

#[tokio::test]
async fn consent_login_approval_tokens_accounts_movements() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);

    let consent = sandbox.connector.consent_status(&access).await.unwrap();
    let valid_until = "2027-02-20T23:00:00Z".parse().unwrap();
    assert_eq!(consent, BankConsent::Valid { valid_until });

    let accounts = sandbox.connector.accounts(&access).await.unwrap();
    let kinds: Vec<_> = accounts.iter().map(|account| account.kind).collect();
    assert_eq!(kinds, [AccountKind::Payment, AccountKind::Savings]);
    let current = &accounts[0];
    assert_eq!(
        current.owner_name.as_ref().unwrap().expose(),
        "Camille Martin"
    );
    assert!(matches!(
        current.identification,
        AccountIdentification::Iban(_)
    ));
    assert_eq!(current.balances[0].balance_type, BalanceType::ClosingBooked);

    let window = sandbox
        .connector
        .transactions(&access, current, None)
        .await
        .unwrap();
    let booked: Vec<_> = window
        .lines
        .iter()
        .filter(|line| line.status == BookingStatus::Booked)
        .collect();
    assert!(booked.len() > 500, "pages were joined: {}", booked.len());
    assert_eq!(
        Some(window.from),
        booked.iter().filter_map(|line| line.booking_date).min()
    );
    let opening = 142_000;
    let moved: i64 = booked.iter().map(|line| line.amount.minor).sum();
    assert_eq!(current.balances[0].amount, Amount::eur(opening + moved));
    let insurance = booked
        .iter()
        .find(|line| line.creditor_id.as_deref() == Some("FR39ZZZ121412"))
        .unwrap();
    assert!(insurance.amount.is_debit() && insurance.mandate_id.is_some());
    assert_eq!(
        insurance.counterparty.name.as_ref().unwrap().expose(),
        "MAIF"
    );
}

#[tokio::test]
async fn the_return_carries_state_and_issuer_to_the_exact_address() {
    let sandbox = Sandbox::open().await;
    let (_, back) = sandbox.visit("camille.martin", "approve").await;
    assert!(
        back.url
            .as_str()
            .starts_with("https://insurer.example/v1/callback/a1?x=1&")
    );
    assert_eq!(back.state.as_deref(), Some("state-0123456789"));
    assert!(back.issuer.unwrap().ends_with("/sandbox-bank"));
}

#[tokio::test]
async fn a_code_is_useless_with_another_attempts_secrets() {
    let sandbox = Sandbox::open().await;
    let (_, back) = sandbox.visit("camille.martin", "approve").await;
    let mut other = sandbox.request();
    other.code_verifier = "another-verifier-another-verifier-another-1234".into();
    let other = sandbox.connector.start_authorisation(&other).await.unwrap();
    let outcome = sandbox
        .connector
        .exchange_code(
            &other.secrets,
            Some(&back.code.unwrap()),
            back.issuer.as_deref(),
            &context(),
            sandbox.clock.now(),
        )
        .await;
    assert!(matches!(outcome, Err(BankError::CodeRefused { .. })));
}

#[tokio::test]
async fn a_return_without_or_with_another_issuer_is_refused_before_the_code_is_sent() {
    let sandbox = Sandbox::open().await;
    let (secrets, back) = sandbox.visit("camille.martin", "approve").await;
    let code = back.code.unwrap();
    for issuer in [None, Some("https://other.example")] {
        let now = sandbox.clock.now();
        let outcome = sandbox
            .connector
            .exchange_code(&secrets, Some(&code), issuer, &context(), now)
            .await;
        assert!(matches!(outcome, Err(BankError::IssuerMismatch)));
    }
    let calls = sandbox.calls.lock().unwrap();
    assert!(!calls.iter().any(|(line, _)| line.contains("/token")));
}

#[tokio::test]
async fn tokens_are_renewed_and_a_spent_refresh_token_needs_the_person() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    sandbox.clock.advance_minutes(11);
    assert!(token.needs_refresh(sandbox.clock.now()));
    let stale = access(&token, &attended, &context);
    assert!(
        sandbox
            .connector
            .accounts(&stale)
            .await
            .unwrap_err()
            .wants_refresh()
    );

    let now = sandbox.clock.now();
    let renewed = sandbox
        .connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap();
    let renewed = OpenToken::from_bytes(&renewed.to_bytes()).unwrap();
    assert!(!renewed.needs_refresh(now));
    let fresh = access(&renewed, &attended, &context);
    assert_eq!(sandbox.connector.accounts(&fresh).await.unwrap().len(), 2);

    let again = sandbox.connector.refresh_token(&token, &context, now).await;
    assert_eq!(
        again.unwrap_err().needs_psu(),
        Some(ReauthenticationReason::TokenRefused)
    );
}

#[tokio::test]
async fn an_ended_consent_stays_ended_and_ending_it_again_is_no_error() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    sandbox.connector.end_consent(&access).await.unwrap();
    sandbox.connector.end_consent(&access).await.unwrap();
    assert_eq!(
        sandbox.connector.consent_status(&access).await.unwrap(),
        BankConsent::Ended(BankConsentEnd::TerminatedByTpp)
    );
    let error = sandbox.connector.accounts(&access).await.unwrap_err();
    assert_eq!(
        error.needs_psu(),
        Some(ReauthenticationReason::BankConsentEnded)
    );
}

#[tokio::test]
async fn the_bank_shortens_what_is_asked_too_long_and_its_answer_counts() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let mut request = sandbox.request();
    request.valid_until = passerelle_domain::Date::constant(2030, 1, 1);
    let started = sandbox
        .connector
        .start_authorisation(&request)
        .await
        .unwrap();
    let back =
        crate::sandbox::decide_at_the_bank(started.way.href, "camille.martin", "approve").await;
    let token = sandbox
        .connector
        .exchange_code(
            &started.secrets,
            Some(&back.code.unwrap()),
            back.issuer.as_deref(),
            &context,
            sandbox.clock.now(),
        )
        .await
        .unwrap();
    let access = access(&token, &attended, &context);
    assert_eq!(
        sandbox.connector.consent_status(&access).await.unwrap(),
        BankConsent::Valid {
            valid_until: "2027-05-21T22:00:00Z".parse().unwrap()
        }
    );
}

#[tokio::test]
async fn a_revocation_in_online_banking_is_seen() {
    let sandbox = Sandbox::open().await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    sandbox.revoke_in_online_banking("camille.martin").await;
    let access = access(&token, &attended, &context);
    assert_eq!(
        sandbox.connector.consent_status(&access).await.unwrap(),
        BankConsent::Ended(BankConsentEnd::RevokedByPsu)
    );
}
