//! The whole journey without JavaScript: on a desktop, on the narrowest phone, at 200 %, by keyboard.

use thirtyfour::{Key, SameSite};

use super::steps::{self, Scene};
use super::window::{DESKTOP, Look, PHONE, Window, ZOOMED};

#[tokio::test(flavor = "multi_thread")]
async fn on_a_desktop_in_french() {
    walk(DESKTOP, "fr").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_desktop_in_english() {
    walk(DESKTOP, "en").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_of_320_pixels_in_french() {
    walk(PHONE, "fr").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_of_320_pixels_in_english() {
    walk(PHONE, "en").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_200_percent_nothing_is_cut_off() {
    walk(ZOOMED, "fr").await;
}

async fn walk(look: Look, locale: &'static str) {
    let Some(window) = Window::open(look, locale, "journey").await else {
        return;
    };
    see_the_journey(&window).await;
    window.close().await;
}

/// From the insurer's link to "all done", looking at every page.
pub async fn see_the_journey(window: &Window) {
    let scene = Scene::set().await;
    let link = scene.link("customer-1", window.locale).await;

    window.go(&link).await;
    window.look_at("reassurance").await;
    assert!(window.heading().await.contains("Mutuelle des Deux Rives"));
    for point in 1..=window.count(".points details").await {
        window
            .click(&format!(".points details:nth-of-type({point}) summary"))
            .await;
    }
    window.look_at("reassurance-opened").await;
    window.follow("form[action$='/continue'] button").await;

    window.look_at("banks").await;
    window.fill("#q", "zzzz").await;
    window.follow("form[role=search] button").await;
    window.look_at("banks-none-found").await;
    assert!(!window.has("ul.banks").await);
    steps::choose_bank(window).await;

    window.look_at("purposes").await;
    assert!(!window.has("input:checked").await, "nothing is ticked");
    steps::agree(window, &["quote"]).await;
    window.look_at("purposes-required-missing").await;
    assert!(window.has("[role=alert]").await);
    assert_eq!(window.count("input:checked").await, 1, "the choice is kept");
    steps::agree(window, &["advice"]).await;

    window.look_at("to-the-bank").await;
    assert_one_cookie(window).await;
    steps::leave(window).await;
    steps::log_in(window, "camille.martin").await;
    steps::decide(window, "approve").await;
    steps::wait_for_ending(window).await;
    window.look_at("done").await;
    assert!(window.has("dl.facts").await, "what was read is told");
    assert_eq!(
        window
            .attribute("main a[href^='https://assureur']", "href")
            .await,
        "https://assureur.example/retour"
    );
    assert_one_cookie(window).await;
}

/// One cookie, which no script can read.
async fn assert_one_cookie(window: &Window) {
    let cookies = window.cookies().await;
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let cookie = &cookies[0];
    assert!(cookie.name.starts_with("journey-cns_"), "{}", cookie.name);
    assert_eq!(cookie.same_site, Some(SameSite::Lax));
    assert_eq!(window.ask("return document.cookie").await, "", "HttpOnly");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_keyboard_alone() {
    let Some(window) = Window::open(DESKTOP, "fr", "keyboard").await else {
        return;
    };
    let scene = Scene::set().await;
    window.go(&scene.link("customer-1", "fr").await).await;

    window.press(Key::Tab).await;
    assert!(
        is_focused(&window, "a.skip").await,
        "the way past the header"
    );
    window.look_at("skip-link").await;
    reach(&window, "summary").await;
    window.press(Key::Space).await;
    assert!(
        window.has("details[open]").await,
        "explanations open by key"
    );
    reach(&window, "form[action$='/continue'] button").await;
    window.look_at("focus-on-button").await;
    window.press_and_follow(Key::Enter).await;

    reach(&window, "#q").await;
    window.type_keys("bac a sable").await;
    window.press_and_follow(Key::Enter).await;
    reach(&window, "button[value='sandbox-bank']").await;
    window.press_and_follow(Key::Enter).await;

    for purpose in ["advice", "quote"] {
        let switch = format!("input[value={purpose}]");
        reach(&window, &switch).await;
        window.press(Key::Space).await;
        assert!(window.has(&format!("{switch}:checked")).await);
    }
    window.look_at("purposes-ticked").await;
    reach(
        &window,
        "form[action$='/purposes'] button:not([formaction])",
    )
    .await;
    window.press_and_follow(Key::Enter).await;

    reach(&window, "a.button[href*='/sandbox-bank/']").await;
    window.press_and_follow(Key::Enter).await;
    steps::log_in(&window, "camille.martin").await;
    steps::decide(&window, "approve").await;
    steps::wait_for_ending(&window).await;
    reach(&window, "main a[href^='https://assureur']").await;
    window.close().await;
}

/// Tabs until the element has the focus, which is seen.
async fn reach(window: &Window, css: &str) {
    for _ in 0..60 {
        if is_focused(window, css).await {
            let ring = window
                .ask("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, parseFloat(s.outlineWidth)]")
                .await;
            assert_ne!(ring[0], "none", "{css} shows no focus");
            assert!(ring[1].as_f64().unwrap() >= 2.0, "{css}: {ring}");
            return;
        }
        window.press(Key::Tab).await;
    }
    panic!(
        "{css} cannot be reached by keyboard: {}",
        window.html().await
    );
}

async fn is_focused(window: &Window, css: &str) -> bool {
    let script = format!("return document.activeElement.matches({css:?})");
    window.ask(&script).await == true
}
