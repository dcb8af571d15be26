//! The person's phone: a request is found by the code the third party shows, its accounts are chosen and
//! it is decided there.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};

use crate::bank::Bank;
use crate::consent::{BankConsent, ConsentStatus, VisibleStatus};
use crate::ledger::LedgerAccount;
use crate::pages::{Credentials, PageRefusal, authenticated, page};
use crate::people::Variant;

/// The page.
pub(crate) fn routes() -> Router<Arc<Bank>> {
    Router::new().route("/phone", get(show).post(answer))
}

#[derive(Template, Default)]
#[template(path = "phone.html")]
struct Phone {
    action: String,
    login: String,
    code: String,
    message: Option<&'static str>,
    /// The accounts of the request that was found, to choose from.
    accounts: Vec<LedgerAccount>,
}

/// What the form says.
struct Answer(Vec<(String, String)>);

impl Answer {
    fn field(&self, wanted: &str) -> &str {
        let mut named = self.0.iter().filter(|(name, _)| name == wanted);
        named.next().map(|(_, value)| value.trim()).unwrap_or("")
    }

    /// The accounts that were chosen; all of them where the form shows none to choose from.
    fn chosen(&self, accounts: &[LedgerAccount]) -> Vec<String> {
        let named = || self.0.iter().filter(|(name, _)| name == "account");
        let offered = self.field("offered") == "yes";
        accounts
            .iter()
            .map(|account| account.key.clone())
            .filter(|key| !offered || named().any(|(_, value)| value == key))
            .collect()
    }
}

async fn show(State(bank): State<Arc<Bank>>) -> Response {
    told(&bank, StatusCode::OK, Phone::default())
}

fn told(bank: &Bank, status: StatusCode, phone: Phone) -> Response {
    let action = bank.address("/phone");
    page(status, &Phone { action, ..phone })
}

async fn answer(
    State(bank): State<Arc<Bank>>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, PageRefusal> {
    let answer = Answer(fields);
    let credentials = Credentials {
        login: answer.field("login").to_owned(),
        password: answer.field("password").to_owned(),
        revoke: None,
    };
    let code = answer.field("code").to_owned();
    let said = |status, login: String, message| {
        let phone = Phone {
            login,
            code: code.clone(),
            message: Some(message),
            ..Phone::default()
        };
        Ok(told(&bank, status, phone))
    };
    let Some(login) = authenticated(&bank, &credentials) else {
        let message = "Identifiant ou mot de passe inconnu.";
        return said(StatusCode::UNAUTHORIZED, credentials.login, message);
    };
    if !is_waited_for(&bank, &code) {
        let message = "Aucune demande n’attend ce code.";
        return said(StatusCode::NOT_FOUND, login, message);
    }
    let variant = bank.member(&login).and_then(|member| member.variant);
    let never_ends = matches!(
        variant,
        Some(Variant::NoStrongAuthentication | Variant::SilentPhone)
    );
    let accounts = bank.accounts_of(&login);
    let chosen = answer.chosen(&accounts);
    match answer.field("decision") {
        "approve" if chosen.is_empty() => {
            let message = "Choisissez au moins un compte, ou refusez la demande.";
            let phone = Phone {
                login,
                code,
                message: Some(message),
                accounts,
                ..Phone::default()
            };
            Ok(told(&bank, StatusCode::UNPROCESSABLE_ENTITY, phone))
        }
        "approve" if never_ends => {
            let asked_at = bank.now();
            change(&bank, &code, |consent| {
                consent.opening.phone_asked_at.get_or_insert(asked_at);
            })?;
            let message = "La confirmation n’arrive pas. La banque renonce dans cinq minutes.";
            said(StatusCode::OK, login, message)
        }
        "approve" => {
            let approved_at = bank.now();
            let person = login.clone();
            decide(
                &bank,
                &code,
                ConsentStatus::Valid {
                    person,
                    accounts: chosen,
                    approved_at,
                },
            )?;
            let message = "Accès autorisé. Revenez sur l’autre écran.";
            said(StatusCode::OK, login, message)
        }
        "refuse" => {
            decide(&bank, &code, ConsentStatus::Rejected)?;
            said(StatusCode::OK, login, "Demande refusée.")
        }
        // Found: what it is about is shown before anything is decided.
        _ => {
            let phone = Phone {
                login,
                code,
                accounts,
                ..Phone::default()
            };
            Ok(told(&bank, StatusCode::OK, phone))
        }
    }
}

fn is_waited_for(bank: &Bank, code: &str) -> bool {
    bank.look(|state| state.consents.values().any(|it| waits(bank, it, code)))
}

fn waits(bank: &Bank, consent: &BankConsent, code: &str) -> bool {
    consent.opening.phone_code.as_deref() == Some(code)
        && consent.visible_status(bank.now(), bank.today()) == VisibleStatus::Received
}

fn decide(bank: &Bank, code: &str, decided: ConsentStatus) -> Result<(), PageRefusal> {
    let today = bank.today();
    change(bank, code, |consent| {
        consent.last_action = today;
        consent.status = decided;
    })
}

fn change(
    bank: &Bank,
    code: &str,
    change: impl FnOnce(&mut BankConsent),
) -> Result<(), PageRefusal> {
    bank.change(|state| {
        let mut consents = state.consents.values_mut();
        if let Some(consent) = consents.find(|it| waits(bank, it, code)) {
            change(consent);
        }
    })?;
    Ok(())
}
