//! A consent for its whole life: warnings, renewal, expiry, purge; withdrawal and what is left of it.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use passerelle_aws::vault::Place;
use passerelle_domain::ids::{ClientId, ConnectionId};
use passerelle_local::Options;
use reqwest::Method;
use serde_json::Value;

use crate::machine::Machine;
use crate::person::{Page, Person};
use crate::raw_tables::{dump, of_connection};
use crate::world::{Api, World, approve, connect, decide, log_in, wait_for_ending};

const DAY: i64 = 24;

fn days(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count * DAY)
}

async fn consent_of(api: &Api, connection: &Value) -> Value {
    let id = connection["consent"].as_str().unwrap();
    api.get(&format!("/v1/consents/{id}")).await.body
}

async fn renewal_link(api: &Api, connection: &Value) -> String {
    let id = connection["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{id}/renewals");
    let answer = api.send(Method::POST, &path, None).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["connection"], connection["id"], "{answer:?}");
    answer.body["journey_url"].as_str().unwrap().to_owned()
}

/// From a renewal link to the bank's login page: the bank is known, so it is not asked for.
async fn walk_renewal(person: &mut Person, link: &str) -> Page {
    let page = person.open(link).await;
    let page = person.submit(&page.link("/continue"), &[]).await;
    assert!(page.url.path().ends_with("/purposes"), "{}", page.url);
    let asked = page.inputs("purpose");
    assert!(
        !page.html.contains("checked"),
        "nothing is ticked beforehand: {}",
        page.html
    );
    let chosen: Vec<_> = asked
        .iter()
        .map(|purpose| ("purpose", purpose.as_str()))
        .collect();
    let page = person.answer(&page, "/purposes", &chosen).await;
    person.open(page.link("/sandbox-bank/")).await
}

async fn renew(api: &Api, connection: &Value, login: &str) -> Page {
    let mut person = Person::new();
    let link = renewal_link(api, connection).await;
    let login_page = walk_renewal(&mut person, &link).await;
    let back = approve(&mut person, &login_page, login).await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await
}

/// The ids and the sum of every line that is served.
async fn ledger(api: &Api, connection: &Value) -> (BTreeSet<String>, usize) {
    let id = connection["id"].as_str().unwrap();
    let (mut ids, mut count, mut after) = (BTreeSet::new(), 0, String::new());
    loop {
        let path = format!("/v1/connections/{id}/transactions?purpose=advice&limit=500{after}");
        let page = api.get(&path).await;
        assert_eq!(page.status, 200, "{page:?}");
        for line in page.body["transactions"].as_array().unwrap() {
            ids.insert(line["id"].as_str().unwrap().to_owned());
            count += 1;
        }
        match page.body["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return (ids, count),
        }
    }
}

async fn accounts(api: &Api, connection: &Value) -> BTreeSet<String> {
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}/accounts?purpose=advice");
    let answer = api.get(&path).await;
    let accounts = answer.body["accounts"].as_array().unwrap();
    let ids = accounts.iter().map(|it| it["id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

/// The sealed values of some items, with the place each was sealed for.
fn sealed(items: &[Value]) -> Vec<(String, u64, Vec<u8>)> {
    let mut found = Vec::new();
    for item in items {
        let (sk, seq) = (item["sk"]["S"].as_str().unwrap(), &item["seq"]["N"]);
        let seq = seq.as_str().map_or(0, |digits| digits.parse().unwrap());
        for (name, value) in item.as_object().unwrap() {
            let Some(text) = value["B"].as_str() else {
                continue;
            };
            let kind = match name.as_str() {
                "page" => sk.to_owned(),
                other => other.to_owned(),
            };
            found.push((kind, seq, base64(text)));
        }
    }
    found
}

/// Standard base 64, as DynamoDB's JSON carries bytes.
fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| *byte != b'=') {
        buffer = (buffer << 6) | u32::from(digit(byte));
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).unwrap());
        }
    }
    bytes
}

/// How many of these values any key that is left opens.
async fn opened(world: &World, id: &str, values: &[(String, u64, Vec<u8>)]) -> usize {
    let (store, now) = (world.store(), world.suite.clock().now());
    let tenant: ClientId = "cli_demo".parse().unwrap();
    let mut keys = Vec::new();
    for item in dump(world, true).await {
        let pk = item["pk"]["S"].as_str().unwrap().to_owned();
        let Some((_, connection)) = pk.split_once("#C#") else {
            continue;
        };
        let connection: ConnectionId = connection.parse().unwrap();
        if let Ok(key) = store
            .vault()
            .connection_key(&tenant, &connection, now)
            .await
        {
            keys.push(key);
        }
        if let Ok(both) = store
            .vault()
            .connection_keys(&tenant, &connection, now)
            .await
        {
            keys.extend([both.data, both.token]);
        }
    }
    let opens = |value: &(String, u64, Vec<u8>)| {
        let (kind, seq, bytes) = value;
        let place = Place {
            client: &tenant,
            owner: id,
            kind,
            seq: *seq,
        };
        keys.iter().any(|key| key.open(&place, bytes).is_ok())
    };
    values.iter().filter(|value| opens(value)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_days_warnings_a_renewal_at_day_eighty_expiry_and_purge() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let granted = consent_of(&api, &connection).await;
    let (first_lines, _) = ledger(&api, &connection).await;
    let first_accounts = accounts(&api, &connection).await;

    // Day 61: warned once, a month before.
    world.suite.advance(days(61)).await.unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(consent_of(&api, &connection).await["warned"], 30);

    // Day 80: renewed in place, with ten days left.
    world.suite.advance(days(19)).await.unwrap();
    let api = world.api("cli_demo").await;
    let last = renew(&api, &connection, "camille.martin").await;
    assert_eq!(last.status, 200, "{}", last.html);
    let after = api.connection("customer-1").await;
    assert_eq!(after["id"], connection["id"], "the connection stays");
    assert_eq!(after["consent"], connection["consent"], "the consent stays");
    let renewed = consent_of(&api, &connection).await;
    assert!(
        renewed["valid_until"].as_str() > granted["valid_until"].as_str(),
        "{renewed}"
    );
    assert!(renewed["warned"].is_null(), "warned anew: {renewed}");
    world.suite.advance(days(1)).await.unwrap();
    let api = world.api("cli_demo").await;
    let standing = api.connection("customer-1").await;
    assert_eq!(standing["status"], "active", "{standing}");
    let all = api.get("/v1/customers/customer-1/connections").await;
    assert_eq!(all.body["connections"].as_array().unwrap().len(), 1);
    assert_eq!(accounts(&api, &connection).await, first_accounts);
    let (lines, count) = ledger(&api, &connection).await;
    assert_eq!(lines.len(), count, "no line twice");
    assert!(
        first_lines.is_subset(&lines) && lines.len() > first_lines.len(),
        "every line of before and the new ones"
    );

    // Day 90, the former end: served on.
    world.suite.advance(days(11)).await.unwrap();
    let api = world.api("cli_demo").await;
    assert!(!ledger(&api, &connection).await.0.is_empty());

    // Days 141, 164 and 169: a month, a week and a day before the new end.
    for (further, warning) in [(49, 30), (23, 7), (5, 1)] {
        world.suite.advance(days(further)).await.unwrap();
        let api = world.api("cli_demo").await;
        let consent = consent_of(&api, &connection).await;
        assert_eq!(consent["warned"], warning, "{consent}");
    }

    // Day 171: over. Day 200: nothing is left that any key opens.
    world.suite.advance(days(2)).await.unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(consent_of(&api, &connection).await["status"], "expired");
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}/accounts?purpose=advice");
    assert_eq!(api.get(&path).await.problem(), "purpose-not-granted");
    world.suite.advance(days(29)).await.unwrap();
    let api = world.api("cli_demo").await;
    let closed = api.connection("customer-1").await;
    assert_eq!(closed["status"], "closed", "{closed}");
    assert!(
        !closed["erasure"]["rows_erased_at"].is_null(),
        "purged: {closed}"
    );
    assert_eq!(closed["erasure"]["bank"]["status"], "told", "{closed}");
    let left = of_connection(&dump(&world, false).await, id);
    assert_eq!(left.len(), 1, "the gate alone: {left:?}");
    assert!(sealed(&left).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn after_withdrawal_no_key_that_is_left_opens_anything_not_even_a_copy_made_before() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    connect(&api, "customer-2", "karim.nguyen").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let copy = sealed(&of_connection(&dump(&world, false).await, id));
    assert!(copy.len() >= 2, "{}", copy.len());
    let before = opened(&world, id, &copy).await;
    assert!(before >= copy.len() - 1, "{before} of {}", copy.len());

    let path = format!("/v1/connections/{id}");
    let ended = api.send(Method::DELETE, &path, None).await;
    assert_eq!(ended.status, 204, "{ended:?}");
    let shown = api.get(&path).await.body;
    assert_eq!(shown["status"], "closed", "{shown}");
    assert!(!shown["erasure"]["key_destroyed_at"].is_null(), "{shown}");
    assert!(!shown["erasure"]["rows_erased_at"].is_null(), "{shown}");
    // Nothing that was fetched opens from this moment on; the token waits for the bank to be told.
    let (fetched, tokens): (Vec<_>, Vec<_>) =
        copy.into_iter().partition(|(kind, _, _)| kind != "token");
    assert_eq!(opened(&world, id, &fetched).await, 0);
    assert_eq!(tokens.len(), 1);

    world
        .suite
        .advance(SignedDuration::from_mins(11))
        .await
        .unwrap();
    let shown = api.get(&path).await.body;
    assert_eq!(shown["erasure"]["bank"]["status"], "told", "{shown}");
    assert_eq!(opened(&world, id, &tokens).await, 0);
    let rows = dump(&world, false).await;
    assert!(sealed(&of_connection(&rows, id)).is_empty());
    let keys = of_connection(&dump(&world, true).await, id);
    for name in ["wrapped", "token"] {
        assert!(keys.iter().all(|item| item[name].is_null()), "{keys:?}");
    }
    // The neighbour's data opens as before.
    let other = api.connection("customer-2").await;
    let other = other["id"].as_str().unwrap();
    let theirs = sealed(&of_connection(&rows, other));
    assert!(opened(&world, other, &theirs).await > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_or_declined_renewal_harms_nothing() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let before = consent_of(&api, &connection).await;
    let link = renewal_link(&api, &connection).await;
    assert_eq!(
        renewal_link(&api, &connection).await,
        link,
        "one link while it is open"
    );

    // Left at the bank's door, then refused at the bank.
    let mut person = Person::new();
    let page = walk_renewal(&mut person, &link).await;
    let page = log_in(&mut person, &page, "camille.martin").await;
    let back = decide(&mut person, &page, "refuse").await;
    let ending = person.open(back.as_str()).await;
    assert_eq!(ending.status, 200, "{}", ending.html);
    // Said no on our page.
    let page = person.open(&link).await;
    person.submit(&page.link("/decline"), &[]).await;
    let declined = consent_of(&api, &connection).await;
    assert_eq!(declined["valid_until"], before["valid_until"]);
    assert_eq!(declined["status"], "valid");
    assert_eq!(declined["renewal"]["answer"], "declined", "{declined}");

    // Asked again: another link, and the former one asks nothing any more.
    let second = renewal_link(&api, &connection).await;
    assert_ne!(second, link);
    let old = Person::new().open(&link).await;
    assert!(old.url.path().ends_with("/progress"), "{}", old.url);
    world.suite.advance(days(2)).await.unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(api.connection("customer-1").await["status"], "active");
    assert!(!ledger(&api, &connection).await.0.is_empty());
    // The first journey's link is no way into a renewal either.
    let expired = Person::new().open(&second).await;
    assert!(expired.url.path().ends_with("/progress"), "{}", expired.url);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenant_renews_nothing_and_what_has_ended_is_not_renewed() {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let path = format!(
        "/v1/consents/{}/renewals",
        connection["consent"].as_str().unwrap()
    );
    let foreign = world.api("cli_other").await;
    let answer = foreign.send(Method::POST, &path, None).await;
    assert_eq!(answer.problem(), "not-found");
    let id = connection["id"].as_str().unwrap();
    api.send(Method::DELETE, &format!("/v1/connections/{id}"), None)
        .await;
    let answer = api.send(Method::POST, &path, None).await;
    assert_eq!(answer.status, 409, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_anywhere_after_a_withdrawal_it_is_carried_on_and_the_bank_is_told() {
    let mut machine = Machine::start().await;
    connect(&machine.api().await, "customer-1", "camille.martin").await;
    let api = machine.api().await;
    let connection = api.connection("customer-1").await;
    let path = format!("/v1/connections/{}", connection["id"].as_str().unwrap());
    // The answer may or may not have left when the process dies.
    let request = api.raw(Method::DELETE, &path).send();
    let _ = tokio::time::timeout(std::time::Duration::from_millis(30), request).await;
    machine.crash().await;
    let api = machine.api().await;
    api.send(Method::DELETE, &path, None).await;
    machine.crash().await;
    machine.pass("PT11M").await;
    let api = machine.api().await;
    let shown = api.get(&path).await.body;
    assert_eq!(shown["status"], "closed", "{shown}");
    assert!(!shown["erasure"]["rows_erased_at"].is_null(), "{shown}");
    assert_eq!(shown["erasure"]["bank"]["status"], "told", "{shown}");
    assert_eq!(machine.bank_consents(), ["terminatedByTpp"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_killed_at_the_return_is_carried_on_and_the_former_bank_consent_is_over() {
    let mut machine = Machine::start().await;
    connect(&machine.api().await, "customer-1", "camille.martin").await;
    let api = machine.api().await;
    let connection = api.connection("customer-1").await;
    let link = renewal_link(&api, &connection).await;
    machine.crash().await;
    let mut person = Person::new();
    let login_page = walk_renewal(&mut person, &link).await;
    machine.crash().await;
    let back = approve(&mut person, &login_page, "camille.martin").await;
    let page = person.open(back.as_str()).await;
    machine.crash().await;
    machine.pass("PT6M").await;
    let ending = wait_for_ending(&mut person, page).await;
    assert_eq!(ending.status, 200, "{}", ending.html);
    let api = machine.api().await;
    let after = api.connection("customer-1").await;
    assert_eq!(after["id"], connection["id"]);
    assert_eq!(after["status"], "active", "{after}");
    let consents = machine.bank_consents();
    assert_eq!(consents.len(), 2, "{consents:?}");
    assert_ne!(consents[0], "valid", "{consents:?}");
    assert_eq!(consents[1], "valid", "{consents:?}");
}
