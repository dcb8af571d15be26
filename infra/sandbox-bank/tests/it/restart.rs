//! A bank whose process ends between two steps goes on where it was.

use crate::visitor::Visitor;

#[tokio::test]
async fn a_journey_continues_after_a_restart_at_every_step() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.json");
    let mut bank = Visitor::new(Some(file.clone()));
    let consent = bank.consent().await;
    bank = bank.restarted(file.clone());
    let login = bank.visit(&consent).await;
    bank = bank.restarted(file.clone());
    let answer = bank
        .post_form(&login, "login=camille.martin&password=sandbox")
        .await;
    bank = bank.restarted(file.clone());
    let form = "account=courant&sca=123456&decision=approve";
    let back = bank.post_form(&answer.location, form).await.location;
    bank = bank.restarted(file.clone());
    let code = back
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap();
    let tokens = bank.exchange(code).await.json();
    bank = bank.restarted(file.clone());
    let access = tokens["access_token"].as_str().unwrap();
    for _ in 0..4 {
        assert_eq!(bank.accounts(&consent, access).await.status, 200);
        bank = bank.restarted(file.clone());
    }
    assert_eq!(
        bank.accounts(&consent, access).await.code(),
        "ACCESS_EXCEEDED"
    );
    // A code shown twice is refused, and ends what was given for it.
    assert_eq!(bank.exchange(code).await.json()["error"], "invalid_grant");
    bank = bank.restarted(file);
    let answer = bank.accounts(&consent, access).await;
    assert_eq!(answer.code(), "TOKEN_UNKNOWN");
}

#[tokio::test]
async fn the_state_file_holds_neither_code_nor_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.json");
    let bank = Visitor::new(Some(file.clone()));
    let consent = bank.consent().await;
    let code = bank.approve(&consent).await;
    let tokens = bank.exchange(&code).await.json();
    let state = std::fs::read_to_string(file).unwrap();
    for secret in [
        &code,
        tokens["access_token"].as_str().unwrap(),
        tokens["refresh_token"].as_str().unwrap(),
    ] {
        assert!(!state.contains(secret));
    }
}

#[tokio::test]
async fn a_bank_without_a_state_file_knows_nobody_afterwards() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    bank.wait_minutes(1);
    let code = bank.approve(&consent).await;
    let tokens = bank.exchange(&code).await.json();
    let other = Visitor::new(None);
    other.wait_minutes(-1);
    let answer = other
        .accounts(&consent, tokens["access_token"].as_str().unwrap())
        .await;
    assert_eq!(answer.code(), "CONSENT_UNKNOWN");
}
