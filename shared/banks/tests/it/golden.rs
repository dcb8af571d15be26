//! Golden documents: what each dialect writes, and the one thing it means.

use passerelle_domain::account::{
    AccountIdentification, AccountKind, FetchedAccount, best_balance,
};
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_domain::transaction::BookingStatus;

use crate::awkward_bank::{Script, unattended};
use crate::sandbox::{access, correlation};

async fn read(
    institution: &str,
    accounts: &str,
    transactions: &str,
) -> (FetchedAccount, FetchedWindow) {
    let answers = [(200, accounts), (200, transactions)];
    let (script, connector) = Script::play_at(institution, &answers).await;
    let (token, unattended, correlation) = (script.token(), unattended(), correlation());
    let access = access(&token, &unattended, &correlation);
    let account = connector.accounts(&access).await.unwrap().remove(0);
    let window = connector
        .transactions(&access, &account.resource_id, Currency::EUR, None)
        .await
        .unwrap();
    (account, window)
}

/// The same account and movements, whatever language they were written in.
fn is_the_known_account(account: &FetchedAccount, window: &FetchedWindow) {
    assert_eq!(account.kind, AccountKind::Payment);
    assert!(matches!(
        &account.identification,
        AccountIdentification::Iban(iban) if iban.expose() == "FR7630004133112916078289675"
    ));
    assert_eq!(
        account.owner_name.as_ref().unwrap().expose(),
        "Camille Exemple"
    );
    let balance = best_balance(&account.balances).unwrap();
    assert_eq!(balance.amount, Amount::eur(10_000));
    let told: Vec<_> = window
        .lines
        .iter()
        .map(|line| {
            let reference = line.entry_reference.as_ref().map(|id| id.as_str().len());
            (line.status, line.amount.minor, reference.is_some())
        })
        .collect();
    assert_eq!(
        told.iter().map(|line| (line.0, line.1)).collect::<Vec<_>>(),
        [
            (BookingStatus::Booked, -1_890),
            (BookingStatus::Booked, 120_000),
            (BookingStatus::Pending, -990),
        ]
    );
    assert_eq!(window.lines[0].label.expose(), "PRLV SEPA MUTUELLE EXEMPLE");
    assert_eq!(
        window.lines[0].booking_date.unwrap().to_string(),
        "2026-11-20"
    );
    assert_eq!(window.lines[1].label.expose(), "VIR SALAIRE NOVEMBRE");
}

#[tokio::test]
async fn berlin_group() {
    let (account, window) = read(
        "sandbox-bank",
        include_str!("../fixtures/berlin_group_accounts.json"),
        include_str!("../fixtures/berlin_group_transactions.json"),
    )
    .await;
    is_the_known_account(&account, &window);
    let debit = &window.lines[0];
    assert_eq!(debit.creditor_id.as_deref(), Some("FR39ZZZ121412"));
    assert_eq!(debit.mandate_id.as_ref().unwrap().expose(), "RUM0001");
    assert_eq!(
        debit.counterparty.name.as_ref().unwrap().expose(),
        "MUTUELLE EXEMPLE"
    );
    assert!(debit.counterparty.iban.is_some());
}

#[tokio::test]
async fn stet_1_4() {
    let (account, window) = read(
        "sandbox-bank-stet",
        include_str!("../fixtures/stet_1_4_accounts.json"),
        include_str!("../fixtures/stet_1_4_transactions.json"),
    )
    .await;
    is_the_known_account(&account, &window);
}
