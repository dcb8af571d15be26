//! The public persona files, when they are there.

use std::path::PathBuf;

use passerelle_domain::account::{AccountKind, Ineligible};
use passerelle_domain::transaction::BookingStatus;

use crate::sandbox::{Sandbox, access, context};

pub fn folder() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/personae");
    if folder.is_dir() {
        return Some(folder);
    }
    #[expect(clippy::print_stderr, reason = "a skipped test must say so")]
    {
        eprintln!("skipped: ../shared/data/personae is absent");
    }
    None
}

#[tokio::test]
async fn every_persona_can_be_connected_and_read() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::open_with(Some(folder)).await;
    let (attended, context) = (sandbox.attended(), context());
    let today = sandbox.clock.now().to_zoned(jiff::tz::TimeZone::UTC).date();
    let logins: Vec<_> = sandbox
        .bank
        .people()
        .into_iter()
        .filter(|person| person.description.starts_with("persona"))
        .map(|person| person.login)
        .collect();
    assert!(logins.len() >= 8, "{logins:?}");
    for login in logins {
        let token = sandbox.connect(&login).await;
        let access = access(&token, &attended, &context);
        let accounts = sandbox.connector.accounts(&access).await.unwrap();
        let mut last = None;
        for account in &accounts {
            let named = account.owner_name.is_some();
            assert_eq!(named, login != "no-owner-name", "{login}");
            let window = sandbox
                .connector
                .transactions(&access, account, None)
                .await
                .unwrap();
            last = last.max(
                window
                    .lines
                    .iter()
                    .filter_map(|line| line.booking_date)
                    .max(),
            );
        }
        assert_eq!(last, Some(today), "{login}");
    }
}

#[tokio::test]
async fn the_negative_personae_show_why_they_are() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::open_with(Some(folder)).await;
    let (attended, context) = (sandbox.attended(), context());
    let read = async |login: &str| {
        let token = sandbox.connect(login).await;
        let access = access(&token, &attended, &context);
        sandbox.connector.accounts(&access).await.unwrap()
    };
    let foreign = read("currency-not-supported").await;
    assert!(
        foreign
            .iter()
            .all(|account| { account.eligibility() == Err(Ineligible::CurrencyNotSupported) })
    );
    let savings = read("no-checking-account").await;
    assert!(
        savings
            .iter()
            .all(|account| account.kind != AccountKind::Payment)
    );
}

#[tokio::test]
async fn undated_card_lines_are_pending() {
    let Some(folder) = folder() else { return };
    let sandbox = Sandbox::open_with(Some(folder)).await;
    let (attended, context) = (sandbox.attended(), context());
    let token = sandbox.connect("hermione-granger").await;
    let access = access(&token, &attended, &context);
    let accounts = sandbox.connector.accounts(&access).await.unwrap();
    let card = accounts
        .iter()
        .find(|account| account.kind == AccountKind::Card)
        .unwrap();
    let window = sandbox
        .connector
        .transactions(&access, card, None)
        .await
        .unwrap();
    assert_eq!(window.lines.len(), 40);
    assert!(
        window
            .lines
            .iter()
            .all(|line| line.status == BookingStatus::Pending)
    );
}
