//! Oddities met at real banks, each through connector and reconciliation: the history must come out
//! whole, once, and the same at every reading.

use passerelle_banks::{BankConsent, BankError, OpenToken};
use passerelle_domain::account::{
    Account, AccountIdentification, BalanceType, FetchedAccount, FingerprintKey, best_balance,
};
use passerelle_domain::connection::ReauthenticationReason;
use passerelle_domain::money::Amount;
use passerelle_domain::reconciliation::{FetchedWindow, Reconciled, reconcile};
use passerelle_domain::transaction::BookingStatus;

use crate::sandbox::{Sandbox, access, context};

/// What is on every test account before its first movement, in cents.
const OPENING: i64 = 120_000;

struct Reader {
    sandbox: Sandbox,
    token: OpenToken,
}

impl Reader {
    async fn of(login: &str) -> Self {
        Self::at("sandbox-bank", login).await
    }

    async fn at(institution: &str, login: &str) -> Self {
        let sandbox = Sandbox::open_at(institution).await;
        let token = sandbox.connect(login).await;
        Self { sandbox, token }
    }

    async fn accounts(&self) -> Vec<FetchedAccount> {
        let (attended, context) = (self.sandbox.attended(), context());
        let access = access(&self.token, &attended, &context);
        self.sandbox.connector.accounts(&access).await.unwrap()
    }

    async fn window(&self) -> FetchedWindow {
        let (attended, context) = (self.sandbox.attended(), context());
        let access = access(&self.token, &attended, &context);
        let account = self.accounts().await.remove(0);
        self.sandbox
            .connector
            .transactions(&access, &account, None)
            .await
            .unwrap()
    }

    async fn account(&self) -> Account {
        let key = FingerprintKey::new(&[9; 32]);
        self.accounts()
            .await
            .remove(0)
            .into_account(&key, self.sandbox.clock.now())
    }

    /// Reads twice and merges twice: the second time must change nothing.
    async fn ledger(&self) -> (Account, Reconciled) {
        let account = self.account().await;
        let once = reconcile(&account.id, &[], self.window().await);
        let again = reconcile(&account.id, &once.seen, self.window().await);
        assert!(
            again.is_unchanged(),
            "the same history twice changes nothing"
        );
        (account, once)
    }
}

fn sum(merged: &Reconciled) -> i64 {
    merged.upserts.iter().map(|row| row.amount.minor).sum()
}

/// Nothing lost, nothing doubled: opening balance and movements give the balance the bank states.
async fn the_ledger_balances(login: &str) -> Reconciled {
    let (account, merged) = Reader::of(login).await.ledger().await;
    assert!(merged.upserts.len() > 300, "{}", merged.upserts.len());
    assert_eq!(merged.undated, 0);
    let stated = account.balance.unwrap().amount;
    assert_eq!(stated, Amount::eur(OPENING + sum(&merged)), "{login}");
    merged
}

#[tokio::test]
async fn q01_movements_without_an_id() {
    let merged = the_ledger_balances("quirk-q01").await;
    assert!(
        merged
            .upserts
            .iter()
            .all(|row| row.entry_reference.is_none())
    );
}

#[tokio::test]
async fn q02_blank_ids_are_absence() {
    let merged = the_ledger_balances("quirk-q02").await;
    assert!(
        merged
            .upserts
            .iter()
            .all(|row| row.entry_reference.is_none())
    );
}

#[tokio::test]
async fn q03_a_placeholder_shared_by_all_card_lines_is_absence() {
    let merged = the_ledger_balances("quirk-q03").await;
    let (with, without): (Vec<_>, Vec<_>) = merged
        .upserts
        .iter()
        .partition(|row| row.entry_reference.is_some());
    assert!(!with.is_empty() && !without.is_empty());
    assert!(without.iter().all(|row| row.transaction_date.is_some()));
}

#[tokio::test]
async fn q04_zero_on_pending_lines_is_absence() {
    the_ledger_balances("quirk-q04").await;
    let window = Reader::of("quirk-q04").await.window().await;
    let pending: Vec<_> = window
        .lines
        .iter()
        .filter(|line| line.status == BookingStatus::Pending)
        .collect();
    assert!(!pending.is_empty(), "the case shows something");
    assert!(pending.iter().all(|line| line.entry_reference.is_none()));
}

#[tokio::test]
async fn q05_small_numbers_used_again_lose_no_line() {
    the_ledger_balances("quirk-q05").await;
    let window = Reader::of("quirk-q05").await.window().await;
    let references: std::collections::BTreeSet<_> = window
        .lines
        .iter()
        .filter_map(|line| line.entry_reference.as_ref())
        .collect();
    assert!(references.len() <= 7, "the numbers are used again");
}

#[tokio::test]
async fn q06_an_id_that_changes_when_booked_makes_no_second_line() {
    let reader = Reader::of("quirk-q06").await;
    let account = reader.account().await;
    let mut seen = reconcile(&account.id, &[], reader.window().await).seen;
    let mut token = None;
    let mut pending = 0;
    for _ in 0..5 {
        reader.sandbox.clock.advance_minutes(24 * 60);
        let now = reader.sandbox.clock.now();
        let old = token.as_ref().unwrap_or(&reader.token);
        let renewed = reader
            .sandbox
            .connector
            .refresh_token(old, &context(), now)
            .await
            .unwrap();
        let (attended, context) = (reader.sandbox.attended(), context());
        let access = access(&renewed, &attended, &context);
        let fetched = reader
            .sandbox
            .connector
            .accounts(&access)
            .await
            .unwrap()
            .remove(0);
        let window = reader
            .sandbox
            .connector
            .transactions(&access, &fetched, None)
            .await
            .unwrap();
        let booked = window
            .lines
            .iter()
            .filter(|line| line.status == BookingStatus::Booked)
            .count();
        pending += window.lines.len() - booked;
        let from = window.from;
        let merged = reconcile(&account.id, &seen, window);
        assert!(merged.vanished.is_empty());
        let inside = merged.seen.iter().filter(|line| line.day >= from).count();
        assert_eq!(inside, booked);
        seen = merged.seen;
        token = Some(renewed);
    }
    assert!(pending > 0, "lines were pending before they were booked");
}

#[tokio::test]
async fn q08_two_equal_payments_on_one_day_stay_two() {
    let (_, once) = Reader::of("quirk-q08").await.ledger().await;
    let served = Reader::of("quirk-q08").await.window().await;
    let booked = served
        .lines
        .iter()
        .filter(|line| line.status == BookingStatus::Booked)
        .count();
    assert_eq!(once.upserts.len(), booked);
    let mut ids: Vec<_> = once.upserts.iter().map(|row| row.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), booked);
}

#[tokio::test]
async fn q18_text_in_any_shape_is_text() {
    let merged = the_ledger_balances("quirk-q18").await;
    assert!(
        merged
            .upserts
            .iter()
            .all(|row| row.label.expose().len() > 3)
    );
}

#[tokio::test]
async fn q19_a_cut_word_is_whole_again() {
    let merged = the_ledger_balances("quirk-q19").await;
    for row in &merged.upserts {
        assert!(
            row.label
                .expose()
                .ends_with("REFERENCE CLIENT ET DATE D'ECHEANCE")
        );
    }
}

#[tokio::test]
async fn q20_text_is_found_in_the_additional_information() {
    let merged = the_ledger_balances("quirk-q20").await;
    assert!(merged.upserts.iter().all(|row| !row.label.is_empty()));
}

#[tokio::test]
async fn q21_technical_noise_is_no_part_of_the_text() {
    let merged = the_ledger_balances("quirk-q21").await;
    assert!(
        merged
            .upserts
            .iter()
            .all(|row| !row.label.expose().contains("NOTPROVIDED"))
    );
}

#[tokio::test]
async fn q22_the_day_of_the_movement_stands_in_for_the_booking_day() {
    the_ledger_balances("quirk-q22").await;
    let window = Reader::of("quirk-q22").await.window().await;
    assert!(window.lines.iter().all(|line| line.booking_date.is_none()));
}

#[tokio::test]
async fn q26_a_bank_without_pending_lines_gives_the_booked_ones() {
    let merged = the_ledger_balances("quirk-q26").await;
    assert!(merged.pending.is_empty());
}

#[tokio::test]
async fn q27_ignored_date_filters_bring_nothing_in_twice() {
    let reader = Reader::of("quirk-q27").await;
    let account = reader.account().await;
    let whole = reconcile(&account.id, &[], reader.window().await);
    let (attended, context) = (reader.sandbox.attended(), context());
    let access = access(&reader.token, &attended, &context);
    let fetched = reader.accounts().await.remove(0);
    let from = Some(passerelle_domain::Date::constant(2026, 11, 1));
    let window = reader
        .sandbox
        .connector
        .transactions(&access, &fetched, from)
        .await
        .unwrap();
    assert_eq!(Some(window.from), from);
    let older = window.lines.iter().filter(|line| line.booking_date < from);
    assert!(older.count() > 100, "the filter was ignored");
    assert!(reconcile(&account.id, &whole.seen, window).is_unchanged());
}

#[tokio::test]
async fn q27_refused_date_filters_are_left_out() {
    let reader = Reader::of("quirk-q27").await;
    let savings = reader.accounts().await.remove(1);
    let (attended, context) = (reader.sandbox.attended(), context());
    let access = access(&reader.token, &attended, &context);
    let from = Some(passerelle_domain::Date::constant(2026, 11, 1));
    let window = reader
        .sandbox
        .connector
        .transactions(&access, &savings, from)
        .await
        .unwrap();
    assert_eq!(Some(window.from), from, "what is older is filtered here");
    assert!(window.lines.iter().any(|line| line.booking_date < from));
    let key = FingerprintKey::new(&[9; 32]);
    let account = savings.into_account(&key, reader.sandbox.clock.now());
    let merged = reconcile(&account.id, &[], window);
    let mut days = merged.upserts.iter().map(|row| Some(row.booking_date));
    assert!(days.all(|day| day >= from));
}

#[tokio::test]
async fn q31_a_dead_refresh_token_needs_the_person_although_the_consent_stands() {
    let reader = Reader::of("quirk-q31").await;
    let now = reader.sandbox.clock.now();
    let (attended, context) = (reader.sandbox.attended(), context());
    let access = access(&reader.token, &attended, &context);
    let status = reader
        .sandbox
        .connector
        .consent_status(&access)
        .await
        .unwrap();
    assert!(matches!(status, BankConsent::Valid { .. }));
    let renewal = reader
        .sandbox
        .connector
        .refresh_token(&reader.token, &context, now)
        .await;
    assert_eq!(
        renewal.unwrap_err().needs_psu(),
        Some(ReauthenticationReason::TokenRefused)
    );
}

#[tokio::test]
async fn q32_a_refresh_token_spent_by_a_failure_ends_in_a_clear_state() {
    let reader = Reader::of("quirk-q32").await;
    let now = reader.sandbox.clock.now();
    let renew = async || {
        let connector = &reader.sandbox.connector;
        connector
            .refresh_token(&reader.token, &context(), now)
            .await
            .unwrap_err()
    };
    let first = renew().await;
    assert!(
        first.is_retryable() && first.needs_psu().is_none(),
        "{first}"
    );
    let second = renew().await;
    assert!(!second.is_retryable(), "{second}");
    assert_eq!(
        second.needs_psu(),
        Some(ReauthenticationReason::TokenRefused)
    );
}

#[tokio::test]
async fn q38_a_second_consent_that_ends_the_first_is_seen() {
    let reader = Reader::of("quirk-q38").await;
    reader.sandbox.connect("quirk-q38").await;
    let (attended, context) = (reader.sandbox.attended(), context());
    let access = access(&reader.token, &attended, &context);
    let status = reader
        .sandbox
        .connector
        .consent_status(&access)
        .await
        .unwrap();
    assert!(matches!(status, BankConsent::Ended(_)), "{status:?}");
}

#[tokio::test]
async fn q41_an_account_without_an_iban_is_kept_and_a_closed_one_left_out() {
    let accounts = Reader::of("quirk-q41").await.accounts().await;
    assert_eq!(accounts.len(), 1);
    assert!(matches!(
        accounts[0].identification,
        AccountIdentification::BankReference(_)
    ));
}

#[tokio::test]
async fn q42_a_card_number_is_no_iban() {
    let accounts = Reader::of("quirk-q42").await.accounts().await;
    assert!(matches!(
        accounts[0].identification,
        AccountIdentification::MaskedPan { .. }
    ));
}

#[tokio::test]
async fn q46_a_credit_limit_is_not_what_a_person_owns() {
    let accounts = Reader::of("quirk-q46").await.accounts().await;
    let best = best_balance(&accounts[0].balances).unwrap();
    assert!(!best.credit_limit_included);
    assert_ne!(best.amount, Amount::eur(9_999_900));
    // Where the bank states nothing else, what it expects is told as what it is.
    let savings = best_balance(&accounts[1].balances).unwrap();
    assert_eq!(savings.balance_type, BalanceType::Expected);
}

#[tokio::test]
async fn q47_midnight_with_an_offset_keeps_its_day() {
    let odd = the_ledger_balances("quirk-q47").await;
    let days = |merged: &Reconciled| merged.upserts.iter().map(|row| row.booking_date).max();
    assert!(days(&odd).unwrap() <= passerelle_domain::Date::constant(2026, 11, 22));
}

#[tokio::test]
async fn q50_amounts_in_other_clothes_are_the_same_amounts() {
    the_ledger_balances("quirk-q50").await;
}

#[tokio::test]
async fn q51_a_bank_that_demands_the_person_cannot_be_read_without() {
    let reader = Reader::of("quirk-q51").await;
    assert!(!reader.accounts().await.is_empty());
    let (unattended, context) = (reader.sandbox.unattended(), context());
    let access = access(&reader.token, &unattended, &context);
    let error = reader
        .sandbox
        .connector
        .accounts(&access)
        .await
        .unwrap_err();
    assert!(
        !error.is_retryable() && error.needs_psu().is_none(),
        "{error}"
    );
    assert!(matches!(error, BankError::PersonNeeded));
}

#[tokio::test]
async fn q09_pending_amounts_without_a_sign_are_debits() {
    // Whoever is read through this door shows its oddity; this person has lines that are pending.
    let window = Reader::at("quirk-q09", "quirk-q04").await.window().await;
    let pending: Vec<_> = window
        .lines
        .iter()
        .filter(|line| line.status == BookingStatus::Pending)
        .collect();
    assert!(!pending.is_empty(), "the case shows something");
    assert!(pending.iter().all(|line| line.amount.is_debit()));
}

#[tokio::test]
async fn q13_the_login_of_its_number_shows_the_circle() {
    let reader = Reader::of("quirk-q13").await;
    let account = reader.accounts().await.remove(0);
    let (attended, context) = (reader.sandbox.attended(), context());
    let access = access(&reader.token, &attended, &context);
    let read = reader
        .sandbox
        .connector
        .transactions(&access, &account, None)
        .await;
    assert!(matches!(read, Err(BankError::Nonsense { .. })));
}

#[tokio::test]
async fn q29_the_delay_in_a_sentence_is_told_to_the_caller() {
    let reader = Reader::of("quirk-q29").await;
    let account = reader.accounts().await.remove(0);
    let (unattended, context) = (reader.sandbox.unattended(), context());
    let access = access(&reader.token, &unattended, &context);
    let read = reader
        .sandbox
        .connector
        .transactions(&access, &account, None)
        .await;
    let Err(BankError::RateLimited { retry_after }) = read else {
        panic!("a limit");
    };
    assert_eq!(retry_after.unwrap().as_secs(), 85_092);
}

#[tokio::test]
async fn q33_a_refresh_token_used_twice_ends_the_chain() {
    let reader = Reader::of("quirk-q33").await;
    let now = reader.sandbox.clock.now();
    let renew = async |token: &OpenToken| {
        let connector = &reader.sandbox.connector;
        connector.refresh_token(token, &context(), now).await
    };
    let renewed = renew(&reader.token).await.unwrap();
    assert!(
        renew(&reader.token)
            .await
            .unwrap_err()
            .needs_psu()
            .is_some()
    );
    assert!(renew(&renewed).await.unwrap_err().needs_psu().is_some());
}

/// Every number of the table has a test that carries it in its name.
#[test]
fn every_quirk_has_a_named_test() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let folders = ["tests/it", "shared/banks/tests/it"];
    let mut names = String::new();
    for folder in folders {
        for file in std::fs::read_dir(root.join(folder)).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap_or_default();
            names.push_str(&text);
        }
    }
    for number in 1..=53 {
        let name = format!("q{number:02}_");
        let named = names.match_indices(&name).any(|(at, _)| {
            let before = names.get(..at).unwrap_or_default();
            before.ends_with("fn ") || before.ends_with("_") || before.ends_with("    ")
        });
        assert!(named, "no test is named after Q{number:02}");
    }
}
