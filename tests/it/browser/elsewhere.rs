//! The journey goes on on another device, by the short link that a QR code shows.

use super::steps::{self, Scene};
use super::window::{DESKTOP, PHONE, Window};
use crate::person::Person;

#[tokio::test(flavor = "multi_thread")]
async fn begun_on_a_desktop_the_journey_ends_on_a_phone() {
    let Some(desktop) = Window::open(DESKTOP, "fr", "elsewhere").await else {
        return;
    };
    let scene = Scene::set().await;
    let link = scene.link("customer-1", "fr").await;
    steps::walk_to_bank(&desktop, &link).await;
    desktop.follow("form[action$='/elsewhere'] button").await;
    desktop.look_at("short-link").await;
    assert!(desktop.has("svg[role=img] path").await, "a QR code");
    let short = desktop.text(".typed").await;
    assert!(short.len() < 60, "short enough to type: {short}");
    let page = desktop.page_address("a[href$='/progress']").await;
    desktop.close().await;

    let phone = Window::open(PHONE, "fr", "elsewhere").await.unwrap();
    phone.go(&short).await;
    phone.look_at("here").await;
    // Looking at it, as a preview does, uses nothing up.
    phone.go(&short).await;
    phone.follow("form button").await;
    phone.look_at("begins-anew").await;
    assert!(!phone.has("a[href*='/sandbox-bank/']").await, "no bank yet");
    assert!(phone.heading().await.contains("Mutuelle des Deux Rives"));
    phone.follow("form[action$='/continue'] button").await;
    steps::choose_bank(&phone).await;
    assert!(
        !phone.has("input:checked").await,
        "everyone agrees themselves"
    );
    steps::agree(&phone, &["advice"]).await;
    steps::leave(&phone).await;
    steps::log_in(&phone, "camille.martin").await;
    steps::decide(&phone, "approve").await;
    steps::wait_for_ending(&phone).await;
    phone.look_at("done").await;
    assert!(phone.has("dl.facts").await);

    // The desktop sees that it is done, and nothing of what was found.
    let mut first = Person::new();
    let seen = first.open(&page).await;
    assert!(!seen.html.contains("class=\"facts\""), "{}", seen.html);
    phone.go(&short).await;
    phone.look_at("used-up").await;
    assert!(!phone.has("form").await, "it works once");
    phone.close().await;
}
