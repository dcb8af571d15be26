//! Documents as the aggregator writes them, read whole. Invented, in the documented shapes.

use std::collections::BTreeSet;

use jiff::civil::Date;
use passerelle_domain::account::AccountKind;
use passerelle_domain::money::{Amount, Currency};
use passerelle_domain::reconciliation::Coverage;
use passerelle_domain::transaction::BookingStatus;

use crate::fuzzing::as_read;
use crate::powens::accounts::AccountList;
use crate::powens::movements::Page;
use crate::powens::standing::ConnectionList;

macro_rules! document {
    ($name:literal) => {
        include_bytes!(concat!("../../../../tests/fuzz/corpus/powens/", $name))
    };
}

#[test]
fn a_whole_reading_gives_accounts_and_movements() {
    let connections: ConnectionList = as_read(document!("connections.json")).unwrap();
    let readable = connections.readable().unwrap();
    assert_eq!(readable, BTreeSet::from(["7".to_owned()]));

    let list: AccountList = as_read(document!("accounts.json")).unwrap();
    let accounts = list.read(&readable).unwrap();
    let kinds: BTreeSet<_> = accounts.iter().map(|account| account.kind).collect();
    assert_eq!(
        kinds,
        BTreeSet::from([AccountKind::Payment, AccountKind::Card])
    );

    let page: Page = as_read(document!("transactions.json")).unwrap();
    assert!(page.next().unwrap().ends_with("offset=2"));
    let asked = Date::constant(2026, 11, 1);
    let coverage = page.coverage(Coverage::Since(asked));
    assert_eq!(coverage, Coverage::Since(asked));
    let lines = page.read(Currency::EUR).unwrap();
    let read: Vec<_> = lines
        .iter()
        .map(|line| (line.status, line.amount, line.label.expose()))
        .collect();
    assert_eq!(
        read,
        [
            (
                BookingStatus::Pending,
                Amount::eur(-1250),
                "CARTE 21/11 BOULANGERIE"
            ),
            (
                BookingStatus::Booked,
                Amount::eur(-2990),
                "PRLV SEPA MAIF ECHEANCE"
            ),
        ]
    );
}
