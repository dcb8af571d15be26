//! What a person does on the pages, one step per function.

use passerelle_local::Options;
use reqwest::Method;
use serde_json::json;

use super::window::Window;
use crate::world::{Api, World};

pub struct Scene {
    pub world: World,
    pub api: Api,
}

impl Scene {
    pub async fn set() -> Self {
        Self::set_with(Options::in_memory()).await
    }

    pub async fn set_with(options: Options) -> Self {
        let world = World::start(options).await;
        let api = world.api("cli_demo").await;
        Self { world, api }
    }

    /// A consent for this customer and the link the insurer gives them.
    pub async fn link(&self, customer: &str, locale: &str) -> String {
        let asked = json!({
            "customer": customer,
            "purposes": [{"code": "advice", "required": true}, {"code": "quote"}],
            "locale": locale,
            "brand": "Mutuelle des Deux Rives",
            "return_url": "https://assureur.example/retour",
        });
        let answer = self
            .api
            .send(Method::POST, "/v1/consents", Some(&asked))
            .await;
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.body["journey_url"].as_str().unwrap().to_owned()
    }

    /// Time passes; a program's token ends with it, so it gets another.
    pub async fn pass(&mut self, duration: jiff::SignedDuration) {
        self.world.suite.advance(duration).await.unwrap();
        self.api = self.world.api("cli_demo").await;
    }
}

pub async fn begin(window: &Window, link: &str) {
    window.go(link).await;
    window.follow("form[action$='/continue'] button").await;
}

/// Finds the bank as somebody without an accent key does.
pub async fn choose_bank(window: &Window) {
    window.fill("#q", "bac a sable").await;
    window.follow("form[role=search] button").await;
    window.follow("button[value='sandbox-bank']").await;
}

pub async fn agree(window: &Window, purposes: &[&str]) {
    for purpose in purposes {
        window
            .click(&format!("input[name=purpose][value={purpose}]"))
            .await;
    }
    window
        .follow("form[action$='/purposes'] button:not([formaction])")
        .await;
}

pub async fn leave(window: &Window) {
    window.follow("a.button[href*='/sandbox-bank/']").await;
}

pub async fn log_in(window: &Window, login: &str) {
    window.fill("#login", login).await;
    window.fill("#password", "sandbox").await;
    window.follow("form[action*='/login/'] button").await;
}

pub async fn decide(window: &Window, decision: &str) {
    window.follow(&format!("button[value={decision}]")).await;
}

/// The way from the link to the page that leads to the bank.
pub async fn walk_to_bank(window: &Window, link: &str) {
    begin(window, link).await;
    choose_bank(window).await;
    agree(window, &["advice", "quote"]).await;
}

/// From the link to wherever the bank's yes leads.
pub async fn connect(window: &Window, link: &str, login: &str) {
    walk_to_bank(window, link).await;
    leave(window).await;
    log_in(window, login).await;
    decide(window, "approve").await;
}

/// Looks again, by the page's own link, until it says how it ended.
pub async fn wait_for_ending(window: &Window) {
    for _ in 0..40 {
        if !window.has("ol.steps").await {
            return;
        }
        // Where the bank may have decided, the page asks whether it goes on.
        match window.has("form[action$='/resume']").await {
            true => window.follow("form[action$='/resume'] button").await,
            false => window.follow("a[href*='?still']").await,
        }
    }
    panic!("still waiting: {}", window.html().await);
}
