//! Damaged documents of the STET wire.

use passerelle_domain::money::Currency;
use reqwest::StatusCode;
use zeroize::Zeroizing;

use crate::bank_http::Answer;
use crate::fuzzing::{Target, as_read, drive};
use crate::stet::refusal;
use crate::stet::wire::{AccountPage, BalanceReport, TransactionPage, forwarded_access, tie_cards};

fn read(bytes: &[u8]) {
    if let Some(page) = as_read::<AccountPage>(bytes) {
        let _ = page.next().map(str::len);
        let mut listed = Vec::new();
        if page.read_into(&mut listed).is_ok() {
            let tied = tie_cards(listed);
            let _ = forwarded_access(&tied, true);
        }
    }
    if let Some(report) = as_read::<BalanceReport>(bytes) {
        let _ = report.read(Currency::EUR);
    }
    if let Some(page) = as_read::<TransactionPage>(bytes) {
        let _ = page.next().map(str::len);
        let _ = page.read_into(Currency::EUR, &mut Vec::new());
    }
    for status in [200, 400, 401, 403, 429, 503] {
        let _ = refusal::read(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(bytes.to_vec()),
        });
    }
}

#[test]
fn fuzz_the_stet_wire() {
    drive(&Target { name: "stet", read });
}
