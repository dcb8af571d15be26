use std::net::TcpListener;

use serde_json::Value;

use crate::process::{Running, free_port, passerelle};

const FORM: (&str, &str) = ("Content-Type", "application/x-www-form-urlencoded");
const JSON: (&str, &str) = ("Content-Type", "application/json");

fn token(running: &Running) -> String {
    let form = "grant_type=client_credentials&client_id=cli_demo&client_secret=demo-secret";
    let (status, body) = running.ask("POST", "/issuer/token", &[FORM], form);
    assert_eq!(status, 200, "{body}");
    let answer: Value = serde_json::from_str(&body).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn help_explains_every_option() {
    let output = passerelle().arg("--help").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--port",
        "--state",
        "--in-memory",
        "--clock",
        "--seed",
        "--personae",
        "--template",
    ] {
        assert!(text.contains(option), "{option} is not explained:\n{text}");
    }
}

#[test]
fn a_killed_suite_is_continued_by_the_next_start_with_token_consent_and_clock() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let port = free_port();

    let first = Running::start(port, &state);
    assert!(
        first.banner.contains(&format!("http://127.0.0.1:{port}/")),
        "{}",
        first.banner
    );
    assert!(
        first.banner.contains(&state.display().to_string()),
        "{}",
        first.banner
    );
    let bearer = format!("Bearer {}", token(&first));
    let authorization = ("Authorization", bearer.as_str());
    let request = r#"{"customer":"c-1","purposes":[{"code":"advice","required":true}]}"#;
    let (status, body) = first.ask("POST", "/v1/consents", &[authorization, JSON], request);
    assert_eq!(status, 201, "{body}");
    let opened: Value = serde_json::from_str(&body).unwrap();
    let (status, _) = first.ask("POST", "/local/clock", &[], r#"{"advance":"PT30M"}"#);
    assert_eq!(status, 200);
    first.kill();

    let second = Running::start(port, &state);
    let path = format!("/v1/consents/{}", opened["id"].as_str().unwrap());
    let (status, body) = second.ask("GET", &path, &[authorization], "");
    assert_eq!(status, 200, "{body}");
    let found: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        found["journey_url"], opened["journey_url"],
        "the link still works"
    );
    let journey = opened["journey_url"]
        .as_str()
        .unwrap()
        .split(&port.to_string())
        .nth(1)
        .unwrap();
    assert_eq!(second.ask("GET", journey, &[], "").0, 200);
    // An hour of token, half of it gone with the clock: thirty-one minutes more are too many.
    assert_eq!(
        second
            .ask("POST", "/local/clock", &[], r#"{"advance":"PT31M"}"#)
            .0,
        200
    );
    assert_eq!(second.ask("GET", &path, &[authorization], "").0, 401);
    assert!(second.interrupt().success());
}

#[test]
fn what_keeps_it_from_starting_is_said_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let template = folder.path().join("template.yaml");
    std::fs::write(
        &template,
        "Resources:\n  Api:\n    Type: AWS::Nothing::Known\n",
    )
    .unwrap();
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let template = template.to_str().unwrap();
    let missing = folder.path().join("nowhere");
    let missing = missing.to_str().unwrap();
    for (arguments, words) in [
        (vec!["--port", "0", "--template", template], "template line"),
        (vec!["--port", &port], "another --port"),
        (vec!["--port", "0", "--personae", missing], "nowhere"),
        (vec!["--port", "0", "--template", missing], "nowhere"),
    ] {
        let output = passerelle()
            .arg("--in-memory")
            .args(&arguments)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text.contains(words), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
}
