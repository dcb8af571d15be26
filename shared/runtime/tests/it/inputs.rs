//! Bodies, queries and paths that do not fit: a problem that names the place, nothing repeated.

use axum::Router;
use axum::routing::{get, post};
use passerelle_domain::ids::{ConsentId, CustomerReference};
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::PurposeCode;
use passerelle_runtime::{BODY_LIMIT, Form, Function, Json, Path, Query, Routes};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::events::Http;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    customer: CustomerReference,
    purposes: Vec<Wish>,
    #[serde(default)]
    locale: Locale,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    code: PurposeCode,
    required: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    query: String,
    limit: Option<u8>,
}

fn function() -> Function {
    let router = Router::new()
        .route("/asks", post(async |Json(ask): Json<Ask>| Json(ask)))
        .route(
            "/search",
            get(async |Query(search): Query<Search>| Json(search)),
        )
        .route(
            "/consents/{consent}",
            get(async |Path(id): Path<ConsentId>| Json(id)),
        )
        .route(
            "/form",
            post(async |Form(pairs): Form<Vec<(String, String)>>| Json(pairs)),
        )
        .route(
            "/strict-form",
            post(async |Form(search): Form<Search>| Json(search)),
        );
    Function::new("example").http(Routes::new().anonymous(router))
}

async fn refusal(request: Http) -> Value {
    let answer = request.send(&function()).await;
    assert!((400..500).contains(&answer.status()), "{}", answer.0);
    answer.problem()
}

async fn misfit(body: &str) -> (String, String) {
    let problem = refusal(Http::new("POST", "/asks").json(body)).await;
    assert_eq!(problem["type"], "urn:passerelle:problem:invalid-body");
    let error = &problem["errors"][0];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("pointer"), text("detail"))
}

fn pair(pointer: &str, detail: &str) -> (String, String) {
    (pointer.to_owned(), detail.to_owned())
}

#[tokio::test]
async fn a_body_that_fits_is_read() {
    let body = r#"{"customer":"c-1","purposes":[{"code":"quote","required":true}]}"#;
    let request = Http::new("POST", "/asks").body("application/json; charset=utf-8", body);
    assert_eq!(request.send(&function()).await.status(), 200);
}

#[tokio::test]
async fn a_missing_field_is_named() {
    assert_eq!(
        misfit(r#"{"customer":"c-1","purposes":[{"code":"quote"}]}"#).await,
        pair("#/purposes/0/required", "this field is required")
    );
}

#[tokio::test]
async fn an_unknown_field_is_named() {
    let (pointer, detail) = misfit(r#"{"customer":"c-1","purposes":[],"iban":"FR76"}"#).await;
    assert_eq!(pointer, "#/iban");
    assert_eq!(
        detail,
        "this field is not known: expected one of `customer`, `purposes`, `locale`"
    );
}

#[tokio::test]
async fn a_wrong_type_is_named_and_its_value_is_not_repeated() {
    let (pointer, detail) =
        misfit(r#"{"customer":"c-1","purposes":[{"code":"quote","required":"SECRET"}]}"#).await;
    assert_eq!(
        (pointer.as_str(), detail.as_str()),
        ("#/purposes/0/required", "expected true or false")
    );
    assert_eq!(
        misfit(r#"{"customer":"c-1","purposes":{"SECRET":1}}"#).await,
        pair("#/purposes", "expected a list")
    );
    assert_eq!(misfit("[]").await.0, "#");
}

#[tokio::test]
async fn a_value_of_the_wrong_shape_is_told_the_shape() {
    let (pointer, detail) = misfit(r#"{"customer":"jean@example.fr","purposes":[]}"#).await;
    assert_eq!(pointer, "#/customer");
    assert!(
        detail.starts_with("not a valid customer reference: expected 1 to 64"),
        "{detail}"
    );
    let (pointer, detail) = misfit(r#"{"customer":"c-1","purposes":[],"locale":"SECRET"}"#).await;
    assert_eq!(pointer, "#/locale");
    assert_eq!(detail, "expected `fr` or `en`");
}

#[tokio::test]
async fn what_is_not_json_is_told_where() {
    for body in ["{\"customer\": ", "nonsense", "{} {}", "", "\u{0}"] {
        let problem = refusal(Http::new("POST", "/asks").json(body)).await;
        assert_eq!(
            problem["type"], "urn:passerelle:problem:invalid-body",
            "{body:?}"
        );
    }
    let problem = refusal(Http::new("POST", "/asks").json("{\"customer\":\n nonsense}")).await;
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(problem) });
}

#[tokio::test]
async fn deep_nesting_is_refused_and_does_not_overflow() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    misfit(&format!(r#"{{"customer":"c-1","purposes":{deep}}}"#)).await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_read() {
    let padded = |size: usize| {
        let body = r#"{"customer":"c-1","purposes":[]}"#;
        format!("{body}{}", " ".repeat(size - body.len()))
    };
    let fits = Http::new("POST", "/asks").json(&padded(BODY_LIMIT));
    assert_eq!(fits.send(&function()).await.status(), 200);
    let problem = refusal(Http::new("POST", "/asks").json(&padded(BODY_LIMIT + 1))).await;
    assert_eq!(problem["status"], 413);
}

#[tokio::test]
async fn another_media_type_is_refused() {
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "",
        "json",
    ] {
        let problem = refusal(Http::new("POST", "/asks").body(media_type, "{}")).await;
        assert_eq!(problem["status"], 415, "{media_type}");
    }
    let untyped = Http::new("POST", "/asks").with("/body", json!("{}"));
    assert_eq!(refusal(untyped).await["status"], 415);
}

#[tokio::test]
async fn a_query_parameter_that_does_not_fit_is_named() {
    let problem = refusal(Http::new("GET", "/search?query=x&limit=SECRET")).await;
    assert!(!problem.to_string().contains("SECRET"));
    assert_eq!(problem["errors"][0]["parameter"], "limit");
    let problem = refusal(Http::new("GET", "/search?page=2")).await;
    assert_eq!(problem["errors"][0]["parameter"], "page");
    let twice = refusal(Http::new("GET", "/search?limit=1&limit=2")).await;
    insta::with_settings!({sort_maps => true}, { insta::assert_json_snapshot!(twice) });
}

#[tokio::test]
async fn an_id_of_the_wrong_shape_names_nothing() {
    for id in ["cnx_00000000000000000000000000", "..", "%00", "%ff"] {
        let problem = refusal(Http::new("GET", &format!("/consents/{id}"))).await;
        assert_eq!(problem["status"], 404, "{id}");
    }
}

#[tokio::test]
async fn a_form_is_read_with_its_repeated_names() {
    let form = Http::new("POST", "/form").body(
        "application/x-www-form-urlencoded",
        "purpose=quote&purpose=advice&note=d%C3%A9j%C3%A0+vu",
    );
    let answer = form.send(&function()).await;
    assert_eq!(
        answer.json(),
        json!([
            ["purpose", "quote"],
            ["purpose", "advice"],
            ["note", "déjà vu"]
        ])
    );
    let form =
        Http::new("POST", "/strict-form").body("application/x-www-form-urlencoded", "limit=lots");
    assert_eq!(refusal(form).await["errors"][0]["parameter"], "limit");
}
