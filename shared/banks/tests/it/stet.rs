//! What only STET does.

use passerelle_banks::OpenToken;
use passerelle_domain::account::{AccountIdentification, AccountKind};

use crate::personae::folder;
use crate::sandbox::{Sandbox, access, context};

fn called(sandbox: &Sandbox, what: &str) -> usize {
    let calls = sandbox.calls.lock().unwrap();
    calls.iter().filter(|(line, _)| line.contains(what)).count()
}

#[tokio::test]
async fn model_a2_forwards_the_accounts_once() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet-a2").await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    for _ in 0..3 {
        assert_eq!(sandbox.connector.accounts(&access).await.unwrap().len(), 1);
    }
    assert_eq!(called(&sandbox, "PUT"), 1);
}

#[tokio::test]
async fn model_a1_forwards_nothing() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet").await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    sandbox.connector.accounts(&access).await.unwrap();
    assert_eq!(called(&sandbox, "PUT"), 0);
}

#[tokio::test]
async fn an_account_that_was_listed_once_is_read_by_its_link_in_any_later_process() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet").await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let lists = || {
        let calls = sandbox.calls.lock().unwrap();
        calls
            .iter()
            .filter(|(line, _)| line.ends_with("/accounts"))
            .count()
    };
    let seen = access(&token, &attended, &context);
    let account = sandbox.connector.accounts(&seen).await.unwrap().remove(0);
    let from = Some(passerelle_domain::Date::constant(2026, 11, 1));
    let read = async |access| {
        sandbox
            .connector
            .transactions(&access, &account, from)
            .await
            .unwrap()
    };
    let before = lists();
    read(seen).await;
    assert_eq!(lists(), before, "the link was seen in the list");
    // What goes on in another process, with a renewed token, has the account and nothing else.
    let now = sandbox.clock.now();
    let renewed = sandbox
        .connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap();
    read(access(&renewed, &attended, &context)).await;
    assert_eq!(lists(), before);
}

#[tokio::test]
async fn q34_a_bank_that_does_not_rotate_takes_the_same_refresh_token_again() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet").await;
    let context = context();
    let mut token = sandbox.connect("camille.martin").await;
    for _ in 0..3 {
        let now = sandbox.clock.now();
        token = sandbox
            .connector
            .refresh_token(&token, &context, now)
            .await
            .unwrap();
        token = OpenToken::from_bytes(&token.to_bytes()).unwrap();
    }
}

#[tokio::test]
async fn q38_a_second_link_ends_the_first() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet").await;
    let (attended, context) = (sandbox.attended(), context());
    let first = sandbox.connect("camille.martin").await;
    let second = sandbox.connect("camille.martin").await;
    let error = sandbox
        .connector
        .accounts(&access(&first, &attended, &context))
        .await
        .unwrap_err();
    assert!(error.needs_psu().is_some(), "{error}");
    let second = access(&second, &attended, &context);
    assert_eq!(sandbox.connector.accounts(&second).await.unwrap().len(), 1);
}

#[tokio::test]
async fn q36_the_whole_history_is_for_the_first_token_only() {
    let sandbox = Sandbox::open_at("sandbox-bank-stet").await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("camille.martin").await;
    let access = access(&token, &attended, &context);
    let account = sandbox.connector.accounts(&access).await.unwrap().remove(0);
    let whole = sandbox
        .connector
        .transactions(&access, &account, None)
        .await
        .unwrap();
    let now = sandbox.clock.now();
    let renewed = sandbox
        .connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap();
    let access = crate::sandbox::access(&renewed, &attended, &context);
    let recent = sandbox
        .connector
        .transactions(&access, &account, None)
        .await
        .unwrap();
    assert!(recent.lines.len() * 4 < whole.lines.len());
    assert_eq!(recent.from.to_string(), "2026-08-25");
}

#[tokio::test]
async fn q44_a_deferred_card_is_tied_to_its_account() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::open_through("sandbox-bank-stet-a2", Some(folder)).await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("hermione-granger").await;
    let access = access(&token, &attended, &context);
    let accounts = sandbox.connector.accounts(&access).await.unwrap();
    assert_eq!(accounts.len(), 2, "savings are out of STET's reach");
    let card = accounts
        .iter()
        .find(|account| account.kind == AccountKind::Card)
        .unwrap();
    let AccountIdentification::MaskedPan { linked_iban, .. } = &card.identification else {
        panic!("a card");
    };
    assert!(linked_iban.is_some());
}
