//! Strong authentication that never ends, through every façade.

use serde_json::Value;

use crate::visitor::{CHALLENGE, REDIRECT, Visitor, authorize, consent_body, token_of};

/// Every way to a page of the bank's.
const WAYS: [&str; 7] = [
    "oauth", "redirect", "explicit", "pre-step", "stet 1.4", "stet 1.6", "powens",
];

/// A page to approve on, and the consent behind it where the façade shows one.
struct Asked {
    page: String,
    consent: Option<String>,
}

fn href(answer: &Value, name: &str) -> String {
    let link = &answer["_links"][name]["href"];
    link.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

/// In the OAuth pre-step somebody logged in before.
async fn ask(bank: &Visitor, way: &str, login: &str) -> Asked {
    let body = consent_body("2027-02-20");
    let door = format!("/{way}");
    let without_consent = |page: String| Asked {
        page,
        consent: None,
    };
    match way {
        "oauth" => {
            let consent = bank.consent().await;
            Asked {
                page: authorize(&consent, REDIRECT, CHALLENGE),
                consent: Some(format!("/v1/consents/{consent}")),
            }
        }
        "redirect" => {
            let made = bank.create_consent_at(&door, &[], &body).await.json();
            Asked {
                page: href(&made, "scaRedirect"),
                consent: Some(href(&made, "self")),
            }
        }
        "explicit" => {
            let made = bank.create_consent_at(&door, &[], &body).await.json();
            let start = href(&made, "startAuthorisation");
            let started = bank.call("POST", &start, &[], "").await.json();
            Asked {
                page: href(&started, "scaRedirect"),
                consent: Some(href(&made, "self")),
            }
        }
        "pre-step" => {
            let page = authorize("", REDIRECT, CHALLENGE).replace("AIS:", "AIS");
            let page = bank.get(&page).await.location;
            let form = format!("login={login}&password=sandbox");
            let back = bank.post_form(&page, &form).await.location;
            let tokens = bank.exchange(&token_of(&back, "code")).await.json();
            let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
            let headers = [("authorization", bearer.as_str())];
            let made = bank.create_consent_at(&door, &headers, &body).await;
            without_consent(href(&made.json(), "scaRedirect"))
        }
        "stet 1.4" | "stet 1.6" => without_consent(format!(
            "/stet/v{}/authorize?response_type=code&client_id=PSDFR-ACPR-1&scope=aisp&state=s1\
             &redirect_uri={REDIRECT}&code_challenge={CHALLENGE}&code_challenge_method=S256",
            &way[5..]
        )),
        _ => without_consent(format!(
            "/powens/webview/fr/connect?client_id=1&redirect_uri={REDIRECT}&state=s1"
        )),
    }
}

/// From the bank's first page to the approval, and what pressing the button answers.
async fn approve(bank: &Visitor, page: &str, login: &str) -> (String, String) {
    let mut page = page.to_owned();
    while !page.contains("/approval/") {
        if page.contains("/login/") {
            let form = format!("login={login}&password=sandbox");
            page = bank.post_form(&page, &form).await.location;
        } else {
            page = bank.get(&page).await.location;
        }
    }
    let form = "account=courant&sca=123456&decision=approve";
    let answer = bank.post_form(&page, form).await;
    assert_eq!(answer.status, 303, "{}", answer.text);
    (page, answer.location)
}

/// Sent back with the failure of the dialect, and nothing that could be used.
fn failed(way: &str, location: &str) {
    assert!(location.starts_with(REDIRECT), "{way}: {location}");
    let said = location.contains("error=access_denied");
    assert_eq!(
        said,
        !matches!(way, "redirect" | "explicit" | "pre-step"),
        "{way}: {location}"
    );
    assert!(!location.contains("code="), "{way}: {location}");
}

async fn standing(bank: &Visitor, consent: &str) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let consent = consent.trim_start_matches("http://127.0.0.1:8095");
    let read = bank.call("GET", consent, &[], "").await.json();
    let list = format!("{consent}/authorisations");
    let ids = bank.call("GET", &list, &[], "").await.json();
    let one = format!("{list}/{}", text(&ids["authorisationIds"][0]));
    let sca = bank.call("GET", &one, &[], "").await.json();
    (text(&read["consentStatus"]), text(&sca["scaStatus"]))
}

fn rejected() -> (String, String) {
    ("rejected".to_owned(), "failed".to_owned())
}

#[tokio::test]
async fn a_bank_that_gives_up_sends_the_person_back_with_its_refusal() {
    for way in WAYS {
        let bank = Visitor::new(None);
        let asked = ask(&bank, way, "sca-timeout").await;
        let (_, back) = approve(&bank, &asked.page, "sca-timeout").await;
        failed(way, &back);
        if let Some(consent) = asked.consent {
            assert_eq!(standing(&bank, &consent).await, rejected(), "{way}");
        }
    }
}

#[tokio::test]
async fn a_phone_nobody_answers_is_waited_for_five_minutes() {
    for way in WAYS {
        let bank = Visitor::new(None);
        let asked = ask(&bank, way, "sca-silent").await;
        let (page, waiting) = approve(&bank, &asked.page, "sca-silent").await;
        assert_eq!(waiting.rsplit('/').next(), page.rsplit('/').next(), "{way}");
        for minutes in [0, 4] {
            bank.wait_minutes(minutes);
            let shown = bank.get(&waiting).await;
            assert_eq!(shown.status, 200, "{way} after {minutes}");
            assert!(shown.text.contains("téléphone"), "{way}: {}", shown.text);
            if let Some(consent) = &asked.consent {
                assert_eq!(standing(&bank, consent).await.0, "received", "{way}");
            }
        }
        bank.wait_minutes(1);
        if let Some(consent) = &asked.consent {
            assert_eq!(standing(&bank, consent).await, rejected(), "{way}");
        }
        failed(way, &bank.get(&waiting).await.location);
        assert_eq!(bank.get(&waiting).await.status, 410, "{way}: once");
    }
}

/// Pressing again does not begin the five minutes anew.
#[tokio::test]
async fn asking_the_phone_again_wins_no_time() {
    let bank = Visitor::new(None);
    let asked = ask(&bank, "oauth", "").await;
    let (page, _) = approve(&bank, &asked.page, "sca-silent").await;
    bank.wait_minutes(4);
    let form = "account=courant&sca=123456&decision=approve";
    assert_eq!(bank.post_form(&page, form).await.status, 303);
    bank.wait_minutes(1);
    failed("oauth", &bank.get(&page).await.location);
}

#[tokio::test]
async fn the_page_lets_a_person_renounce_before() {
    let bank = Visitor::new(None);
    let asked = ask(&bank, "oauth", "").await;
    let (page, _) = approve(&bank, &asked.page, "sca-silent").await;
    failed(
        "oauth",
        &bank.post_form(&page, "decision=refuse").await.location,
    );
}

#[tokio::test]
async fn an_hour_without_a_decision_sends_the_person_back_from_a_page_of_the_pre_step() {
    let bank = Visitor::new(None);
    let asked = ask(&bank, "pre-step", "camille.martin").await;
    assert_eq!(bank.get(&asked.page).await.status, 200);
    bank.wait_minutes(61);
    failed("pre-step", &bank.get(&asked.page).await.location);
}

async fn ask_phone(bank: &Visitor) -> (String, String) {
    let body = consent_body("2027-02-20");
    let made = bank
        .create_consent_at("/decoupled", &[], &body)
        .await
        .json();
    let message = made["psuMessage"].as_str().unwrap().to_owned();
    let code: String = message
        .rsplit(' ')
        .next()
        .unwrap()
        .chars()
        .filter(char::is_ascii_digit)
        .collect();
    (href(&made, "self"), code)
}

#[tokio::test]
async fn on_the_phone_a_request_fails_five_minutes_after_it_was_shown() {
    for login in ["sca-timeout", "sca-silent"] {
        let bank = Visitor::new(None);
        let (consent, code) = ask_phone(&bank).await;
        let form = format!("login={login}&password=sandbox&code={code}&decision=approve");
        let answer = bank.post_form("/phone", &form).await;
        assert!(answer.text.contains("n’arrive pas"), "{}", answer.text);
        bank.wait_minutes(4);
        assert_eq!(standing(&bank, &consent).await.0, "received", "{login}");
        bank.wait_minutes(1);
        assert_eq!(standing(&bank, &consent).await, rejected(), "{login}");
    }
}

#[tokio::test]
async fn on_the_phone_accounts_are_chosen_and_refused_as_on_the_page() {
    let bank = Visitor::new(None);
    let (consent, code) = ask_phone(&bank).await;
    let who = format!("login=camille.martin&password=sandbox&code={code}");
    let found = bank
        .post_form("/phone", &format!("{who}&decision=find"))
        .await;
    assert!(
        found.text.contains(r#"name="account" value="courant""#),
        "{}",
        found.text
    );
    let none = format!("{who}&offered=yes&decision=approve");
    assert_eq!(bank.post_form("/phone", &none).await.status, 422);
    let one = format!("{who}&offered=yes&account=courant&decision=approve");
    assert_eq!(bank.post_form("/phone", &one).await.status, 200);
    let path = consent.trim_start_matches("http://127.0.0.1:8095");
    let read = bank.call("GET", path, &[], "").await.json();
    assert_eq!(read["consentStatus"], "valid");
    assert_eq!(read["access"]["accounts"].as_array().unwrap().len(), 1);
    assert_eq!(bank.post_form("/phone", &one).await.status, 404, "once");

    let (consent, code) = ask_phone(&bank).await;
    let no = format!("login=camille.martin&password=sandbox&code={code}&decision=refuse");
    assert_eq!(bank.post_form("/phone", &no).await.status, 200);
    assert_eq!(standing(&bank, &consent).await, rejected());
}
