//! The sweeps: everything that is due is done however much it is, nothing that fails keeps another
//! waiting, and a sweep that stops goes on where it stopped.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use passerelle_aws::wheel::LANES;
use passerelle_aws::{Table, Usage};
use passerelle_domain::ids::{ConnectionId, ConsentId};
use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::person::client;
use crate::raw_tables::dump;
use crate::world::{World, connect};

/// Puts items into the table as they are.
async fn put(world: &World, items: Vec<Value>) {
    let functions = &world.suite.template().functions;
    let sync = functions.iter().find(|it| it.folder == "sync").unwrap();
    let table = sync.environment["TABLE_NAME"].as_str();
    let endpoint = world.suite.aws().endpoint().await.unwrap();
    for some in items.chunks(25) {
        let puts: Vec<Value> = some
            .iter()
            .map(|item| json!({"PutRequest": {"Item": item}}))
            .collect();
        let answer = client()
            .post(endpoint.clone())
            .header("x-amz-target", "DynamoDB_20120810.BatchWriteItem")
            .header("content-type", "application/x-amz-json-1.0")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-3/dynamodb/aws4_request, \
                 SignedHeaders=host, Signature=none",
            )
            .body(json!({"RequestItems": {table: puts}}).to_string())
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

fn connection(number: u32) -> ConnectionId {
    let mut entropy = [0; 16];
    entropy[..4].copy_from_slice(&number.to_be_bytes());
    ConnectionId::from_entropy(entropy)
}

fn gate(number: u32, slot: u64) -> Value {
    json!({
        "pk": {"S": format!("T#cli_demo#C#{}", connection(number))},
        "sk": {"S": "G"},
        "wheel_slot": {"S": format!("{slot:04}")},
        "institution": {"S": "sandbox-bank"},
    })
}

fn seconds(moment: Timestamp) -> u64 {
    u64::try_from(moment.as_second()).unwrap()
}

/// The lane the minute of a moment belongs to.
fn lane_of(moment: Timestamp) -> u32 {
    u32::try_from(seconds(moment) / 60 % u64::from(LANES)).unwrap()
}

/// Everything a walk over these lanes visits from here on; stops after so many steps.
async fn walk(
    table: &Table,
    lanes: std::ops::Range<u32>,
    now: Timestamp,
    most_steps: usize,
) -> Vec<ConnectionId> {
    let mut seen = Vec::new();
    for lane in lanes {
        let mut walk = table
            .wheel_walk(lane, "1".parse().unwrap(), now)
            .await
            .unwrap();
        while walk.has_more() && seen.len() < most_steps * 50 {
            let visits = table.next_visits(&mut walk, 50).await.unwrap();
            seen.extend(visits.into_iter().map(|visited| visited.connection));
            assert!(table.visited(&mut walk).await.unwrap());
        }
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_walk_that_stops_inside_a_full_minute_goes_on_there_and_two_never_share_a_lane() {
    let world = World::start(Options::in_memory()).await;
    // Ahead of the suite's own ticks, so that this walk alone is there.
    let now = world.suite.clock().now() + SignedDuration::from_hours(10);
    let minute = seconds(now) / 60;
    let gates = (0..500).map(|number| gate(number, minute % 1440)).collect();
    put(&world, gates).await;
    let store = world.store();
    let table = store.table();
    let first = walk(table, 0..LANES, now, 3).await;
    assert_eq!(first.len(), 150);
    let rest = walk(table, 0..LANES, now, 100).await;
    let all: BTreeSet<ConnectionId> = first.iter().chain(&rest).cloned().collect();
    assert_eq!(
        (first.len() + rest.len(), all.len()),
        (500, 500),
        "each once"
    );
    assert_eq!(
        walk(table, 0..LANES, now, 100).await,
        [],
        "the minute was walked"
    );

    // An outage of days: one round is made good, not each that was missed.
    let later = now + SignedDuration::from_hours(100);
    let caught_up = walk(table, 0..LANES, later, 100).await;
    assert_eq!(caught_up.len(), 500, "each once");

    // Two calls at the same lane: the second one to remember its place leaves it to the first.
    let later = later + SignedDuration::from_hours(24);
    let lane = lane_of(later);
    let once = || table.wheel_walk(lane, "1".parse().unwrap(), later);
    let (mut one, mut other) = (once().await.unwrap(), once().await.unwrap());
    table.next_visits(&mut one, 50).await.unwrap();
    table.next_visits(&mut other, 50).await.unwrap();
    assert!(table.visited(&mut one).await.unwrap());
    assert!(!table.visited(&mut other).await.unwrap());
}

/// What the walk over a minute uses in which forty of so many stored connections are visited.
async fn a_minute_among(stored: u32) -> Usage {
    let world = World::start(Options::in_memory()).await;
    let now = world.suite.clock().now() + SignedDuration::from_hours(10);
    let minute = seconds(now) / 60;
    let lane = lane_of(now)..lane_of(now) + 1;
    // The lane has been walked up to its minute before this one.
    let before = now - SignedDuration::from_mins(i64::from(LANES));
    walk(world.store().table(), lane.clone(), before, 100).await;
    let gates = (0..stored).map(|number| match number < 40 {
        true => gate(number, minute % 1440),
        false => gate(number, (minute + 1 + u64::from(number % 1400)) % 1440),
    });
    put(&world, gates.collect()).await;
    let table = world.store().table().metered();
    assert_eq!(walk(&table, lane, now, 100).await.len(), 40);
    table.meter().usage()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tick_costs_what_is_due_whatever_is_stored() {
    let few = a_minute_among(400).await;
    let many = a_minute_among(4_000).await;
    assert_eq!(few, many);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_that_is_overdue_is_queued_in_one_tick_however_many_they_are() {
    let world = World::start(Options::in_memory()).await;
    let now = world.suite.clock().now();
    let due = format!("{:012}", seconds(now - SignedDuration::from_mins(5)));
    let marks = (0..1500).map(|number| {
        json!({
            "pk": {"S": format!("T#cli_demo#C#{}", connection(number))},
            "sk": {"S": "D"},
            // Some still lie in the shards of before: they are found all the same.
            "due_shard": {"S": format!("sync#{}", number % 32)},
            "due_at": {"S": due},
        })
    });
    put(&world, marks.collect()).await;
    world
        .suite
        .advance(SignedDuration::from_mins(1))
        .await
        .unwrap();
    let left = dump(&world, false)
        .await
        .into_iter()
        .filter(|item| item["due_at"]["S"] == due.as_str());
    assert_eq!(left.count(), 0, "each was queued, and its mark moved ahead");
}

fn unreadable_consent(number: u32, due: Timestamp) -> Value {
    let mut entropy = [7; 16];
    entropy[..4].copy_from_slice(&number.to_be_bytes());
    let id = ConsentId::from_entropy(entropy);
    let day = due.strftime("%Y-%m-%d");
    json!({
        "pk": {"S": format!("T#cli_demo#N#{id}")},
        "sk": {"S": "CONSENT"},
        "body": {"S": "{}"},
        "version": {"N": "1"},
        "calendar_day": {"S": format!("{day}#{}", number % 10)},
        "calendar_key": {"S": format!("{:012}#{id}", due.as_second())},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn consents_that_cannot_be_handled_move_ahead_by_themselves_and_keep_no_other_waiting() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    let opened = api.open_consent("customer-1").await;
    let path = format!("/v1/consents/{}", opened["id"].as_str().unwrap());
    // Six hundred that nobody can read, all of them due before the one that can be.
    let due = world.suite.clock().now() + SignedDuration::from_hours(1);
    let broken = (0..600).map(|number| unreadable_consent(number, due));
    put(&world, broken.collect()).await;
    world
        .suite
        .advance(SignedDuration::from_hours(25))
        .await
        .unwrap();
    world.suite.settled(Duration::from_secs(5)).await;
    let api = world.api("cli_demo").await;
    let ended = api.get(&path).await.body;
    assert_eq!(
        ended["status"], "rejected",
        "its link's time is up: {ended}"
    );

    let now = world.suite.clock().now();
    let put_off: Vec<Value> = dump(&world, false)
        .await
        .into_iter()
        .filter(|item| item["calendar_tries"]["N"].is_string())
        .collect();
    assert_eq!(put_off.len(), 600);
    for item in &put_off {
        let key = item["calendar_key"]["S"].as_str().unwrap();
        let again: u64 = key.split('#').next().unwrap().parse().unwrap();
        assert!(again > seconds(now), "{item}");
    }
    // They stay in the calendar: in an hour they come up again, and wait longer each time.
    let tries = |item: &Value| {
        item["calendar_tries"]["N"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let before: u64 = put_off.iter().map(tries).sum();
    world
        .suite
        .advance(SignedDuration::from_hours(13))
        .await
        .unwrap();
    let items = dump(&world, false).await.into_iter();
    let items = items.filter(|item| item["calendar_tries"]["N"].is_string());
    let after: u64 = items.map(|item| tries(&item)).sum();
    assert!(after >= before + 600, "{before} then {after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_farewell_that_cannot_be_opened_comes_up_again_and_keeps_no_other_waiting() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    connect(&api, "customer-2", "karim.nguyen").await;
    let broken = api.connection("customer-1").await["id"].clone();
    let ended = api.connection("customer-2").await["id"].clone();
    let (broken, ended) = (broken.as_str().unwrap(), ended.as_str().unwrap());
    let since = seconds(world.suite.clock().now() - SignedDuration::from_mins(5));
    let farewell = json!({
        "pk": {"S": format!("T#cli_demo#C#{broken}")},
        "sk": {"S": "F#000000000099"},
        "token": {"B": "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA="},
        "token_seq": {"N": "99"},
        "institution": {"S": "sandbox-bank"},
        "last": {"N": "0"},
        "owed_since": {"N": since.to_string()},
        "tries": {"N": "0"},
        "due_shard": {"S": "farewell#0"},
        "due_at": {"S": format!("{since:012}")},
    });
    put(&world, vec![farewell]).await;
    let path = format!("/v1/connections/{ended}");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    world
        .suite
        .advance(SignedDuration::from_mins(11))
        .await
        .unwrap();
    let shown = api.get(&path).await.body;
    assert_eq!(shown["erasure"]["bank"]["status"], "told", "{shown}");
    let items = dump(&world, false).await;
    let left = items
        .iter()
        .find(|item| item["sk"]["S"] == "F#000000000099");
    let left = left.expect("it is still owed");
    let tries: u64 = left["due_tries"]["N"].as_str().unwrap().parse().unwrap();
    assert!(tries >= 1, "{left}");
    let again: u64 = left["due_at"]["S"].as_str().unwrap().parse().unwrap();
    assert!(again > seconds(world.suite.clock().now()), "{left}");
}
