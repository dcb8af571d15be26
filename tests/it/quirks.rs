//! Oddities of real banks through the whole suite: journey, callback, connector, reconciliation,
//! storage, API. What is stored is what the bank holds: nothing lost, nothing twice, also when it is
//! read again.
//!
//! The numbers are those of the sandbox bank's page `/quirks`; those that only a connector can show
//! (where a link leads, what an unreadable page is called) are in `shared/banks/tests/it` as well.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use passerelle_local::Options;
use serde_json::Value;

use crate::person::Person;
use crate::world::{Api, World, approve, connect_at, decide, log_in, wait_for_ending, walk_to};

/// One person's connection in a suite of its own.
struct Story {
    world: World,
    connection: String,
}

impl Story {
    async fn of(login: &str) -> Self {
        Self::at("sandbox-bank", login).await
    }

    async fn at(institution: &str, login: &str) -> Self {
        let world = World::start(Options::in_memory()).await;
        let api = world.api("cli_demo").await;
        connect_at(&api, institution, "customer-1", login).await;
        let connection = api.connection("customer-1").await["id"]
            .as_str()
            .expect("a connection")
            .to_owned();
        Self { world, connection }
    }

    /// A fresh token: those of before are over when days have passed.
    async fn api(&self) -> Api {
        self.world.api("cli_demo").await
    }

    async fn standing(&self) -> Value {
        self.api().await.connection("customer-1").await
    }

    /// Days in which the schedules do what they do.
    async fn days(&self, days: i64) {
        for _ in 0..days {
            self.pass(SignedDuration::from_hours(24)).await;
        }
    }

    /// A day hour by hour: a refresh looks back over one round of slots, so each slot has its turn.
    async fn a_whole_day(&self) {
        for _ in 0..24 {
            self.pass(SignedDuration::from_hours(1)).await;
        }
    }

    async fn pass(&self, time: SignedDuration) {
        self.world.suite.advance(time).await.expect("time passes");
        assert!(self.world.suite.settled(Duration::from_secs(60)).await);
    }

    /// A connection is read in a slot of its own: within a few days the bank's refusal has been met.
    async fn until_the_person_is_asked(&self) -> Value {
        for _ in 0..3 {
            self.a_whole_day().await;
            let standing = self.standing().await;
            if standing["status"] == "reauthentication-needed" {
                return standing;
            }
        }
        panic!("nobody is asked: {}", self.standing().await);
    }

    /// Its slot comes within a day.
    async fn until_it_is_read_again(&self) -> Value {
        let before = self.standing().await;
        for _ in 0..24 {
            self.pass(SignedDuration::from_hours(1)).await;
            let standing = self.standing().await;
            if standing["last_synced_at"] != before["last_synced_at"] {
                return standing;
            }
        }
        panic!("it is not read again: {}", self.standing().await);
    }

    async fn accounts(&self) -> Vec<Value> {
        accounts(&self.api().await, &self.connection).await
    }

    async fn lines(&self, account: &Value) -> Vec<Value> {
        lines(&self.api().await, &self.connection, account).await
    }

    /// Every account's opening balance is what is left when its movements are taken off: the same at
    /// every reading, or a line was lost or came twice.
    async fn openings(&self) -> Vec<(String, i64)> {
        let mut openings = Vec::new();
        for account in self.accounts().await {
            let lines = self.lines(&account).await;
            let ids: BTreeSet<_> = lines.iter().map(|line| line["id"].to_string()).collect();
            assert_eq!(ids.len(), lines.len(), "every line has an id of its own");
            let moved: i64 = lines
                .iter()
                .map(|line| line["amount"]["minor"].as_i64().unwrap())
                .sum();
            let balance = account["balance"]["amount"]["minor"].as_i64().unwrap();
            openings.push((account["kind"].to_string(), balance - moved));
        }
        openings
    }
}

async fn accounts(api: &Api, connection: &str) -> Vec<Value> {
    let path = format!("/v1/connections/{connection}/accounts?purpose=advice");
    let answer = api.get(&path).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["accounts"].as_array().unwrap().clone()
}

async fn lines(api: &Api, connection: &str, account: &Value) -> Vec<Value> {
    let id = account["id"].as_str().unwrap();
    let (mut lines, mut after) = (Vec::new(), String::new());
    loop {
        let page = api
            .get(&format!(
                "/v1/connections/{connection}/transactions?purpose=advice&account={id}&limit=500{after}"
            ))
            .await
            .body;
        lines.extend(page["transactions"].as_array().unwrap().clone());
        match page["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return lines,
        }
    }
}

/// What every test case had on the first day of its history.
const CURRENT: i64 = 120_000;

/// Read whole, read again after some days: each time the books balance to the cent.
async fn the_books_balance(login: &str, days: i64) -> Story {
    let story = Story::of(login).await;
    let first = story.openings().await;
    assert!(
        first.contains(&("\"payment\"".to_owned(), CURRENT)),
        "{login}: {first:?}"
    );
    story.days(days).await;
    let standing = story.until_it_is_read_again().await;
    assert_eq!(standing["status"], "active", "{login}");
    assert_eq!(story.openings().await, first, "{login}");
    story
}

macro_rules! balances {
    ($($case:ident: $login:literal for $days:literal,)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            the_books_balance($login, $days).await;
        })*
    };
}

balances! {
    q01_movements_without_an_id_are_stored_once: "quirk-q01" for 2,
    q02_blank_ids_are_stored_once: "quirk-q02" for 2,
    q03_a_placeholder_shared_by_cards_loses_no_line: "quirk-q03" for 2,
    q04_zero_on_pending_lines_becomes_no_identity: "quirk-q04" for 3,
    q05_recycled_numbers_overwrite_nothing: "quirk-q05" for 2,
    q06_an_id_that_changes_when_booked_stores_one_line: "quirk-q06" for 4,
    q12_a_foreign_charge_is_stored_as_it_was_billed: "quirk-q12" for 2,
    q14_an_empty_first_page_is_not_the_end: "quirk-q14" for 2,
    q15_links_are_replayed_to_the_letter: "quirk-q15" for 2,
    q16_absolute_and_relative_links_are_followed: "quirk-q16" for 2,
    q17_no_content_and_missing_arrays_are_empty_lists: "quirk-q17" for 2,
    q18_text_of_any_shape_is_stored: "quirk-q18" for 1,
    q19_cut_text_is_stored_whole: "quirk-q19" for 1,
    q20_text_beside_the_standard_is_stored: "quirk-q20" for 1,
    q21_noise_is_not_stored: "quirk-q21" for 1,
    q22_movements_dated_by_their_purchase_are_stored: "quirk-q22" for 2,
    q23_the_booking_day_counts_and_late_pending_lines_wait: "quirk-q23" for 3,
    q24_an_authorisation_gives_way_to_its_presentment: "quirk-q24" for 8,
    q25_lines_booked_too_early_are_repaired: "quirk-q25" for 5,
    q26_a_bank_without_pending_lines_is_read: "quirk-q26" for 2,
    q27_ignored_filters_store_nothing_twice: "quirk-q27" for 2,
    q47_days_are_not_shifted_by_an_offset: "quirk-q47" for 2,
    q50_amounts_as_numbers_are_the_same_cents: "quirk-q50" for 1,
}

#[tokio::test(flavor = "multi_thread")]
async fn q07_a_line_whose_id_changes_daily_keeps_its_identity() {
    let story = Story::of("quirk-q07").await;
    let account = story.accounts().await.remove(0);
    let ids = |lines: Vec<Value>| -> BTreeSet<String> {
        lines.iter().map(|line| line["id"].to_string()).collect()
    };
    let before = ids(story.lines(&account).await);
    story.days(2).await;
    let after = ids(story.lines(&account).await);
    assert!(before.len() > 300 && before.is_subset(&after));
    assert_eq!(story.openings().await[0].1, CURRENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn q08_two_equal_payments_of_one_day_are_stored_as_two() {
    let story = Story::of("quirk-q08").await;
    let account = story.accounts().await.remove(0);
    let lines = story.lines(&account).await;
    let content = |line: &Value| {
        format!(
            "{}{}{}",
            line["booking_date"], line["amount"], line["label"]
        )
    };
    let distinct: BTreeSet<_> = lines.iter().map(content).collect();
    assert!(
        lines.len() > distinct.len() + 20,
        "{} {}",
        lines.len(),
        distinct.len()
    );
    story.days(1).await;
    let again = story.lines(&account).await;
    assert!(lines.iter().all(|line| again.contains(line)));
}

/// What was bought reads the same whatever shape, width or field the bank chose for its text.
#[tokio::test(flavor = "multi_thread")]
async fn q18_q19_q20_q21_the_text_that_is_stored_is_the_text_and_nothing_else() {
    const TAIL: &str = " REFERENCE CLIENT ET DATE D'ECHEANCE";
    for login in ["quirk-q18", "quirk-q19", "quirk-q20", "quirk-q21"] {
        let story = Story::of(login).await;
        let account = story.accounts().await.remove(0);
        let lines = story.lines(&account).await;
        assert!(lines.len() > 300, "{login}");
        let mut wages = 0;
        for line in lines.iter().filter(|line| line["sensitive"] == false) {
            let label = line["label"].as_str().unwrap();
            let whole = label.ends_with(TAIL);
            assert_eq!(whole, login == "quirk-q19", "{login}: {label}");
            let text = label.strip_suffix(TAIL).unwrap_or(label);
            for noise in ["NOTPROVIDED", "EndToEnd", "[", "{", "\"", "  "] {
                assert!(!text.contains(noise), "{login}: {label}");
            }
            assert!(text.len() > 3, "{login}: {label}");
            if line["amount"]["minor"] == 190_000 {
                assert!(text.contains("SALAIRE"), "{login}: {label}");
                assert_eq!(line["enrichment"]["category"], "income.salary", "{login}");
                wages += 1;
            }
        }
        assert!(wages > 20, "{login}: {wages}");
    }
}

/// A booked authorisation is taken back when its presentment comes under another id: what was shown is
/// gone, what was bought is there once.
#[tokio::test(flavor = "multi_thread")]
async fn q24_an_authorisation_leaves_nothing_behind() {
    let story = Story::of("quirk-q24").await;
    let account = story.accounts().await.remove(0);
    let cards = async || -> Vec<(String, String)> {
        let lines = story.lines(&account).await;
        let cards = lines.iter().filter(|line| {
            let label = line["label"].as_str().unwrap_or_default();
            label.starts_with("CARTE") || label.starts_with("CB")
        });
        cards
            .map(|line| {
                (
                    line["id"].to_string(),
                    format!("{} {}", line["amount"], line["label"]),
                )
            })
            .collect()
    };
    let before = cards().await;
    story.days(7).await;
    story.until_it_is_read_again().await;
    let after = cards().await;
    let gone: Vec<_> = before
        .iter()
        .filter(|(id, _)| !after.iter().any(|(other, _)| other == id))
        .collect();
    assert!(!gone.is_empty(), "no authorisation was replaced");
    for (_, bought) in gone {
        let times = |lines: &[(String, String)]| {
            lines
                .iter()
                .filter(|(_, content)| content == bought)
                .count()
        };
        assert_eq!(times(&after), times(&before), "{bought}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q09_pending_amounts_without_a_sign_upset_no_books_once_they_are_booked() {
    let story = Story::at("quirk-q09", "quirk-q09").await;
    let first = story.openings().await;
    assert!(first.contains(&("\"payment\"".to_owned(), CURRENT)));
    story.days(4).await;
    assert_eq!(story.openings().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn q13_pages_that_lead_in_a_circle_store_nothing() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let link = consent["journey_url"].as_str().unwrap();
    let page = walk_to(&mut person, link, "sandbox-bank").await;
    let page = person.open(page.link("/sandbox-bank/")).await;
    let back = approve(&mut person, &page, "quirk-q13").await;
    assert_eq!(person.open(back.as_str()).await.status, 200);
    world.suite.settled(Duration::from_secs(20)).await;
    let standing = api.connection("customer-1").await;
    assert_eq!(standing["status"], "connected", "{standing}");
    assert_eq!(api.scores("customer-1").await.problem(), "not-found");
}

/// Sums do not see a day that moved. Every test person is paid and saves on the same days: they are compared
/// with those of a person about whose days the bank bends nothing.
#[tokio::test(flavor = "multi_thread")]
async fn q23_q47_every_movement_keeps_its_day() {
    let days = async |login: &str| {
        let story = Story::of(login).await;
        let account = story.accounts().await.remove(0);
        let lines = story.lines(&account).await;
        let mut days: Vec<_> = lines
            .iter()
            .map(|line| {
                let day = line["booking_date"].as_str().unwrap().to_owned();
                (day, line["amount"]["minor"].as_i64().unwrap())
            })
            .filter(|(_, minor)| matches!(minor, 190_000 | -20_000))
            .collect();
        days.sort();
        days
    };
    let plain = days("quirk-q15").await;
    assert!(plain.len() > 40, "two years: {}", plain.len());
    for login in ["quirk-q23", "quirk-q47"] {
        assert_eq!(days(login).await, plain, "{login}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q10_cards_the_other_way_round_are_turned() {
    let story = Story::at("quirk-q10", "quirk-q10").await;
    let accounts = story.accounts().await;
    let card = accounts.iter().find(|it| it["kind"] == "card").unwrap();
    let lines = story.lines(card).await;
    let (purchases, settlements): (Vec<_>, Vec<_>) = lines
        .iter()
        .partition(|line| line["label"].as_str().unwrap().starts_with("CARTE"));
    assert!(purchases.len() > 50 && settlements.len() > 10);
    let minor = |line: &&Value| line["amount"]["minor"].as_i64().unwrap();
    assert!(purchases.iter().all(|line| minor(line) < 0));
    assert!(settlements.iter().all(|line| minor(line) > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn q11_q34_a_sign_and_an_indicator_are_one_debit_and_the_same_token_comes_again() {
    let story = Story::at("sandbox-bank-stet", "quirk-q11").await;
    let first = story.openings().await;
    assert_eq!(first, [("\"payment\"".to_owned(), CURRENT)]);
    story.days(3).await;
    assert_eq!(story.standing().await["status"], "active");
    assert_eq!(story.openings().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn q28_q36_the_whole_history_is_harvested_before_it_closes() {
    for institution in ["sandbox-bank", "sandbox-bank-stet"] {
        let story = Story::at(institution, "quirk-q28").await;
        let account = story.accounts().await.remove(0);
        let lines = story.lines(&account).await;
        let before = lines.len();
        let days = lines.iter().map(|line| line["booking_date"].as_str());
        let oldest: jiff::civil::Date = days.min().flatten().unwrap().parse().unwrap();
        let today = story
            .world
            .suite
            .clock()
            .now()
            .to_zoned(jiff::tz::TimeZone::UTC);
        let days = today.date().since(oldest).unwrap().get_days();
        assert!(days > 700, "two years are harvested, not {days} days");
        // The bank gives 90 days now: nothing that was harvested is taken back.
        story.days(2).await;
        assert!(story.lines(&account).await.len() >= before);
        assert_eq!(story.openings().await[0].1, CURRENT);
    }
}

/// A bank that does not answer unattended calls is no broken link, and empties nothing.
async fn waits_for_its_next_slot(login: &str) {
    let story = Story::of(login).await;
    let account = story.accounts().await.remove(0);
    let before = story.lines(&account).await;
    story.days(2).await;
    assert_eq!(story.standing().await["status"], "active", "{login}");
    assert_eq!(story.lines(&account).await, before, "{login}");
}

/// The bank says "in 85092 seconds" in a sentence: it is asked in the connection's own slot and then, and
/// not each time somebody sweeps.
#[tokio::test(flavor = "multi_thread")]
async fn q29_a_limit_without_a_usable_delay_leaves_the_connection_active() {
    waits_for_its_next_slot("quirk-q29").await;
    let story = Story::of("quirk-q29").await;
    story.a_whole_day().await;
    story.a_whole_day().await;
    let standing = story.standing().await;
    let asked = standing["call_budget"]["used"].as_array().unwrap().len();
    assert!((1..=2).contains(&asked), "{standing}");
}

/// 22 sub-accounts, each call counted by the bank: the day's budget is told, and it is never overdrawn.
#[tokio::test(flavor = "multi_thread")]
async fn q30_many_sub_accounts_that_spend_the_quota_harm_nothing() {
    waits_for_its_next_slot("quirk-q30").await;
    let story = Story::of("quirk-q30").await;
    assert!(story.accounts().await.len() > 20);
    story.a_whole_day().await;
    let budget = story.standing().await["call_budget"].clone();
    let (used, left) = (
        budget["used"].as_array().unwrap(),
        &budget["unattended_left"],
    );
    assert!((1..=4).contains(&used.len()), "{budget}");
    assert_eq!(left.as_u64().unwrap() + used.len() as u64, 4, "{budget}");
    assert!(budget["next_possible"].is_string(), "{budget}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q52_a_gateways_page_is_an_error_and_never_an_empty_history() {
    waits_for_its_next_slot("quirk-q52").await;
}

/// The person is asked once, clearly; the bank is left in peace from then on.
async fn asks_the_person(login: &str) {
    let story = Story::of(login).await;
    let asked = story.until_the_person_is_asked().await;
    story.days(2).await;
    let later = story.standing().await;
    for told in ["status", "since", "reason"] {
        assert_eq!(later[told], asked[told], "{login}: no loop");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q31_a_dead_refresh_token_asks_the_person() {
    asks_the_person("quirk-q31").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q32_a_refresh_token_spent_by_a_failure_asks_the_person() {
    asks_the_person("quirk-q32").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q33_one_time_tokens_in_a_chain_are_never_used_twice() {
    the_books_balance("quirk-q33", 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q35_tokens_that_die_early_ask_the_person() {
    asks_the_person("quirk-q35").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q37_the_banks_shorter_end_is_ours() {
    let story = Story::of("quirk-q37").await;
    let until: jiff::Timestamp = story.standing().await["consent_until"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    let left = until.duration_since(story.world.suite.clock().now());
    assert!(left < SignedDuration::from_hours(24 * 32), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q38_the_link_a_second_consent_ended_is_closed_cleanly() {
    let story = Story::of("quirk-q38").await;
    connect_at(
        &story.api().await,
        "sandbox-bank",
        "customer-2",
        "quirk-q38",
    )
    .await;
    story.until_the_person_is_asked().await;
    assert_eq!(
        story.api().await.connection("customer-2").await["status"],
        "active"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q39_every_account_shows_because_the_rights_are_asked() {
    let story = Story::of("quirk-q39").await;
    assert_eq!(story.accounts().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn q40_an_empty_account_list_has_a_name_of_its_own() {
    let story = Story::of("quirk-q40").await;
    let standing = story.standing().await;
    assert_eq!(standing["status"], "no-eligible-account", "{standing}");
    assert_eq!(standing["reason"], "no-account", "{standing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn q41_an_account_without_an_iban_is_stored_and_a_closed_one_is_not() {
    let story = the_books_balance("quirk-q41", 0).await;
    assert_eq!(story.accounts().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn q42_a_masked_number_as_iban_still_makes_one_account() {
    the_books_balance("quirk-q42", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn q43_a_joint_account_is_one_account_for_both_holders() {
    let story = Story::of("quirk-q43").await;
    connect_at(
        &story.api().await,
        "sandbox-bank",
        "customer-2",
        "quirk-q43-bis",
    )
    .await;
    let other = story.api().await.connection("customer-2").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mine, theirs) = (
        story.accounts().await,
        accounts(&story.api().await, &other).await,
    );
    assert_eq!(mine[0]["id"], theirs[0]["id"], "one account, two consents");
    assert_ne!(story.connection, other);
    let ids = |lines: &[Value]| -> BTreeSet<String> {
        lines.iter().map(|line| line["id"].to_string()).collect()
    };
    let one = story.lines(&mine[0]).await;
    let two = lines(&story.api().await, &other, &theirs[0]).await;
    assert_eq!(ids(&one), ids(&two));
}

/// One person reaches the account by their own link and by that of the other holder: its movements and its
/// balance count once in what is learned.
#[tokio::test(flavor = "multi_thread")]
async fn q43_what_is_held_together_is_counted_once() {
    let story = Story::of("quirk-q43").await;
    let figures = async || {
        let api = story.api().await;
        let asked = serde_json::json!({"customer": "customer-1", "purpose": "advice"});
        let body = api
            .send(reqwest::Method::POST, "/v1/scores", Some(&asked))
            .await
            .body;
        (
            body["connections"].clone(),
            body["coverage"].clone(),
            body["features"].clone(),
        )
    };
    let (one, coverage, features) = figures().await;
    assert_eq!(one, 1);
    let api = story.api().await;
    connect_at(&api, "sandbox-bank", "customer-1", "quirk-q43-bis").await;
    let (two, coverage_of_both, features_of_both) = figures().await;
    assert_eq!(two, 2);
    assert_eq!(coverage_of_both["accounts"], coverage["accounts"]);
    assert_eq!(coverage_of_both["lines"], coverage["lines"]);
    assert_eq!(features_of_both, features);
}

/// The purchases of a deferred card and the debits that settle them, in the payment account.
async fn cycles(story: &Story) -> (Vec<Value>, Vec<Value>, Vec<Value>) {
    let accounts = story.accounts().await;
    let current = accounts.iter().find(|it| it["kind"] == "payment").unwrap();
    let cards = accounts.iter().filter(|it| it["kind"] == "card");
    let mut purchases = Vec::new();
    for card in cards {
        let lines = story.lines(card).await;
        purchases.extend(
            lines
                .into_iter()
                .filter(|line| line["amount"]["minor"].as_i64() < Some(0)),
        );
    }
    let all = story.lines(current).await;
    let (settlements, others) = all.into_iter().partition(|line| {
        line["label"]
            .as_str()
            .unwrap_or_default()
            .contains("DEBIT DIFFERE")
    });
    (purchases, settlements, others)
}

fn sum(lines: &[Value]) -> i64 {
    lines
        .iter()
        .map(|line| line["amount"]["minor"].as_i64().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn q44_a_deferred_cards_month_is_settled_once_and_rolls_over() {
    let story = Story::of("quirk-q44").await;
    let (purchases, settlements, _) = cycles(&story).await;
    assert!(settlements.len() > 20 && purchases.len() > 100);
    assert_eq!(
        sum(&purchases),
        sum(&settlements),
        "each purchase is settled once"
    );
    // Over the end of a month: what was coming is booked, and settled by one debit a card.
    story.days(34).await;
    story.a_whole_day().await;
    let (more, later, _) = cycles(&story).await;
    let grown = (later.len(), settlements.len(), more.len(), purchases.len());
    assert!(grown.0 > grown.1 && grown.2 > grown.3, "{grown:?}");
    assert_eq!(sum(&more), sum(&later));
}

#[tokio::test(flavor = "multi_thread")]
async fn q45_deferred_lines_shown_in_both_accounts_are_kept_once() {
    let story = Story::of("quirk-q45").await;
    let (purchases, _, others) = cycles(&story).await;
    assert!(purchases.len() > 100);
    // Shops that are paid by deferred card only.
    let shops = ["LIBRAIRIE MOLLAT", "SNCF"];
    let mirrored = others.iter().filter(|line| {
        let label = line["label"].as_str().unwrap_or_default();
        shops.iter().any(|shop| label.contains(shop))
    });
    assert_eq!(mirrored.count(), 0);
    let payment = story
        .openings()
        .await
        .into_iter()
        .find(|(kind, _)| kind == "\"payment\"");
    assert_eq!(payment.unwrap().1, CURRENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn q46_a_credit_limit_is_no_balance() {
    let story = Story::of("quirk-q46").await;
    let account = story.accounts().await.remove(0);
    assert_ne!(
        account["balance"]["amount"]["minor"], 9_999_900,
        "{account}"
    );
    assert_eq!(
        account["balance"]["credit_limit_included"], false,
        "{account}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn q48_a_page_or_an_openid_description_leads_to_the_bank() {
    for institution in ["quirk-q48", "quirk-q48-openid"] {
        let story = Story::at(institution, "camille.martin").await;
        assert_eq!(story.standing().await["status"], "active", "{institution}");
        story.days(1).await;
        assert_eq!(story.standing().await["status"], "active", "{institution}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn q49_the_dialect_of_1_1_is_walked_to_its_end() {
    let story = Story::at("quirk-q49", "quirk-q49").await;
    assert_eq!(story.openings().await[0].1, CURRENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn q51_a_bank_that_demands_the_person_is_never_called_without() {
    let story = Story::at("quirk-q51", "quirk-q51").await;
    let account = story.accounts().await.remove(0);
    let before = story.lines(&account).await;
    assert!(before.len() > 300);
    story.days(2).await;
    assert_eq!(story.standing().await["status"], "active");
    assert_eq!(story.lines(&account).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn q53_a_refusal_without_state_finds_its_attempt() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let link = consent["journey_url"].as_str().unwrap();
    let page = walk_to(&mut person, link, "quirk-q53").await;
    let page = person.open(page.link("/sandbox-bank/")).await;
    let page = log_in(&mut person, &page, "camille.martin").await;
    let back = decide(&mut person, &page, "refuse").await;
    assert!(
        !back.query().unwrap_or_default().contains("state="),
        "{back}"
    );
    let last = person.open(back.as_str()).await;
    assert_eq!(last.status, 200, "{}", last.html);
    assert!(last.url.path().contains("/journey/"), "{}", last.url);
    // The journey goes on: another attempt succeeds.
    connect_at(&api, "quirk-q53", "customer-2", "camille.martin").await;
    assert_eq!(api.connection("customer-2").await["status"], "active");
}

/// The forms of Berlin Group, each walked by a person to the end and read again unattended.
#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_berlin_group_leads_to_a_connection_that_stays_up_to_date() {
    for institution in [
        "sandbox-bank-redirect",
        "sandbox-bank-explicit",
        "sandbox-bank-pre-step",
    ] {
        let story = Story::at(institution, "quirk-q01").await;
        let first = story.openings().await;
        assert_eq!(first[0].1, CURRENT, "{institution}");
        story.days(2).await;
        assert_eq!(story.standing().await["status"], "active", "{institution}");
        assert_eq!(story.openings().await, first, "{institution}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_decides_on_their_phone_never_leaves_the_page() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let consent = api.open_consent("customer-1").await;
    let mut person = Person::new();
    let link = consent["journey_url"].as_str().unwrap();
    let page = walk_to(&mut person, link, "sandbox-bank-decoupled").await;
    let code: String = page
        .html
        .split("saisissez le code ")
        .nth(1)
        .expect("the bank's message is shown")
        .chars()
        .take(6)
        .collect();
    let waiting = person.open(page.link("/v1/callback/")).await;
    assert!(waiting.html.contains("class=\"steps\""), "{}", waiting.html);
    let phone = format!("{}/sandbox-bank/phone", world.base)
        .parse()
        .unwrap();
    // On the phone the request is found by its code, and one of the accounts is chosen.
    let find = [
        ("login", "camille.martin"),
        ("password", "sandbox"),
        ("code", code.as_str()),
        ("decision", "find"),
    ];
    let mut phone_screen = Person::new();
    let request = phone_screen.submit(&phone, &find).await;
    let offered = request.inputs("account");
    assert!(offered.len() > 1, "{}", request.html);
    let mut yes = find;
    yes[3] = ("decision", "approve");
    let mut nothing = yes.to_vec();
    nothing.push(("offered", "yes"));
    assert_eq!(phone_screen.submit(&phone, &nothing).await.status, 422);
    let mut one = nothing;
    one.push(("account", offered[0].as_str()));
    assert_eq!(phone_screen.submit(&phone, &one).await.status, 200);
    world
        .suite
        .advance(SignedDuration::from_secs(5))
        .await
        .unwrap();
    let last = wait_for_ending(&mut person, waiting).await;
    assert!(last.html.contains("transactions"), "{}", last.html);
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active");
    let id = connection["id"].as_str().unwrap();
    assert_eq!(accounts(&api, id).await.len(), 1, "the one that was chosen");
}

/// Whatever tokens a bank gives and however it counts, the connection stays up to date and the books balance.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_token_and_budget_leads_to_a_connection_that_stays_up_to_date() {
    for (institution, login) in [
        ("sandbox-bank", "tokens-short"),
        ("sandbox-bank", "tokens-unsaid"),
        ("sandbox-bank", "budget-endpoint"),
        ("sandbox-bank-stet", "budget-rolling"),
        ("sandbox-bank-stet-a2", "tokens-kept"),
    ] {
        let story = Story::at(institution, login).await;
        let first = story.openings().await;
        let standing = story.until_it_is_read_again().await;
        assert_eq!(standing["status"], "active", "{login} {institution}");
        assert_eq!(story.openings().await, first, "{login} {institution}");
    }
}

/// Without anything to renew it with, a token ends one day: the person is asked, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_without_renewal_asks_the_person_when_it_ends() {
    let story = Story::of("tokens-without-refresh").await;
    story.days(29).await;
    assert_eq!(story.standing().await["status"], "active");
    let asked = story.until_the_person_is_asked().await;
    assert_eq!(asked["reason"], "token-refused", "{asked}");
}

/// The bank waited for a confirmation that never came: the person reads what happened and may try again.
#[tokio::test(flavor = "multi_thread")]
async fn strong_authentication_that_times_out_ends_in_words_and_in_another_try() {
    for institution in ["sandbox-bank", "sandbox-bank-stet", "sandbox-bank-redirect"] {
        let world = World::start(Options::in_memory()).await;
        let api = world.api("cli_demo").await;
        let consent = api.open_consent("customer-1").await;
        let mut person = Person::new();
        let link = consent["journey_url"].as_str().unwrap();
        let page = walk_to(&mut person, link, institution).await;
        let page = person.open(page.link("/sandbox-bank/")).await;
        let page = log_in(&mut person, &page, "sca-timeout").await;
        let back = decide(&mut person, &page, "approve").await;
        let last = person.open(back.as_str()).await;
        assert_eq!(last.status, 200, "{institution}: {}", last.html);
        assert!(last.url.path().contains("/journey/"), "{}", last.url);
        connect_at(&api, institution, "customer-2", "camille.martin").await;
        assert_eq!(api.connection("customer-2").await["status"], "active");
    }
}
