//! Every page and every ending, judged by axe-core: no violation.
//!
//! The engine is one JavaScript file, `axe.min.js` of the npm package `axe-core`; `AXE_CORE` names it.
//! Without it these tests say so and pass, unless `BROWSER_TESTS=required`.

use serde_json::Value;

use super::window::{DESKTOP, PHONE, Window};
use super::{endings, journey, self_care};

/// The engine's source.
pub struct Axe(String);

impl Axe {
    fn found() -> Option<Self> {
        let Some(path) = std::env::var_os("AXE_CORE") else {
            let required = std::env::var("BROWSER_TESTS").is_ok_and(|value| value == "required");
            assert!(!required, "BROWSER_TESTS=required, and AXE_CORE is not set");
            println!("AXE_CORE names no accessibility engine: its judgement is skipped");
            return None;
        };
        let source = std::fs::read_to_string(&path).expect("AXE_CORE names a file");
        Some(Self(source))
    }

    /// Fails the test at the first page with a violation, and says which element and why.
    pub async fn judge(&self, window: &Window, page: &str) {
        let script = format!(
            "{}; const done = arguments[arguments.length - 1];
             axe.run(document, {{resultTypes: ['violations', 'passes']}})
                .then(it => done([it.violations, it.passes.length]))
                .catch(error => done([String(error), 0]));",
            self.0
        );
        let verdict = window.ask_and_wait(&script).await;
        let rules = verdict[1].as_u64().unwrap_or_default();
        assert!(rules > 10, "the engine looked at {page}: {verdict}");
        let violations: Vec<String> = verdict[0].as_array().unwrap().iter().map(told).collect();
        assert_eq!(violations, Vec::<String>::new(), "on {page}");
    }
}

fn told(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().unwrap();
    let where_ = nodes.iter().map(|node| {
        format!(
            "{}: {}",
            node["html"].as_str().unwrap_or_default(),
            node["failureSummary"].as_str().unwrap_or_default()
        )
    });
    format!(
        "{}: {}",
        violation["id"].as_str().unwrap_or_default(),
        where_.collect::<Vec<_>>().join("; ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn no_violation_on_any_page_of_the_journey() {
    let Some(axe) = Axe::found() else { return };
    let Some(window) = Window::open(DESKTOP.with_script(), "fr", "axe-journey").await else {
        return;
    };
    let window = window.judged_by(axe);
    journey::see_the_journey(&window).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_violation_on_any_ending() {
    let Some(axe) = Axe::found() else { return };
    let Some(window) = Window::open(PHONE.with_script(), "en", "axe-endings").await else {
        return;
    };
    let window = window.judged_by(axe);
    endings::see_every_ending(&window).await;
    window.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_violation_on_any_page_of_self_care() {
    let Some(axe) = Axe::found() else { return };
    let Some(window) = Window::open(DESKTOP.with_script(), "en", "axe-self-care").await else {
        return;
    };
    let window = window.judged_by(axe);
    self_care::see_self_care(&window).await;
    window.close().await;
}
