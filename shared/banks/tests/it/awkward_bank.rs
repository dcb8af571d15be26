//! A small bank that answers one call in an awkward way: what the sandbox cannot show.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
use passerelle_banks::{
    AispCertificates, BankError, BankSettings, Banks, Connector, Onboarded, OpenToken,
};
use passerelle_domain::account::{AccountIdentification, AccountKind, FetchedAccount};
use passerelle_domain::call_budget::{PsuPresence, SpentAccess};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::deadline::Deadline;
use passerelle_domain::ids::AccountId;
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::private::Private;
use passerelle_domain::reconciliation::{FetchedWindow, reconcile};
use tokio::net::TcpStream;

use crate::sandbox::{OPENED_AT, access, context};

/// Answers in order, and remembers what was asked.
#[derive(Clone)]
pub struct Script {
    answers: Arc<Mutex<VecDeque<(u16, String)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    base: String,
}

impl Script {
    async fn play(answers: &[(u16, &str)]) -> (Self, Arc<dyn Connector>) {
        Self::play_at("sandbox-bank", answers).await
    }

    /// The same bank in another dialect.
    pub async fn play_at(institution: &str, answers: &[(u16, &str)]) -> (Self, Arc<dyn Connector>) {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answers = answers
            .iter()
            .map(|(status, body)| (*status, body.replace("{base}", &base)))
            .collect();
        let script = Self {
            answers: Arc::new(Mutex::new(answers)),
            asked: Arc::default(),
            base: base.clone(),
        };
        let playing = script.clone();
        let app = Router::new().fallback(move |request: Request<Body>| {
            let script = playing.clone();
            async move {
                let line = request.uri().to_string();
                script.asked.lock().unwrap().push(line);
                let (status, body) = script.answers.lock().unwrap().pop_front().unwrap();
                let answer = Response::builder().status(status);
                let answer = match status {
                    302 => answer.header("location", body.clone()),
                    _ => answer,
                };
                answer.body(Body::from(body)).unwrap()
            }
        });
        tokio::spawn(async move { axum::serve(listener, app).await });
        let banks = Banks::new(BankSettings {
            sandbox_bank_url: Some(base.parse().unwrap()),
            sandbox_bank_authority: None,
            aggregator: None,
            aggregator_secret: None,
            onboarded: Onboarded::default(),
            client_id: "PSDFR-ACPR-12345".to_owned(),
            certificates: AispCertificates::none(),
        })
        .unwrap();
        let connector = banks.connector(&institution.parse().unwrap()).unwrap();
        (script, connector)
    }

    pub fn token(&self) -> OpenToken {
        let json = format!(
            r#"{{"access":"a","refresh":"r","expires_at":"2026-11-22T12:00:00Z",
            "bank_consent_id":"c","token_endpoint":"{}/token",
            "authorised_at":"2026-11-22T10:00:00Z","renewed":false}}"#,
            self.base
        );
        OpenToken::from_bytes(json.as_bytes()).unwrap()
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

pub fn unattended() -> PsuPresence {
    PsuPresence::Unattended(SpentAccess {
        at: OPENED_AT.parse().unwrap(),
    })
}

/// An account as a list would have told it.
fn account(id: &str) -> FetchedAccount {
    FetchedAccount {
        resource_id: id.parse().unwrap(),
        identification: AccountIdentification::BankReference(Private::new(id)),
        kind: AccountKind::Payment,
        currency: Currency::EUR,
        name: None,
        owner_name: None,
        balances: Vec::new(),
        link: None,
    }
}

async fn movements(answers: &[(u16, &str)]) -> (Script, Result<FetchedWindow, BankError>) {
    let (script, connector) = Script::play(answers).await;
    let (token, unattended, context) = (script.token(), unattended(), context());
    let outcome = connector
        .transactions(&access(&token, &unattended, &context), &account("a1"), None)
        .await;
    (script, outcome)
}

const LINE: &str =
    r#"{"bookingDate":"2026-11-20","transactionAmount":{"amount":"-1.00","currency":"EUR"}}"#;

fn page(next: &str) -> String {
    format!(r#"{{"transactions":{{"booked":[{LINE}],"_links":{{"next":{{"href":"{next}"}}}}}}}}"#)
}

#[tokio::test]
async fn q14_an_empty_page_with_a_link_continues() {
    let empty = r#"{"transactions":{"booked":[],"_links":{"next":{"href":"/v1/p2"}}}}"#;
    let last = format!(r#"{{"transactions":{{"booked":[{LINE}]}}}}"#);
    let (script, outcome) = movements(&[(200, empty), (200, &last)]).await;
    assert_eq!(outcome.unwrap().lines.len(), 1);
    assert_eq!(script.asked()[1], "/v1/p2");
}

#[tokio::test]
async fn q15_and_q16_links_are_replayed_to_the_letter() {
    let second = page("{base}/v1/accounts/a1/transactions?dateTo2022-07-04&k=a%2Fb==");
    let first = page("v1/p2?page=2");
    let last = r#"{"transactions":{}}"#;
    let (script, outcome) = movements(&[(200, &first), (200, &second), (200, last)]).await;
    assert_eq!(outcome.unwrap().lines.len(), 2);
    let asked = script.asked();
    assert_eq!(asked[1], "/v1/p2?page=2");
    assert_eq!(
        asked[2],
        "/v1/accounts/a1/transactions?dateTo2022-07-04&k=a%2Fb=="
    );
}

#[tokio::test]
async fn q17_no_content_is_an_empty_success() {
    let (_, outcome) = movements(&[(204, "")]).await;
    assert!(outcome.unwrap().lines.is_empty());
}

#[tokio::test]
async fn q26_a_bank_without_pending_is_asked_for_booked_lines() {
    let refused = r#"{"tppMessages":[{"category":"ERROR","code":"PARAMETER_NOT_SUPPORTED"}]}"#;
    let last = format!(r#"{{"transactions":{{"booked":[{LINE}]}}}}"#);
    let (script, outcome) = movements(&[(400, refused), (200, &last)]).await;
    assert_eq!(outcome.unwrap().lines.len(), 1);
    assert!(script.asked()[1].contains("bookingStatus=booked"));
}

#[tokio::test]
async fn q28_a_refused_period_is_asked_again_for_what_is_assured() {
    let refused = r#"{"tppMessages":[{"category":"ERROR","code":"PERIOD_INVALID"}]}"#;
    let last = format!(r#"{{"transactions":{{"booked":[{LINE}]}}}}"#);
    let (script, outcome) = movements(&[(400, refused), (200, &last)]).await;
    assert_eq!(outcome.unwrap().from.to_string(), "2026-08-25");
    assert!(script.asked()[0].contains("dateFrom=2024-11-22"));
    assert!(script.asked()[1].contains("dateFrom=2026-08-25"));
}

#[tokio::test]
async fn q50_amounts_come_in_quotes_or_not() {
    let body = r#"{"transactions":{"booked":[{"transactionAmount":{"amount":-20.10}},
        {"transactionAmount":{"amount":"12002","currency":"EUR"}}]}}"#;
    let (_, outcome) = movements(&[(200, body)]).await;
    let amounts: Vec<_> = outcome
        .unwrap()
        .lines
        .iter()
        .map(|line| line.amount)
        .collect();
    assert_eq!(amounts, [Amount::eur(-2010), Amount::eur(1_200_200)]);
}

#[tokio::test]
async fn q52_errors_in_any_shape_are_errors() {
    for (status, body) in [
        (400, "<html>Bad Request</html>"),
        (401, ""),
        (403, r#"{"fault":{"faultstring":"Forbidden"}}"#),
        (404, "[]"),
        (418, "\u{0}"),
        (500, "{"),
        (200, ""),
        (200, "null"),
        (200, r#"{"tppMessages":[]}"#),
    ] {
        let (_, outcome) = movements(&[(status, body)]).await;
        assert!(outcome.is_err(), "{status} {body}");
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (script, outcome) = movements(&[(302, "https://elsewhere.example/")]).await;
    assert!(matches!(outcome, Err(BankError::Nonsense { .. })));
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let endless = format!(r#"{{"transactions":"{}"#, "x".repeat(17 * 1024 * 1024));
    let (_, outcome) = movements(&[(200, &endless)]).await;
    assert!(matches!(outcome, Err(BankError::Nonsense { .. })));
}

#[tokio::test]
async fn a_read_is_tried_again_and_a_refresh_is_not() {
    let last = format!(r#"{{"transactions":{{"booked":[{LINE}]}}}}"#);
    let (script, outcome) = movements(&[(503, ""), (502, ""), (200, &last)]).await;
    assert_eq!(outcome.unwrap().lines.len(), 1);
    assert_eq!(script.asked().len(), 3);

    let (script, connector) = Script::play(&[(503, ""), (200, "{}")]).await;
    let now = OPENED_AT.parse().unwrap();
    let outcome = connector
        .refresh_token(&script.token(), &context(), now)
        .await;
    assert!(outcome.unwrap_err().is_retryable());
    assert_eq!(script.asked().len(), 1);
}

#[tokio::test]
async fn q34_a_refresh_token_that_is_not_rotated_stays() {
    let answer = r#"{"access_token":"new","token_type":"bearer","expires_in":600}"#;
    let (script, connector) = Script::play(&[(200, answer)]).await;
    let now = OPENED_AT.parse().unwrap();
    let renewed = connector
        .refresh_token(&script.token(), &context(), now)
        .await
        .unwrap();
    let stored = renewed.to_bytes();
    let text = std::str::from_utf8(&stored).unwrap();
    assert!(text.contains(r#""access":"new""#) && text.contains(r#""refresh":"r""#));
}

#[tokio::test]
async fn a_token_is_never_sent_to_a_host_that_is_not_the_banks() {
    let (script, connector) = Script::play(&[]).await;
    let json = r#"{"access":"a","refresh":"r","expires_at":"2026-11-22T12:00:00Z",
        "bank_consent_id":"c","token_endpoint":"https://elsewhere.example/token",
        "authorised_at":"2026-11-22T10:00:00Z","renewed":false}"#;
    let token = OpenToken::from_bytes(json.as_bytes()).unwrap();
    let now = OPENED_AT.parse().unwrap();
    let outcome = connector.refresh_token(&token, &context(), now).await;
    assert!(matches!(outcome, Err(BankError::ForeignLink)));
    assert!(script.asked().is_empty());
}

/// A bank that takes calls and never answers, and the calls it took.
async fn silent_bank() -> (Script, Arc<dyn Connector>, Arc<Mutex<Vec<TcpStream>>>) {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let (script, _) = Script::play(&[]).await;
    let silent = Script { base, ..script };
    let taken = Arc::new(Mutex::new(Vec::new()));
    let taking = Arc::clone(&taken);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            taking.lock().unwrap().push(stream);
        }
    });
    let banks = Banks::new(BankSettings {
        sandbox_bank_url: Some(silent.base.parse().unwrap()),
        sandbox_bank_authority: None,
        aggregator: None,
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: "PSDFR-ACPR-12345".to_owned(),
        certificates: AispCertificates::none(),
    })
    .unwrap();
    let connector = banks.connector(&"sandbox-bank".parse().unwrap()).unwrap();
    (silent, connector, taken)
}

/// Twenty seconds of nobody's processor.
#[tokio::test]
async fn a_bank_that_takes_the_call_and_says_nothing_is_given_up_once() {
    let (silent, connector, taken) = silent_bank().await;
    let (token, unattended, context) = (silent.token(), unattended(), context());
    let access = access(&token, &unattended, &context);
    let error = connector.accounts(&access).await.unwrap_err();
    assert!(matches!(&error, BankError::Unreachable(cause) if cause.is_timeout()));
    assert!(error.is_retryable());
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// The functions' own end comes before the patience with a bank does, and what is then known is nothing.
#[tokio::test]
async fn a_call_ends_before_the_work_it_belongs_to_and_is_no_outage_of_the_bank() {
    let (silent, connector, taken) = silent_bank().await;
    let (token, unattended) = (silent.token(), unattended());
    let started = Instant::now();
    let context = CallContext {
        deadline: Deadline::at(started + Duration::from_secs(5)),
        ..context()
    };
    let access = access(&token, &unattended, &context);
    let cut = connector.accounts(&access).await.unwrap_err();
    assert!(matches!(cut, BankError::OutOfTime), "{cut:?}");
    assert!(cut.is_retryable() && !cut.is_outage());
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(taken.lock().unwrap().len(), 1);
    // What little is left is enough for no call: the bank is not asked, token endpoint included.
    let late = connector.accounts(&access).await.unwrap_err();
    assert!(matches!(late, BankError::OutOfTime), "{late:?}");
    let now = OPENED_AT.parse().unwrap();
    let renewed = connector.refresh_token(&token, &context, now).await;
    assert!(matches!(renewed, Err(BankError::OutOfTime)), "{renewed:?}");
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// A day that stands in the text alone is no booking day: the movement waits for the bank to date it, and is
/// then one movement.
#[tokio::test]
async fn q22_a_movement_without_any_date_is_held_back_until_it_is_dated() {
    let served = |dated: &str| {
        format!(
            r#"{{"transactions":{{"booked":[{LINE},{{{dated}
            "transactionAmount":{{"amount":"-7.50","currency":"EUR"}},
            "remittanceInformationUnstructured":"KORT 12.11.2026 OSLO"}}]}}}}"#
        )
    };
    let account = AccountId::from_entropy([3; 16]);
    let (_, undated) = movements(&[(200, &served(""))]).await;
    let first = reconcile(&account, &[], undated.unwrap());
    assert_eq!((first.upserts.len(), first.undated), (1, 1));
    let (_, dated) = movements(&[(200, &served(r#""bookingDate":"2026-11-13","#))]).await;
    let second = reconcile(&account, &first.seen, dated.unwrap());
    assert_eq!((second.upserts.len(), second.undated), (1, 0));
    assert_eq!(second.upserts[0].amount, Amount::eur(-750));
    assert!(second.vanished.is_empty());
}

/// A shop's currency that nobody says the bill of stays what it is: another currency than the account's, never
/// an amount in euros.
#[tokio::test]
async fn q12_a_charge_without_its_bill_stays_in_its_own_currency() {
    let served = r#"{"transactions":{"booked":[{"bookingDate":"2026-11-20",
        "transactionAmount":{"amount":"-120.00","currency":"SEK"},
        "remittanceInformationUnstructured":"ICA STOCKHOLM"}]}}"#;
    let (_, read) = movements(&[(200, served)]).await;
    let account = AccountId::from_entropy([3; 16]);
    let merged = reconcile(&account, &[], read.unwrap());
    assert_eq!(merged.upserts[0].amount.currency.as_str(), "SEK");
    assert_eq!(merged.upserts[0].amount.to_decimal(), "-120.00");
}
