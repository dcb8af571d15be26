//! What the person does alone, over HTTP: in by a link, everything seen, one purpose and then all of it
//! taken back, a copy taken along; and nothing for anybody who has no business there.

use std::collections::BTreeSet;

use passerelle_local::Options;
use reqwest::header::{CONTENT_DISPOSITION, COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use url::Url;

use crate::person::{Page, Person, client};
use crate::world::{Api, World, connect};

async fn world() -> (World, Api) {
    let world = World::start(Options::in_memory()).await;
    let api = world.api("cli_demo").await;
    (world, api)
}

/// A link into self-care, as the insurer's app asks for it.
pub async fn link(api: &Api, customer: &str) -> String {
    let path = format!("/v1/customers/{customer}/self-care-links");
    let asked = json!({"locale": "en"});
    let answer = api.send(Method::POST, &path, Some(&asked)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.body["url"].as_str().expect("a link").to_owned()
}

/// Opens a link and presses its button.
pub async fn enter(link: &str) -> (Person, Page) {
    let mut person = Person::new();
    let landing = person.open(link).await;
    assert_eq!(landing.status, 200, "{}", landing.html);
    let page = person.submit(&landing.link("/self-care/link/"), &[]).await;
    assert_eq!(page.status, 200, "{}", page.html);
    (person, page)
}

/// Presses the button of a page's form.
async fn press(person: &mut Person, page: &Page, part: &str) -> Page {
    let proof = page.inputs("proof").first().expect("a proof").clone();
    person
        .submit(&action(page, part), &[("proof", proof.as_str())])
        .await
}

/// The address of the form that holds `part`.
fn action(page: &Page, part: &str) -> Url {
    let mut actions = page
        .html
        .split("action=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next());
    let found = actions.find(|action| action.contains(part));
    page.url
        .join(found.unwrap_or_else(|| panic!("no form {part:?} on {}", page.html)))
        .unwrap()
}

async fn status_of(api: &Api, path: &str) -> (u16, String) {
    let answer = api.get(path).await;
    let problem = match answer.status {
        200 => String::new(),
        _ => answer.problem().to_owned(),
    };
    (answer.status, problem)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_sees_everything_and_takes_back_one_purpose_and_then_all() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    for said in [
        "Banque Bac à sable",
        "Example Mutual",
        "In use.",
        "Last read at the bank",
        "Allowed until",
        "Advise you",
        "Prepare a quote",
    ] {
        assert!(overview.html.contains(said), "{said}: {}", overview.html);
    }

    let learned = person.open(overview.link("/self-care/learned")).await;
    for said in ["Financial resilience", "Insurance you pay for", "a month"] {
        assert!(learned.html.contains(said), "{said}: {}", learned.html);
    }

    // One purpose is switched off: the API serves nothing for it from that moment, and the rest stays.
    let detail = person.open(overview.link(id)).await;
    let question = person.open(detail.link("/purposes/advice")).await;
    assert!(
        question.html.contains("What happens then"),
        "{}",
        question.html
    );
    let with = |purpose: &str| format!("/v1/connections/{id}/accounts?purpose={purpose}");
    assert_eq!(
        status_of(&api, &with("advice")).await.0,
        200,
        "asking changes nothing"
    );
    let detail = press(&mut person, &question, "/purposes/advice").await;
    assert!(!detail.html.contains("/purposes/advice"), "{}", detail.html);
    assert!(detail.html.contains("/purposes/quote"), "{}", detail.html);
    let refused = (403, "purpose-not-granted".to_owned());
    assert_eq!(status_of(&api, &with("advice")).await, refused);
    assert_eq!(status_of(&api, &with("quote")).await.0, 200);
    let lines = format!("/v1/connections/{id}/transactions?purpose=advice");
    assert_eq!(status_of(&api, &lines).await, refused);
    // The old page again: it is done, and nothing else happens.
    let again = press(&mut person, &question, "/purposes/advice").await;
    assert_eq!(again.status, 200, "{}", again.html);
    assert_eq!(status_of(&api, &with("quote")).await.0, 200);

    // All of it is taken back.
    let overview = person.open(overview.url.as_str()).await;
    let question = person.open(overview.link("/self-care/withdraw")).await;
    assert!(
        question.html.contains("Banque Bac à sable"),
        "{}",
        question.html
    );
    let overview = press(&mut person, &question, "/self-care/withdraw").await;
    assert!(
        overview.html.contains("You took this back on"),
        "{}",
        overview.html
    );
    assert!(overview.html.contains("is erased"), "{}", overview.html);
    assert!(
        !overview.html.contains("/self-care/withdraw"),
        "{}",
        overview.html
    );
    assert_ne!(status_of(&api, &with("quote")).await.0, 200);
    let consent = connection["consent"].as_str().unwrap();
    let consent = api.get(&format!("/v1/consents/{consent}")).await.body;
    assert_eq!(consent["status"], "revokedByPsu", "{consent}");
    let detail = person.open(overview.link(id)).await;
    assert!(!detail.html.contains("/withdraw"), "{}", detail.html);
    let learned = person.open(overview.link("/self-care/learned")).await;
    assert!(
        !learned.html.contains("Financial resilience"),
        "{}",
        learned.html
    );

    // The visit is closed: the address bar leads nowhere any more.
    let left = press(&mut person, &overview, "/self-care/leave").await;
    assert!(left.heading().contains("closed"), "{}", left.html);
    let after = person.open(overview.url.as_str()).await;
    assert_eq!(after.status, 403, "{}", after.html);
    assert!(!after.html.contains("Banque"), "{}", after.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn switching_off_the_last_purpose_ends_the_connection() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let id = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    for purpose in ["advice", "quote"] {
        let detail = person.open(overview.link(&id)).await;
        let question = person
            .open(detail.link(&format!("/purposes/{purpose}")))
            .await;
        let last = question.html.contains("the connection ends with it");
        assert_eq!(last, purpose == "quote", "{}", question.html);
        press(&mut person, &question, "/purposes/").await;
    }
    let connection = api.connection("customer-1").await;
    assert_eq!(connection["status"], "closed", "{connection}");
}

/// Every stored line, as the API serves it.
async fn stored(api: &Api, connection: &str) -> BTreeSet<(String, i64)> {
    let (mut lines, mut after) = (BTreeSet::new(), String::new());
    loop {
        let path =
            format!("/v1/connections/{connection}/transactions?purpose=advice&limit=500{after}");
        let page = api.get(&path).await.body;
        for line in page["transactions"].as_array().unwrap() {
            let id = line["id"].as_str().unwrap().to_owned();
            lines.insert((id, line["amount"]["minor"].as_i64().unwrap()));
        }
        match page["next_after"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return lines,
        }
    }
}

/// The rows of a CSV file whose cells are all quoted.
fn rows(text: &str) -> Vec<Vec<String>> {
    let text = text.strip_prefix('\u{feff}').expect("a byte order mark");
    text.strip_suffix("\r\n")
        .expect("a last line end")
        .split("\r\n")
        .map(|row| {
            let row = row.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
            row.split("\",\"")
                .map(|cell| cell.replace("\"\"", "\""))
                .collect()
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_copies_hold_every_stored_line_exactly_once_and_no_text_of_a_sensitive_one() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let id = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let stored = stored(&api, &id).await;
    assert!(stored.len() > 400, "{}", stored.len());
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let page = person.open(overview.link("/self-care/downloads")).await;

    let json = person.download(&page.link("/data.json")).await;
    assert_eq!(json.headers()["content-type"], "application/json");
    let disposition = json.headers()[CONTENT_DISPOSITION].to_str().unwrap();
    assert_eq!(disposition, "attachment; filename=\"data.json\"");
    let copy: Value = json.json().await.unwrap();
    let accounts = copy["connections"][0]["accounts"].as_array().unwrap();
    assert!(accounts.len() >= 2, "{accounts:?}");
    let lines: Vec<&Value> = accounts
        .iter()
        .flat_map(|account| account["transactions"].as_array().unwrap())
        .collect();
    let copied: BTreeSet<(String, i64)> = lines
        .iter()
        .map(|line| {
            let id = line["id"].as_str().unwrap().to_owned();
            (id, line["amount"]["minor"].as_i64().unwrap())
        })
        .collect();
    assert_eq!((lines.len(), &copied), (stored.len(), &stored));
    let sensitive: Vec<_> = lines
        .iter()
        .filter(|line| line["sensitive"] == true)
        .collect();
    assert!(!sensitive.is_empty());
    for line in sensitive {
        assert_eq!(
            (&line["label"], &line["counterparty"]),
            (&json!(""), &Value::Null)
        );
    }
    assert!(copy["learned"]["scores"].is_array(), "{}", copy["learned"]);
    let whole = copy.to_string();
    assert!(!whole.contains("FR76") && !whole.to_uppercase().contains("PHARMACIE"));

    let csv = person.download(&page.link("/transactions.csv")).await;
    let text = csv.text().await.unwrap();
    let rows = rows(&text);
    assert_eq!(rows[0].last().unwrap(), "Reference");
    assert!(rows.iter().all(|row| row.len() == rows[0].len()));
    let in_sheet: BTreeSet<(String, i64)> = rows[1..]
        .iter()
        .map(|row| {
            let minor = row[4].replace('.', "").parse().unwrap();
            (row.last().unwrap().clone(), minor)
        })
        .collect();
    assert_eq!((rows.len() - 1, &in_sheet), (stored.len(), &stored));
    for row in &rows[1..] {
        for text in [&row[6], &row[7]] {
            assert!(!text.starts_with(['=', '+', '-', '@']), "{text}");
        }
    }

    let accounts_file = person.download(&page.link("/accounts.csv")).await;
    let accounts_rows = self::rows(&accounts_file.text().await.unwrap());
    assert_eq!(accounts_rows.len() - 1, accounts.len());

    for wrong in ["?part=0", "?part=2", "?part=x", "?other=1"] {
        let url = page.link("/data.json").join(wrong).unwrap();
        assert_eq!(person.download(&url).await.status(), 400, "{wrong}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_one_visit_within_its_time_and_a_look_at_it_uses_nothing_up() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let address = link(&api, "customer-1").await;
    // A messenger fetches the page for its preview, more than once.
    for _ in 0..3 {
        let page = Person::new().open(&address).await;
        assert_eq!(page.status, 200);
        assert!(
            !page.html.contains("Banque"),
            "a preview shows no bank: {}",
            page.html
        );
    }
    let (mut first, overview) = enter(&address).await;
    // A replay, of the page and of the button, by somebody else.
    let mut other = Person::new();
    let page = other.open(&address).await;
    assert_eq!(
        (page.status, page.heading().contains("used before")),
        (410, true)
    );
    let page = other.submit(&address.parse().unwrap(), &[]).await;
    assert_eq!(
        (page.status, page.heading().contains("used before")),
        (410, true)
    );
    assert_eq!(other.open(overview.url.as_str()).await.status, 403);
    // The first goes on.
    assert_eq!(first.open(overview.url.as_str()).await.status, 200);

    let late = link(&api, "customer-1").await;
    world
        .suite
        .clock()
        .advance(jiff::SignedDuration::from_mins(16));
    let page = other.open(&late).await;
    assert_eq!(
        (page.status, page.heading().contains("no longer valid")),
        (410, true)
    );
    let page = other.submit(&late.parse().unwrap(), &[]).await;
    assert_eq!(page.status, 410);
    for forged in ["0".repeat(64), "x".repeat(5000), "..%2f..%2fv1".to_owned()] {
        let page = other
            .open(format!("{}/self-care/link/{forged}", world.base))
            .await;
        assert_eq!(page.status, 404, "{forged:.20}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_goes_on_while_it_is_used_and_ends_after_an_hour_without_a_page_or_a_day() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let clock = world.suite.clock();
    let minutes = |minutes| clock.advance(jiff::SignedDuration::from_mins(minutes));
    for _ in 0..3 {
        minutes(50);
        assert_eq!(person.open(overview.url.as_str()).await.status, 200);
    }
    minutes(61);
    let ended = person.open(overview.url.as_str()).await;
    assert_eq!(
        (ended.status, ended.heading().contains("terminée")),
        (403, true)
    );

    // The insurer's token has ended meanwhile as well.
    let api = world.api("cli_demo").await;
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let mut pages = 0;
    while person.open(overview.url.as_str()).await.status == 200 {
        minutes(45);
        pages += 1;
        assert!(pages < 40, "a visit lasts a day in all");
    }
    assert!(pages > 24, "{pages}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_request_under_the_same_key_gives_the_same_link() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let ask = |key: &str, body: Value| {
        let request = api
            .raw(Method::POST, "/v1/customers/customer-1/self-care-links")
            .header("idempotency-key", key)
            .json(&body);
        Api::read(request)
    };
    let one = ask("k-1", json!({})).await;
    let two = ask("k-1", json!({})).await;
    assert_eq!((one.status, &one.body), (201, &two.body));
    assert_ne!(ask("k-2", json!({})).await.body["url"], one.body["url"]);
    let other = ask("k-1", json!({"locale": "en"})).await;
    assert_eq!(other.problem(), "idempotency-key-reused");
    for refused in [
        json!({"lifetime_minutes": 0}),
        json!({"lifetime_minutes": 1441}),
        json!({"lifetime_minutes": "x"}),
        json!({"locale": "xx"}),
        json!({"name": "Camille"}),
    ] {
        let answer = ask("k-3", refused.clone()).await;
        assert_eq!(answer.problem(), "invalid-body", "{refused}");
    }
    let path = "/v1/customers/nobody/self-care-links";
    let nobody = api.send(Method::POST, path, Some(&json!({}))).await;
    assert_eq!(nobody.problem(), "not-found");
    let anonymous = Api::new(&world.base, "nonsense".to_owned());
    let refused = anonymous.send(Method::POST, path, Some(&json!({}))).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visit_reaches_its_own_person_and_no_other_client() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    connect(&api, "customer-2", "camille.martin").await;
    let other_client = world.api("cli_other").await;
    connect(&other_client, "customer-1", "camille.martin").await;
    let theirs = [
        api.connection("customer-2").await["id"]
            .as_str()
            .unwrap()
            .to_owned(),
        other_client.connection("customer-1").await["id"]
            .as_str()
            .unwrap()
            .to_owned(),
        "cnx_00000000000000000000000000".to_owned(),
        "..%2F..%2Fv1".to_owned(),
    ];
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let proof = overview.inputs("proof")[0].clone();
    for id in &theirs {
        assert!(!overview.html.contains(id), "{}", overview.html);
        for rest in ["", "/withdraw", "/purposes/advice"] {
            let url: Url = format!("{}/self-care/connections/{id}{rest}", world.base)
                .parse()
                .unwrap();
            assert_eq!(person.open(url.as_str()).await.status, 404, "{url}");
            if !rest.is_empty() {
                let page = person.submit(&url, &[("proof", proof.as_str())]).await;
                assert_eq!(page.status, 404, "{url}");
            }
        }
    }
    for (api, customer) in [(&api, "customer-2"), (&other_client, "customer-1")] {
        assert_eq!(api.connection(customer).await["status"], "active");
    }
    // Nor does a client get a link to another's person.
    let path = "/v1/customers/customer-2/self-care-links";
    let foreign = other_client
        .send(Method::POST, path, Some(&json!({})))
        .await;
    assert_eq!(foreign.problem(), "not-found");
}

/// A form as some page of the web would have a browser send it.
async fn forged(url: &Url, cookie: Option<&str>, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = client()
        .post(url.clone())
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if let Some(cookie) = cookie {
        request = request.header(COOKIE, format!("self-care={cookie}"));
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_no_page_of_the_visit_made_changes_nothing() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let address: Url = link(&api, "customer-1").await.parse().unwrap();

    // A page elsewhere presses the button for the person: refused, and the link is not used up.
    let pressed = forged(&address, None, &[("sec-fetch-site", "cross-site")], "").await;
    assert_eq!(pressed.status(), 400);
    assert!(pressed.headers().get(SET_COOKIE).is_none());

    // A cookie brought along is not taken over.
    let fixed = "a".repeat(64);
    let entered = forged(
        &address,
        Some(&fixed),
        &[("sec-fetch-site", "same-origin")],
        "",
    )
    .await;
    assert_eq!(entered.status(), 303);
    assert_eq!(entered.headers()[LOCATION], "/self-care/connections");
    let set = entered.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    assert!(set.contains("HttpOnly; SameSite=Strict"), "{set}");
    let cookie = set.split(['=', ';']).nth(1).unwrap().to_owned();
    assert_ne!(cookie, fixed);
    let overview = address.join("/self-care/connections").unwrap();
    let get = client()
        .get(overview.clone())
        .header(COOKIE, format!("self-care={cookie}"))
        .header("accept", "text/html");
    let page = Page {
        url: overview,
        status: 200,
        html: get.send().await.unwrap().text().await.unwrap(),
    };
    let proof = page.inputs("proof")[0].clone();
    assert_ne!(proof, cookie);

    let withdraw = address.join("/self-care/withdraw").unwrap();
    let sound = format!("proof={proof}");
    let other = "b".repeat(64);
    for (why, cookie, headers, body, status) in [
        ("no proof", Some(&cookie), vec![], "", 409),
        ("an empty proof", Some(&cookie), vec![], "proof=", 409),
        ("a guessed proof", Some(&cookie), vec![], "proof=0000", 409),
        (
            "the cookie as proof",
            Some(&cookie),
            vec![],
            cookie.as_str(),
            409,
        ),
        ("no cookie", None, vec![], sound.as_str(), 403),
        ("another cookie", Some(&other), vec![], sound.as_str(), 403),
        (
            "from another site",
            Some(&cookie),
            vec![("sec-fetch-site", "cross-site")],
            sound.as_str(),
            400,
        ),
        (
            "from a neighbour",
            Some(&cookie),
            vec![("sec-fetch-site", "same-site")],
            sound.as_str(),
            400,
        ),
        (
            "not a form",
            Some(&cookie),
            vec![("content-type", "text/plain")],
            sound.as_str(),
            415,
        ),
        ("not text", Some(&cookie), vec![], "proof=%ff%fe%00", 409),
    ] {
        let answer = forged(&withdraw, cookie.map(String::as_str), &headers, body).await;
        assert_eq!(answer.status(), status, "{why}");
    }
    let huge = format!("proof={}", "x".repeat(70_000));
    assert_eq!(
        forged(&withdraw, Some(&cookie), &[], &huge).await.status(),
        413
    );
    assert_eq!(api.connection("customer-1").await["status"], "active");
    // Nothing but a form changes anything either.
    let got = client()
        .get(withdraw.clone())
        .header(COOKIE, format!("self-care={cookie}"))
        .send()
        .await
        .unwrap();
    assert_eq!(got.status(), 200);
    assert_eq!(api.connection("customer-1").await["status"], "active");
    assert_eq!(
        forged(&withdraw, Some(&cookie), &[], &sound).await.status(),
        303
    );
    assert_eq!(api.connection("customer-1").await["status"], "closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_are_had_in_the_other_language_from_then_on() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let proof = overview.inputs("proof")[0].clone();
    let fields = [("proof", proof.as_str()), ("locale", "fr")];
    let french = person
        .submit(&action(&overview, "/language"), &fields)
        .await;
    assert!(french.html.contains("<html lang=\"fr\""), "{}", french.html);
    assert!(french.html.contains("Vos connexions"), "{}", french.html);
    let data = person.open(french.link("/self-care/downloads")).await;
    let csv = person.download(&data.link("/transactions.csv")).await;
    let text = csv.text().await.unwrap();
    assert!(
        text.starts_with("\u{feff}\"Banque\";\"Compte\";"),
        "{:.80}",
        text
    );
}

/// The recipe of the README, run as it stands there.
fn signed_by_recipe(base: &str, consent: &str, key: &str, expires: i64) -> String {
    let readme = crate::house::text("functions/connections/README.md");
    let recipe = readme.split("```sh\n").nth(1).expect("a recipe");
    let recipe = recipe.split("```").next().unwrap();
    let made = std::process::Command::new("sh")
        .args(["-c", recipe])
        .env("BASE", base)
        .env("CLIENT", "cli_demo")
        .env("CONSENT", consent)
        .env("EXPIRES", expires.to_string())
        .env("LINK_KEY", key)
        .output()
        .expect("sh and openssl");
    assert!(made.status.success(), "{made:?}");
    String::from_utf8(made.stdout).unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_the_insurer_signed_by_the_recipe_opens_one_visit_and_no_other_link_does() {
    let (world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let consent = api.connection("customer-1").await["consent"]
        .as_str()
        .unwrap()
        .to_owned();
    let soon = world.suite.clock().now().as_second() + 900;
    let nobodys = signed_by_recipe(&world.base, &consent, &"0".repeat(64), soon);
    assert_eq!(Person::new().open(&nobodys).await.status, 404, "no key yet");

    let made = api.send(Method::POST, "/v1/settings/link-key", None).await;
    let key = made.body["link_key"].as_str().unwrap().to_owned();
    let link = signed_by_recipe(&world.base, &consent, &key, soon);
    assert!(!link.contains("customer-1"), "{link}");
    for (why, forged) in [
        ("another key", nobodys),
        (
            "another end",
            link.replace(&soon.to_string(), &(soon + 1).to_string()),
        ),
        ("another client", link.replace("cli_demo", "cli_other")),
        (
            "too far ahead",
            signed_by_recipe(&world.base, &consent, &key, soon + 90_000),
        ),
        ("another nonce", link.replace("nonce=", "nonce=0")),
    ] {
        assert_eq!(Person::new().open(&forged).await.status, 404, "{why}");
        let url: Url = forged.parse().unwrap();
        assert_eq!(Person::new().submit(&url, &[]).await.status, 404, "{why}");
    }
    let mut person = Person::new();
    let landing = person.open(&link).await;
    let overview = person.submit(&landing.link("/self-care/signed"), &[]).await;
    assert!(
        overview.html.contains("Banque Bac à sable"),
        "{}",
        overview.html
    );

    // Used up: whoever finds the link can only have the insurer asked for another, once an hour.
    let mut finder = Person::new();
    for _ in 0..2 {
        let used = finder.open(&link).await;
        assert_eq!(used.status, 410, "{}", used.html);
        let asked = finder
            .submit(&used.link("/self-care/signed/again"), &[])
            .await;
        assert_eq!(asked.status, 200, "{}", asked.html);
    }
    let events = api.events(500).await;
    let asked: Vec<&Value> = events
        .iter()
        .filter(|event| event["kind"] == "self-care.link-requested")
        .collect();
    assert_eq!(asked.len(), 1, "{events:?}");
    assert!(asked[0].to_string().contains("customer-1"), "{asked:?}");
    assert!(!asked[0].to_string().contains("/self-care/"), "{asked:?}");

    let late = signed_by_recipe(&world.base, &consent, &key, soon);
    world
        .suite
        .clock()
        .advance(jiff::SignedDuration::from_mins(16));
    let late = Person::new().open(&late).await;
    assert_eq!(late.status, 410, "{}", late.html);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_sees_who_read_what_and_takes_the_receipts_along() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let id = api.connection("customer-1").await["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let path = format!("/v1/connections/{id}/transactions?purpose=advice");
    assert_eq!(api.get(&path).await.status, 200);
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let log = person.open(overview.link("/self-care/access-log")).await;
    for said in [
        "transactions, sorted by kind",
        "Advise you",
        "Banque Bac à sable",
    ] {
        assert!(log.html.contains(said), "{said}: {}", log.html);
    }
    let question = person.open(overview.link(&id)).await;
    let question = person.open(question.link("/purposes/quote")).await;
    press(&mut person, &question, "/purposes/quote").await;
    let data = person.open(log.link("/self-care/downloads")).await;
    let receipts = person.download(&data.link("/receipts.jsonl")).await;
    let receipts = receipts.text().await.unwrap();
    let acts: Vec<Value> = receipts
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["receipt"].clone())
        .collect();
    assert_eq!(acts.len(), 2, "granted, then narrowed: {acts:?}");
    assert!(acts[1].to_string().contains("psu"), "{}", acts[1]);
    let client_copy = api.get("/v1/customers/customer-1/receipts").await;
    assert_eq!(client_copy.body, Value::String(receipts));
    let nonsense = log.url.join("?before=x").unwrap();
    assert_eq!(person.download(&nonsense).await.status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_renews_from_their_page_and_may_stop_half_way() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let before = api.connection("customer-1").await;
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let detail = person
        .open(overview.link(before["id"].as_str().unwrap()))
        .await;
    let journey = press(&mut person, &detail, "/renew").await;
    assert_eq!(journey.status, 200, "{}", journey.html);
    assert!(
        journey.url.path().starts_with("/journey/"),
        "{}",
        journey.url
    );
    assert!(journey.html.contains("Example Mutual"), "{}", journey.html);
    let after = api.connection("customer-1").await;
    for kept in ["id", "status", "consent", "consent_until"] {
        assert_eq!(after[kept], before[kept], "{after}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_person_says_what_a_line_is_and_takes_it_back() {
    let (_world, api) = world().await;
    connect(&api, "customer-1", "camille.martin").await;
    let connection = api.connection("customer-1").await;
    let id = connection["id"].as_str().unwrap();
    let (mut person, overview) = enter(&link(&api, "customer-1").await).await;
    let detail = person.open(overview.link(id)).await;
    let lines = person.open(detail.link("/lines")).await;
    assert!(lines.html.contains("newest first"), "{}", lines.html);

    // Page by page every line that can be corrected, and no text of one that is protected.
    let mut pages = vec![lines];
    while pages.last().unwrap().html.contains("/lines?from=") {
        let older = pages.last().unwrap().link("/lines?from=");
        pages.push(person.open(older).await);
    }
    let html: String = pages.iter().map(|page| page.html.as_str()).collect();
    let path = format!("/v1/connections/{id}/transactions?purpose=advice&limit=500");
    let stored = api.get(&path).await.body;
    let stored = stored["transactions"].as_array().unwrap();
    assert!(stored.len() > 50);
    for row in stored {
        let at = format!("/lines/{}\"", row["id"].as_str().unwrap());
        let protected = row["enrichment"]["stage"] == "sensitive";
        assert_eq!(html.contains(&at), !protected, "{row}");
    }

    let wrong = stored
        .iter()
        .find(|row| row["enrichment"]["category"] == "food.groceries")
        .unwrap();
    let line = wrong["id"].as_str().unwrap();
    let address = overview
        .url
        .join(&format!("/self-care/connections/{id}/lines/{line}"))
        .unwrap();
    let asked = person.open(address.as_str()).await;
    let proof = asked.inputs("proof").first().unwrap().clone();
    let category = || async {
        let shown = api.get(&path).await.body;
        let rows = shown["transactions"].as_array().unwrap().clone();
        let row = rows.into_iter().find(|row| row["id"] == line).unwrap();
        let read = &row["enrichment"];
        (read["category"].clone(), read["stage"].clone())
    };
    let before = category().await;
    let fields = [
        ("proof", proof.as_str()),
        ("category", "leisure.sport"),
        ("applies_to", "line"),
    ];
    let said = person.submit(&address, &fields).await;
    assert!(said.html.contains("said by you"), "{}", said.html);
    let corrected = (json!("leisure.sport"), json!("correction"));
    assert_eq!(category().await, corrected);

    // What is no category, or a protected one, is not taken, and nothing changes.
    for nonsense in ["cats", "sensitive", ""] {
        let fields = [("proof", proof.as_str()), ("category", nonsense)];
        assert_eq!(person.submit(&address, &fields).await.status, 409);
    }
    let unproved = [("proof", "0"), ("category", "food.restaurant")];
    assert_eq!(person.submit(&address, &unproved).await.status, 409);
    assert_eq!(category().await, corrected);

    let back = [("proof", proof.as_str()), ("forget", "yes")];
    let taken_back = person.submit(&address, &back).await;
    assert!(!taken_back.html.contains("said by you"));
    assert_eq!(category().await, before);

    // Nothing of somebody else's connection, and nothing once this one is over.
    connect(&api, "customer-2", "camille.martin").await;
    let foreign = api.connection("customer-2").await;
    let foreign = foreign["id"].as_str().unwrap();
    for path in [
        format!("/self-care/connections/{foreign}/lines"),
        format!("/self-care/connections/{foreign}/lines/{line}"),
    ] {
        let there = overview.url.join(&path).unwrap();
        assert_eq!(person.open(there).await.status, 404);
    }
    let question = person.open(detail.link("/withdraw")).await;
    press(&mut person, &question, "/withdraw").await;
    let after = person.open(address.as_str()).await;
    assert!(after.url.path().ends_with(id), "{}", after.url);
}
