//! A browser window of a given size and language, and the pictures taken of it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use serde_json::{Value, json};
use thirtyfour::prelude::*;
use tokio::sync::{Mutex, MutexGuard};

use super::accessibility::Axe;
use crate::house;

/// One browser at a time: two of them on a small machine are slower than one after the other.
static TURN: Mutex<()> = Mutex::const_new(());

/// A busy machine is slow, and slow is not wrong.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a person looks at a page.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    /// Device pixels per CSS pixel: a page at 200 % has half the CSS pixels, twice as dense.
    pub density: u32,
    pub script: bool,
}

pub const DESKTOP: Look = Look {
    name: "desktop",
    width: 1280,
    height: 900,
    density: 1,
    script: false,
};

/// The narrowest a page has to fit (WCAG 1.4.10), which is also 400 % on a desktop.
pub const PHONE: Look = Look {
    name: "phone",
    width: 320,
    height: 640,
    density: 2,
    script: false,
};

/// The desktop at 200 % (WCAG 1.4.4).
pub const ZOOMED: Look = Look {
    name: "zoomed",
    width: 640,
    height: 450,
    density: 2,
    script: false,
};

impl Look {
    /// With JavaScript, for tools that are written in it.
    pub const fn with_script(self) -> Self {
        Self {
            script: true,
            ..self
        }
    }
}

/// A browser window.
pub struct Window {
    driver: WebDriver,
    pub look: Look,
    pub locale: &'static str,
    album: PathBuf,
    pictures: AtomicU32,
    axe: Option<Axe>,
    _process: Chromedriver,
    _profile: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Window {
    /// Opens one; `None` on a machine without a browser. Pictures go into the album.
    pub async fn open(look: Look, locale: &'static str, album: &str) -> Option<Self> {
        let (Some(chromium), Some(chromedriver)) = (found("chromium"), found("chromedriver"))
        else {
            let required = std::env::var("BROWSER_TESTS").is_ok_and(|value| value == "required");
            assert!(
                !required,
                "BROWSER_TESTS=required, and no chromium or no chromedriver"
            );
            println!("no chromium or no chromedriver here: the browser tests are skipped");
            return None;
        };
        // The driver's client asks for it; a second time is refused, no matter.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let turn = TURN.lock().await;
        let profile = tempfile::tempdir().unwrap();
        let process = Chromedriver::start(&chromedriver);
        let capabilities = capabilities(look, locale, &chromium, profile.path());
        let driver = WebDriver::builder(process.address(), capabilities)
            .request_timeout(PATIENCE)
            .await
            .expect("a browser session");
        let patience = TimeoutConfiguration::new(Some(PATIENCE), Some(PATIENCE), None);
        driver.update_timeouts(patience).await.unwrap();
        let album = house::root().join("target/browser").join(album);
        let album = album.join(format!("{}-{locale}", look.name));
        let _ = fs::remove_dir_all(&album);
        fs::create_dir_all(&album).unwrap();
        let window = Self {
            driver,
            look,
            locale,
            album,
            pictures: AtomicU32::new(0),
            axe: None,
            _process: process,
            _profile: profile,
            _turn: turn,
        };
        window.assert_script().await;
        Some(window)
    }

    /// Every page looked at is judged by the accessibility engine as well.
    pub fn judged_by(self, axe: Axe) -> Self {
        Self {
            axe: Some(axe),
            ..self
        }
    }

    /// Scripts run, or do not, as the look says.
    async fn assert_script(&self) {
        self.go("data:text/html,<title>off</title><script>document.title='on'</script>")
            .await;
        let expected = if self.look.script { "on" } else { "off" };
        assert_eq!(self.driver.title().await.unwrap(), expected, "JavaScript");
    }

    pub async fn close(self) {
        self.driver.clone().quit().await.expect("the browser ends");
    }

    pub async fn go(&self, address: &str) {
        self.driver.goto(address).await.expect("a page");
    }

    pub async fn heading(&self) -> String {
        self.text("h1").await
    }

    pub async fn text(&self, css: &str) -> String {
        self.one(css).await.text().await.unwrap()
    }

    pub async fn html(&self) -> String {
        self.driver.source().await.unwrap()
    }

    pub async fn has(&self, css: &str) -> bool {
        !self.driver.find_all(By::Css(css)).await.unwrap().is_empty()
    }

    pub async fn count(&self, css: &str) -> usize {
        self.driver.find_all(By::Css(css)).await.unwrap().len()
    }

    pub async fn attribute(&self, css: &str, name: &str) -> String {
        let value = self.one(css).await.attr(name).await.unwrap();
        value.unwrap_or_else(|| panic!("{css} has no {name}"))
    }

    pub async fn click(&self, css: &str) {
        self.one(css).await.click().await.expect("a click");
    }

    /// Where a link leads, absolute.
    pub async fn page_address(&self, css: &str) -> String {
        let href = self.one(css).await.prop("href").await.unwrap();
        href.expect("a link")
    }

    /// Clicks on what leads to another page, and waits until it stands.
    pub async fn follow(&self, css: &str) {
        let before = self.one("html").await;
        self.click(css).await;
        self.arrived_from(before).await;
    }

    /// The same by key.
    pub async fn press_and_follow(&self, key: Key) {
        let before = self.one("html").await;
        self.press(key).await;
        self.arrived_from(before).await;
    }

    /// The page before is gone, and the next is read to its end.
    async fn arrived_from(&self, before: WebElement) {
        let started = Instant::now();
        while before.tag_name().await.is_ok() || !self.is_read().await {
            assert!(started.elapsed() < PATIENCE, "no other page came");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn is_read(&self) -> bool {
        let state = self
            .driver
            .execute("return document.readyState", Vec::new());
        state.await.is_ok_and(|state| state.json() == "complete")
    }

    /// Types into a field, over what stands in it.
    pub async fn fill(&self, css: &str, text: &str) {
        let field = self.one(css).await;
        field.clear().await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    pub async fn press(&self, key: Key) {
        let keys = self.driver.action_chain().send_keys(key);
        keys.perform().await.expect("a key");
    }

    pub async fn type_keys(&self, text: &str) {
        let keys = self.driver.action_chain().send_keys(text);
        keys.perform().await.expect("keys");
    }

    /// As somebody else, who was never here.
    pub async fn forget_cookies(&self) {
        self.driver.delete_all_cookies().await.unwrap();
    }

    pub async fn cookies(&self) -> Vec<Cookie> {
        self.driver.get_all_cookies().await.unwrap()
    }

    /// What a script of the test (not of the page) says.
    pub async fn ask(&self, script: &str) -> Value {
        let answer = self.driver.execute(script, Vec::new()).await;
        answer.expect("an answer").json().clone()
    }

    /// The same for a script that takes its time.
    pub async fn ask_and_wait(&self, script: &str) -> Value {
        let answer = self.driver.execute_async(script, Vec::new()).await;
        answer.expect("an answer").json().clone()
    }

    /// Looks at a page of ours: it is as every page has to be, and a picture of it is kept.
    pub async fn look_at(&self, name: &str) {
        let number = self.pictures.fetch_add(1, Ordering::Relaxed) + 1;
        let picture = self.album.join(format!("{number:02}-{name}.png"));
        fs::write(&picture, self.picture().await).unwrap();
        assert_eq!(self.attribute("html", "lang").await, self.locale, "{name}");
        assert_eq!(self.count("h1").await, 1, "{name}");
        assert!(!self.html().await.contains('⟦'), "{name} lacks a text");
        let widths = self
            .ask("return [document.documentElement.scrollWidth, window.innerWidth]")
            .await;
        let (needed, given) = (widths[0].as_u64().unwrap(), widths[1].as_u64().unwrap());
        assert_eq!(given, u64::from(self.look.width), "the window's own width");
        assert!(
            needed <= given,
            "{name} scrolls sideways: {needed} px on {given}"
        );
        if let Some(axe) = &self.axe {
            axe.judge(self, name).await;
        }
    }

    /// The whole page, however long.
    async fn picture(&self) -> Vec<u8> {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let tools = self.driver.cdp();
        let mut answer = tools
            .send_raw("Page.captureScreenshot", whole.clone())
            .await;
        // A page that has only just come may not have its size yet.
        for _ in 0..20 {
            if answer.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            answer = tools
                .send_raw("Page.captureScreenshot", whole.clone())
                .await;
        }
        let answer = answer.expect("a picture");
        let engine = base64::engine::general_purpose::STANDARD;
        engine.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    async fn one(&self, css: &str) -> WebElement {
        match self.driver.find(By::Css(css)).await {
            Ok(element) => element,
            Err(error) => panic!("no {css}: {error}\n{}", self.html().await),
        }
    }
}

fn capabilities(
    look: Look,
    locale: &str,
    chromium: &str,
    profile: &std::path::Path,
) -> thirtyfour::ChromeCapabilities {
    let mut chrome = DesiredCapabilities::chrome();
    chrome.set_binary(chromium).unwrap();
    for argument in [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--force-color-profile=srgb",
        &format!("--lang={locale}"),
        &format!("--window-size={},{}", look.width.max(500), look.height),
        &format!("--user-data-dir={}", profile.display()),
    ] {
        chrome.add_arg(argument).unwrap();
    }
    let screen = json!({"width": look.width, "height": look.height,
        "pixelRatio": look.density, "mobile": false, "touch": false});
    let emulation = json!({"deviceMetrics": screen});
    chrome
        .add_experimental_option("mobileEmulation", emulation)
        .unwrap();
    let mut preferences = json!({"intl.accept_languages": locale});
    if !look.script {
        preferences["profile.managed_default_content_settings.javascript"] = json!(2);
    }
    chrome
        .add_experimental_option("prefs", preferences)
        .unwrap();
    chrome
}

fn found(program: &str) -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let candidates = std::env::split_paths(&path).map(|folder| folder.join(program));
    let found = candidates.into_iter().find(|path| path.is_file())?;
    Some(found.display().to_string())
}

/// The process that speaks WebDriver and drives the browser.
struct Chromedriver {
    process: Child,
    port: u16,
}

impl Chromedriver {
    fn start(program: &str) -> Self {
        let mut process = Command::new(program)
            .args(["--port=0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines
            .find_map(|line| {
                let line = line.ok()?;
                let text = line.strip_prefix("ChromeDriver was started successfully on port ")?;
                text.trim_end_matches('.').parse().ok()
            })
            .expect("chromedriver says its port");
        Self { process, port }
    }

    fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Chromedriver {
    /// Asked to end, it ends its browser as well, also after a test that failed half-way.
    fn drop(&mut self) {
        let id = self.process.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        let started = Instant::now();
        while let Ok(None) = self.process.try_wait() {
            if started.elapsed() > Duration::from_secs(5) {
                let _ = self.process.kill();
                let _ = self.process.wait();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
