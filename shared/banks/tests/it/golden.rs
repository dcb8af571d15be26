//! Golden documents: what each dialect writes, and the one thing it means.

use passerelle_banks::BankConsent;
use passerelle_domain::account::{
    AccountIdentification, AccountKind, FetchedAccount, best_balance,
};
use passerelle_domain::money::Amount;
use passerelle_domain::reconciliation::FetchedWindow;
use passerelle_domain::transaction::BookingStatus;

use crate::awkward_bank::{Script, unattended};
use crate::sandbox::{access, context};

async fn read(
    institution: &str,
    accounts: &str,
    transactions: &str,
) -> (FetchedAccount, FetchedWindow) {
    let answers = [(200, accounts), (200, transactions)];
    let (script, connector) = Script::play_at(institution, &answers).await;
    let (token, unattended, context) = (script.token(), unattended(), context());
    let access = access(&token, &unattended, &context);
    let account = connector.accounts(&access).await.unwrap().remove(0);
    let window = connector
        .transactions(&access, &account, None)
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

/// Model A2: the accounts are open already, so their links are there.
#[tokio::test]
async fn stet_1_6() {
    let (account, window) = read(
        "sandbox-bank-stet-a2",
        include_str!("../fixtures/stet_1_6_accounts.json"),
        include_str!("../fixtures/stet_1_6_transactions.json"),
    )
    .await;
    is_the_known_account(&account, &window);
    let debit = &window.lines[0];
    assert_eq!(
        debit.bank_transaction_code.as_deref(),
        Some("PMNT-RDDT-ESDD")
    );
    assert_eq!(
        debit.counterparty.name.as_ref().unwrap().expose(),
        "MUTUELLE EXEMPLE"
    );
}

/// What a card account writes positive left the card.
#[tokio::test]
async fn berlin_group_cards() {
    let none = r#"{"accounts": []}"#;
    let answers = [
        (200, none),
        (
            200,
            include_str!("../fixtures/berlin_group_card_accounts.json"),
        ),
        (
            200,
            include_str!("../fixtures/berlin_group_card_transactions.json"),
        ),
    ];
    let (script, connector) = Script::play_at("sandbox-bank-redirect", &answers).await;
    let (token, unattended, context) = (script.token(), unattended(), context());
    let access = access(&token, &unattended, &context);
    let card = connector.accounts(&access).await.unwrap().remove(0);
    assert_eq!(card.kind, AccountKind::Card);
    assert!(matches!(
        &card.identification,
        AccountIdentification::MaskedPan { masked_pan, .. } if masked_pan.expose() == "497010XXXXXX1234"
    ));
    assert_eq!(card.balances[0].amount, Amount::eur(-8_450));
    let window = connector.transactions(&access, &card, None).await.unwrap();
    let told: Vec<_> = window
        .lines
        .iter()
        .map(|line| (line.status, line.amount.minor, line.label.expose()))
        .collect();
    assert_eq!(
        told,
        [
            (BookingStatus::Booked, -6_240, "CFF BILLETTERIE GENEVE"),
            (BookingStatus::Booked, 1_500, "AVOIR LIBRAIRIE EXEMPLE"),
            (BookingStatus::Pending, -2_210, "BOULANGERIE EXEMPLE"),
        ]
    );
    let reference = window.lines[0].entry_reference.as_ref().unwrap();
    assert_eq!(reference.as_str(), "ct-1");
}

#[tokio::test]
async fn berlin_group_consent_and_balances() {
    let accounts = r#"{"accounts": [{"resourceId": "7f3a", "currency": "EUR",
        "iban": "FR7630004133112916078289675", "cashAccountType": "CACC"}]}"#;
    let answers = [
        (200, include_str!("../fixtures/berlin_group_consent.json")),
        (200, accounts),
        (200, include_str!("../fixtures/berlin_group_balances.json")),
    ];
    let (script, connector) = Script::play_at("sandbox-bank", &answers).await;
    let (token, unattended, context) = (script.token(), unattended(), context());
    let access = access(&token, &unattended, &context);
    let status = connector.consent_status(&access).await.unwrap();
    // Until the end of the bank's day, which is an hour ahead of UTC in winter.
    let BankConsent::Valid { valid_until } = status else {
        panic!("{status:?}");
    };
    assert_eq!(valid_until.to_string(), "2027-02-20T23:00:00Z");
    let account = connector.accounts(&access).await.unwrap().remove(0);
    let best = best_balance(&account.balances).unwrap();
    assert_eq!(best.amount, Amount::eur(10_000));
    assert!(!best.credit_limit_included);
}

/// What each refusal of the standards means to us.
#[tokio::test]
async fn refusals() {
    for (institution, text) in [
        (
            "sandbox-bank",
            include_str!("../fixtures/berlin_group_refusals.json"),
        ),
        (
            "sandbox-bank-stet",
            include_str!("../fixtures/stet_refusals.json"),
        ),
    ] {
        let refusals: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        assert!(refusals.len() >= 4);
        for refusal in refusals {
            let status = u16::try_from(refusal["status"].as_u64().unwrap()).unwrap();
            let body = refusal["body"].to_string();
            // A read is tried again where that may help: the same answer each time.
            let answers = vec![(status, body.as_str()); 4];
            let (script, connector) = Script::play_at(institution, &answers).await;
            let (token, unattended, context) = (script.token(), unattended(), context());
            let access = access(&token, &unattended, &context);
            let error = connector.accounts(&access).await.unwrap_err();
            let means = refusal["means"].as_str().unwrap();
            assert!(
                format!("{error:?}").starts_with(means),
                "{institution} {refusal}: {error:?}"
            );
        }
    }
}

/// What the aggregator read, by its own documents: a movement it took back is none.
#[tokio::test]
async fn powens() {
    let answers = [
        (200, include_str!("../fixtures/powens_connections.json")),
        (200, include_str!("../fixtures/powens_accounts.json")),
        (200, include_str!("../fixtures/powens_transactions.json")),
    ];
    let (script, connector) = Script::play_at("sandbox-bank-powens", &answers).await;
    let (token, unattended, context) = (script.token(), unattended(), context());
    let access = access(&token, &unattended, &context);
    let account = connector.accounts(&access).await.unwrap().remove(0);
    assert_eq!(account.kind, AccountKind::Payment);
    assert!(matches!(
        &account.identification,
        AccountIdentification::Iban(iban) if iban.expose() == "FR7630004133112916078289675"
    ));
    let balance = best_balance(&account.balances).unwrap();
    assert_eq!(balance.amount, Amount::eur(10_000));
    let window = connector
        .transactions(&access, &account, None)
        .await
        .unwrap();
    let mut told: Vec<_> = window
        .lines
        .iter()
        .map(|line| (line.status, line.amount.minor, line.label.expose()))
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            (BookingStatus::Booked, -1_890, "PRLV SEPA MUTUELLE EXEMPLE"),
            (BookingStatus::Booked, 120_000, "VIR SALAIRE NOVEMBRE"),
            (BookingStatus::Pending, -990, "CARTE 21/11"),
        ]
    );
}
