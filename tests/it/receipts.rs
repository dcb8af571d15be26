//! Receipts, events and the access log: what every grant, end and read leaves behind.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use passerelle_aws::event_feed::EventCursor;
use passerelle_aws::{ReceiptBook, Table};
use passerelle_domain::consent::{
    Consent, ConsentEvent, ConsentState, DEFAULT_DURATION, Provider, RequestedPurpose,
};
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::{ClientId, ConnectionId, ConsentId};
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::PurposeTerms;
use passerelle_domain::receipt::{Actor, VerifyingKey, verify};
use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::machine::Machine;
use crate::person::Person;
use crate::world::{Api, World, approve, connect, walk_to_bank};

/// A download of receipts with the public key, on disk as an auditor has it.
struct Download {
    folder: tempfile::TempDir,
    lines: Vec<String>,
}

impl Download {
    async fn of(api: &Api, customer: &str) -> Self {
        let path = format!("/v1/customers/{customer}/receipts");
        let answer = api.raw(Method::GET, &path).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "application/jsonl");
        let text = answer.text().await.unwrap();
        let key = api
            .raw(Method::GET, "/v1/receipt-key")
            .send()
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key.pem"), key.text().await.unwrap()).unwrap();
        let lines = text.lines().map(str::to_owned).collect();
        Self { folder, lines }
    }

    fn receipts(&self) -> Vec<Value> {
        let parsed = self.lines.iter().map(|line| serde_json::from_str(line));
        parsed
            .map(|line: Result<Value, _>| line.unwrap()["receipt"].clone())
            .collect()
    }

    fn acts(&self) -> Vec<String> {
        let act = |receipt: &Value| receipt["act"].as_str().unwrap().to_owned();
        self.receipts().iter().map(act).collect()
    }

    fn key(&self) -> PathBuf {
        self.folder.path().join("key.pem")
    }

    /// What the script says of some bytes: the hash of the last receipt, or what is wrong.
    fn verified(&self, bundle: &[u8], key: &Path, known: &str) -> Result<String, String> {
        let file = self.folder.path().join("receipts.jsonl");
        std::fs::write(&file, bundle).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verify_receipts.sh");
        let said = Command::new("sh")
            .args([script.as_path(), &file, key])
            .arg(known)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        match said.status.success() {
            true => Ok(text(said.stdout).rsplit(' ').next().unwrap().to_owned()),
            false => Err(text(said.stderr)),
        }
    }

    fn whole(&self) -> Vec<u8> {
        joined(&self.lines)
    }
}

fn joined(lines: &[String]) -> Vec<u8> {
    let mut bytes = lines.join("\n").into_bytes();
    bytes.push(b'\n');
    bytes
}

fn has_openssl() -> bool {
    let there = Command::new("openssl").arg("version").output().is_ok();
    if !there {
        println!("openssl is absent: the offline script is not run");
    }
    there
}

async fn started() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

/// A consent that went through all its life: granted, ended, erased.
async fn lived(api: &Api) -> Download {
    connect(api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let path = format!("/v1/connections/{}", connection["id"].as_str().unwrap());
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    Download::of(api, "customer-1").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_verifies_offline_and_every_tampering_is_seen() {
    let (world, api) = started().await;
    let download = lived(&api).await;
    assert_eq!(download.acts(), ["granted", "withdrawn", "erased"]);
    if !has_openssl() {
        return;
    }
    let (lines, key) = (&download.lines, download.key());
    let check = |bytes: &[u8]| download.verified(bytes, &key, "");
    let head = check(&download.whole()).expect("a sound chain");

    for (number, line) in lines.iter().enumerate() {
        // Byte by byte is the property of the chain in the domain; here the script is what is tried.
        for place in (0..line.len()).step_by(113) {
            let mut changed = lines.clone();
            let mut bytes = line.clone().into_bytes();
            bytes[place] ^= 1;
            changed[number] = String::from_utf8_lossy(&bytes).into_owned();
            let said = check(&joined(&changed));
            assert!(said.is_err(), "byte {place} of receipt {number}: {said:?}");
        }
        let mut dropped = lines.clone();
        dropped.remove(number);
        let said = download.verified(&joined(&dropped), &key, &head);
        assert!(said.is_err(), "without receipt {number}: {said:?}");
        let mut doubled = lines.clone();
        doubled.insert(number, line.clone());
        assert!(check(&joined(&doubled)).is_err(), "receipt {number} twice");
    }
    let mut moved = lines.clone();
    moved.swap(1, 2);
    assert!(check(&joined(&moved)).is_err());
    let cut = joined(&lines[..2]);
    let earlier = check(&cut).expect("sound in itself");
    assert!(download.verified(&cut, &key, &head).is_err(), "a lost tail");
    let grown = download.verified(&download.whole(), &key, &earlier);
    assert_eq!(grown, Ok(head), "a chain that went on since");

    // Neither another deployment's key nor another person's receipts pass for these.
    let (_other_world, other_api) = started().await;
    let stranger = lived(&other_api).await;
    assert!(
        download
            .verified(&download.whole(), &stranger.key(), "")
            .is_err()
    );
    connect(&api, "customer-2", "camille.martin").await;
    let neighbour = Download::of(&api, "customer-2").await;
    let mixed = [lines[0].clone(), neighbour.lines[0].clone()];
    assert!(check(&joined(&mixed)).is_err());
    drop(world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_says_who_asked_what_for_in_which_words_and_holds_nothing_of_the_bank() {
    let (_world, api) = started().await;
    let download = lived(&api).await;
    let receipts = download.receipts();
    let granted = &receipts[0];
    assert_eq!(granted["sequence"], 1);
    assert_eq!(granted["previous"], "0".repeat(64));
    assert_eq!(granted["client"], "cli_demo");
    assert_eq!(granted["name_shown"], "Example Mutual");
    assert_eq!(granted["customer"], "customer-1");
    assert_eq!(granted["actor"], "psu");
    assert_eq!(granted["institution"], "sandbox-bank");
    assert_eq!(granted["locale"], "en");
    assert!(granted["provider"]["registration"].is_string());
    assert!(granted["valid_until"].as_str() < granted["bank_valid_until"].as_str());
    let purposes = granted["purposes"].as_array().unwrap();
    assert_eq!(purposes.len(), 2);
    for purpose in purposes {
        assert!(purpose["legal_basis"].is_string(), "{purpose}");
        assert!(!purpose["reads"].as_array().unwrap().is_empty());
        // The text it names is there, byte for byte, and is what the person read.
        let text = text_of(&api, purpose["text"].as_str().unwrap()).await;
        let words: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(words["purpose"], purpose["code"]);
        assert_eq!(words["locale"], "en");
    }
    let words = text_of(&api, granted["journey_text"].as_str().unwrap()).await;
    assert!(String::from_utf8(words).unwrap().contains("reassurance"));

    assert_eq!(receipts[1]["actor"], "client");
    let erased = &receipts[2];
    assert_eq!(erased["destroyed_key_of"], granted["connection"]);
    assert!(erased["destroyed_at"].is_string());
    let all = serde_json::to_string(&receipts).unwrap();
    assert!(!all.contains("FR76") && !all.to_lowercase().contains("camille"));
}

async fn text_of(api: &Api, hash: &str) -> Vec<u8> {
    let request = api.raw(Method::GET, &format!("/v1/texts/{hash}"));
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    assert_eq!(ContentHash::of(&bytes).as_str(), hash);
    bytes.to_vec()
}

/// The whole feed, page by page.
fn kinds(events: &[Value]) -> Vec<&str> {
    let kinds = events.iter().map(|event| event["kind"].as_str().unwrap());
    kinds.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_feed_tells_what_happened_once_in_order_to_its_client_alone() {
    let (world, api) = started().await;
    lived(&api).await;
    let declined = api.open_consent("customer-2").await;
    let mut person = Person::new();
    let page = person.open(declined["journey_url"].as_str().unwrap()).await;
    person.submit(&page.link("/decline"), &[]).await;

    let events = api.events(500).await;
    let told = kinds(&events);
    for kind in [
        "consent.granted",
        "score.ready",
        "consent.withdrawn",
        "data.erased",
        "consent.declined",
    ] {
        assert!(told.contains(&kind), "{kind} is not among {told:?}");
    }
    let at: Vec<&str> = events.iter().map(|it| it["at"].as_str().unwrap()).collect();
    let moments: Vec<Timestamp> = at.iter().map(|text| text.parse().unwrap()).collect();
    assert!(moments.is_sorted(), "{at:?}");
    let ids: BTreeSet<&str> = events.iter().map(|it| it["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), events.len());
    assert_eq!(api.events(1).await, events, "one by one is the same feed");

    let end = api.get("/v1/events?limit=500").await;
    let next = end.body["next"].as_str().unwrap();
    let silent = api.get(&format!("/v1/events?after={next}")).await;
    assert_eq!(silent.body["events"], json!([]));
    api.open_consent("customer-3").await;
    let other = world.api("cli_other").await;
    assert_eq!(other.events(500).await, Vec::<Value>::new());
    for nonsense in ["x", "-", "ffffffffffffffffffff-", "1-.zz", "%00"] {
        let answer = api.get(&format!("/v1/events?after={nonsense}")).await;
        assert_eq!(answer.problem(), "invalid-query", "{nonsense}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_that_finds_nothing_new_costs_the_same_however_much_there_is() {
    let (world, api) = started().await;
    connect(&api, "customer-1", "camille.martin").await;
    let client: ClientId = "cli_demo".parse().unwrap();
    let table = table(&world);
    let hour = SignedDuration::from_hours(1);
    world.suite.advance(hour).await.unwrap();
    let now = world.suite.clock().now();
    let page = table.events(&client, None, 500, now).await.unwrap();
    let last = loop_to_end(&table, &client, page.next, now).await;
    let counted = table.metered();
    let idle = counted.events(&client, Some(last), 500, now).await.unwrap();
    assert!(idle.events.is_empty());
    let usage = counted.meter().usage();
    assert!(usage.table_requests <= 8, "{usage:?}");
    assert!(usage.read_units <= 8.0, "{usage:?}");
}

async fn loop_to_end(
    table: &Table,
    client: &ClientId,
    mut cursor: EventCursor,
    now: Timestamp,
) -> EventCursor {
    loop {
        let page = table.events(client, Some(cursor), 500, now).await.unwrap();
        cursor = page.next;
        if !page.more {
            return cursor;
        }
    }
}

fn table(world: &World) -> Table {
    let settings = &world.suite.template().functions;
    let function = settings.iter().find(|it| it.folder == "connections");
    let environment = &function.unwrap().environment;
    let clients = world.suite.aws().clients();
    Table::new(
        &clients,
        &environment["TABLE_NAME"],
        &environment["KEYS_TABLE_NAME"],
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_is_in_the_access_log_and_no_refused_one() {
    let (world, api) = started().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let log = "/v1/customers/customer-1/access-log";
    assert_eq!(api.get(log).await.body["accesses"], json!([]));

    let accounts = format!("/v1/connections/{id}/accounts");
    api.get(&format!("{accounts}?purpose=advice")).await;
    api.get(&format!("{accounts}?purpose=quote")).await;
    let refused = api.get(&format!("{accounts}?purpose=claims")).await;
    assert_eq!(refused.problem(), "purpose-not-granted");
    api.get(&format!(
        "/v1/connections/{id}/transactions?purpose=advice&limit=1"
    ))
    .await;
    api.scores("customer-1").await;
    let asked = json!({"customer": "customer-1", "purpose": "quote"});
    api.send(Method::POST, "/v1/scores", Some(&asked)).await;

    let page = api.get(log).await;
    let reads: Vec<(&str, &str)> = page.body["accesses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            (
                it["read"].as_str().unwrap(),
                it["purpose"].as_str().unwrap(),
            )
        })
        .collect();
    let newest_first = [
        ("scores", "quote"),
        ("scores", "advice"),
        ("transactions", "advice"),
        ("accounts", "quote"),
        ("accounts", "advice"),
    ];
    assert_eq!(reads, newest_first);
    let first = &page.body["accesses"][4];
    assert_eq!(first["client"], "cli_demo");
    assert_eq!(first["connection"], id);

    let mut paged = Vec::new();
    let mut before = String::new();
    loop {
        let page = api.get(&format!("{log}?limit=2{before}")).await;
        paged.extend(page.body["accesses"].as_array().unwrap().clone());
        match page.body["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(Value::from(paged), page.body["accesses"]);
    let other = world.api("cli_other").await;
    assert_eq!(other.get(log).await.body["accesses"], json!([]));
    let theirs = Download::of(&other, "customer-1").await;
    assert!(theirs.lines.is_empty(), "another client's receipts");
    let nonsense = api.get(&format!("{log}?before=zzz")).await;
    assert_eq!(nonsense.problem(), "invalid-query");
}

/// A consent of one customer that waits for its bank.
fn waiting(number: u8, now: Timestamp) -> Consent {
    let advice = "advice".parse().unwrap();
    Consent {
        id: ConsentId::from_entropy([number; 16]),
        client: "cli_demo".parse().unwrap(),
        customer: "customer-9".parse().unwrap(),
        requested: vec![RequestedPurpose {
            code: advice,
            required: true,
            terms: PurposeTerms::default(),
            text: ContentHash::of(b"text"),
        }],
        duration: DEFAULT_DURATION,
        locale: Locale::Fr,
        brand: None,
        provider: Provider {
            name: "Example Access".to_owned(),
            registration: "12345".to_owned(),
        },
        journey_text: ContentHash::of(b"words"),
        return_url: None,
        created_at: now,
        state: ConsentState::Received {
            link_expires_at: now + SignedDuration::from_hours(24),
            institution: Some("sandbox-bank".parse().unwrap()),
        },
        version: 1,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn appends_at_the_same_time_follow_one_another_in_one_chain() {
    let (world, _api) = started().await;
    let (table, now) = (table(&world), world.suite.clock().now());
    let keys = &world.suite.template().keys;
    let key = keys.iter().find(|key| key.logical_id == "ReceiptKey");
    let clients = world.suite.aws().clients();
    let book = ReceiptBook::new(&clients, table.clone(), &key.unwrap().id);
    let mut appends = Vec::new();
    for number in 1..=5 {
        let before = waiting(number, now);
        let link = passerelle_aws::table::Digest::of(&number.to_string());
        table.open_consent(&before, &link, None, now).await.unwrap();
        let ticked = BTreeSet::from(["advice".parse().unwrap()]);
        let granted = ConsentEvent::BankAuthorised {
            institution: "sandbox-bank".parse().unwrap(),
            agreed: before.agree(&ticked, now).unwrap(),
            connection: ConnectionId::from_entropy([number; 16]),
            bank_valid_until: now + SignedDuration::from_hours(24 * 180),
        };
        let after = before.apply(granted, now).unwrap();
        let book = book.clone();
        appends.push(tokio::spawn(async move {
            let saved = book.save_consent(&before, &after, Actor::Psu, now).await;
            // The same change again finds that it was made.
            let again = book.save_consent(&before, &after, Actor::Psu, now).await;
            (saved, again)
        }));
    }
    for append in appends {
        let (saved, again) = append.await.unwrap();
        assert!(saved.is_ok(), "{saved:?}");
        assert!(matches!(again, Err(passerelle_aws::Error::Conflict)));
    }
    let (client, customer) = ("cli_demo".parse().unwrap(), "customer-9".parse().unwrap());
    let chain = table.receipts(&client, &customer).await.unwrap();
    let der = book.public_key().await.unwrap();
    let head = verify(&chain, &VerifyingKey::from_der(&der).unwrap()).unwrap();
    assert_eq!(head.sequence, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_a_grant_has_its_receipt_and_its_event_or_is_none() {
    let mut machine = Machine::start().await;
    for (number, delay) in [0_u64, 4, 9, 16, 30].into_iter().enumerate() {
        let customer = format!("customer-{number}");
        let consent = machine.api().await.open_consent(&customer).await;
        let mut person = Person::new();
        let link = consent["journey_url"].as_str().unwrap().to_owned();
        let login = walk_to_bank(&mut person, &link).await;
        let back = approve(&mut person, &login, "camille.martin").await;
        let mut browser = person.clone();
        let returning = tokio::spawn(async move {
            // The answer may never come: the process dies meanwhile.
            let address = back.clone();
            let _ = tokio::time::timeout(Duration::from_secs(5), browser.try_open(&address)).await;
        });
        tokio::time::sleep(Duration::from_millis(delay)).await;
        machine.crash().await;
        returning.await.unwrap();

        let api = machine.api().await;
        let id = consent["id"].as_str().unwrap();
        let status = api.get(&format!("/v1/consents/{id}")).await.body["status"].clone();
        let granted = usize::from(status == "valid");
        let download = Download::of(&api, &customer).await;
        assert_eq!(download.lines.len(), granted, "after {delay} ms: {status}");
        let events = api.events(500).await;
        let told = events
            .iter()
            .filter(|event| event["consent"] == id && event["kind"] == "consent.granted");
        assert_eq!(told.count(), granted, "after {delay} ms: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_of_an_earlier_start_verify_with_the_key_of_a_later_one() {
    if !has_openssl() {
        return;
    }
    let mut machine = Machine::start().await;
    let before = lived(&machine.api().await).await;
    machine.crash().await;
    let after = Download::of(&machine.api().await, "customer-1").await;
    assert_eq!(after.lines, before.lines);
    let said = before.verified(&before.whole(), &after.key(), "");
    assert!(said.is_ok(), "{said:?}");
}
