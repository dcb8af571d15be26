//! What the hosted pages offer and say, over HTTP.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use passerelle_aws::circuits::Circuits;
use passerelle_local::Options;
use reqwest::Method;

use crate::person::{Page, Person, client};
use crate::world::{Api, World, approve, connect, walk_to_bank};

async fn world() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

async fn link(api: &Api, customer: &str) -> String {
    let consent = api.open_consent(customer).await;
    consent["journey_url"].as_str().unwrap().to_owned()
}

/// The banks on a page that can be chosen.
fn choices(page: &Page) -> Vec<String> {
    let buttons = page.html.split("name=\"institution\" value=\"").skip(1);
    let banks = buttons.filter_map(|rest| rest.split('"').next());
    banks.map(str::to_owned).collect()
}

/// How far each step on a waiting page is.
fn steps(page: &Page) -> Vec<&str> {
    let list = page
        .html
        .split("class=\"steps\"")
        .nth(1)
        .unwrap_or_default();
    let items = list.split("</ol>").next().unwrap_or_default();
    let steps = items.split("<li class=\"").skip(1);
    steps.filter_map(|rest| rest.split('"').next()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bank_of_last_time_comes_first_and_is_named_so() {
    let (_world, api) = world().await;
    let mut person = Person::new();
    let page = person
        .open(format!("{}/bank", link(&api, "customer-1").await))
        .await;
    assert!(!page.html.contains("last time"), "nobody was there before");
    connect(&api, "customer-1", "camille.martin").await;

    let page = person
        .open(format!("{}/bank", link(&api, "customer-1").await))
        .await;
    assert_eq!(choices(&page)[0], "sandbox-bank");
    let named = page.html.split("Your bank last time").next().unwrap();
    assert!(named.len() < page.html.len(), "{}", page.html);
    assert_eq!(
        named.matches("name=\"institution\"").count(),
        1,
        "the first"
    );

    let other = person
        .open(format!("{}/bank", link(&api, "customer-2").await))
        .await;
    assert!(!other.html.contains("last time"), "another customer's bank");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bank_stands_on_some_page_of_the_list_once() {
    let (_world, api) = world().await;
    let mut person = Person::new();
    let mut page = person
        .open(format!("{}/bank", link(&api, "customer-1").await))
        .await;
    let (mut listed, mut pages) = (Vec::new(), 1);
    loop {
        assert!(page.html.matches("<li>").count() <= 20);
        let names = page
            .html
            .split("<ul class=\"banks\">")
            .nth(1)
            .expect("banks");
        let names = names.split("</ul>").next().unwrap().split("<li>").skip(1);
        listed.extend(names.map(|name| name.split("<span").next().unwrap().to_owned()));
        if !page.html.contains("rel=\"next\"") {
            break;
        }
        page = person
            .open(page.link(&format!("page={}", pages + 1)).as_str())
            .await;
        pages += 1;
    }
    assert!(pages > 1, "the directory is longer than a page");
    let different: BTreeSet<&String> = listed.iter().collect();
    assert_eq!(different.len(), listed.len(), "each once");
    let all = api.get("/v1/institutions?limit=100").await.body;
    let all = all["institutions"].as_array().unwrap().len();
    assert!(listed.len() >= all, "{} of {all}", listed.len());
    assert!(page.html.contains("rel=\"prev\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_waiting_page_tells_how_far_things_really_are() {
    let (_world, api) = world().await;
    for (login, expected) in [
        // The bank gives nothing at all; then everything but movements that can be read.
        ("bank-down", ["done", "doing", "waiting", "waiting"]),
        ("bank-nonsense", ["done", "done", "doing", "waiting"]),
    ] {
        let mut person = Person::new();
        let page = walk_to_bank(&mut person, &link(&api, login).await).await;
        let back = approve(&mut person, &page, login).await;
        let mut page = person.open(back.as_str()).await;
        let mut here = page.url.clone();
        here.set_query(None);
        // The page is answered at once and looks again by itself: what it tells may not have happened yet.
        let began = Instant::now();
        while steps(&page) != expected && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(150)).await;
            page = person.open(here.as_str()).await;
        }
        assert_eq!(steps(&page), expected, "{login}: {}", page.html);
    }
    let mut person = Person::new();
    let link = link(&api, "at-the-bank").await;
    walk_to_bank(&mut person, &link).await;
    let page = person.open(format!("{link}/progress")).await;
    assert_eq!(steps(&page), ["doing", "waiting", "waiting", "waiting"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_colour_is_a_stylesheet_of_its_own_if_it_can_be_read() {
    let (world, _) = world().await;
    for (file, status) in [
        ("0b5a54.css", 200),
        ("7a1f5c.css", 200),
        ("ffff00.css", 404),
        ("0b5a54", 404),
        ("nonsense.css", 404),
        ("0b5a54%7D*%7B.css", 404),
    ] {
        let answer = client()
            .get(format!("{}/assets/theme/{file}", world.base))
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), status, "{file}");
        if status == 200 {
            assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
            let style = answer.text().await.unwrap();
            assert!(
                style.contains(&format!("--accent:#{}", &file[..6])),
                "{style}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_insurers_face_is_on_every_page_and_comes_from_us() {
    let (_world, api) = world().await;
    let settings = serde_json::json!({
        "display_name": "Mutuelle des Deux Rives", "accent": "#7a1f5c",
        "terms_url": "https://assureur.example/conditions",
        "privacy_url": "https://assureur.example/donnees",
    });
    let put = api.raw(Method::PUT, "/v1/settings").header("if-match", "0");
    let saved = Api::read(put.json(&settings)).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    let mut picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    picture.resize(200, 0);
    let put = api
        .raw(Method::PUT, "/v1/settings/logo")
        .header("if-match", "1");
    let put = put
        .header("content-type", "image/png")
        .body(picture.clone());
    let saved = Api::read(put).await;
    assert_eq!(saved.status, 200, "{saved:?}");

    let asked = serde_json::json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    let consent = api
        .send(Method::POST, "/v1/consents", Some(&asked))
        .await
        .body;
    let link = consent["journey_url"].as_str().unwrap();
    let mut person = Person::new();
    for step in ["", "/bank"] {
        let page = person.open(format!("{link}{step}")).await;
        for part in [
            "alt=\"Mutuelle des Deux Rives\"",
            "href=\"/assets/theme/7a1f5c.css\"",
            "href=\"https://assureur.example/conditions\"",
            "href=\"https://assureur.example/donnees\"",
        ] {
            assert!(page.html.contains(part), "{part}: {}", page.html);
        }
        let logo = page
            .html
            .split("src=\"")
            .nth(1)
            .unwrap()
            .split('"')
            .next()
            .unwrap();
        let answer = client()
            .get(page.url.join(logo).unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.headers()["content-type"], "image/png");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        assert_eq!(answer.bytes().await.unwrap(), picture);
        let foreign = logo.replace("cli_demo", "cli_other");
        let answer = client()
            .get(page.url.join(&foreign).unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "another client's");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bank_that_is_down_says_so_before_it_is_chosen_and_comes_back() {
    let (world, api) = world().await;
    let bank = "sandbox-bank".parse().unwrap();
    let circuits = Circuits::new(world.store().table().clone());
    let mut now = world.suite.clock().now();
    while !circuits.failed(&bank, now).await.unwrap().is_open() {
        now += jiff::SignedDuration::from_secs(1);
    }
    let at = format!("{}/bank?q=sandbox", link(&api, "customer-1").await);
    let mut person = Person::new();
    let page = person.open(&at).await;
    assert!(!choices(&page).contains(&"sandbox-bank".to_owned()));
    assert!(page.html.contains("Does not answer at the moment"));

    circuits.answered(&bank, now).await.unwrap();
    let page = person.open(&at).await;
    assert!(choices(&page).contains(&"sandbox-bank".to_owned()));
}
