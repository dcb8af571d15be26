//! What every connector must do, run for each: the same assertions, another dialect. An aggregator
//! is not a bank: its tokens do not age, it holds what it read, and calls to it are not calls to the
//! bank. Where that makes a difference the case says so.

use passerelle_banks::{BankConsent, BankConsentEnd, BankError, OpenToken};
use passerelle_domain::account::{AccountIdentification, AccountKind, FetchedAccount};
use passerelle_domain::money::Amount;
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_domain::transaction::BookingStatus;
use passerelle_domain::{Date, Timestamp};

use crate::sandbox::{Sandbox, access, context};

async fn accounts(sandbox: &Sandbox, token: &OpenToken) -> Result<Vec<FetchedAccount>, BankError> {
    let (attended, context) = (sandbox.attended(), context());
    let access = access(token, &attended, &context);
    sandbox.connector.accounts(&access).await
}

async fn movements(
    sandbox: &Sandbox,
    token: &OpenToken,
    from: Option<Date>,
) -> Result<FetchedWindow, BankError> {
    let (attended, context) = (sandbox.attended(), context());
    let access = access(token, &attended, &context);
    let account = sandbox.connector.accounts(&access).await?.remove(0);
    sandbox
        .connector
        .transactions(&access, &account, from)
        .await
}

async fn the_whole_road(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    let BankConsent::Valid { valid_until } =
        sandbox.connector.consent_status(&access).await.unwrap()
    else {
        panic!("the consent is valid");
    };
    let latest: Timestamp = "2027-05-22T10:00:00Z".parse().unwrap();
    assert!(valid_until > sandbox.clock.now() && valid_until <= latest);

    let current = accounts(&sandbox, &token).await.unwrap().remove(0);
    assert_eq!(current.kind, AccountKind::Payment);
    assert!(matches!(
        current.identification,
        AccountIdentification::Iban(_)
    ));
    let owner = current.owner_name.as_ref().map(Private::expose);
    let promised = sandbox.entry.capabilities.owner_name;
    assert_eq!(owner, promised.then_some("Camille Martin"));

    let window = movements(&sandbox, &token, None).await.unwrap();
    let booked = window
        .lines
        .iter()
        .filter(|line| line.status == BookingStatus::Booked);
    let moved: i64 = booked.clone().map(|line| line.amount.minor).sum();
    assert!(booked.clone().count() > 500);
    assert_eq!(current.balances[0].amount, Amount::eur(142_000 + moved));
    let oldest = booked.filter_map(|line| line.booking_date).min();
    assert_eq!(Some(window.from), oldest);
    assert!(window.lines.iter().all(|line| !line.label.is_empty()));
}

/// Where no code comes back, the consent says what the person decided.
async fn a_refusal_ends_the_consent(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.settle("camille.martin", "refuse").await;
    let (attended, context) = (sandbox.attended(), context());
    let access = access(&token, &attended, &context);
    let status = sandbox.connector.consent_status(&access).await.unwrap();
    assert_eq!(status, BankConsent::Ended(BankConsentEnd::Rejected));
    assert!(
        accounts(&sandbox, &token)
            .await
            .unwrap_err()
            .needs_psu()
            .is_some()
    );
}

/// Nobody reads before the person has said yes, however early they come back.
async fn nothing_is_read_before_the_approval(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let started = sandbox
        .connector
        .start_authorisation(&sandbox.request())
        .await
        .unwrap();
    let now = sandbox.clock.now();
    let token = sandbox
        .connector
        .exchange_code(&started.secrets, None, None, &context(), now)
        .await
        .unwrap();
    let (attended, context) = (sandbox.attended(), context());
    let access = access(&token, &attended, &context);
    let status = sandbox.connector.consent_status(&access).await.unwrap();
    assert_eq!(status, BankConsent::Pending);
    assert!(accounts(&sandbox, &token).await.is_err());
}

async fn a_refusal_has_no_code(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (_, back) = sandbox.visit("camille.martin", "refuse").await;
    assert_eq!(back.error.as_deref(), Some("access_denied"));
    assert_eq!(back.state.as_deref(), Some("state-0123456789"));
    assert!(back.code.is_none());
}

async fn a_code_works_once(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (secrets, back) = sandbox.visit("camille.martin", "approve").await;
    let code = back.code.unwrap();
    let exchange = || {
        let (issuer, now) = (back.issuer.as_deref(), sandbox.clock.now());
        let (connector, secrets, code) = (&sandbox.connector, &secrets, &code);
        async move {
            let context = context();
            connector
                .exchange_code(secrets, Some(code), issuer, &context, now)
                .await
        }
    };
    exchange().await.unwrap();
    assert!(matches!(
        exchange().await,
        Err(BankError::CodeRefused { .. })
    ));
}

async fn another_issuer_is_refused(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (secrets, back) = sandbox.visit("camille.martin", "approve").await;
    let outcome = sandbox
        .connector
        .exchange_code(
            &secrets,
            Some(&back.code.unwrap()),
            Some("https://other.example"),
            &context(),
            sandbox.clock.now(),
        )
        .await;
    assert!(matches!(outcome, Err(BankError::IssuerMismatch)));
}

async fn an_old_token_is_renewed(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("camille.martin").await;
    sandbox.clock.advance_minutes(11);
    let now = sandbox.clock.now();
    assert!(token.needs_refresh(now));
    assert!(
        accounts(&sandbox, &token)
            .await
            .unwrap_err()
            .wants_refresh()
    );
    let renewed = sandbox
        .connector
        .refresh_token(&token, &context(), now)
        .await
        .unwrap();
    let renewed = OpenToken::from_bytes(&renewed.to_bytes()).unwrap();
    assert!(!accounts(&sandbox, &renewed).await.unwrap().is_empty());
}

async fn a_token_never_ages(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("camille.martin").await;
    sandbox.clock.advance_minutes(60 * 24 * 179);
    assert!(!token.needs_refresh(sandbox.clock.now()));
    assert!(!accounts(&sandbox, &token).await.unwrap().is_empty());
}

async fn an_ended_consent_stays_ended(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    sandbox.connector.end_consent(&access).await.unwrap();
    sandbox.connector.end_consent(&access).await.unwrap();
    let status = sandbox.connector.consent_status(&access).await.unwrap();
    assert!(matches!(status, BankConsent::Ended(_)), "{status:?}");
    assert!(
        accounts(&sandbox, &token)
            .await
            .unwrap_err()
            .needs_psu()
            .is_some()
    );
    let now = sandbox.clock.now();
    let renewal = sandbox.connector.refresh_token(&token, &context, now).await;
    assert!(renewal.unwrap_err().needs_psu().is_some());
}

async fn a_revocation_at_the_bank_is_seen(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    sandbox.revoke_in_online_banking("camille.martin").await;
    let access = access(&token, &attended, &context);
    let status = sandbox.connector.consent_status(&access).await.unwrap();
    assert!(matches!(status, BankConsent::Ended(_)), "{status:?}");
}

async fn unattended_accesses_are_limited(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    // The person is there at first, as in a real life: what must be said once is said.
    assert!(!accounts(&sandbox, &token).await.unwrap().is_empty());
    let from = Some(Date::constant(2026, 11, 1));
    for _ in 0..4 {
        let unattended = sandbox.unattended();
        let access = access(&token, &unattended, &context);
        let account = sandbox.connector.accounts(&access).await.unwrap().remove(0);
        let window = sandbox
            .connector
            .transactions(&access, &account, from)
            .await
            .unwrap();
        assert_eq!(Some(window.from), from);
    }
    let unattended = sandbox.unattended();
    let spent = access(&token, &unattended, &context);
    let error = sandbox.connector.accounts(&spent).await.unwrap_err();
    assert!(error.rate_limited(), "{error}");
    assert!(!accounts(&sandbox, &token).await.unwrap().is_empty());
}

async fn the_address_goes_with_attended_calls_only(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    for (presence, expected) in [(sandbox.attended(), true), (sandbox.unattended(), false)] {
        sandbox.calls.lock().unwrap().clear();
        let access = access(&token, &presence, &context);
        let account = sandbox.connector.accounts(&access).await.unwrap().remove(0);
        sandbox
            .connector
            .transactions(&access, &account, None)
            .await
            .unwrap();
        let calls = sandbox.calls.lock().unwrap();
        assert!(
            calls.len() > 3 && calls.iter().all(|(_, sent)| *sent == expected),
            "{calls:?}"
        );
    }
}

async fn unattended_reads_are_not_calls_to_the_bank(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    for _ in 0..6 {
        let unattended = sandbox.unattended();
        let access = access(&token, &unattended, &context);
        assert!(
            !sandbox
                .connector
                .accounts(&access)
                .await
                .unwrap()
                .is_empty()
        );
    }
}

async fn the_address_is_nobodys_business(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("camille.martin").await;
    sandbox.calls.lock().unwrap().clear();
    movements(&sandbox, &token, None).await.unwrap();
    let calls = sandbox.calls.lock().unwrap();
    assert!(
        calls.len() > 2 && calls.iter().all(|(_, sent)| !sent),
        "{calls:?}"
    );
}

async fn the_whole_history_stays(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("camille.martin").await;
    let first = movements(&sandbox, &token, None).await.unwrap();
    sandbox.clock.advance_minutes(16);
    let later = movements(&sandbox, &token, None).await.unwrap();
    assert_eq!(later.from, first.from);
    let from = Some(Date::constant(2026, 11, 1));
    let recent = movements(&sandbox, &token, from).await.unwrap();
    assert_eq!(Some(recent.from), from);
    assert!(recent.lines.len() * 4 < later.lines.len());
}

async fn after_the_first_minutes_ninety_days_are_left(institution: &str) {
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("camille.martin").await;
    accounts(&sandbox, &token).await.unwrap();
    sandbox.clock.advance_minutes(16);
    let now = sandbox.clock.now();
    let renewed = match token.needs_refresh(now) {
        true => sandbox
            .connector
            .refresh_token(&token, &context(), now)
            .await
            .unwrap(),
        false => token,
    };
    let window = movements(&sandbox, &renewed, None).await.unwrap();
    assert_eq!(window.from, Date::constant(2026, 8, 25));
    let oldest = window
        .lines
        .iter()
        .filter_map(|line| line.booking_date)
        .min()
        .unwrap();
    assert!(oldest >= window.from && window.lines.len() > 50);
}

async fn misbehaviour_is_an_error(institution: &str) {
    for login in [
        "bank-nonsense",
        "bank-down",
        "bank-rate-limited",
        "bank-half-page",
        "bank-circle",
        "bank-foreign-link",
    ] {
        let sandbox = Sandbox::open_at(institution).await;
        let token = sandbox.connect(login).await;
        let error = movements(&sandbox, &token, None).await.unwrap_err();
        assert!(error.bank_unavailable(), "{login}: {error}");
        assert!(error.needs_psu().is_none(), "{login}: {error}");
        assert_eq!(error.rate_limited(), login == "bank-rate-limited");
    }
    let sandbox = Sandbox::open_at(institution).await;
    let token = sandbox.connect("bank-no-account").await;
    assert!(accounts(&sandbox, &token).await.unwrap().is_empty());
}

macro_rules! conformance {
    ($dialect:ident: $institution:literal, $($case:ident),* $(,)?) => {
        mod $dialect {
            $(#[tokio::test]
            async fn $case() {
                super::$case($institution).await;
            })*
        }
    };
}

macro_rules! every_connector {
    ($dialect:ident: $institution:literal, $($more:ident),* $(,)?) => {
        conformance! {
            $dialect: $institution,
            the_whole_road,
            a_refusal_has_no_code,
            a_code_works_once,
            another_issuer_is_refused,
            an_ended_consent_stays_ended,
            a_revocation_at_the_bank_is_seen,
            misbehaviour_is_an_error,
            $($more,)*
        }
    };
}

macro_rules! bank {
    ($($dialect:ident: $institution:literal),* $(,)?) => {
        $(every_connector! {
            $dialect: $institution,
            an_old_token_is_renewed,
            unattended_accesses_are_limited,
            the_address_goes_with_attended_calls_only,
            after_the_first_minutes_ninety_days_are_left,
        })*
    };
}

/// Banks where nothing comes back with the person: the consent is the access, or is opened with a
/// token the bank wanted before.
macro_rules! approval {
    ($($dialect:ident: $institution:literal $(, $more:ident)*;)*) => {
        $(conformance! {
            $dialect: $institution,
            the_whole_road,
            a_refusal_ends_the_consent,
            an_ended_consent_stays_ended,
            a_revocation_at_the_bank_is_seen,
            misbehaviour_is_an_error,
            unattended_accesses_are_limited,
            the_address_goes_with_attended_calls_only,
            after_the_first_minutes_ninety_days_are_left,
            $($more,)*
        })*
    };
}

macro_rules! aggregator {
    ($($dialect:ident: $institution:literal),* $(,)?) => {
        $(every_connector! {
            $dialect: $institution,
            a_token_never_ages,
            unattended_reads_are_not_calls_to_the_bank,
            the_address_is_nobodys_business,
            the_whole_history_stays,
        })*
    };
}

bank! {
    berlin_group: "sandbox-bank",
    stet_1_4: "sandbox-bank-stet",
    stet_1_6_a2: "sandbox-bank-stet-a2",
    berlin_group_page_as_description: "quirk-q48",
    berlin_group_openid: "quirk-q48-openid",
    stet_1_4_registered: "societe-generale",
    stet_1_6_registered_by_group: "caisse-d-epargne-normandie",
    berlin_group_registered: "milleis",
}

aggregator! {
    powens: "sandbox-bank-powens",
}

approval! {
    berlin_group_redirect: "sandbox-bank-redirect", nothing_is_read_before_the_approval;
    berlin_group_explicit: "sandbox-bank-explicit";
    berlin_group_dialect_of_1_1: "quirk-q49";
    berlin_group_pre_step: "sandbox-bank-pre-step", an_old_token_is_renewed;
    berlin_group_decoupled: "sandbox-bank-decoupled", nothing_is_read_before_the_approval;
}
