//! The clock of a bank that runs alone.

use crate::visitor::{Answer, Visitor};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn advance(bank: &Visitor, more: &[(&str, &str)], body: &str) -> Answer {
    bank.send("POST", "/clock", more, body).await
}

async fn today(bank: &Visitor) -> String {
    let told = bank.get("/clock").await.json();
    told["today"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn tokens_history_and_consents_age_with_the_clock() {
    let bank = Visitor::alone(None);
    let consent = bank.consent().await;
    let code = bank.approve(&consent).await;
    let tokens = bank.exchange(&code).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(bank.accounts(&consent, token).await.status, 200);
    assert_eq!(advance(&bank, &[FORM], "advance=PT10M").await.status, 200);
    assert_eq!(bank.accounts(&consent, token).await.code(), "TOKEN_EXPIRED");
    assert_eq!(bank.consent_status(&consent).await, "valid");
    // Approved until the 20th of February.
    for (days, expected) in [("P90D", "valid"), ("P1D", "expired")] {
        let body = format!("advance={days}");
        assert_eq!(advance(&bank, &[FORM], &body).await.status, 200);
        assert_eq!(bank.consent_status(&consent).await, expected, "{days}");
    }
}

#[tokio::test]
async fn json_a_form_and_a_button_move_it() {
    let bank = Visitor::alone(None);
    let json = [("content-type", "application/json")];
    let told = advance(&bank, &json, r#"{"advance":"P1D"}"#).await.json();
    assert_eq!(told["today"], "2026-11-23");
    assert_eq!(advance(&bank, &[FORM], "advance=P1M").await.status, 200);
    assert_eq!(today(&bank).await, "2026-12-23");
    let button = [
        FORM,
        ("accept", "text/html"),
        ("host", "127.0.0.1:8095"),
        ("sec-fetch-site", "same-origin"),
    ];
    let back = advance(&bank, &button, "advance=PT15M").await;
    assert_eq!(
        (back.status.as_u16(), back.location.as_str()),
        (303, "http://127.0.0.1:8095/")
    );
    let page = bank.get("/").await.text;
    assert!(page.contains("23/12/2026 10:15 UTC"), "{page}");
    assert!(
        page.contains(r#"action="http://127.0.0.1:8095/clock""#),
        "{page}"
    );
}

#[tokio::test]
async fn nothing_else_moves_it() {
    let bank = Visitor::alone(None);
    for (more, body, status) in [
        (&[FORM][..], "advance=-P1D", 400),
        (&[FORM], "advance=P11Y", 400),
        (&[FORM], "advance=demain", 400),
        (&[FORM], "", 400),
        (&[("content-type", "application/json")], "advance=P1D", 400),
        (
            &[FORM, ("sec-fetch-site", "cross-site")],
            "advance=P1D",
            403,
        ),
        (&[FORM, ("sec-fetch-site", "same-site")], "advance=P1D", 403),
        (
            &[FORM, ("host", "elsewhere.example:8095")],
            "advance=P1D",
            403,
        ),
    ] {
        let answer = advance(&bank, more, body).await;
        assert_eq!(answer.status, status, "{more:?} {body}");
    }
    assert_eq!(today(&bank).await, "2026-11-22");
    let kept_from_outside = Visitor::new(None);
    let answer = advance(&kept_from_outside, &[FORM], "advance=P1D").await;
    assert_eq!(answer.status, 409);
    let page = kept_from_outside.get("/").await.text;
    assert!(!page.contains("/clock"), "no buttons: {page}");
}

#[tokio::test]
async fn a_restart_does_not_go_back() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bank.json");
    let bank = Visitor::alone(Some(file.clone()));
    advance(&bank, &[FORM], "advance=P40D").await;
    drop(bank);
    assert_eq!(today(&Visitor::alone(Some(file))).await, "2027-01-01");
}
