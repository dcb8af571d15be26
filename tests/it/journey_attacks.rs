//! What somebody may try who holds every link of a journey but not the person's cookie: the insurer, a
//! mail system, whoever a link was forwarded to. Each attack is told to its last step.

use std::time::Duration;

use jiff::SignedDuration;
use passerelle_aws::due::{self, OverdueWalk, Owed};
use passerelle_aws::farewells::Said;
use passerelle_local::{Options, Storage};
use reqwest::Method;
use serde_json::{Value, json};
use url::Url;

use crate::machine::Machine;
use crate::person::{Page, Person, client};
use crate::raw_tables::{dump, of_connection};
use crate::world::{
    Api, World, approve, connect, decide, log_in, shown_code, wait_for_ending, walk_to,
    walk_to_bank,
};

async fn world() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

async fn open(api: &Api, customer: &str, purposes: &[&str]) -> String {
    let purposes: Vec<_> = purposes.iter().map(|code| json!({"code": code})).collect();
    let asked = json!({"customer": customer, "purposes": purposes, "locale": "en",
        "brand": "Example Mutual"});
    let answer = api.send(Method::POST, "/v1/consents", Some(&asked)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["journey_url"].as_str().unwrap().to_owned()
}

/// From the link to the bank's login page, with these boxes ticked.
async fn tick_and_leave(person: &mut Person, link: &str, ticked: &[&str]) -> Page {
    let page = person.open(link).await;
    let mut page = person.submit(&page.link("/continue"), &[]).await;
    if page.url.path().ends_with("/bank") {
        let bank = [("institution", "sandbox-bank")];
        page = person.submit(&page.link("/bank"), &bank).await;
    }
    let fields: Vec<_> = ticked.iter().map(|code| ("purpose", *code)).collect();
    let page = person.answer(&page, "/purposes", &fields).await;
    person.open(page.link("/sandbox-bank/")).await
}

/// Whoever has the link, from another browser, posts everything a page of the journey could post.
async fn meddle(link: &str, ticked: &[&str]) {
    let mut holder = Person::new();
    let at = |step: &str| format!("{link}/{step}").parse::<Url>().unwrap();
    let mut fields = vec![("institution", "sandbox-bank")];
    fields.extend(ticked.iter().map(|code| ("purpose", *code)));
    for other in ["sandbox-bank-stet", "sandbox-bank"] {
        holder.submit(&at("bank"), &[("institution", other)]).await;
        let shown = holder.submit(&at("purposes"), &fields).await;
        assert!(shown.url.path().ends_with("/progress"), "{}", shown.url);
        assert!(!shown.html.contains("/sandbox-bank/"), "{}", shown.html);
    }
    for step in ["leave", "continue", "elsewhere", "decline"] {
        let shown = holder.submit(&at(step), &[]).await;
        assert!(!shown.html.contains("/sandbox-bank/"), "{step}");
        assert!(!shown.html.contains("/journey/to/"), "{step}");
    }
}

async fn receipts(api: &Api, customer: &str) -> Vec<Value> {
    let path = format!("/v1/customers/{customer}/receipts");
    let answer = api.raw(Method::GET, &path).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| {
            let signed: Value = serde_json::from_str(line).unwrap();
            match signed["receipt"].as_str() {
                Some(bytes) => serde_json::from_str(bytes).unwrap(),
                None => signed["receipt"].clone(),
            }
        })
        .collect()
}

fn purposes_of(receipt: &Value) -> Vec<&str> {
    let purposes = receipt["purposes"]
        .as_array()
        .unwrap_or_else(|| panic!("{receipt}"));
    let mut codes: Vec<_> = purposes
        .iter()
        .map(|purpose| purpose["code"].as_str().unwrap())
        .collect();
    codes.sort_unstable();
    codes
}

#[tokio::test(flavor = "multi_thread")]
async fn purposes_posted_by_a_link_holder_while_the_person_is_at_the_bank_are_in_no_receipt() {
    let (_world, api) = world().await;
    let all = ["advice", "quote", "claims"];
    let link = open(&api, "customer-1", &all).await;
    let mut person = Person::new();
    let login = tick_and_leave(&mut person, &link, &["claims"]).await;
    meddle(&link, &all).await;
    let back = approve(&mut person, &login, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;

    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "active", "declined by nobody else");
    let consent = connection["consent"].as_str().unwrap();
    let consent = api.get(&format!("/v1/consents/{consent}")).await.body;
    assert_eq!(consent["granted"], json!(["claims"]), "{consent}");
    assert_eq!(consent["institution"], "sandbox-bank");
    let kept = receipts(&api, "customer-1").await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(purposes_of(&kept[0]), ["claims"]);
    assert_eq!(kept[0]["actor"], "psu");
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}/transactions?purpose=advice");
    assert_eq!(api.get(&path).await.problem(), "purpose-not-granted");
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_are_they_in_the_receipt_of_a_renewal() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let consent = connection["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/renewals");
    let opened = api.send(Method::POST, &path, None).await;
    let link = opened.body["journey_url"].as_str().unwrap();
    let mut person = Person::new();
    let login = tick_and_leave(&mut person, link, &["advice"]).await;
    meddle(link, &["advice", "quote"]).await;
    let back = approve(&mut person, &login, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    let kept = receipts(&api, "customer-1").await;
    let last = kept.last().unwrap();
    assert_eq!(last["act"], "renewed", "{kept:?}");
    assert_eq!(purposes_of(last), ["advice"]);
}

/// The attacker begins a journey under their own name, stops at the bank's link and sends that link to a
/// victim, who logs in and agrees. Then the attacker tries everything their own browser can.
#[tokio::test(flavor = "multi_thread")]
async fn a_victim_sent_to_the_attackers_bank_link_binds_nothing_and_gives_nothing_to_download() {
    let (world, api) = world().await;
    let link = open(&api, "attacker", &["advice", "quote"]).await;
    let mut attacker = Person::new();
    let sent = walk_to_bank(&mut attacker, &link).await;
    let mut victim = Person::new();
    let login = victim.open(sent.url.as_str()).await;
    let back = approve(&mut victim, &login, "camille.martin").await;
    let state = back
        .query_pairs()
        .find(|(name, _)| name == "state")
        .map(|(_, state)| state.into_owned())
        .unwrap();

    // The victim's browser says who asks for what, warns, and shows a code.
    let shown = victim.open(back.as_str()).await;
    for named in ["Example Mutual", "Banque Bac", "started"] {
        assert!(shown.html.contains(named), "{named}: {}", shown.html);
    }
    let code = shown_code(&shown);
    let again = victim.open(back.as_str()).await;
    assert_eq!(shown_code(&again), code, "loaded again, the same code");

    // The attacker knows the `state`: it stood in the link. A return of their own making has another code.
    let callback = format!("{}/v1/callback/sandbox-bank", world.base);
    let token = link.rsplit('/').next().unwrap();
    let mut second = Person::new();
    let forged = format!("{callback}?state={state}&code=forged");
    let forged_code = shown_code(&second.open(&forged).await);
    assert_ne!(forged_code, code);
    victim.open(back.as_str()).await;
    let typed: Url = format!("{callback}/confirm").parse().unwrap();
    let resume: Url = format!("{callback}/resume").parse().unwrap();
    for guess in [forged_code.as_str(), "00000000", ""] {
        let fields = [("journey", token), ("code", guess)];
        attacker.submit(&typed, &fields).await;
        attacker.submit(&resume, &[("journey", token)]).await;
        attacker.open(format!("{link}/progress")).await;
        attacker.open(&forged).await;
        victim.open(back.as_str()).await;
    }
    world
        .suite
        .advance(SignedDuration::from_hours(1))
        .await
        .unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(api.connection("attacker").await, Value::Null);
    let path = "/v1/customers/attacker/profile?purpose=advice";
    assert_eq!(api.get(path).await.problem(), "purpose-not-granted");
    assert_eq!(api.events(50).await.len(), 0, "nothing was granted");
    assert_no_key_is_left(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_victim_who_says_that_it_was_not_them_ends_it_at_the_bank_as_well() {
    let (world, api) = world().await;
    let link = open(&api, "attacker", &["advice", "quote"]).await;
    let mut attacker = Person::new();
    let sent = walk_to_bank(&mut attacker, &link).await;
    let mut victim = Person::new();
    let back = approve(&mut victim, &sent, "camille.martin").await;
    let shown = victim.open(back.as_str()).await;
    let code = shown_code(&shown);
    let gone = victim.answer(&shown, "/not-me", &[]).await;
    assert!(gone.html.contains("Nothing was connected"), "{}", gone.html);

    let token = link.rsplit('/').next().unwrap();
    let typed = format!("{}/v1/callback/sandbox-bank/confirm", world.base);
    let fields = [("journey", token), ("code", code.as_str())];
    attacker.submit(&typed.parse().unwrap(), &fields).await;
    world
        .suite
        .advance(SignedDuration::from_mins(6))
        .await
        .unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(api.connection("attacker").await, Value::Null);
    assert_eq!(bank_consents(&world), ["terminatedByTpp"]);
    assert_no_key_is_left(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_codes_end_the_return() {
    let (world, api) = world().await;
    let link = open(&api, "customer-1", &["advice", "quote"]).await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, &link).await;
    let back = approve(&mut Person::new(), &login, "camille.martin").await;
    let code = shown_code(&Person::new().open(back.as_str()).await);
    for _ in 0..5 {
        let page = person.open(format!("{link}/progress")).await;
        person
            .answer(&page, "/confirm", &[("code", "00000000")])
            .await;
    }
    let token = link.rsplit('/').next().unwrap();
    let typed = format!("{}/v1/callback/sandbox-bank/confirm", world.base);
    let fields = [("journey", token), ("code", code.as_str())];
    person.submit(&typed.parse().unwrap(), &fields).await;
    assert_eq!(api.connection("customer-1").await, Value::Null);
}

/// A bank that does not answer in an application of its own: no code, no second browser.
#[tokio::test(flavor = "multi_thread")]
async fn at_a_bank_without_an_application_a_return_in_another_browser_is_turned_away() {
    let (world, api) = world().await;
    let link = open(&api, "attacker", &["advice", "quote"]).await;
    let mut attacker = Person::new();
    let page = walk_to(&mut attacker, &link, "sandbox-bank-redirect").await;
    let mut victim = Person::new();
    let login = victim.open(page.link("/sandbox-bank/")).await;
    let back = approve(&mut victim, &login, "camille.martin").await;
    let shown = victim.open(back.as_str()).await;
    assert!(
        shown.html.contains("Nothing was connected"),
        "{}",
        shown.html
    );
    assert!(!shown.html.contains("class=\"typed\""), "{}", shown.html);
    // The attacker's own browser: the page, the address of the return had they learned it, the form.
    let ended = attacker.open(format!("{link}/progress")).await;
    assert!(!ended.html.contains("/confirm\""), "{}", ended.html);
    attacker.open(back.as_str()).await;
    let resume = format!("{}/v1/callback/sandbox-bank-redirect/resume", world.base);
    let token = link.rsplit('/').next().unwrap();
    attacker
        .submit(&resume.parse().unwrap(), &[("journey", token)])
        .await;
    world
        .suite
        .advance(SignedDuration::from_mins(6))
        .await
        .unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(api.connection("attacker").await, Value::Null);
    assert_eq!(bank_consents(&world), ["terminatedByTpp"]);
    assert_no_key_is_left(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declined_in_a_second_tab_and_approved_at_the_bank_the_bank_is_told_and_no_key_is_left() {
    for institution in ["sandbox-bank", "sandbox-bank-stet", "sandbox-bank-redirect"] {
        let (world, api) = world().await;
        let link = open(&api, "customer-1", &["advice", "quote"]).await;
        let mut person = Person::new();
        let page = walk_to(&mut person, &link, institution).await;
        let login = person.open(page.link("/sandbox-bank/")).await;
        let approval = log_in(&mut person, &login, "camille.martin").await;
        let second_tab: Url = format!("{link}/decline").parse().unwrap();
        person.submit(&second_tab, &[]).await;
        let back = decide(&mut person, &approval, "approve").await;
        let last = person.open(back.as_str()).await;
        assert_eq!(last.status, 200, "{}", last.html);
        world
            .suite
            .advance(SignedDuration::from_mins(6))
            .await
            .unwrap();
        let api = world.api("cli_demo").await;
        assert_eq!(api.connection("customer-1").await, Value::Null);
        let consents = bank_consents(&world);
        assert!(
            !consents.contains(&"valid".to_owned()),
            "{institution}: {consents:?}"
        );
        assert_no_key_is_left(&world).await;
    }
}

/// The bank has opened a consent and the person has approved it, but the code is not the bank's.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_bank_refuses_the_code_it_is_told_that_its_consent_is_over() {
    let (world, api) = world().await;
    let link = open(&api, "customer-1", &["advice", "quote"]).await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, &link).await;
    let mut back = approve(&mut person, &login, "camille.martin").await;
    assert_eq!(bank_consents(&world), ["valid"]);
    let pairs: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    back.query_pairs_mut()
        .clear()
        .extend_pairs(pairs.iter().map(|(name, value)| match name.as_str() {
            "code" => (name.as_str(), "not-the-banks-own-code"),
            _ => (name.as_str(), value.as_str()),
        }));
    person.open(back.as_str()).await;
    world
        .suite
        .advance(SignedDuration::from_mins(6))
        .await
        .unwrap();
    let api = world.api("cli_demo").await;
    assert_eq!(api.connection("customer-1").await, Value::Null);
    assert_eq!(bank_consents(&world), ["terminatedByTpp"]);
    assert_no_key_is_left(&world).await;
}

/// The same, with the process killed somewhere between the return and its end, and the page loaded again.
#[tokio::test(flavor = "multi_thread")]
async fn killed_between_any_two_calls_what_was_declined_is_still_given_back() {
    for delay in [2_u64, 8, 16, 30, 60, 120] {
        let mut machine = Machine::start().await;
        let api = machine.api().await;
        let link = open(&api, "customer-1", &["advice", "quote"]).await;
        let mut person = Person::new();
        let login = walk_to_bank(&mut person, &link).await;
        let approval = log_in(&mut person, &login, "camille.martin").await;
        let second_tab: Url = format!("{link}/decline").parse().unwrap();
        person.submit(&second_tab, &[]).await;
        let back = decide(&mut person, &approval, "approve").await;
        let cut = Duration::from_millis(delay);
        let _ = tokio::time::timeout(cut, person.try_open(&back)).await;
        machine.crash().await;
        machine.pass("PT1M").await;
        person.try_open(&back).await;
        machine.crash().await;
        machine.pass("PT18M").await;
        machine.pass("PT6M").await;
        let api = machine.api().await;
        assert_eq!(api.connection("customer-1").await, Value::Null);
        let consents = machine.bank_consents();
        assert_eq!(consents, ["terminatedByTpp"], "killed after {delay} ms");
        let folder = machine.stop().await;
        let world = World::start(Options {
            storage: Storage::Folder(folder.path().to_owned()),
            ..Options::in_memory()
        });
        assert_no_key_is_left(&world.await).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn withdrawn_during_a_renewal_every_token_is_given_back() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let consent = connection["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/renewals");
    let opened = api.send(Method::POST, &path, None).await;
    let link = opened.body["journey_url"].as_str().unwrap().to_owned();
    let mut person = Person::new();
    let login = tick_and_leave(&mut person, &link, &["advice", "quote"]).await;
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);
    let back = approve(&mut person, &login, "camille.martin").await;
    person.open(back.as_str()).await;
    world
        .suite
        .advance(SignedDuration::from_mins(11))
        .await
        .unwrap();
    let consents = bank_consents(&world);
    assert_eq!(consents.len(), 2, "{consents:?}");
    assert!(!consents.contains(&"valid".to_owned()), "{consents:?}");
    assert_no_key_is_left(&world).await;
    let rows = of_connection(&dump(&world, false).await, id);
    assert_eq!(rows.len(), 1, "the gate alone: {rows:?}");
}

/// A renewal leaves the bank to be told of the former consent, then the connection ends, and of the two the
/// last is told first: the other still opens, and the key goes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_former_consent_still_to_be_told_of_outlives_the_end_of_its_connection() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let consent = connection["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/renewals");
    let opened = api.send(Method::POST, &path, None).await;
    let link = opened.body["journey_url"].as_str().unwrap().to_owned();
    let mut person = Person::new();
    let login = tick_and_leave(&mut person, &link, &["advice", "quote"]).await;
    let back = approve(&mut person, &login, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    let id = connection["id"].as_str().unwrap();
    let path = format!("/v1/connections/{id}");
    assert_eq!(api.send(Method::DELETE, &path, None).await.status, 204);

    let (store, now) = (world.store(), world.suite.clock().now());
    let mut walk = OverdueWalk::new(Owed::Farewell, 0..due::SHARDS, now);
    let due = store.take_farewells(&mut walk, 64, now).await.unwrap();
    let due = due.farewells;
    assert_eq!(due.len(), 2, "the former one and the last");
    store.said(&due[1], Said::Told, now).await.unwrap();
    let keys = of_connection(&dump(&world, true).await, id);
    assert!(!keys[0]["token"].is_null(), "the former one still opens");
    world
        .suite
        .advance(SignedDuration::from_mins(11))
        .await
        .unwrap();
    assert_eq!(bank_consents(&world)[0], "terminatedByTpp");
    assert_no_key_is_left(&world).await;
    let rows = of_connection(&dump(&world, false).await, id);
    assert_eq!(rows.len(), 1, "the gate alone: {rows:?}");
}

/// Nobody comes back after the exchange: the second holder never agrees, so the bank stays undecided.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_nobody_completes_is_given_back_when_its_time_is_over() {
    let (world, api) = world().await;
    let link = open(&api, "customer-1", &["advice", "quote"]).await;
    let mut person = Person::new();
    let page = walk_to(&mut person, &link, "sandbox-bank-decoupled").await;
    // The bank's phone was never looked at; the person "returns" and closes the page.
    person.open(page.link("/v1/callback/")).await;
    let held = dump(&world, true).await;
    let held = held
        .iter()
        .filter(|row| row["pk"]["S"].as_str().unwrap().contains("#A#"));
    assert_eq!(held.count(), 1, "the attempt's own key");
    world
        .suite
        .advance(SignedDuration::from_hours(30))
        .await
        .unwrap();
    let states = bank_consents(&world);
    assert!(!states.contains(&"valid".to_owned()), "{states:?}");
    assert_no_key_is_left(&world).await;
}

/// A page of the attacker's makes the victim's browser send our forms, boxes ticked, for a journey of the
/// attacker's: were it answered with a cookie, the victim's browser would be the one that left.
#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_another_site_ticks_nothing_and_gets_no_cookie() {
    let (world, api) = world().await;
    let link = open(&api, "attacker", &["advice", "quote"]).await;
    let token = link.rsplit('/').next().unwrap();
    let mut attacker = Person::new();
    let bank: Url = format!("{link}/bank").parse().unwrap();
    attacker
        .submit(&bank, &[("institution", "sandbox-bank")])
        .await;
    let ticked = [
        ("institution", "sandbox-bank"),
        ("purpose", "advice"),
        ("purpose", "quote"),
    ];
    let journey = [("journey", token), ("code", "00000000")];
    let callback = format!("{}/v1/callback/sandbox-bank", world.base);
    for foreign in [
        &[("origin", "https://evil.example")][..],
        &[("origin", "null")][..],
        &[("sec-fetch-site", "cross-site")][..],
        &[
            ("origin", world.base.as_str()),
            ("sec-fetch-site", "same-site"),
        ][..],
    ] {
        for (address, fields) in [
            (format!("{link}/purposes"), &ticked[..]),
            (format!("{link}/bank"), &ticked[..1]),
            (format!("{link}/decline"), &[][..]),
            (format!("{link}/leave"), &[][..]),
            (format!("{link}/elsewhere"), &[][..]),
            (format!("{callback}/resume"), &journey[..1]),
            (format!("{callback}/confirm"), &journey[..]),
            (format!("{callback}/not-me"), &journey[..1]),
            (format!("{}/journey/to/ABCDE-FGHJK", world.base), &[][..]),
            (format!("{}/self-care/link/{token}", world.base), &[][..]),
        ] {
            let mut request = client().post(&address).form(fields);
            for (name, value) in foreign {
                request = request.header(*name, *value);
            }
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status(), 400, "{foreign:?} {address}");
            assert!(answer.headers().get("set-cookie").is_none(), "{address}");
        }
    }
    // The same form from our own page works, and says where it came from as browsers do.
    let own = client()
        .post(format!("{link}/purposes"))
        .form(&ticked)
        .header("origin", &world.base)
        .header("sec-fetch-site", "same-origin");
    let left = own.send().await.unwrap();
    assert_eq!(left.status(), 303);
    assert!(left.headers().get("set-cookie").is_some());
}

/// A cookie somebody planted before the person left is not taken for theirs.
#[tokio::test(flavor = "multi_thread")]
async fn a_planted_cookie_opens_no_bank_link() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let name = format!("journey-{}", consent["id"].as_str().unwrap());
    let planted = format!("{name}={}", "b".repeat(64));
    let bank = [("institution", "sandbox-bank")];
    let ticked = [bank[0], ("purpose", "advice"), ("purpose", "quote")];
    let send = async |step: &str, fields: &[(&str, &str)]| {
        let request = client().post(format!("{link}/{step}")).form(fields);
        request.header("cookie", &planted).send().await.unwrap()
    };
    send("bank", &bank).await;
    let left = send("purposes", &ticked).await;
    let given = left.headers().get("set-cookie").expect("a cookie of ours");
    assert!(!given.to_str().unwrap().contains("bbbb"));
    let shown = client()
        .get(format!("{link}/leave"))
        .header("cookie", &planted);
    let shown = shown.send().await.unwrap().text().await.unwrap();
    assert!(!shown.contains("/sandbox-bank/"), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_return_is_no_fresh_start_for_whoever_guesses_the_code() {
    let (world, api) = world().await;
    let link = open(&api, "customer-1", &["advice", "quote"]).await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, &link).await;
    let back = approve(&mut Person::new(), &login, "camille.martin").await;
    let code = shown_code(&Person::new().open(back.as_str()).await);
    let mut forged = back.clone();
    let kept: Vec<(String, String)> = back
        .query_pairs()
        .map(|(name, value)| match name.as_ref() {
            "code" => ("code".to_owned(), "forged".to_owned()),
            _ => (name.into_owned(), value.into_owned()),
        })
        .collect();
    forged.query_pairs_mut().clear().extend_pairs(kept);
    let typed: Url = format!("{}/v1/callback/sandbox-bank/confirm", world.base)
        .parse()
        .unwrap();
    let token = link.rsplit('/').next().unwrap();
    for _ in 0..3 {
        for _ in 0..2 {
            let fields = [("journey", token), ("code", "00000000")];
            person.submit(&typed, &fields).await;
        }
        Person::new().open(forged.as_str()).await;
        Person::new().open(back.as_str()).await;
    }
    person
        .submit(&typed, &[("journey", token), ("code", code.as_str())])
        .await;
    assert_eq!(api.connection("customer-1").await, Value::Null);
}

/// The victim was talked into reading the code out, and then says that it was not them: they are not told
/// that nobody has access.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_no_too_late_reads_that_the_access_stands() {
    let (_world, api) = world().await;
    let link = open(&api, "attacker", &["advice", "quote"]).await;
    let mut attacker = Person::new();
    let sent = walk_to_bank(&mut attacker, &link).await;
    let mut victim = Person::new();
    let back = approve(&mut victim, &sent, "camille.martin").await;
    let shown = victim.open(back.as_str()).await;
    let code = shown_code(&shown);
    let page = attacker.open(format!("{link}/progress")).await;
    let page = attacker.answer(&page, "/confirm", &[("code", &code)]).await;
    wait_for_ending(&mut attacker, page).await;
    let late = victim.answer(&shown, "/not-me", &[]).await;
    assert!(late.html.contains("already confirmed"), "{}", late.html);
    assert!(!late.html.contains("nobody has access"), "{}", late.html);
}

/// Somebody else renews with their own bank login: nothing of the person before is shown to them.
#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_shows_nothing_that_was_read_before_it() {
    let (world, api) = world().await;
    let first = connect(&api, "customer-1", "camille.martin").await;
    let facts = |page: &Page| {
        let facts = page.html.split("class=\"facts\"").nth(1)?;
        Some(facts.split("</dl>").next()?.to_owned())
    };
    let before = facts(&first).expect("what was found");
    let connection = api.connection("customer-1").await;
    let consent = connection["consent"].as_str().unwrap();
    let path = format!("/v1/consents/{consent}/renewals");
    let opened = api.send(Method::POST, &path, None).await;
    let link = opened.body["journey_url"].as_str().unwrap().to_owned();
    // The time of a read is kept in whole seconds.
    world
        .suite
        .advance(SignedDuration::from_secs(2))
        .await
        .unwrap();
    let mut other = Person::new();
    let login = tick_and_leave(&mut other, &link, &["advice", "quote"]).await;
    let back = approve(&mut other, &login, "karim.nguyen").await;
    let mut page = other.open(back.as_str()).await;
    for _ in 0..450 {
        assert_ne!(facts(&page).as_ref(), Some(&before), "{}", page.html);
        if facts(&page).is_some() {
            return;
        }
        page = other.open(format!("{link}/progress")).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("the renewal is not read: {}", page.html);
}

/// How the bank itself sees the consents it holds, oldest first.
fn bank_consents(world: &World) -> Vec<String> {
    world.suite.bank().consent_states()
}

/// Nothing that could open a token or a line is left, but the client's own key.
async fn assert_no_key_is_left(world: &World) {
    for row in dump(world, true).await {
        let place = row["pk"]["S"].as_str().unwrap();
        let of_somebody = place.contains("#C#") || place.contains("#A#");
        let holds = !row["wrapped"].is_null() || !row["token"].is_null();
        assert!(!(of_somebody && holds), "{row}");
    }
}
