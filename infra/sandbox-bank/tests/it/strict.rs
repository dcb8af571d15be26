//! The strict bank knows who calls, and what was given to whom.

use crate::third_party::{StrictBank, ThirdParty};
use crate::visitor::{
    CHALLENGE, REDIRECT, VERIFIER, authorize_as, consent_body, exchange_form_as, token_of,
};

const OURS: &str = "PSDFR-ACPR-11111";
const THEIRS: &str = "PSDFR-ACPR-22222";
const PERSON: (&str, &str) = ("psu-ip-address", "192.0.2.7");
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

async fn open() -> (StrictBank, ThirdParty, ThirdParty) {
    let bank = StrictBank::open().await;
    let (ours, theirs) = (bank.third_party(OURS), bank.third_party(THEIRS));
    (bank, ours, theirs)
}

async fn consent(bank: &StrictBank, party: &ThirdParty) -> String {
    let headers = [PERSON, ("tpp-redirect-uri", REDIRECT)];
    let body = consent_body("2027-02-20");
    let answer = bank
        .call(party, "POST", "/v1/consents", &headers, &body)
        .await;
    assert_eq!(answer.status, 201, "{}", answer.text);
    answer.json()["consentId"].as_str().unwrap().to_owned()
}

/// The person's part, in a browser without a certificate, up to the code.
async fn approve(bank: &StrictBank, page: &str) -> String {
    let login = bank.send(None, "GET", page, &[], "").await.location;
    let form = "login=camille.martin&password=sandbox";
    let approval = bank.send(None, "POST", &login, &[FORM], form).await;
    let form = "account=courant&sca=123456&decision=approve";
    let back = bank
        .send(None, "POST", &approval.location, &[FORM], form)
        .await;
    token_of(&back.location, "code")
}

async fn exchange(
    bank: &StrictBank,
    party: &ThirdParty,
    path: &str,
    code: &str,
) -> (String, String) {
    let form = exchange_form_as(party.client_id, code, VERIFIER, REDIRECT);
    let answer = bank.send(Some(party), "POST", path, &[FORM], &form).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    let token = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    (token("access_token"), token("refresh_token"))
}

/// A consent of Berlin Group's and its access token.
async fn connect(bank: &StrictBank, party: &ThirdParty) -> (String, String) {
    let consent = consent(bank, party).await;
    let page = authorize_as(party.client_id, &consent, REDIRECT, CHALLENGE);
    let code = approve(bank, &page).await;
    let (access, _) = exchange(bank, party, "/token", &code).await;
    (consent, access)
}

/// Access and refresh token of a STET façade.
async fn connect_stet(bank: &StrictBank, party: &ThirdParty, version: &str) -> (String, String) {
    let page = format!(
        "/stet/{version}/authorize?response_type=code&client_id={}&scope=aisp&state=s\
         &redirect_uri={REDIRECT}&code_challenge={CHALLENGE}&code_challenge_method=S256",
        party.client_id
    );
    let code = approve(bank, &page).await;
    exchange(bank, party, &format!("/stet/{version}/token"), &code).await
}

#[tokio::test]
async fn a_consent_is_there_for_who_opened_it_only() {
    let (bank, ours, theirs) = open().await;
    let id = consent(&bank, &ours).await;
    // The same address, its first letter written as a number.
    let letter = id.as_bytes()[0];
    let written = format!("%{letter:02x}{}", &id[1..]);
    for (method, path) in [
        ("GET", format!("/v1/consents/{written}")),
        ("DELETE", format!("/v1/consents/{written}")),
        ("GET", format!("/v1/consents/{id}")),
        ("GET", format!("/v1/consents/{id}/status")),
        ("GET", format!("/v1/consents/{id}/authorisations")),
        ("DELETE", format!("/v1/consents/{id}")),
    ] {
        let answer = bank.call(&theirs, method, &path, &[], "").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code().as_str()),
            (403, "CONSENT_UNKNOWN"),
            "{method} {path}"
        );
    }
    let path = format!("/v1/consents/{id}");
    let read = bank.call(&ours, "GET", &path, &[], "").await;
    assert_eq!(read.json()["consentStatus"], "received");
    let ended = bank.call(&ours, "DELETE", &path, &[], "").await;
    assert_eq!(ended.status, 204);
    let read = bank.call(&ours, "GET", &path, &[], "").await;
    assert_eq!(read.json()["consentStatus"], "terminatedByTpp");
}

#[tokio::test]
async fn a_person_is_not_sent_to_approve_for_another_third_party() {
    let (bank, ours, _) = open().await;
    let id = consent(&bank, &ours).await;
    let page = authorize_as(THEIRS, &id, REDIRECT, CHALLENGE);
    let answer = bank.send(None, "GET", &page, &[], "").await;
    assert_eq!(
        (answer.status.as_u16(), answer.location.as_str()),
        (400, "")
    );
    let page = authorize_as(OURS, &id, REDIRECT, CHALLENGE);
    let answer = bank.send(None, "GET", &page, &[], "").await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn a_berlin_group_token_opens_nothing_with_another_certificate() {
    let (bank, ours, theirs) = open().await;
    let (consent, token) = connect(&bank, &ours).await;
    let (their_consent, _) = connect(&bank, &theirs).await;
    let bearer = format!("Bearer {token}");
    for (party, consent, expected) in [
        (&ours, &consent, (200, "")),
        (&theirs, &consent, (403, "CONSENT_UNKNOWN")),
        (&theirs, &their_consent, (401, "TOKEN_INVALID")),
        (&ours, &their_consent, (403, "CONSENT_UNKNOWN")),
    ] {
        let headers = [PERSON, ("consent-id", consent), ("authorization", &bearer)];
        let answer = bank.call(party, "GET", "/v1/accounts", &headers, "").await;
        assert_eq!(answer.status, expected.0, "{}", answer.text);
        if expected.0 != 200 {
            assert_eq!(answer.code(), expected.1);
        }
    }
}

#[tokio::test]
async fn a_stet_token_opens_nothing_with_another_certificate() {
    let (bank, ours, theirs) = open().await;
    for version in ["v1.4", "v1.6"] {
        let (token, _) = connect_stet(&bank, &ours, version).await;
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let path = format!("/stet/{version}/accounts");
        let answer = bank.call(&ours, "GET", &path, &headers, "").await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = bank.call(&theirs, "GET", &path, &headers, "").await;
        assert_eq!(answer.status, 403, "{}", answer.text);
        assert_eq!(answer.json()["status"], 403);
    }
}

#[tokio::test]
async fn a_token_is_revoked_by_who_holds_it_only() {
    let (bank, ours, theirs) = open().await;
    let (access, refresh) = connect_stet(&bank, &ours, "v1.4").await;
    for (party, expected) in [(&theirs, 400), (&ours, 200)] {
        let form = format!("token={refresh}&client_id={}", party.client_id);
        let answer = bank
            .send(Some(party), "POST", "/stet/v1.4/revoke", &[FORM], &form)
            .await;
        assert_eq!(answer.status, expected, "{}", answer.text);
        let bearer = format!("Bearer {access}");
        let headers = [("authorization", bearer.as_str())];
        let read = bank
            .call(&ours, "GET", "/stet/v1.4/accounts", &headers, "")
            .await;
        // Theirs changed nothing, ours ended it.
        assert_eq!(read.status.is_success(), expected == 400, "{}", read.text);
    }
}

#[tokio::test]
async fn one_third_party_does_not_sign_for_another() {
    let (bank, ours, theirs) = open().await;
    let mixed = ThirdParty {
        client_id: OURS,
        qwac: ours.qwac.clone(),
        qseal: theirs.qseal,
    };
    for path in ["/v1/accounts", "/stet/v1.4/accounts", "/stet/v1.6/accounts"] {
        let answer = bank.call(&mixed, "GET", path, &[], "").await;
        assert_eq!(answer.status, 401);
        assert!(
            answer.text.contains("CERTIFICATE_INVALID"),
            "{}",
            answer.text
        );
        let answer = bank.call(&ours, "GET", path, &[], "").await;
        assert!(
            !answer.text.contains("CERTIFICATE_INVALID"),
            "{}",
            answer.text
        );
    }
}
