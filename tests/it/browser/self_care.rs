//! The pages on which a person looks after what they agreed to: every page a link or a question leads
//! to, and withdrawal to its end.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;

use super::steps::Scene;
use super::window::{DESKTOP, Look, PHONE, Window};
use crate::world::connect;

#[tokio::test(flavor = "multi_thread")]
async fn on_a_desktop_in_french() {
    walk(DESKTOP, "fr").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_of_320_pixels_in_english() {
    walk(PHONE, "en").await;
}

async fn walk(look: Look, locale: &'static str) {
    let Some(window) = Window::open(look, locale, "self-care").await else {
        return;
    };
    see_self_care(&window).await;
    window.close().await;
}

/// In by a link, over every page, and out by withdrawing everything.
pub async fn see_self_care(window: &Window) {
    let scene = Scene::set().await;
    connect(&scene.api, "customer-1", "camille.martin").await;
    let asked = json!({"locale": window.locale});
    let path = "/v1/customers/customer-1/self-care-links";
    let answer = scene.api.send(Method::POST, path, Some(&asked)).await;
    window
        .go(answer.body["url"].as_str().expect("a link"))
        .await;
    window.look_at("way-in").await;
    window
        .follow("form[action*='/self-care/link/'] button")
        .await;
    window.look_at("overview").await;

    let seen = see_every_page(window).await;
    assert!(seen.len() >= 9, "{seen:?}");
    assert!(seen.iter().any(|page| page.contains("/lines/")), "{seen:?}");
    let everything = seen
        .iter()
        .find(|page| page.ends_with("/self-care/withdraw"));
    let everything = everything.unwrap_or_else(|| panic!("no way out among {seen:?}"));
    window.go(everything).await;
    window
        .follow("form[action$='/self-care/withdraw'] button")
        .await;
    window.look_at("withdrawn").await;
}

/// Follows every link within self-care, of all lines to one of them and one more page; what downloads is
/// left alone. Returns what was seen.
async fn see_every_page(window: &Window) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let mut ahead = links(window).await;
    while let Some(page) = ahead.pop() {
        let alike = ["/lines/", "/lines?"];
        let is_another = |seen: &String| {
            alike
                .iter()
                .any(|part| seen.contains(part) && page.contains(part))
        };
        if seen.iter().any(is_another) || !seen.insert(page.clone()) {
            continue;
        }
        window.go(&page).await;
        let name = page.rsplit("/self-care/").next().unwrap_or_default();
        window
            .look_at(&name.replace(['/', '?', '&', '='], "-"))
            .await;
        ahead.extend(links(window).await);
    }
    seen
}

async fn links(window: &Window) -> Vec<String> {
    let script = "return [...document.querySelectorAll(\"a[href*='/self-care/']:not([download])\")]
        .map(link => link.href)";
    let found = window.ask(script).await;
    let found = found.as_array().unwrap().iter();
    found
        .map(|href| href.as_str().unwrap().to_owned())
        .collect()
}
