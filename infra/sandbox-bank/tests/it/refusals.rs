//! What the bank does not let pass.

use crate::visitor::{CHALLENGE, REDIRECT, Visitor, authorize, consent_body, exchange_form};

#[tokio::test]
async fn a_call_without_a_request_id_is_refused() {
    let bank = Visitor::new(None);
    let answer = bank.send("GET", "/v1/accounts", &[], "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code().as_str()),
        (400, "FORMAT_ERROR")
    );
}

#[tokio::test]
async fn a_consent_request_must_be_whole() {
    let bank = Visitor::new(None);
    for (body, code) in [
        ("", "FORMAT_ERROR"),
        ("{}", "FORMAT_ERROR"),
        (consent_body("hier").as_str(), "FORMAT_ERROR"),
        (consent_body("2026-11-21").as_str(), "FORMAT_ERROR"),
        (
            consent_body("2027-02-20")
                .replace(r#""accounts":[]"#, r#""accounts":[{"iban":"FR76"}]"#)
                .as_str(),
            "SERVICE_INVALID",
        ),
        (
            consent_body("2027-02-20")
                .replace(r#""frequencyPerDay":4"#, r#""frequencyPerDay":0"#)
                .as_str(),
            "FORMAT_ERROR",
        ),
    ] {
        let answer = bank.create_consent(body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, code),
            "{body}"
        );
    }
    let headers = [("tpp-redirect-uri", REDIRECT)];
    let answer = bank
        .call(
            "POST",
            "/v1/consents",
            &headers,
            &consent_body("2027-02-20"),
        )
        .await;
    assert_eq!(
        answer.code(),
        "FORMAT_ERROR",
        "the person's address is demanded"
    );
}

#[tokio::test]
async fn nobody_is_sent_to_an_address_the_consent_does_not_name() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    for redirect in [
        "https://evil.example/callback",
        "https://insurer.example/callback/",
    ] {
        let answer = bank.get(&authorize(&consent, redirect, CHALLENGE)).await;
        assert_eq!(answer.status, 400);
        assert!(answer.location.is_empty());
    }
    let answer = bank.get(&authorize("unknown", REDIRECT, CHALLENGE)).await;
    assert_eq!(answer.status, 410);
}

#[tokio::test]
async fn an_authorisation_without_pkce_is_refused_at_the_third_party() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let answer = bank.get(&authorize(&consent, REDIRECT, "short")).await;
    assert!(
        answer
            .location
            .starts_with("https://insurer.example/callback?error=invalid_request&state=s1")
    );
}

#[tokio::test]
async fn a_wrong_password_or_code_or_no_account_keeps_the_person_on_the_page() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let login = bank.visit(&consent).await;
    for form in [
        "login=camille.martin&password=wrong",
        "login=nobody&password=sandbox",
    ] {
        let answer = bank.post_form(&login, form).await;
        assert_eq!(answer.status, 401);
        assert!(answer.text.contains("inconnu"));
    }
    let approval = bank.log_in(&consent).await;
    for (form, hint) in [
        ("account=courant&sca=000000&decision=approve", "123456"),
        ("sca=123456&decision=approve", "au moins un compte"),
        (
            "account=unknown&sca=123456&decision=approve",
            "au moins un compte",
        ),
    ] {
        let answer = bank.post_form(&approval, form).await;
        assert_eq!(answer.status, 422, "{form}");
        assert!(answer.text.contains(hint), "{form}");
    }
}

#[tokio::test]
async fn a_decision_is_made_once() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let approval = bank.log_in(&consent).await;
    let refused = bank.post_form(&approval, "decision=refuse").await;
    assert!(refused.location.contains("error=access_denied"));
    let again = bank
        .post_form(&approval, "account=courant&sca=123456&decision=approve")
        .await;
    assert_eq!(again.status, 410);
    let status = bank
        .call("GET", &format!("/v1/consents/{consent}/status"), &[], "")
        .await;
    assert_eq!(status.json()["consentStatus"], "rejected");
}

#[tokio::test]
async fn approval_without_login_leads_to_the_login_page() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let approval = bank.visit(&consent).await.replace("/login/", "/approval/");
    let answer = bank
        .post_form(&approval, "account=courant&sca=123456&decision=approve")
        .await;
    assert_eq!(answer.status, 303);
    assert!(answer.location.contains("/login/"));
}

#[tokio::test]
async fn what_a_person_types_is_shown_as_text() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let login = bank.visit(&consent).await;
    let answer = bank
        .post_form(&login, "login=%3Cscript%3E&password=x")
        .await;
    assert!(!answer.text.contains("<script>"));
}

#[tokio::test]
async fn a_code_needs_its_verifier_its_address_and_its_minutes() {
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    for (verifier, redirect, minutes) in [
        ("x", REDIRECT, 0),
        (verifier, "https://insurer.example/other", 0),
        (verifier, REDIRECT, 6),
    ] {
        let bank = Visitor::new(None);
        let consent = bank.consent().await;
        let code = bank.approve(&consent).await;
        bank.wait_minutes(minutes);
        let answer = bank
            .post_form("/token", &exchange_form(&code, verifier, redirect))
            .await;
        assert_eq!(answer.json()["error"], "invalid_grant");
        assert_eq!(
            bank.exchange(&code).await.json()["error"],
            "invalid_grant",
            "a shown code is over"
        );
    }
}

#[tokio::test]
async fn only_the_opened_accounts_are_there() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let code = bank.approve(&consent).await;
    let tokens = bank.exchange(&code).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    let accounts = bank.accounts(&consent, token).await.json();
    assert_eq!(accounts["accounts"].as_array().unwrap().len(), 1);
    assert!(
        accounts["accounts"][0].get("ownerName").is_none(),
        "nobody asked for it"
    );

    let resource = accounts["accounts"][0]["resourceId"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let headers = [
        ("consent-id", consent.as_str()),
        ("authorization", bearer.as_str()),
    ];
    for (query, code) in [
        ("", "FORMAT_ERROR"),
        ("bookingStatus=booked", "FORMAT_ERROR"),
        (
            "bookingStatus=all&dateFrom=2026-11-01",
            "PARAMETER_NOT_SUPPORTED",
        ),
        ("bookingStatus=both&dateFrom=hier", "FORMAT_ERROR"),
        (
            "bookingStatus=both&dateFrom=2026-11-02&dateTo=2026-11-01",
            "FORMAT_ERROR",
        ),
        (
            "bookingStatus=both&dateFrom=2026-11-01&page=2",
            "PARAMETER_NOT_SUPPORTED",
        ),
        ("continuationKey=Ym90aHwyMDI2", "FORMAT_ERROR"),
        ("continuationKey=x&bookingStatus=both", "FORMAT_ERROR"),
    ] {
        let path = format!("/v1/accounts/{resource}/transactions?{query}");
        let answer = bank.call("GET", &path, &headers, "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (400, code),
            "{query}"
        );
    }
    let unknown = bank
        .call("GET", "/v1/accounts/nothing/balances", &headers, "")
        .await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.code().as_str()),
        (404, "RESOURCE_UNKNOWN")
    );
    let nowhere = bank
        .call("GET", "/v1/funds-confirmations", &headers, "")
        .await;
    assert_eq!(nowhere.code(), "RESOURCE_UNKNOWN");
}

#[tokio::test]
async fn a_token_opens_its_own_consent_only() {
    let bank = Visitor::new(None);
    let (one, other) = (bank.consent().await, bank.consent().await);
    let code = bank.approve(&one).await;
    bank.approve(&other).await;
    let tokens = bank.exchange(&code).await.json();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(bank.accounts(&other, token).await.code(), "CONSENT_INVALID");
    assert_eq!(bank.accounts(&one, "forged").await.code(), "TOKEN_UNKNOWN");
    assert_eq!(
        bank.accounts("unknown", token).await.code(),
        "CONSENT_UNKNOWN"
    );
}

#[tokio::test]
async fn a_consent_is_not_read_or_ended_with_the_token_of_another() {
    let bank = Visitor::new(None);
    let (one, other) = (bank.consent().await, bank.consent().await);
    let code = bank.approve(&one).await;
    let tokens = bank.exchange(&code).await.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    for (consent, bearer, method, expected) in [
        (&other, bearer.as_str(), "GET", "CONSENT_INVALID"),
        (&other, bearer.as_str(), "DELETE", "CONSENT_INVALID"),
        (&one, "Bearer forged", "DELETE", "TOKEN_UNKNOWN"),
    ] {
        let path = format!("/v1/consents/{consent}");
        let headers = [("authorization", bearer)];
        let answer = bank.call(method, &path, &headers, "").await;
        assert_eq!(answer.code(), expected, "{method}");
    }
    let path = format!("/v1/consents/{one}");
    let headers = [("authorization", bearer.as_str())];
    assert_eq!(bank.call("DELETE", &path, &headers, "").await.status, 204);
    let answer = bank.call("GET", &path, &headers, "").await;
    assert_eq!(answer.json()["consentStatus"], "terminatedByTpp");
}

#[tokio::test]
async fn a_person_is_sent_back_over_https_or_to_this_machine() {
    let bank = Visitor::new(None);
    for (redirect, expected) in [
        ("https://insurer.example/callback", 201),
        ("http://127.0.0.1:9000/callback", 201),
        ("http://insurer.example/callback", 400),
        ("https://insurer.example/callback#part", 400),
        ("javascript:alert(1)", 400),
    ] {
        let headers = [
            ("psu-ip-address", "192.0.2.7"),
            ("tpp-redirect-uri", redirect),
        ];
        let body = consent_body("2027-02-20");
        let answer = bank.call("POST", "/v1/consents", &headers, &body).await;
        assert_eq!(answer.status, expected, "{redirect}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_page_left_open_does_not_undo_what_was_decided() {
    let bank = Visitor::new(None);
    let consent = bank.consent().await;
    let left_open = bank.log_in(&consent).await;
    bank.approve(&consent).await;
    bank.post_form(&left_open, "decision=refuse").await;
    assert_eq!(bank.consent_status(&consent).await, "valid");

    let consent = bank.consent().await;
    let left_open = bank.log_in(&consent).await;
    bank.call("DELETE", &format!("/v1/consents/{consent}"), &[], "")
        .await;
    let back = bank.post_form(&left_open, "decision=refuse").await;
    assert!(back.location.contains("error=access_denied"));
    assert_eq!(bank.consent_status(&consent).await, "terminatedByTpp");
}
