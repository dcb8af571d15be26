//! What somebody with bad intentions may try on the pages and on the return from the bank.
//!
//! What programs send to the API is tried in `bad_input`.

use passerelle_local::Options;
use reqwest::header::{CONTENT_TYPE, COOKIE, HOST, LOCATION, SET_COOKIE};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use url::Url;

use crate::person::{Person, client};
use crate::world::{Api, World, approve, shown_code, wait_for_ending, walk_to_bank};

async fn world() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

async fn link(api: &Api, customer: &str) -> String {
    let consent = api.open_consent(customer).await;
    consent["journey_url"].as_str().unwrap().to_owned()
}

/// A browser that follows nothing and shows every header.
struct Attacker {
    http: Client,
}

impl Attacker {
    fn new() -> Self {
        Self { http: client() }
    }

    async fn send(&self, method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
        let mut request = self.http.request(method, url).header("accept", "text/html");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.expect("an answer")
    }

    async fn get(&self, url: &str) -> Response {
        self.send(Method::GET, url, &[]).await
    }

    async fn post(&self, url: &str, fields: &[(&str, &str)]) -> Response {
        let request = self.http.post(url).header("accept", "text/html");
        request.form(fields).send().await.expect("an answer")
    }
}

fn location(answer: &Response) -> String {
    let header = answer.headers().get(LOCATION);
    header.map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

fn with_parameter(url: &Url, name: &str, value: &str) -> Url {
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .map(|(known, old)| match known == name {
            true => (known.into_owned(), value.to_owned()),
            false => (known.into_owned(), old.into_owned()),
        })
        .collect();
    let mut changed = url.clone();
    changed.query_pairs_mut().clear().extend_pairs(kept);
    changed
}

fn parameter(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.into_owned())
        .expect("a parameter")
}

// --- The return from the bank ---

#[tokio::test(flavor = "multi_thread")]
async fn a_code_under_somebody_elses_state_binds_no_bank() {
    let (_world, api) = world().await;
    let (mut victim, mut attacker) = (Person::new(), Person::new());
    let page = walk_to_bank(&mut victim, &link(&api, "victim").await).await;
    let victims = approve(&mut victim, &page, "camille.martin").await;
    let page = walk_to_bank(&mut attacker, &link(&api, "attacker").await).await;
    let attackers = approve(&mut attacker, &page, "lucas.moreau").await;

    // The victim's browser is made to return with the attacker's code: their bank would be read under
    // the victim's name.
    let swapped = with_parameter(&victims, "code", &parameter(&attackers, "code"));
    let page = victim.open(swapped.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.html);
    // And with the attacker's state: their attempt, in a browser that did not open it.
    let page = victim.open(attackers.as_str()).await;
    assert!(!page.html.contains("/journey/"), "{}", page.html);
    assert_eq!(api.connection("victim").await, Value::Null);
    assert_eq!(api.connection("attacker").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_names_another_issuer_is_not_exchanged() {
    let (_world, api) = world().await;
    let mut person = Person::new();
    let page = walk_to_bank(&mut person, &link(&api, "customer-1").await).await;
    let back = approve(&mut person, &page, "camille.martin").await;
    let mixed = with_parameter(&back, "iss", "https://bank.evil.example");
    assert_ne!(mixed, back, "the sandbox says who answers");
    let page = person.open(mixed.as_str()).await;
    assert_eq!(page.status, 200, "{}", page.html);
    assert_eq!(api.connection("customer-1").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_forged_after_a_good_return_takes_nothing_back() {
    let (_world, api) = world().await;
    let mut person = Person::new();
    let page = walk_to_bank(&mut person, &link(&api, "customer-1").await).await;
    let back = approve(&mut person, &page, "camille.martin").await;
    let state = parameter(&back, "state");
    let forged = format!(
        "{}?error=access_denied&state={state}",
        back.as_str().split('?').next().unwrap()
    );
    // Before the code it is not the last word, after it no word at all.
    person.open(&forged).await;
    let progress = person.open(back.as_str()).await;
    wait_for_ending(&mut person, progress).await;
    person.open(&forged).await;
    assert_eq!(api.connection("customer-1").await["status"], "active");
}

// --- Somebody else's journey ---

#[tokio::test(flavor = "multi_thread")]
async fn a_link_with_one_symbol_changed_is_no_link() {
    let (_world, api) = world().await;
    let (link, attacker) = (link(&api, "customer-1").await, Attacker::new());
    let (start, token) = link.rsplit_once('/').unwrap();
    for place in [0, token.len() / 2, token.len() - 1] {
        let mut forged = token.to_owned();
        let other = if forged.as_bytes()[place] == b'a' {
            "b"
        } else {
            "a"
        };
        forged.replace_range(place..=place, other);
        for step in ["", "/bank", "/purposes", "/leave", "/progress"] {
            let answer = attacker.get(&format!("{start}/{forged}{step}")).await;
            assert_eq!(answer.status(), 404, "{step}");
        }
        for step in ["/continue", "/decline", "/leave", "/elsewhere"] {
            let answer = attacker.post(&format!("{start}/{forged}{step}"), &[]).await;
            assert_eq!(answer.status(), 404, "{step}");
        }
        let base = link.split("/journey/").next().unwrap();
        for (step, fields) in [
            ("resume", &[("journey", forged.as_str())][..]),
            ("not-me", &[("journey", forged.as_str())][..]),
            (
                "confirm",
                &[("journey", forged.as_str()), ("code", "0")][..],
            ),
        ] {
            let url = format!("{base}/v1/callback/sandbox-bank/{step}");
            assert_eq!(attacker.post(&url, fields).await.status(), 404, "{step}");
        }
    }
    assert_eq!(attacker.get(&link).await.status(), 200, "the real one");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_the_link_but_not_the_browser_gets_neither_the_bank_nor_the_result() {
    let (world, api) = world().await;
    let link = link(&api, "customer-1").await;
    let mut person = Person::new();
    let login = walk_to_bank(&mut person, &link).await;
    let mut stranger = Person::new();

    // The bank's address carries the attempt: sent to a third person it would bind their bank.
    let page = stranger.open(format!("{link}/leave")).await;
    assert!(page.url.path().ends_with("/progress"), "{}", page.url);
    assert!(!page.html.contains("/sandbox-bank/"), "{}", page.html);
    // No short link either.
    let offer: Url = format!("{link}/elsewhere").parse().unwrap();
    let page = stranger.submit(&offer, &[]).await;
    assert!(!page.html.contains("/journey/to/"), "{}", page.html);

    // The bank answers in another browser; only the one that left can go on, and with the code alone.
    let back = approve(&mut Person::new(), &login, "camille.martin").await;
    let shown = Person::new().open(back.as_str()).await;
    let code = shown_code(&shown);
    let token = link.rsplit('/').next().unwrap();
    let callback = format!("{}/v1/callback/sandbox-bank", world.base);
    for (step, fields) in [
        (
            "confirm",
            &[("journey", token), ("code", code.as_str())][..],
        ),
        ("not-me", &[("journey", token)][..]),
        ("resume", &[("journey", token)][..]),
    ] {
        let url: Url = format!("{callback}/{step}").parse().unwrap();
        stranger.submit(&url, fields).await;
        stranger
            .open(format!("{url}?journey={token}&code={code}"))
            .await;
        assert_eq!(api.connection("customer-1").await, Value::Null, "{step}");
    }

    let confirm = person.open(format!("{link}/progress")).await;
    let last = person
        .answer(&confirm, "/confirm", &[("code", &code)])
        .await;
    let last = wait_for_ending(&mut person, last).await;
    assert!(last.html.contains("class=\"facts\""), "{}", last.html);
    let seen = stranger.open(&link).await;
    assert!(!seen.html.contains("class=\"facts\""), "{}", seen.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_link_works_once_for_ten_minutes_and_looking_does_not_use_it() {
    let (world, api) = world().await;
    let link = link(&api, "customer-1").await;
    let mut person = Person::new();
    walk_to_bank(&mut person, &link).await;
    let offer: Url = format!("{link}/elsewhere").parse().unwrap();
    let attacker = Attacker::new();
    let short = async |person: &mut Person| {
        let page = person.submit(&offer, &[]).await;
        let shown = page.html.split("class=\"typed\">").nth(1).expect("a link");
        shown.split('<').next().unwrap().to_owned()
    };

    let first = short(&mut person).await;
    for _ in 0..3 {
        assert_eq!(attacker.get(&first).await.status(), 200);
        assert!(
            !attacker
                .send(Method::HEAD, &first, &[])
                .await
                .status()
                .is_success()
        );
    }
    let taken = attacker.post(&first, &[]).await;
    assert_eq!(taken.status(), 303);
    assert!(
        location(&taken).ends_with("/progress"),
        "no bank, no result"
    );
    assert!(taken.headers().get(SET_COOKIE).is_none(), "no binding");
    assert_eq!(attacker.post(&first, &[]).await.status(), 410, "once");
    assert_eq!(attacker.get(&first).await.status(), 410);

    // The journey was handed over: who began it offers no other link without leaving for the bank anew.
    let page = person.submit(&offer, &[]).await;
    assert!(!page.html.contains("class=\"typed\">"), "{}", page.html);
    walk_to_bank(&mut person, &link).await;
    let second = short(&mut person).await;
    assert_ne!(first, second);
    world
        .suite
        .advance(jiff::SignedDuration::from_mins(11))
        .await
        .unwrap();
    assert_eq!(attacker.post(&second, &[]).await.status(), 410, "too late");
    for guess in ["00000-00000", "", "a", "%00", "..%2f..", &"A".repeat(4000)] {
        let url = format!("{}/journey/to/{guess}", world.base);
        let status = attacker.post(&url, &[]).await.status().as_u16();
        assert!(matches!(status, 404 | 410), "{guess}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_of_another_tenant_is_another_request() {
    let (world, api) = world().await;
    let other = world.api("cli_other").await;
    let asked = json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    let mut ids = Vec::new();
    for api in [&api, &other] {
        let request = api.raw(Method::POST, "/v1/consents");
        let answer = Api::read(request.header("idempotency-key", "k").json(&asked)).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        ids.push(answer.body["id"].as_str().unwrap().to_owned());
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(
        other.get(&format!("/v1/consents/{}", ids[0])).await.status,
        404
    );
}

// --- Reading changes nothing ---

#[tokio::test(flavor = "multi_thread")]
async fn looking_changes_nothing_whatever_is_looked_at() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let of_consent = format!("/v1/consents/{}", consent["id"].as_str().unwrap());
    let mut person = Person::new();
    walk_to_bank(&mut person, link).await;
    let leave = person.open(format!("{link}/leave")).await;
    let before = api.get(&of_consent).await.body;
    let attacker = Attacker::new();
    for step in [
        "",
        "/continue",
        "/decline",
        "/bank",
        "/purposes",
        "/leave",
        "/progress",
        "/elsewhere",
        "/bank?institution=sandbox-bank-stet",
        "/purposes?purpose=advice",
        "/progress?still=yes",
    ] {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            let url = format!("{link}{step}");
            let answer = attacker.send(method.clone(), &url, &[]).await;
            assert!(answer.status().as_u16() < 500, "{method} {step}");
            assert!(
                answer.headers().get(SET_COOKIE).is_none(),
                "{method} {step}"
            );
        }
    }
    assert_eq!(api.get(&of_consent).await.body, before);
    // No other attempt was opened at the bank: the link is the very same.
    let again = person.open(format!("{link}/leave")).await;
    assert_eq!(again.link("/sandbox-bank/"), leave.link("/sandbox-bank/"));
}

// --- Hostile inputs ---

#[tokio::test(flavor = "multi_thread")]
async fn hostile_forms_and_queries_are_refused_in_words_and_change_nothing() {
    let (_world, api) = world().await;
    let consent = api.open_consent("customer-1").await;
    let link = consent["journey_url"].as_str().unwrap();
    let attacker = Attacker::new();
    let huge = "x".repeat(200_000);
    let injected = "sandbox-bank\r\nSet-Cookie: journey=1";
    for (step, field, value) in [
        ("bank", "institution", huge.as_str()),
        ("bank", "institution", injected),
        ("bank", "institution", "../../etc/passwd"),
        ("bank", "institution", "<script>alert(1)</script>"),
        ("bank", "institution", ""),
        ("bank", "colour", "blue"),
        ("purposes", "purpose", huge.as_str()),
        ("purposes", "purpose", injected),
        ("purposes", "purpose", "astrology"),
    ] {
        let answer = attacker
            .post(&format!("{link}/{step}"), &[(field, value)])
            .await;
        let status = answer.status().as_u16();
        let shown: String = value.chars().take(40).collect();
        assert!(
            matches!(status, 303 | 400 | 413),
            "{step} {shown:?}: {status}"
        );
        assert!(
            answer.headers().get(SET_COOKIE).is_none(),
            "{step} {shown:?}"
        );
        let html = answer.text().await.unwrap();
        assert!(!html.contains("<script"), "{html}");
        assert!(html.len() < 20_000);
    }
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data; boundary=x", "--x--"),
        ("application/x-www-form-urlencoded", "%ff%fe=%"),
    ] {
        let request = attacker.http.post(format!("{link}/bank"));
        let answer = request
            .header(CONTENT_TYPE, kind)
            .body(body)
            .send()
            .await
            .unwrap();
        assert!(
            answer.status().is_client_error(),
            "{kind}: {}",
            answer.status()
        );
    }
    for query in [
        "q=%3Cscript%3Ealert(1)%3C/script%3E",
        "q=%0d%0aX-Injected:%201",
        "q=%00%ff",
        "page=-1",
        "page=18446744073709551616",
        "page=999999",
        "q=a&q=b",
        "page=%3Cscript%3E",
    ] {
        let answer = attacker.get(&format!("{link}/bank?{query}")).await;
        assert!(matches!(answer.status().as_u16(), 200 | 400), "{query}");
        assert!(answer.headers().get("x-injected").is_none(), "{query}");
        let html = answer.text().await.unwrap();
        assert!(!html.contains("<script"), "{query}: {html}");
    }
    let long = format!("{link}/bank?q={}", "é".repeat(2000));
    let html = attacker.get(&long).await.text().await.unwrap();
    assert!(html.len() < 20_000, "a search is cut, not repeated");
    let now = api
        .get(&format!("/v1/consents/{}", consent["id"].as_str().unwrap()))
        .await;
    assert_eq!(now.body["institution"], Value::Null, "{now:?}");
    assert_eq!(now.body["status"], "received");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_id_or_a_cookie_of_somebody_elses_making_is_not_repeated() {
    let (world, api) = world().await;
    let link = link(&api, "customer-1").await;
    let hostile = [
        ("x-request-id", "<script>alert(1)</script>"),
        ("x-correlation-id", "a b c"),
        ("accept-language", "<script>, fr;q=zzz, \"x"),
        ("user-agent", "\"><script>alert(1)</script>"),
    ];
    let answer = Attacker::new().send(Method::GET, &link, &hostile).await;
    for (name, value) in answer.headers() {
        assert!(!value.to_str().unwrap().contains("script"), "{name}");
    }
    assert!(!answer.text().await.unwrap().contains("<script"));
    // A cookie nobody set leads into no journey.
    let planted = format!("journey={}", "0".repeat(64));
    let headers = [(COOKIE.as_str(), planted.as_str())];
    let leave = format!("{link}/leave");
    let answer = Attacker::new().send(Method::GET, &leave, &headers).await;
    assert_eq!(answer.status(), 303);
    assert!(location(&answer).starts_with("/journey/"), "{}", world.base);
}

// --- Where the person is led ---

#[tokio::test(flavor = "multi_thread")]
async fn no_host_header_and_no_parameter_turns_a_link_elsewhere() {
    let (world, api) = world().await;
    let spoofed = [
        (HOST.as_str(), "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-prefix", "/evil"),
        ("forwarded", "host=evil.example;proto=https"),
        ("x-original-url", "https://evil.example/"),
        ("x-host", "evil.example"),
    ];
    let mut request = api.raw(Method::POST, "/v1/consents");
    for (name, value) in spoofed {
        request = request.header(name, value);
    }
    let asked = json!({"customer": "customer-1", "purposes": [{"code": "advice"}]});
    let answer = Api::read(request.json(&asked)).await;
    let link = answer.body["journey_url"].as_str().unwrap().to_owned();
    assert!(link.starts_with(&world.base), "{link}");

    let attacker = Attacker::new();
    for step in ["", "/bank", "/progress", "/leave"] {
        let url = format!(
            "{link}{step}?next=https://evil.example&return_url=https://evil.example&redirect=//evil.example"
        );
        let answer = attacker.send(Method::GET, &url, &spoofed).await;
        assert!(!location(&answer).contains("evil"), "{step}");
        assert!(
            !answer.text().await.unwrap().contains("evil.example"),
            "{step}"
        );
    }
    let strange = format!("{}//evil.example/%2e%2e", world.base);
    let answer = attacker.get(&strange).await;
    assert!(answer.status().is_client_error());

    // The address the bank is told to come back to is ours as well.
    let bank = format!("{link}/bank");
    let chosen = attacker
        .post(&bank, &[("institution", "sandbox-bank")])
        .await;
    assert_eq!(chosen.status(), 303);
    let request = attacker.http.post(format!("{link}/purposes"));
    let mut request = request.form(&[("institution", "sandbox-bank"), ("purpose", "advice")]);
    for (name, value) in spoofed {
        request = request.header(name, value);
    }
    let left = request.send().await.unwrap();
    assert_eq!(left.status(), 303);
    let cookie = left
        .headers()
        .get(SET_COOKIE)
        .expect("the journey's cookie");
    let cookie = cookie
        .to_str()
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let own = [(COOKIE.as_str(), cookie.as_str())];
    let page = attacker
        .send(Method::GET, &format!("{link}/leave"), &own)
        .await;
    let html = page.text().await.unwrap();
    assert!(html.contains("/sandbox-bank/"), "{html}");
    assert!(!html.contains("evil"), "{html}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_insurers_return_address_that_could_mislead_is_refused() {
    let (_world, api) = world().await;
    for address in [
        "//evil.example",
        "ftp://assureur.example/",
        "data:text/html,hello",
        "vbscript:x",
        "https://assureur.example@evil.example/",
        "http://localhost.evil.example/",
        "/journey",
        "",
    ] {
        let asked = json!({"customer": "customer-1", "purposes": [{"code": "advice"}],
            "return_url": address});
        let answer = api.send(Method::POST, "/v1/consents", Some(&asked)).await;
        assert_eq!(answer.status, 400, "{address}: {answer:?}");
    }
}

// --- What every page says about itself ---

#[tokio::test(flavor = "multi_thread")]
async fn every_page_forbids_framing_scripts_foreign_content_and_keeping() {
    let (world, api) = world().await;
    let link = link(&api, "customer-1").await;
    walk_to_bank(&mut Person::new(), &link).await;
    let token = link.rsplit('/').next().unwrap();
    let attacker = Attacker::new();
    for path in [
        format!("/journey/{token}"),
        format!("/journey/{token}/bank"),
        format!("/journey/{token}/bank?q=zzzz"),
        format!("/journey/{token}/purposes"),
        format!("/journey/{token}/progress"),
        "/journey/unknown".to_owned(),
        "/journey/to/00000-00000".to_owned(),
        "/v1/callback/sandbox-bank".to_owned(),
        "/v1/callback/sandbox-bank?state=x&code=y".to_owned(),
    ] {
        let answer = attacker.get(&format!("{}{path}", world.base)).await;
        let header = |name: &str| {
            let value = answer.headers().get(name);
            value.map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        let policy = header("content-security-policy");
        for rule in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(
            !policy.contains("unsafe") && !policy.contains("http"),
            "{policy}"
        );
        assert!(!policy.contains("script-src"), "no script at all: {policy}");
        assert_eq!(header("x-frame-options"), "DENY", "{path}");
        assert_eq!(header("cache-control"), "no-store", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let html = answer.text().await.unwrap();
        for loaded in html
            .split("src=\"")
            .skip(1)
            .chain(html.split("rel=\"stylesheet\" href=\"").skip(1))
        {
            assert!(loaded.starts_with("/assets/"), "{path} loads {loaded:.60}");
        }
        for forbidden in ["<script", " style=", " onclick=", "<iframe", "javascript:"] {
            assert!(!html.contains(forbidden), "{path}: {forbidden}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_cookie_is_for_this_host_unread_by_scripts_and_ends_with_the_day() {
    let (_world, api) = world().await;
    let (link, attacker) = (link(&api, "customer-1").await, Attacker::new());
    attacker
        .post(&format!("{link}/bank"), &[("institution", "sandbox-bank")])
        .await;
    let left = attacker
        .post(
            &format!("{link}/purposes"),
            &[("institution", "sandbox-bank"), ("purpose", "advice")],
        )
        .await;
    let cookies: Vec<_> = left.headers().get_all(SET_COOKIE).iter().collect();
    assert_eq!(cookies.len(), 1);
    let cookie = cookies[0].to_str().unwrap();
    for part in [
        "; Path=/",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Max-Age=86400",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain="), "{cookie}");
    // Nothing of the journey, the client or the person is in it.
    let value = cookie.split(['=', ';']).nth(1).unwrap();
    assert_eq!(value.len(), 64);
    assert!(!link.contains(value));
}
