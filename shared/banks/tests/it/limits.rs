//! What the bank allows: four unattended accesses in 24 hours, 90 days of history, one day at a time.

use passerelle_domain::account::FetchedAccount;
use passerelle_domain::{Date, Timestamp};

use crate::sandbox::{Sandbox, access, context};

async fn accounts(sandbox: &Sandbox, token: &passerelle_banks::OpenToken) -> Vec<FetchedAccount> {
    let (attended, context) = (sandbox.attended(), context());
    let access = access(token, &attended, &context);
    sandbox.connector.accounts(&access).await.unwrap()
}

#[tokio::test]
async fn the_fifth_unattended_access_is_refused_as_a_limit_and_not_as_no_data() {
    let sandbox = Sandbox::open().await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    for _ in 0..4 {
        let unattended = sandbox.unattended();
        let access = access(&token, &unattended, &context);
        assert_eq!(sandbox.connector.accounts(&access).await.unwrap().len(), 2);
    }
    let unattended = sandbox.unattended();
    let spent = access(&token, &unattended, &context);
    let error = sandbox.connector.accounts(&spent).await.unwrap_err();
    assert!(error.rate_limited() && error.is_retryable(), "{error}");
    // The person asking in between is not counted.
    assert_eq!(accounts(&sandbox, &token).await.len(), 2);

    sandbox.clock.advance_minutes(24 * 60);
    let now = sandbox.clock.now();
    let renewed = sandbox
        .connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap();
    let unattended = sandbox.unattended();
    let next_day = access(&renewed, &unattended, &context);
    assert_eq!(
        sandbox.connector.accounts(&next_day).await.unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_consent_ends_with_its_last_day() {
    let sandbox = Sandbox::open().await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    sandbox.clock.advance_minutes(91 * 24 * 60);
    let end: Timestamp = "2027-02-20T23:00:00Z".parse().unwrap();
    assert!(sandbox.clock.now() > end);
    let now = sandbox.clock.now();
    let error = sandbox
        .connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap_err();
    assert!(error.needs_psu().is_some());
    let attended = sandbox.attended();
    let access = access(&token, &attended, &context);
    let error = sandbox.connector.accounts(&access).await.unwrap_err();
    assert!(error.needs_psu().is_some());
}

#[tokio::test]
async fn a_day_asked_for_is_where_the_window_begins_even_when_nothing_moved() {
    let sandbox = Sandbox::open().await;
    let context = context();
    let token = sandbox.connect("camille.martin").await;
    let attended = sandbox.attended();
    let access = access(&token, &attended, &context);
    let savings = sandbox.connector.accounts(&access).await.unwrap().remove(1);
    let from = Date::constant(2026, 11, 10);
    let window = sandbox
        .connector
        .transactions(&access, &savings, Some(from))
        .await
        .unwrap();
    assert_eq!(window.from, from);
    assert!(window.lines.is_empty());
}
