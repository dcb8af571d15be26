//! The suite as its own process, so that it can be killed and its traces be looked at.

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::binaries;
use crate::person::client;
use crate::world::Api;

/// The suite as its own process, on a port and a folder that outlive it.
pub struct Machine {
    port: u16,
    state: tempfile::TempDir,
    process: Child,
    level: &'static str,
    personae: Option<PathBuf>,
    more: Vec<String>,
}

impl Machine {
    pub async fn start() -> Self {
        Self::start_saying("info").await
    }

    /// With another `RUST_LOG`.
    pub async fn start_saying(level: &'static str) -> Self {
        Self::start_with(level, None).await
    }

    /// With another `RUST_LOG` and a folder of people.
    pub async fn start_with(level: &'static str, personae: Option<&Path>) -> Self {
        Self::start_as(level, personae, Vec::new()).await
    }

    /// With more arguments of the command.
    pub async fn start_as(level: &'static str, personae: Option<&Path>, more: Vec<String>) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let state = tempfile::tempdir().unwrap();
        let process = run(port, state.path(), level, personae, &more).await;
        Self {
            port,
            state,
            process,
            level,
            personae: personae.map(Path::to_owned),
            more,
        }
    }

    /// Where it keeps its state, its log beside it.
    pub fn folder(&self) -> &Path {
        self.state.path()
    }

    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Killed without warning (SIGKILL), then started again.
    pub async fn crash(&mut self) {
        self.process.kill().await.unwrap();
        let personae = self.personae.as_deref();
        let (level, more) = (self.level, &self.more);
        self.process = run(self.port, self.state.path(), level, personae, more).await;
    }

    /// Killed for good; its state stays.
    pub async fn stop(mut self) -> tempfile::TempDir {
        self.process.kill().await.unwrap();
        self.state
    }

    /// How the sandbox bank sees the consents it holds, oldest first.
    pub fn bank_consents(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder()).unwrap();
        let states = files
            .filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok())
            .filter_map(|text| serde_json::from_str::<Value>(&text).ok())
            .filter(|state| state["consents"].is_object());
        let mut consents: Vec<(String, String)> = states
            .flat_map(|state| state["consents"].as_object().unwrap().clone())
            .map(|(_, consent)| {
                let part = |name: &str| consent[name].as_str().unwrap().to_owned();
                (part("created_at"), part("status"))
            })
            .collect();
        consents.sort();
        consents.into_iter().map(|(_, status)| status).collect()
    }

    pub async fn api(&self) -> Api {
        let answer = client()
            .post(format!("{}/issuer/token", self.base()))
            .basic_auth("cli_demo", Some("demo-secret"))
            .form(&[("grant_type", "client_credentials")])
            .send()
            .await
            .unwrap();
        let token: Value = answer.json().await.unwrap();
        Api::new(
            &self.base(),
            token["access_token"].as_str().unwrap().to_owned(),
        )
    }

    /// The sweep looks for what is owed a little after its message should have done it.
    pub async fn pass(&self, duration: &str) {
        let body = json!({"advance": duration}).to_string();
        let answer = client()
            .post(format!("{}/local/clock", self.base()))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
    }
}

async fn run(
    port: u16,
    state: &Path,
    level: &str,
    personae: Option<&Path>,
    more: &[String],
) -> Child {
    let people = personae.map(|folder| ["--personae".as_ref(), folder.as_os_str()]);
    let process = Command::new(binaries::program("passerelle"))
        .args(["--port", &port.to_string(), "--state"])
        .arg(state)
        .args(people.into_iter().flatten())
        .args(more)
        .env("RUST_LOG", level)
        .stdout(std::process::Stdio::null())
        .stderr(log(state))
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (http, started) = (client(), Instant::now());
    while http
        .get(format!("http://127.0.0.1:{port}/local/clock"))
        .send()
        .await
        .is_err()
    {
        assert!(
            started.elapsed() < Duration::from_secs(120),
            "the suite does not start"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    process
}

/// Everything it ever said, over all its lives.
fn log(state: &Path) -> File {
    let path = state.join("log");
    File::options()
        .create(true)
        .append(true)
        .open(path)
        .unwrap()
}
