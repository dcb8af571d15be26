//! What only an aggregator does.

use passerelle_banks::{BankConsent, BankError, OpenToken};
use passerelle_domain::account::{AccountKind, FetchedAccount};
use passerelle_domain::money::Currency;
use passerelle_domain::reconciliation::{FetchedWindow, reconcile};
use passerelle_domain::transaction::BookingStatus;

use crate::personae::folder;
use crate::sandbox::{Sandbox, access, context};

const INSTITUTION: &str = "sandbox-bank-powens";

async fn open() -> Sandbox {
    Sandbox::open_at(INSTITUTION).await
}

async fn accounts(sandbox: &Sandbox, token: &OpenToken) -> Result<Vec<FetchedAccount>, BankError> {
    let (unattended, context) = (sandbox.unattended(), context());
    let access = access(token, &unattended, &context);
    sandbox.connector.accounts(&access).await
}

async fn movements(
    sandbox: &Sandbox,
    token: &OpenToken,
    account: &FetchedAccount,
) -> FetchedWindow {
    let (unattended, context) = (sandbox.unattended(), context());
    let access = access(token, &unattended, &context);
    sandbox
        .connector
        .transactions(&access, account, None)
        .await
        .unwrap()
}

async fn status(sandbox: &Sandbox, token: &OpenToken) -> BankConsent {
    let (unattended, context) = (sandbox.unattended(), context());
    let access = access(token, &unattended, &context);
    sandbox.connector.consent_status(&access).await.unwrap()
}

#[tokio::test]
async fn what_only_the_person_can_mend_asks_for_the_person() {
    for login in [
        "powens-sca-required",
        "powens-webauth-required",
        "powens-wrongpass",
        "powens-password-expired",
        "powens-action-needed",
        "powens-additional-information",
    ] {
        let sandbox = open().await;
        let token = sandbox.connect(login).await;
        let error = accounts(&sandbox, &token).await.unwrap_err();
        assert!(error.needs_psu().is_some(), "{login}: {error}");
        let status = status(&sandbox, &token).await;
        assert!(
            matches!(status, BankConsent::Ended(_)),
            "{login}: {status:?}"
        );
    }
}

#[tokio::test]
async fn what_the_aggregator_could_not_read_is_not_passed_on_as_data() {
    for login in [
        "powens-website-unavailable",
        "powens-bug",
        "powens-rate-limiting",
        "powens-decoupled",
        "powens-first-reading",
    ] {
        let sandbox = open().await;
        let token = sandbox.connect(login).await;
        let error = accounts(&sandbox, &token).await.unwrap_err();
        assert!(
            error.bank_unavailable() && error.is_retryable(),
            "{login}: {error}"
        );
        assert!(error.needs_psu().is_none(), "{login}: {error}");
        assert_eq!(error.rate_limited(), login == "powens-rate-limiting");
    }
}

#[tokio::test]
async fn a_first_reading_is_waited_for() {
    let sandbox = open().await;
    let token = sandbox.connect("powens-first-reading").await;
    assert!(matches!(
        accounts(&sandbox, &token).await,
        Err(BankError::NotReadYet)
    ));
    assert!(matches!(
        status(&sandbox, &token).await,
        BankConsent::Valid { .. }
    ));
    sandbox.clock.advance_minutes(5);
    let listed = accounts(&sandbox, &token).await.unwrap();
    let window = movements(&sandbox, &token, &listed[0]).await;
    assert!(window.lines.len() > 100);
}

#[tokio::test]
async fn accounts_gone_shut_out_or_listed_twice_are_one() {
    let sandbox = open().await;
    let ordinary = sandbox.connect("camille.martin").await;
    let expected = accounts(&sandbox, &ordinary).await.unwrap().len();
    assert_eq!(expected, 2);
    let token = sandbox.connect("powens-listed-twice").await;
    let listed = accounts(&sandbox, &token).await.unwrap();
    let mut known: Vec<_> = listed
        .iter()
        .map(|account| &account.identification)
        .collect();
    known.dedup();
    assert_eq!(known.len(), listed.len());
    // The fresh entry is the one that is left: its movements are there.
    for account in &listed {
        movements(&sandbox, &token, account).await;
    }
}

#[tokio::test]
async fn after_half_a_year_the_bank_wants_the_person_again() {
    let sandbox = open().await;
    let token = sandbox.connect("camille.martin").await;
    let BankConsent::Valid { valid_until } = status(&sandbox, &token).await else {
        panic!("valid");
    };
    assert_eq!(valid_until.to_string(), "2027-05-21T10:00:00Z");
    sandbox.clock.advance_minutes(60 * 24 * 182);
    assert!(
        accounts(&sandbox, &token)
            .await
            .unwrap_err()
            .needs_psu()
            .is_some()
    );
}

#[tokio::test]
async fn connecting_again_gives_new_ids_and_the_same_movements() {
    let sandbox = open().await;
    let first = sandbox.connect("camille.martin").await;
    let account = accounts(&sandbox, &first).await.unwrap().remove(0);
    let before = movements(&sandbox, &first, &account).await;
    let second = sandbox.connect("camille.martin").await;
    let again = accounts(&sandbox, &second).await.unwrap().remove(0);
    assert_ne!(account.resource_id, again.resource_id);
    assert_eq!(account.identification, again.identification);
    let after = movements(&sandbox, &second, &again).await;

    let key = passerelle_domain::account::FingerprintKey::new(&[7; 32]);
    let id = key.account_id(&account.identification, Currency::EUR);
    let stored = reconcile(&id, &[], before);
    let added = stored.upserts.len();
    assert!(added > 500);
    let merged = reconcile(&id, &stored.seen, after);
    assert!(
        merged.is_unchanged(),
        "{} lines came twice",
        merged.upserts.len()
    );
}

#[tokio::test]
async fn what_is_not_debited_yet_is_pending() {
    let sandbox = open().await;
    let token = sandbox.connect("camille.martin").await;
    let account = accounts(&sandbox, &token).await.unwrap().remove(0);
    let window = movements(&sandbox, &token, &account).await;
    let pending = |status| {
        window
            .lines
            .iter()
            .filter(move |line| line.status == status)
    };
    assert!(pending(BookingStatus::Pending).count() > 0);
    assert!(pending(BookingStatus::Pending).all(|line| line.booking_date.is_none()));
    assert!(pending(BookingStatus::Booked).all(|line| line.booking_date.is_some()));
}

#[tokio::test]
async fn q44_a_deferred_card_is_tied_to_its_account() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::open_through(INSTITUTION, Some(folder)).await;
    let token = sandbox.connect("hermione-granger").await;
    let listed = accounts(&sandbox, &token).await.unwrap();
    let card = listed
        .iter()
        .find(|account| account.kind == AccountKind::Card)
        .unwrap();
    assert!(format!("{:?}", card.identification).contains("linked_iban: Some"));
}

#[tokio::test]
async fn the_return_names_the_connection_and_carries_the_state() {
    let sandbox = open().await;
    let (_, back) = sandbox.visit("camille.martin", "approve").await;
    assert_eq!(back.state.as_deref(), Some("state-0123456789"));
    assert!(
        back.url
            .query_pairs()
            .any(|(name, _)| name == "connection_id")
    );
}
