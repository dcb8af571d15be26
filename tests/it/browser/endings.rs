//! Every ending has a page that says what happened and what to do, reached as a person reaches it.

use jiff::SignedDuration;
use passerelle_local::Options;
use reqwest::Method;

use super::steps::{self, Scene};
use super::window::{DESKTOP, Look, PHONE, Window};
use crate::house;

#[tokio::test(flavor = "multi_thread")]
async fn on_a_desktop_in_french() {
    every_ending(DESKTOP, "fr").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_phone_of_320_pixels_in_english() {
    every_ending(PHONE, "en").await;
}

async fn every_ending(look: Look, locale: &'static str) {
    let Some(window) = Window::open(look, locale, "endings").await else {
        return;
    };
    see_every_ending(&window).await;
    window.close().await;
}

/// Walks to every ending in turn.
pub async fn see_every_ending(window: &Window) {
    let mut scene = Scene::set_with(Options {
        personae: personae(),
        ..Options::in_memory()
    })
    .await;
    let mut seen = Endings {
        window,
        headings: Vec::new(),
    };
    seen.refused(&scene).await;
    seen.no_eligible_account(&scene).await;
    seen.already_done(&scene).await;
    seen.ended_by_the_insurer(&scene).await;
    seen.timed_out(&mut scene).await;
    seen.link_expired(&mut scene).await;
    seen.consent_expired(&mut scene).await;
    seen.bank_unavailable().await;
    let mut headings = seen.headings;
    let pages = headings.len();
    headings.sort();
    headings.dedup();
    assert!(
        headings.len() + 1 >= pages,
        "each says something else: {headings:?}"
    );
}

struct Endings<'a> {
    window: &'a Window,
    headings: Vec<String>,
}

impl Endings<'_> {
    /// Looks at an ending: it offers a way on, as a link or in words.
    async fn see(&mut self, name: &str) {
        self.window.look_at(name).await;
        self.headings.push(self.window.heading().await);
        assert!(self.window.has("main p.lead").await, "{name} explains");
        assert!(self.window.has("main .actions a").await, "{name} leads on");
        assert!(!self.window.has("ol.steps").await, "{name} is an ending");
    }

    async fn link(&self, scene: &Scene, customer: &str) -> String {
        scene.link(customer, self.window.locale).await
    }

    async fn refused(&mut self, scene: &Scene) {
        let window = self.window;
        window.go(&self.link(scene, "says-no").await).await;
        window.follow("form[action$='/decline'] button").await;
        self.see("refused-here").await;

        let link = self.link(scene, "says-no-there").await;
        steps::walk_to_bank(window, &link).await;
        steps::leave(window).await;
        steps::log_in(window, "camille.martin").await;
        steps::decide(window, "refuse").await;
        self.see("refused-at-the-bank").await;
        assert!(window.has("a.button[href$='/bank']").await, "again");
    }

    async fn no_eligible_account(&mut self, scene: &Scene) {
        let mut logins = vec!["bank-no-account"];
        if personae().is_some() {
            logins.extend(["currency-not-supported", "no-checking-account"]);
        }
        for login in logins {
            let link = self.link(scene, login).await;
            steps::connect(self.window, &link, login).await;
            steps::wait_for_ending(self.window).await;
            self.see(login).await;
        }
    }

    /// Done here, then opened by somebody who was not there.
    async fn already_done(&mut self, scene: &Scene) {
        let link = self.link(scene, "all-done").await;
        steps::connect(self.window, &link, "camille.martin").await;
        steps::wait_for_ending(self.window).await;
        assert!(self.window.has("dl.facts").await, "all done");
        self.window.forget_cookies().await;
        self.window.go(&link).await;
        self.see("already-done").await;
        assert!(!self.window.has("dl.facts").await, "and tells nothing else");
    }

    async fn ended_by_the_insurer(&mut self, scene: &Scene) {
        let link = self.link(scene, "ended").await;
        steps::connect(self.window, &link, "amina.benali").await;
        steps::wait_for_ending(self.window).await;
        let connection = scene.api.connection("ended").await;
        let path = format!("/v1/connections/{}", connection["id"].as_str().unwrap());
        scene.api.send(Method::DELETE, &path, None).await;
        self.window.go(&link).await;
        self.see("ended").await;
    }

    async fn timed_out(&mut self, scene: &mut Scene) {
        let link = self.link(scene, "too-late").await;
        steps::walk_to_bank(self.window, &link).await;
        let progress = self.window.attribute("a[href$='/progress']", "href").await;
        scene.pass(SignedDuration::from_mins(16)).await;
        let address = format!("{}{progress}", scene.world.base);
        self.window.go(&address).await;
        self.see("timed-out").await;
        assert!(self.window.has("a.button[href$='/bank']").await, "again");
    }

    async fn link_expired(&mut self, scene: &mut Scene) {
        let link = self.link(scene, "next-day").await;
        scene.pass(SignedDuration::from_hours(25)).await;
        self.window.go(&link).await;
        self.see("link-expired").await;
    }

    async fn consent_expired(&mut self, scene: &mut Scene) {
        let link = self.link(scene, "next-season").await;
        steps::connect(self.window, &link, "lucas.moreau").await;
        steps::wait_for_ending(self.window).await;
        scene.pass(SignedDuration::from_hours(24 * 91)).await;
        self.window.go(&link).await;
        self.see("consent-expired").await;
    }

    /// A suite whose bank is not there.
    async fn bank_unavailable(&mut self) {
        let folder = tempfile::tempdir().unwrap();
        let template = std::fs::read_to_string(house::root().join("template.yaml")).unwrap();
        let nobody = "SANDBOX_BANK_URL: 'http://127.0.0.1:9/'";
        let without = template.replace("SANDBOX_BANK_URL: !Ref SandboxBankUrl", nobody);
        assert_ne!(without, template);
        let path = folder.path().join("template.yaml");
        std::fs::write(&path, without).unwrap();
        let scene = Scene::set_with(Options {
            template: Some(path),
            ..Options::in_memory()
        })
        .await;
        let link = self.link(&scene, "no-bank").await;
        steps::walk_to_bank(self.window, &link).await;
        self.see("bank-unavailable").await;
        assert!(self.window.has("a.button[href$='/bank']").await, "again");
    }
}

fn personae() -> Option<std::path::PathBuf> {
    let folder = house::root().join("../shared/data/personae");
    folder.is_dir().then_some(folder)
}
