//! People whose bank misbehaves: each case ends in a named error, never in a shorter history.

use passerelle_banks::{BankError, OpenToken};
use passerelle_domain::reconciliation::FetchedWindow;

use crate::sandbox::{Sandbox, access, context};

async fn read(sandbox: &Sandbox, token: &OpenToken) -> Result<FetchedWindow, BankError> {
    let (attended, context) = (sandbox.attended(), context());
    let access = access(token, &attended, &context);
    let account = sandbox.connector.accounts(&access).await?.remove(0);
    sandbox
        .connector
        .transactions(&access, &account, None)
        .await
}

async fn failure(login: &str) -> BankError {
    let sandbox = Sandbox::open().await;
    let token = sandbox.connect(login).await;
    read(&sandbox, &token).await.unwrap_err()
}

#[tokio::test]
async fn a_web_page_instead_of_movements_is_nonsense() {
    let error = failure("bank-nonsense").await;
    assert!(matches!(error, BankError::Nonsense { .. }), "{error}");
    assert!(error.is_retryable() && error.bank_unavailable());
}

#[tokio::test]
async fn a_bank_that_is_down_is_tried_three_times() {
    let sandbox = Sandbox::open().await;
    let token = sandbox.connect("bank-down").await;
    sandbox.calls.lock().unwrap().clear();
    let error = read(&sandbox, &token).await.unwrap_err();
    assert!(
        matches!(error, BankError::Unavailable { status: 503 }),
        "{error}"
    );
    assert_eq!(sandbox.calls.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn a_call_limit_is_never_no_data() {
    let error = failure("bank-rate-limited").await;
    assert!(error.rate_limited(), "{error}");
}

#[tokio::test]
async fn half_a_history_is_no_history() {
    let error = failure("bank-half-page").await;
    assert!(matches!(error, BankError::Unavailable { .. }), "{error}");
}

#[tokio::test]
async fn q13_pages_that_lead_in_a_circle_are_stopped() {
    let error = failure("bank-circle").await;
    assert!(matches!(error, BankError::Nonsense { .. }), "{error}");
}

#[tokio::test]
async fn q16_a_page_on_another_host_is_not_followed() {
    let error = failure("bank-foreign-link").await;
    assert!(matches!(error, BankError::ForeignLink), "{error}");
}

#[tokio::test]
async fn an_unreadable_amount_is_not_left_out() {
    let error = failure("bank-unreadable-amount").await;
    assert!(matches!(error, BankError::Nonsense { .. }), "{error}");
}

#[tokio::test]
async fn q40_an_empty_account_list_is_a_success_to_be_named() {
    let sandbox = Sandbox::open().await;
    let token = sandbox.connect("bank-no-account").await;
    let (attended, context) = (sandbox.attended(), context());
    let access = access(&token, &attended, &context);
    assert!(
        sandbox
            .connector
            .accounts(&access)
            .await
            .unwrap()
            .is_empty()
    );
}
