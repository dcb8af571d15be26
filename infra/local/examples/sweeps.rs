//! What the sweeps cost, by how much is stored: requests and units as the embedded table reports them.
//!
//! `cargo run --release -p passerelle-local --example sweeps -- 10000 100000 1000000`
//!
//! Each line stores so many connections and consents, spread as they are in life, then does one minute of
//! the wheel at four refreshes a day, one walk over a thousand overdue marks and one over five hundred
//! consents that are due. Work is to grow with what is due, not with what exists.
#![allow(clippy::expect_used, clippy::print_stdout, missing_docs)]

use std::collections::HashMap;
use std::time::Instant;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, PutRequest, ScalarAttributeType, WriteRequest,
};
use jiff::{SignedDuration, Timestamp};
use passerelle_aws::calendar;
use passerelle_aws::due::{self, OverdueWalk, Owed};
use passerelle_aws::wheel::LANES;
use passerelle_aws::{Queue, Table, Usage};
use passerelle_domain::ids::{ClientId, ConnectionId, ConsentId};
use passerelle_local::{EmbeddedAws, Storage};
use serde_json::json;

const TABLE: &str = "sweeps";
const OVERDUE: u64 = 1_000;
const DUE_CONSENTS: u64 = 500;
const PER_STEP: usize = 1_000;

#[tokio::main]
async fn main() {
    let sizes = std::env::args().skip(1).map(|size| size.parse::<u64>());
    let sizes: Vec<u64> = sizes.collect::<Result<_, _>>().expect("numbers");
    println!("| stored | sweep | due | table requests | queue requests | RRU | WRU | seconds |");
    println!("| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for stored in sizes {
        measure(stored).await;
    }
}

async fn measure(stored: u64) {
    let aws = EmbeddedAws::open(&Storage::Memory).await.expect("it opens");
    let seeding = Seeding::begin(&aws).await;
    let now: Timestamp = "2026-11-22T08:00:00Z".parse().expect("a moment");
    seeding.connections(stored, now).await;
    seeding.consents(stored, now).await;
    let clients = aws.clients();
    let table = Table::new(&clients, TABLE, "");
    let made = clients.sqs().create_queue().queue_name("sweeps").send();
    let address = made.await.expect("a queue").queue_url;
    let queue = Queue::new(&clients, address.expect("its address"));

    let (wheel, started) = (table.metered(), Instant::now());
    let mut visited = 0;
    for lane in 0..LANES {
        // At the first walk, the present minute and no other.
        let refreshes = "4".parse().expect("a number of refreshes");
        let mut walk = wheel
            .wheel_walk(lane, refreshes, now)
            .await
            .expect("a walk");
        while walk.has_more() {
            let found = wheel
                .next_visits(&mut walk, PER_STEP)
                .await
                .expect("visits");
            let found = found.into_iter().map(|it| (it.client, it.connection));
            visited += send(&queue, &wheel, found).await;
            wheel.visited(&mut walk).await.expect("a place");
        }
    }
    tell(stored, "a minute of the wheel", visited, &wheel, started);

    let (marks, started) = (table.metered(), Instant::now());
    let mut walk = OverdueWalk::new(Owed::Sync, 0..due::SHARDS, now);
    let mut overdue = 0;
    while walk.has_more() {
        let found = marks
            .take_overdue(&mut walk, PER_STEP)
            .await
            .expect("marks");
        overdue += send(&queue, &marks, found.into_iter()).await;
    }
    tell(stored, "overdue marks", overdue, &marks, started);

    let (ends, started) = (table.metered(), Instant::now());
    let mut walk = ends
        .calendar_walk(0..calendar::SHARDS, now)
        .await
        .expect("a walk");
    let mut due = 0;
    while walk.has_more() {
        due += ends
            .due_consents(&mut walk, 200)
            .await
            .expect("consents")
            .len();
    }
    ends.calendar_walked(&walk).await.expect("a place");
    tell(stored, "the calendar, listed", due, &ends, started);
}

async fn send(
    queue: &Queue,
    table: &Table,
    connections: impl Iterator<Item = (ClientId, ConnectionId)>,
) -> usize {
    let messages: Vec<_> = connections
        .map(|(client, connection)| (client, json!({"connection": connection})))
        .collect();
    let unsent = queue.send_all(&messages, table.meter()).await;
    assert!(unsent.expect("the queue answers").is_empty());
    messages.len()
}

fn tell(stored: u64, sweep: &str, due: usize, table: &Table, started: Instant) {
    let Usage {
        table_requests,
        queue_requests,
        read_units,
        write_units,
        ..
    } = table.meter().usage();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "| {stored} | {sweep} | {due} | {table_requests} | {queue_requests} | {read_units} | \
         {write_units} | {seconds:.2} |"
    );
}

/// Writes what the sweeps find.
struct Seeding {
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Seeding {
    async fn begin(aws: &EmbeddedAws) -> Self {
        let credentials = Credentials::new("embedded", "embedded", None, None, "embedded");
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws.http_client())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .region(Region::new("eu-west-3"));
        let seeding = Self {
            dynamodb: aws_sdk_dynamodb::Client::from_conf(config.build()),
        };
        seeding.make_table().await;
        seeding
    }

    /// The table with the three indexes, as `template.yaml` has them.
    async fn make_table(&self) {
        let names = [
            "pk",
            "sk",
            "due_shard",
            "due_at",
            "wheel_slot",
            "calendar_day",
            "calendar_key",
        ];
        let texts = names.map(|name| {
            let definition = AttributeDefinition::builder().attribute_name(name);
            let text = definition.attribute_type(ScalarAttributeType::S);
            text.build().expect("a definition")
        });
        let keys_only = Projection::builder().projection_type(ProjectionType::KeysOnly);
        let with_bank = Projection::builder()
            .projection_type(ProjectionType::Include)
            .non_key_attributes("institution");
        let index = |name, hash, range, projection| {
            GlobalSecondaryIndex::builder()
                .index_name(name)
                .set_key_schema(Some(schema(hash, range)))
                .projection(projection)
                .build()
                .expect("an index")
        };
        self.dynamodb
            .create_table()
            .table_name(TABLE)
            .billing_mode(BillingMode::PayPerRequest)
            .set_attribute_definitions(Some(texts.to_vec()))
            .set_key_schema(Some(schema("pk", "sk")))
            .global_secondary_indexes(index(
                "due",
                "due_shard",
                "due_at",
                keys_only.clone().build(),
            ))
            .global_secondary_indexes(index("wheel", "wheel_slot", "pk", with_bank.build()))
            .global_secondary_indexes(index(
                "calendar",
                "calendar_day",
                "calendar_key",
                keys_only.build(),
            ))
            .send()
            .await
            .expect("a table");
    }

    /// One gate per connection, in its slot; the first of them with an overdue mark as well.
    async fn connections(&self, count: u64, now: Timestamp) {
        let id = |number| ConnectionId::from_entropy(spread(number).to_be_bytes());
        let partition = move |number| format!("T#cli_bench#C#{}", id(number));
        let gates = (0..count).map(|number| {
            item([
                ("pk", partition(number)),
                ("sk", "G".to_owned()),
                ("wheel_slot", format!("{:04}", spread(number) % 1440)),
                ("institution", "sandbox-bank".to_owned()),
            ])
        });
        self.put(gates).await;
        let overdue = now - SignedDuration::from_mins(1);
        let marks = (0..count.min(OVERDUE)).map(|number| {
            item([
                ("pk", partition(number)),
                ("sk", "D".to_owned()),
                (
                    "due_shard",
                    format!("sync#{}", number % u64::from(due::SHARDS)),
                ),
                ("due_at", format!("{:012}", overdue.as_second())),
            ])
        });
        self.put(marks).await;
    }

    /// Consents that end over the next ninety days, some of them now.
    async fn consents(&self, count: u64, now: Timestamp) {
        let consents = (0..count).map(|number| {
            let id = ConsentId::from_entropy(spread(number).to_be_bytes());
            let later = i64::try_from(spread(number) % 7_776_000).unwrap_or_default();
            let due = match number < DUE_CONSENTS {
                true => now - SignedDuration::from_mins(1),
                false => now + SignedDuration::from_secs(60 + later),
            };
            let shard = number % u64::from(calendar::SHARDS);
            item([
                ("pk", format!("T#cli_bench#N#{id}")),
                ("sk", "CONSENT".to_owned()),
                (
                    "calendar_day",
                    format!("{}#{shard}", due.strftime("%Y-%m-%d")),
                ),
                ("calendar_key", format!("{:012}#{id}", due.as_second())),
            ])
        });
        self.put(consents).await;
    }

    async fn put(&self, items: impl Iterator<Item = HashMap<String, AttributeValue>>) {
        let mut items = items.peekable();
        while items.peek().is_some() {
            let batch = items.by_ref().take(25).map(|item| {
                let put = PutRequest::builder().set_item(Some(item)).build();
                WriteRequest::builder()
                    .put_request(put.expect("an item"))
                    .build()
            });
            let batch: Vec<WriteRequest> = batch.collect();
            let written = self.dynamodb.batch_write_item();
            written
                .request_items(TABLE, batch)
                .send()
                .await
                .expect("items");
        }
    }
}

fn schema(hash: &str, range: &str) -> Vec<KeySchemaElement> {
    let part = |name: &str, kind| {
        let part = KeySchemaElement::builder().attribute_name(name);
        part.key_type(kind).build().expect("a key")
    };
    vec![part(hash, KeyType::Hash), part(range, KeyType::Range)]
}

fn item<const N: usize>(attributes: [(&str, String); N]) -> HashMap<String, AttributeValue> {
    let attributes = attributes.into_iter();
    attributes
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .collect()
}

/// Numbers in no order, the same in every run.
fn spread(number: u64) -> u128 {
    u128::from(number.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834)
}
