//! What a client decides for its people, and what a later decision does not change.

use passerelle_local::Options;
use reqwest::Method;
use serde_json::{Value, json};

use crate::person::Person;
use crate::world::{Answer, Api, World, approve, connect, wait_for_ending};

async fn started() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

pub async fn put(api: &Api, version: u64, settings: &Value) -> Answer {
    let request = api
        .raw(Method::PUT, "/v1/settings")
        .header("if-match", format!("\"{version}\""))
        .json(settings);
    Api::read(request).await
}

/// One purpose of a client's own, in both languages.
fn purpose(code: &str, title: &str) -> Value {
    let text = json!({
        "title": title,
        "explanation": "What is read.",
        "learned": "What is learned.",
        "if_refused": "What refusing changes.",
    });
    json!({
        "code": code,
        "reads": ["accounts"],
        "learns": [],
        "retention_days": 0,
        "legal_basis": "contract",
        "texts": {"fr": text, "en": text},
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_the_defaults_until_replaced_whole_by_who_read_them() {
    let (world, api) = started().await;
    let first = api.get("/v1/settings").await;
    assert_eq!(first.body["version"], 0);
    assert_eq!(first.body["consent_days"], 90);
    assert_eq!(first.body["purposes"].as_array().unwrap().len(), 5);

    let wanted = json!({
        "display_name": "Mutuelle d'exemple",
        "accent": "#0a4d8c",
        "terms_url": "https://assureur.example/terms",
        "contact": "help@assureur.example",
        "consent_days": 30,
        "locales": ["en"],
        "purposes": [purpose("house-moving", "Move house")],
    });
    let saved = put(&api, 0, &wanted).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    assert_eq!(saved.body["version"], 1);
    for (field, value) in wanted.as_object().unwrap() {
        if field != "purposes" {
            assert_eq!(saved.body[field], *value, "{field}");
        }
    }
    assert_eq!(saved.body["purposes"][0]["code"], "house-moving");
    assert_eq!(api.get("/v1/settings").await.body, saved.body);

    // A writer that saw an older version, or says none, changes nothing.
    assert_eq!(put(&api, 0, &wanted).await.problem(), "conflict");
    let blind = api.send(Method::PUT, "/v1/settings", Some(&wanted)).await;
    assert_eq!(blind.problem(), "invalid-request");
    let other = world.api("cli_other").await;
    assert_eq!(other.get("/v1/settings").await.body["version"], 0);

    // What was decided is what a consent is opened with.
    let asked = json!({"customer": "customer-1", "purposes": [{"code": "house-moving"}]});
    let opened = api.send(Method::POST, "/v1/consents", Some(&asked)).await;
    assert_eq!(opened.status, 201, "{opened:?}");
    let page = Person::new()
        .open(opened.body["journey_url"].as_str().unwrap())
        .await;
    assert!(page.html.contains("Mutuelle d"), "{}", page.html);
    assert!(page.html.contains("lang=\"en\""), "{}", page.html);
    assert!(page.html.contains("Move house"), "{}", page.html);
    for part in ["/assets/theme/0a4d8c.css", "https://assureur.example/terms"] {
        assert!(page.html.contains(part), "{part}: {}", page.html);
    }
    for (change, field) in [
        (json!({"locale": "fr"}), "locale"),
        (json!({"duration_days": 31}), "duration_days"),
        (json!({"purposes": [{"code": "advice"}]}), "purposes/0/code"),
    ] {
        let mut body = asked.clone();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let refused = api.send(Method::POST, "/v1/consents", Some(&body)).await;
        assert_eq!(refused.problem(), "invalid-body", "{refused:?}");
        assert!(refused.body["errors"].to_string().contains(field));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_field_by_field_and_nothing_is_saved() {
    let (_world, api) = started().await;
    let mut shortened = purpose("advice", "Advise");
    shortened["texts"].as_object_mut().unwrap().remove("fr");
    let wrong = json!({
        "display_name": "",
        "accent": "#ffee00",
        "privacy_url": "http://assureur.example/",
        "consent_days": 181,
        "purposes": [shortened, purpose("advice", "Advise")],
    });
    let refused = put(&api, 0, &wrong).await;
    assert_eq!(refused.problem(), "invalid-body");
    let errors = refused.body["errors"].to_string();
    for place in [
        "#/display_name",
        "#/accent",
        "#/privacy_url",
        "#/consent_days",
        "#/purposes/0/texts/fr",
        "#/purposes/1/code",
    ] {
        assert!(errors.contains(place), "{place} is not in {errors}");
    }
    for unknown in [json!({"color": "#000000"}), json!({"locales": ["xx"]})] {
        assert_eq!(put(&api, 0, &unknown).await.problem(), "invalid-body");
    }
    assert_eq!(api.get("/v1/settings").await.body["version"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logo_is_a_picture_and_the_link_key_is_shown_once() {
    let (_world, api) = started().await;
    let logo = |version: u64, bytes: &[u8]| {
        let request = api
            .raw(Method::PUT, "/v1/settings/logo")
            .header("if-match", version.to_string())
            .header("content-type", "image/png")
            .body(bytes.to_vec());
        Api::read(request)
    };
    let svg = logo(0, b"<svg xmlns='http://www.w3.org/2000/svg' onload='x'/>").await;
    assert_eq!(svg.problem(), "invalid-body");
    let mut huge = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    huge.resize(40_000, 0);
    assert_eq!(logo(0, &huge).await.problem(), "invalid-body");
    let saved = logo(0, &huge[..200]).await;
    assert_eq!(saved.status, 200, "{saved:?}");
    assert_eq!(saved.body["logo"]["format"], "png");
    let hash = saved.body["logo"]["hash"].as_str().unwrap();
    let address = format!("/assets/logo/cli_demo/{hash}");
    let served = api.raw(Method::GET, &address).send().await.unwrap();
    assert_eq!(served.headers()["content-type"], "image/png");
    assert_eq!(served.bytes().await.unwrap(), huge[..200]);
    let foreign = api.get(&format!("/assets/logo/cli_other/{hash}")).await;
    assert_eq!(foreign.status, 404, "another client's logo");
    let consent = api.open_consent("customer-1").await;
    let page = Person::new()
        .open(consent["journey_url"].as_str().unwrap())
        .await;
    assert!(page.html.contains(&address), "{}", page.html);
    // Replacing the rest leaves the logo.
    let named = put(&api, 1, &json!({"display_name": "Example"})).await;
    assert_eq!(named.body["logo"], saved.body["logo"]);
    let removed = api
        .raw(Method::DELETE, "/v1/settings/logo")
        .header("if-match", "\"2\"");
    assert_eq!(Api::read(removed).await.body["logo"], Value::Null);

    let first = api.send(Method::POST, "/v1/settings/link-key", None).await;
    assert_eq!(first.status, 201, "{first:?}");
    let second = api.send(Method::POST, "/v1/settings/link-key", None).await;
    let key = first.body["link_key"].as_str().unwrap();
    assert_eq!(key.len(), 64);
    assert_ne!(second.body["link_key"], first.body["link_key"]);
    let shown = api.get("/v1/settings").await;
    assert_eq!(shown.body["link_key_since"], second.body["since"]);
    assert!(!shown.body.to_string().contains(key));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_catalogue_neither_rewords_nor_widens_nor_ends_what_was_asked_before() {
    let (_world, api) = started().await;
    let settings = |title: &str| json!({"purposes": [purpose("advice", title)]});
    assert_eq!(put(&api, 0, &settings("As it was")).await.status, 200);
    let asked = json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    let opened = api.send(Method::POST, "/v1/consents", Some(&asked)).await;

    // Reworded and widened before the person looks, dropped after.
    let mut wider = settings("As it is now");
    wider["purposes"][0]["reads"] = json!(["accounts", "transactions", "scores"]);
    assert_eq!(put(&api, 1, &wider).await.status, 200);
    let mut person = Person::new();
    let link = opened.body["journey_url"].as_str().unwrap();
    let page = person.open(link).await;
    let page = person.submit(&page.link("/continue"), &[]).await;
    let bank = [("institution", "sandbox-bank")];
    let page = person.submit(&page.link("/bank"), &bank).await;
    assert!(page.html.contains("As it was"), "{}", page.html);
    let yes = [("purpose", "advice")];
    let page = person.answer(&page, "/purposes", &yes).await;
    let login = person.open(page.link("/sandbox-bank/")).await;
    let back = approve(&mut person, &login, "camille.martin").await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    let dropped = json!({"purposes": [purpose("house-moving", "Move house")]});
    assert_eq!(put(&api, 2, &dropped).await.status, 200);

    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let read = |what: &str| format!("/v1/connections/{id}/{what}?purpose=advice");
    assert_eq!(api.get(&read("accounts")).await.status, 200, "as granted");
    let wider = api.get(&read("transactions")).await;
    assert_eq!(wider.problem(), "purpose-not-granted", "never granted");
    assert_eq!(
        api.scores("customer-1").await.problem(),
        "purpose-not-granted"
    );
    let again = api.send(Method::POST, "/v1/consents", Some(&asked)).await;
    assert_eq!(again.problem(), "invalid-body", "no longer asked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_a_purpose_does_not_name_are_cut_out_of_what_it_reads() {
    let (_world, api) = started().await;
    connect(&api, "customer-1", "camille.martin").await;
    // `quote` learns of contracts and households, not of life moments; `advice` of all.
    let read = async |part: &str, purpose: &str| {
        let path = format!("/v1/customers/customer-1/{part}?purpose={purpose}");
        api.get(&path).await.body
    };
    assert!(read("profile", "quote").await["profile"].is_object());
    let moments = read("life-moments", "quote").await;
    assert_eq!(moments["life_moments"], json!([]));
    assert!(read("recurrences", "advice").await["recurrences"][0].is_object());
}
