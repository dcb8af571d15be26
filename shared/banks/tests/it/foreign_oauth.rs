//! Code, PKCE and rotation at an authorisation server that shares nothing with us.
//! `tests/outside/oauth_checks.py` starts one and says where it is; without it nothing is checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use passerelle_banks::{
    AispCertificates, AuthorisationRequest, BankSettings, Banks, Connector, Onboarded, OpenToken,
};
use passerelle_domain::call_budget::AttendedPsu;
use passerelle_domain::private::Private;
use passerelle_domain::{Date, Timestamp};
use url::Url;

use crate::sandbox::context;

const RETURN: &str = "https://insurer.example/v1/callback/a1?x=1";

fn connector() -> Option<Arc<dyn Connector>> {
    let base = std::env::var("OUTSIDE_OAUTH").ok()?;
    let banks = Banks::new(BankSettings {
        sandbox_bank_url: Some(base.parse().unwrap()),
        sandbox_bank_authority: None,
        aggregator: None,
        aggregator_secret: None,
        onboarded: Onboarded::default(),
        client_id: "PSDFR-ACPR-99999".to_owned(),
        certificates: AispCertificates::none(),
    })
    .unwrap();
    Some(banks.connector(&"sandbox-bank".parse().unwrap()).unwrap())
}

fn request(verifier: &str) -> AuthorisationRequest {
    let now = Timestamp::now();
    AuthorisationRequest {
        state: Private::new("state-0123456789"),
        code_verifier: Private::new(verifier),
        redirect_uri: RETURN.parse().unwrap(),
        psu: AttendedPsu {
            ip_address: "192.0.2.7".parse().unwrap(),
            user_agent: None,
            until: now,
        },
        valid_until: Date::constant(2099, 2, 20),
        context: context(),
        now,
    }
}

/// A browser that keeps cookies and follows until it is sent back.
async fn walk(mut page: Url) -> Url {
    let browser = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build()
        .unwrap();
    let mut cookies = BTreeMap::new();
    for _ in 0..12 {
        let held: Vec<String> = cookies.iter().map(|(n, v)| format!("{n}={v}")).collect();
        let answer = browser
            .get(page.clone())
            .header("cookie", held.join("; "))
            .send()
            .await
            .unwrap();
        for cookie in answer.headers().get_all("set-cookie") {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let next = answer.headers()["location"].to_str().unwrap().to_owned();
        page = page.join(&next).unwrap();
        if page.host_str() == Some("insurer.example") {
            return page;
        }
    }
    panic!("the server does not send the person back: {page}");
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut pairs = url.query_pairs();
    pairs
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn code_pkce_issuer_and_rotation_hold_at_a_server_of_others() {
    let Some(connector) = connector() else {
        println!("OUTSIDE_OAUTH is not set: no server of others was asked");
        return;
    };
    let (context, now) = (context(), Timestamp::now());
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let started = connector
        .start_authorisation(&request(verifier))
        .await
        .unwrap();
    let back = walk(started.way.href.clone()).await;
    assert_eq!(
        parameter(&back, "state").as_deref(),
        Some("state-0123456789")
    );
    assert_eq!(parameter(&back, "x").as_deref(), Some("1"));
    let code = Private::new(parameter(&back, "code").expect("a code"));
    let issuer = parameter(&back, "iss");
    assert!(issuer.is_some(), "the server names itself (RFC 9207)");

    // A mixed-up return is refused before the code goes anywhere.
    let other = Some("https://another.example");
    let mixed = connector
        .exchange_code(&started.secrets, Some(&code), other, &context, now)
        .await;
    assert!(mixed.is_err());

    let exchange = connector.exchange_code(
        &started.secrets,
        Some(&code),
        issuer.as_deref(),
        &context,
        now,
    );
    let token = exchange.await.unwrap();
    let renewed = connector
        .refresh_token(&token, &context, now)
        .await
        .unwrap();
    assert_ne!(*token.to_bytes(), *renewed.to_bytes());
    // The first refresh token is spent: used again it is refused, and the person is needed.
    let again = connector.refresh_token(&token, &context, now).await;
    assert!(again.unwrap_err().needs_psu().is_some());

    // The verifier of another attempt opens nothing.
    let other = "another-verifier-of-the-right-length-0123456789";
    let attempt = connector
        .start_authorisation(&request(verifier))
        .await
        .unwrap();
    let foreign = connector
        .start_authorisation(&request(other))
        .await
        .unwrap();
    let back = walk(attempt.way.href.clone()).await;
    let code = Private::new(parameter(&back, "code").expect("a code"));
    let issuer = parameter(&back, "iss");
    let refused: Result<OpenToken, _> = connector
        .exchange_code(
            &foreign.secrets,
            Some(&code),
            issuer.as_deref(),
            &context,
            now,
        )
        .await;
    assert!(refused.is_err());
}
