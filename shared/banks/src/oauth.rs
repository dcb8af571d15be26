//! OAuth 2 with a bank's authorisation server: metadata (RFC 8414), PKCE (RFC 7636), the issuer in
//! the return (RFC 9207).

#[cfg(test)]
mod fuzz;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use passerelle_domain::call_context::CallContext;
use passerelle_domain::private::Private;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Method, StatusCode};
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::IgnoredAny;
use url::Url;
use url::form_urlencoded::Serializer;
use zeroize::Zeroizing;

use crate::bank_http::{Answer, BankHttp, Call};
use crate::connector::AuthorisationRequest;
use crate::error::{BankCode, BankError};
use crate::secrets::{AttemptSecrets, CodeFlow, OpenToken};

/// Assumed when a bank does not say how long its access token lives: short, so that a refresh comes
/// early rather than a refusal.
const ASSUMED_LIFETIME: SignedDuration = SignedDuration::from_secs(300);

/// Where RFC 8414 puts the metadata of a server, below its address.
pub(crate) const WELL_KNOWN: [&str; 2] = [".well-known", "oauth-authorization-server"];

/// A bank's authorisation server, as its metadata describes it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AuthorisationServer {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Url,
    pub(crate) token_endpoint: Url,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    pub(crate) code_challenge_methods_supported: Option<Vec<String>>,
}

impl AuthorisationServer {
    /// Reads the metadata document and refuses one that cannot be the bank's.
    pub(crate) async fn discover(
        http: &BankHttp,
        address: &Url,
        context: &CallContext,
    ) -> Result<Self, BankError> {
        let answer = http
            .unsigned()
            .send(Call {
                name: "oauth metadata",
                method: Method::GET,
                url: address.clone(),
                headers: HeaderMap::from_iter([(
                    ACCEPT,
                    HeaderValue::from_static("application/json"),
                )]),
                body: None,
                context,
            })
            .await?;
        if answer.status != StatusCode::OK {
            return Err(unavailable(&answer, "the OAuth metadata is missing"));
        }
        let server: Self =
            serde_json::from_slice(&answer.body).map_err(|_| BankError::Nonsense {
                what: "the OAuth metadata cannot be read",
            })?;
        server.check(address)?;
        Ok(server)
    }

    fn check(&self, address: &Url) -> Result<(), BankError> {
        let home = address.origin();
        let issuer = Url::parse(&self.issuer).map_err(|_| BankError::Nonsense {
            what: "the OAuth issuer is not an address",
        })?;
        let at_home = [&issuer, &self.authorization_endpoint, &self.token_endpoint]
            .into_iter()
            .all(|url| url.origin() == home);
        if !at_home {
            return Err(BankError::ForeignLink);
        }
        let pkce = self
            .code_challenge_methods_supported
            .as_ref()
            .is_none_or(|methods| methods.iter().any(|method| method == "S256"));
        if !pkce {
            return Err(BankError::Nonsense {
                what: "the authorisation server does not support PKCE with S256",
            });
        }
        Ok(())
    }
}

/// The page the person is sent to. PKCE always goes along: a server that does not know it ignores it.
pub(crate) fn authorisation_page(
    endpoint: &Url,
    client_id: &str,
    scope: &str,
    redirect_uri: &Url,
    request: &AuthorisationRequest,
) -> Url {
    let mut page = endpoint.clone();
    page.query_pairs_mut()
        .append_pair("response_type", "code")
        .append_pair("client_id", client_id)
        .append_pair("redirect_uri", redirect_uri.as_str())
        .append_pair("scope", scope)
        .append_pair("state", request.state.expose())
        .append_pair("code_challenge", &code_challenge(&request.code_verifier))
        .append_pair("code_challenge_method", "S256");
    page
}

/// `BASE64URL(SHA-256(verifier))`.
fn code_challenge(verifier: &Private) -> String {
    let digest = digest::digest(&digest::SHA256, verifier.expose().as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}

/// Refuses a return that another server than the one we sent the person to answers (mix-up,
/// RFC 9207): a wrong name, or no name from a bank that promised one.
pub(crate) fn check_issuer(flow: &CodeFlow, issuer: Option<&str>) -> Result<(), BankError> {
    match issuer {
        Some(named) if named == flow.issuer => Ok(()),
        None if !flow.issuer_required => Ok(()),
        Some(_) | None => Err(BankError::IssuerMismatch),
    }
}

/// The code of a return that must bring one.
pub(crate) fn needed(code: Option<&Private>) -> Result<&Private, BankError> {
    code.ok_or_else(|| BankError::CodeRefused {
        code: BankCode::new("no_code"),
    })
}

/// Exchanges a code for tokens.
pub(crate) async fn exchange_code(
    http: &BankHttp,
    client_id: &str,
    secrets: &AttemptSecrets,
    code: Option<&Private>,
    issuer: Option<&str>,
    context: &CallContext,
    now: Timestamp,
) -> Result<OpenToken, BankError> {
    let flow = secrets.code_flow()?;
    check_issuer(flow, issuer)?;
    let code = needed(code)?;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.expose()),
        ("redirect_uri", flow.redirect_uri.as_str()),
        ("client_id", client_id),
        ("code_verifier", flow.code_verifier.expose_secret()),
    ];
    let answer = post_form(http, &flow.token_endpoint, &form, context).await?;
    let granted = read_grant(&answer, |code| BankError::CodeRefused { code })?;
    Ok(OpenToken {
        expires_at: granted.expires_at(now),
        refresh: granted.refresh_token(),
        access: Some(granted.access_token),
        bank_consent_id: secrets.bank_consent_id.clone(),
        token_endpoint: Some(flow.token_endpoint.clone()),
        authorised_at: now,
        renewed: false,
    })
}

/// Renews the access token. A bank that does not rotate sends no new refresh token: the old one
/// stays.
pub(crate) async fn refresh(
    http: &BankHttp,
    client_id: &str,
    token: &OpenToken,
    context: &CallContext,
    now: Timestamp,
) -> Result<OpenToken, BankError> {
    let (endpoint, refresh) = token.renewal()?;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", refresh.expose_secret()),
        ("client_id", client_id),
    ];
    let answer = post_form(http, endpoint, &form, context).await?;
    let granted = read_grant(&answer, |code| BankError::TokenRefused { code });
    let granted = granted.map_err(|error| refused_for_good(&answer, error))?;
    Ok(OpenToken {
        expires_at: granted.expires_at(now),
        refresh: granted.refresh_token().or_else(|| Some(refresh.clone())),
        access: Some(granted.access_token),
        bank_consent_id: token.bank_consent_id.clone(),
        token_endpoint: token.token_endpoint.clone(),
        authorised_at: token.authorised_at,
        renewed: true,
    })
}

/// A renewal refused in words of the bank's own is refused all the same: asking again with the same
/// token would only be refused again. Our registration, a limit and an outage are other matters.
fn refused_for_good(answer: &Answer, error: BankError) -> BankError {
    let passing = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
    let is_final = answer.status.is_client_error() && !passing.contains(&answer.status);
    match error {
        BankError::Refused { code, .. } if is_final => BankError::TokenRefused { code },
        BankError::Nonsense { .. } if is_final => BankError::TokenRefused {
            code: BankCode::new("refused"),
        },
        error => error,
    }
}

/// Gives a token back (RFC 7009). A server that does not know it any more agrees.
pub(crate) async fn revoke(
    http: &BankHttp,
    endpoint: &Url,
    client_id: &str,
    token: &OpenToken,
    context: &CallContext,
) -> Result<(), BankError> {
    let (secret, hint) = match (&token.refresh, &token.access) {
        (Some(refresh), _) => (refresh, "refresh_token"),
        (None, Some(access)) => (access, "access_token"),
        (None, None) => return Ok(()),
    };
    let form = [
        ("token", secret.expose_secret()),
        ("token_type_hint", hint),
        ("client_id", client_id),
    ];
    let answer = post_form(http, endpoint, &form, context).await?;
    if answer.status.is_success() {
        Ok(())
    } else {
        Err(unavailable(&answer, "the revocation was refused"))
    }
}

async fn post_form(
    http: &BankHttp,
    endpoint: &Url,
    form: &[(&str, &str)],
    context: &CallContext,
) -> Result<Answer, BankError> {
    let body = Serializer::new(String::with_capacity(4096))
        .extend_pairs(form)
        .finish();
    http.unsigned()
        .send(Call {
            name: "oauth token",
            method: Method::POST,
            url: endpoint.clone(),
            headers: HeaderMap::from_iter([
                (ACCEPT, HeaderValue::from_static("application/json")),
                (
                    CONTENT_TYPE,
                    HeaderValue::from_static("application/x-www-form-urlencoded"),
                ),
            ]),
            body: Some(Zeroizing::new(body.into_bytes())),
            context,
        })
        .await
}

#[derive(Deserialize)]
struct Grant {
    access_token: SecretString,
    token_type: Option<String>,
    #[serde(default)]
    expires_in: Option<ExpiresIn>,
    #[serde(default)]
    refresh_token: Option<SecretString>,
}

/// Seconds: in quotes at some banks, with a fraction at others, and not worth losing a token for.
#[derive(Deserialize)]
#[serde(untagged)]
enum ExpiresIn {
    Number(u32),
    Text(String),
    Other(IgnoredAny),
}

impl Grant {
    /// The refresh token, where there is one: an empty text is none.
    fn refresh_token(&self) -> Option<SecretString> {
        let given = self.refresh_token.as_ref();
        given
            .filter(|token| !token.expose_secret().trim().is_empty())
            .cloned()
    }

    fn expires_at(&self, now: Timestamp) -> Timestamp {
        let seconds = match &self.expires_in {
            Some(ExpiresIn::Number(seconds)) => Some(*seconds),
            Some(ExpiresIn::Text(text)) => text.parse().ok(),
            Some(ExpiresIn::Other(_)) | None => None,
        };
        let lifetime = seconds.map_or(ASSUMED_LIFETIME, |seconds| {
            SignedDuration::from_secs(i64::from(seconds))
        });
        now.checked_add(lifetime).unwrap_or(Timestamp::MAX)
    }
}

#[derive(Deserialize)]
struct OAuthRefusal {
    error: String,
}

fn read_grant(
    answer: &Answer,
    refused: impl FnOnce(BankCode) -> BankError,
) -> Result<Grant, BankError> {
    if answer.status.is_success() {
        let grant: Grant =
            serde_json::from_slice(&answer.body).map_err(|_| BankError::Nonsense {
                what: "the token answer cannot be read",
            })?;
        let bearer = grant
            .token_type
            .as_deref()
            .is_none_or(|kind| kind.eq_ignore_ascii_case("bearer"));
        let usable = bearer && is_header_safe(&grant.access_token);
        return usable.then_some(grant).ok_or(BankError::Nonsense {
            what: "the token answer holds no bearer token",
        });
    }
    let code = serde_json::from_slice::<OAuthRefusal>(&answer.body)
        .ok()
        .map(|refusal| BankCode::new(&refusal.error));
    match (answer.status, code) {
        (_, Some(code)) if code.as_str() == "invalid_grant" => Err(refused(code)),
        (_, Some(code)) if matches!(code.as_str(), "invalid_client" | "unauthorized_client") => {
            Err(BankError::IdentityRefused { code })
        }
        (
            StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN,
            Some(code),
        ) => Err(BankError::Refused {
            status: answer.status.as_u16(),
            code,
        }),
        _ => Err(unavailable(
            answer,
            "the token endpoint refused without a reason",
        )),
    }
}

/// A token goes into a header: anything else than visible ASCII cannot be one (RFC 6750).
pub(crate) fn is_header_safe(token: &SecretString) -> bool {
    let text = token.expose_secret();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn unavailable(answer: &Answer, what: &'static str) -> BankError {
    if answer.status == StatusCode::TOO_MANY_REQUESTS {
        BankError::RateLimited {
            retry_after: answer.retry_after,
        }
    } else if answer.status.is_server_error() {
        BankError::Unavailable {
            status: answer.status.as_u16(),
        }
    } else {
        BankError::Nonsense { what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flow(issuer_required: bool) -> CodeFlow {
        CodeFlow {
            code_verifier: SecretString::from("verifier"),
            redirect_uri: Url::parse("https://us.example/callback").unwrap(),
            token_endpoint: Url::parse("https://bank.example/token").unwrap(),
            issuer: "https://bank.example".to_owned(),
            issuer_required,
        }
    }

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            retry_after: None,
            body: Zeroizing::new(body.as_bytes().to_vec()),
        }
    }

    fn grant(status: u16, body: &str) -> Result<Grant, BankError> {
        read_grant(&answer(status, body), |code| BankError::TokenRefused {
            code,
        })
    }

    #[test]
    fn the_challenge_is_the_one_of_rfc_7636_appendix_b() {
        let verifier = Private::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            code_challenge(&verifier),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
    }

    #[test]
    fn a_return_that_names_another_bank_is_refused() {
        let named = |required, issuer| check_issuer(&flow(required), issuer).is_ok();
        assert!(named(true, Some("https://bank.example")));
        assert!(!named(true, Some("https://other.example")));
        assert!(!named(false, Some("https://other.example")));
        assert!(!named(true, None));
        assert!(named(false, None));
    }

    #[test]
    fn metadata_that_points_elsewhere_is_refused() {
        let server = |token_endpoint: &str, methods: &str| -> AuthorisationServer {
            serde_json::from_str(&format!(
                r#"{{"issuer":"https://bank.example","authorization_endpoint":"https://bank.example/a",
                "token_endpoint":"{token_endpoint}","code_challenge_methods_supported":{methods}}}"#
            ))
            .unwrap()
        };
        let home =
            Url::parse("https://bank.example/.well-known/oauth-authorization-server").unwrap();
        assert!(
            server("https://bank.example/t", r#"["S256"]"#)
                .check(&home)
                .is_ok()
        );
        assert!(matches!(
            server("https://evil.example/t", r#"["S256"]"#).check(&home),
            Err(BankError::ForeignLink)
        ));
        assert!(
            server("https://bank.example/t", r#"["plain"]"#)
                .check(&home)
                .is_err()
        );
    }

    #[test]
    fn a_spent_refresh_token_needs_the_person() {
        let refused = grant(
            400,
            r#"{"error":"invalid_grant","error_description":"M. MARTIN"}"#,
        );
        let error = refused.err().unwrap();
        assert!(error.needs_psu().is_some());
        assert!(!error.to_string().contains("MARTIN"));
    }

    #[test]
    fn nonsense_from_the_token_endpoint_is_an_error() {
        for (status, body) in [
            (200, "<html>"),
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":"a\nb"}"#),
            (200, r#"{"access_token":"a","token_type":"mac"}"#),
            (302, ""),
            (500, ""),
            (400, "<html>"),
        ] {
            assert!(grant(status, body).is_err(), "{status} {body}");
        }
    }

    #[test]
    fn a_lifetime_that_cannot_be_read_costs_no_token() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        for (written, seconds) in [
            (r#""600""#, 600),
            ("600", 600),
            ("3600.5", 300),
            ("99999999999", 300),
            ("null", 300),
            (r#"{"minutes":5}"#, 300),
            (r#""soon""#, 300),
        ] {
            let body =
                format!(r#"{{"access_token":"a","refresh_token":"r","expires_in":{written}}}"#);
            let granted = grant(200, &body).unwrap_or_else(|_| panic!("{written}"));
            assert_eq!(
                granted.expires_at(now).duration_since(now).as_secs(),
                seconds,
                "{written}"
            );
            assert!(granted.refresh_token().is_some());
        }
    }

    #[test]
    fn an_empty_refresh_token_is_none() {
        let granted = grant(200, r#"{"access_token":"a","refresh_token":" "}"#).ok();
        assert!(granted.unwrap().refresh_token().is_none());
    }

    #[test]
    fn a_renewal_refused_in_other_words_needs_the_person_and_an_outage_does_not() {
        let refused = |status, body: &str| {
            let answer = answer(status, body);
            let error = read_grant(&answer, |code| BankError::TokenRefused { code }).err();
            refused_for_good(&answer, error.unwrap())
        };
        for (status, body) in [
            (400, "<html>"),
            (401, ""),
            (403, r#"{"error":"access_denied"}"#),
            (400, r#"{"error":"token_inactive"}"#),
        ] {
            assert!(
                refused(status, body).needs_psu().is_some(),
                "{status} {body}"
            );
        }
        for (status, body) in [(429, ""), (503, "<html>"), (408, ""), (302, "")] {
            assert!(refused(status, body).is_retryable(), "{status} {body}");
        }
        let ours = refused(401, r#"{"error":"invalid_client"}"#);
        assert!(ours.is_ours() && ours.needs_psu().is_none());
    }

    proptest! {
        #[test]
        fn no_token_answer_makes_it_panic(status in 100_u16..600, body in ".{0,200}") {
            let _ = grant(status, &body);
        }
    }
}
