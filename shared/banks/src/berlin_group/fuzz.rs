//! Damaged documents of the Berlin Group wire.

use passerelle_domain::money::Currency;
use reqwest::StatusCode;
use zeroize::Zeroizing;

use crate::bank_http::Answer;
use crate::berlin_group::refusal;
use crate::berlin_group::wire::Report;
use crate::berlin_group::wire::accounts::{AccountList, BalanceReport, read_balances};
use crate::berlin_group::wire::cards::{CardAccountList, CardTransactionPage};
use crate::berlin_group::wire::consents::{Confirmed, ConsentInformation, CreatedConsent};
use crate::berlin_group::wire::transactions::TransactionPage;
use crate::fuzzing::{Target, as_read, drive};

fn movements<Page: Report>(bytes: &[u8]) {
    if let Some(page) = as_read::<Page>(bytes) {
        let _ = page.next().map(str::len);
        let _ = page.read_into(Currency::EUR, &mut Vec::new());
    }
}

fn read(bytes: &[u8]) {
    if let Some(consent) = as_read::<CreatedConsent>(bytes) {
        let _ = consent.sca.step();
    }
    if let Some(consent) = as_read::<ConsentInformation>(bytes) {
        let _ = consent.read();
    }
    if let Some(confirmed) = as_read::<Confirmed>(bytes) {
        let _ = confirmed.has_failed();
    }
    for account in as_read::<AccountList>(bytes)
        .into_iter()
        .flat_map(|list| list.accounts)
    {
        let _ = account.read();
    }
    for card in as_read::<CardAccountList>(bytes)
        .into_iter()
        .flat_map(|list| list.card_accounts)
    {
        let _ = card.read();
    }
    if let Some(report) = as_read::<BalanceReport>(bytes) {
        let _ = read_balances(report.balances, Currency::EUR);
    }
    movements::<TransactionPage>(bytes);
    movements::<CardTransactionPage>(bytes);
    for status in [200, 400, 401, 403, 429, 503] {
        let _ = refusal::read(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(bytes.to_vec()),
        });
    }
}

#[test]
fn fuzz_the_berlin_group_wire() {
    drive(&Target {
        name: "berlin-group",
        read,
    });
}
