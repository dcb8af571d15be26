//! Opening a consent, in whichever way the bank wants the person to decide.

use jiff::Timestamp;
use passerelle_domain::call_context::CallContext;
use passerelle_domain::private::Private;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use url::Url;
use zeroize::Zeroizing;

use super::wire::consents::{self, Confirmed, CreatedConsent, ScaOffer, ScaStep};
use super::{BerlinGroup, parse, refusal};
use crate::bank_http::{Answer, Call};
use crate::connector::{AuthorisationRequest, ScaApproach, StartedAuthorisation, WayToBank};
use crate::error::{BankCode, BankError};
use crate::oauth::{self, AuthorisationServer};
use crate::presence;
use crate::secrets::{Approval, AttemptSecrets, Awaited, CodeFlow, OpenToken};

const REDIRECT_URI: HeaderName = HeaderName::from_static("tpp-redirect-uri");
const NOK_REDIRECT_URI: HeaderName = HeaderName::from_static("tpp-nok-redirect-uri");
const REDIRECT_PREFERRED: HeaderName = HeaderName::from_static("tpp-redirect-preferred");
const EXPLICIT_PREFERRED: HeaderName =
    HeaderName::from_static("tpp-explicit-authorisation-preferred");

/// A consent being opened: what was asked, and the token of a bank that wanted one before.
struct Opening<'a> {
    request: &'a AuthorisationRequest,
    token: Option<&'a OpenToken>,
    consent_id: String,
}

impl BerlinGroup {
    /// Sends the person to the authorisation server before any consent (OAuth pre-step).
    pub(super) async fn authorise_first(
        &self,
        request: &AuthorisationRequest,
    ) -> Result<StartedAuthorisation, BankError> {
        let server = match self.registered_server() {
            Some(server) => server,
            None => {
                let metadata = self.interface.api.path(&oauth::WELL_KNOWN);
                self.described(&metadata, request).await?
            }
        };
        let return_to = self.return_address(request);
        Ok(to_server(
            server,
            "AIS",
            None,
            return_to,
            &self.interface.client_id,
            request,
        ))
    }

    /// Opens the consent and says what the person must do.
    pub(super) async fn open(
        &self,
        request: &AuthorisationRequest,
        token: Option<&OpenToken>,
    ) -> Result<StartedAuthorisation, BankError> {
        let created = self.create_consent(request, token).await?;
        let opening = Opening {
            request,
            token,
            consent_id: created.consent_id,
        };
        match created.sca.step() {
            Some(ScaStep::Start(link)) => {
                let offer = self.start_explicitly(&opening, link).await?;
                self.sent(opening, offer.step()).await
            }
            step => self.sent(opening, step).await,
        }
    }

    async fn sent(
        &self,
        opening: Opening<'_>,
        step: Option<ScaStep<'_>>,
    ) -> Result<StartedAuthorisation, BankError> {
        match step {
            Some(ScaStep::OAuth(link)) => self.to_authorisation_server(opening, link).await,
            Some(ScaStep::Redirect { page, confirmation }) => {
                let page = self.interface.page(page)?;
                self.to_page(opening, page, confirmation)
            }
            Some(ScaStep::Decoupled { message }) => Ok(StartedAuthorisation {
                // Nobody leaves: the journey goes on at once and asks where the consent stands.
                way: WayToBank {
                    href: opening.request.own_return_address(),
                    approach: ScaApproach::Decoupled {
                        message: message.map(Private::from),
                    },
                },
                secrets: opening.approval(None),
            }),
            Some(ScaStep::Start(_)) | None => Err(BankError::Nonsense {
                what: "the created consent has no link for the person",
            }),
        }
    }

    async fn create_consent(
        &self,
        request: &AuthorisationRequest,
        token: Option<&OpenToken>,
    ) -> Result<CreatedConsent, BankError> {
        let body = consents::consent_request(
            request.valid_until,
            self.unattended_per_day,
            self.capabilities.owner_name,
        );
        let mut headers = self.opening_headers(request, token)?;
        if self.capabilities.explicit_start {
            headers.insert(EXPLICIT_PREFERRED, HeaderValue::from_static("true"));
        }
        let url = self.interface.api.path(&["v1", "consents"]);
        let answer = self
            .post("consent creation", url, headers, body, &request.context)
            .await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => {
                parse(&answer, "the created consent cannot be read")
            }
            _ => Err(refusal::read(&answer)),
        }
    }

    /// Starts the authorisation of a consent that did not start it itself.
    async fn start_explicitly(
        &self,
        opening: &Opening<'_>,
        link: &str,
    ) -> Result<ScaOffer, BankError> {
        let url = self
            .interface
            .api
            .resolve(self.interface.api.base(), link)?;
        let headers = self.opening_headers(opening.request, opening.token)?;
        let answer = self
            .post(
                "authorisation start",
                url,
                headers,
                "{}".to_owned(),
                &opening.request.context,
            )
            .await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::OK => {
                parse(&answer, "the started authorisation cannot be read")
            }
            _ => Err(refusal::read(&answer)),
        }
    }

    async fn to_authorisation_server(
        &self,
        opening: Opening<'_>,
        link: &str,
    ) -> Result<StartedAuthorisation, BankError> {
        let server = match (self.registered_server(), &self.token_path) {
            (Some(server), _) => server,
            // The link is no description but the page itself (Q48).
            (None, Some(path)) => AuthorisationServer {
                issuer: self
                    .interface
                    .api
                    .base()
                    .as_str()
                    .trim_end_matches('/')
                    .to_owned(),
                authorization_endpoint: self.own(link)?,
                token_endpoint: self
                    .interface
                    .api
                    .resolve(self.interface.api.base(), path)?,
                authorization_response_iss_parameter_supported: false,
                code_challenge_methods_supported: None,
            },
            (None, None) => self.described(&self.own(link)?, opening.request).await?,
        };
        let scope = format!("AIS:{}", opening.consent_id);
        let return_to = self.return_address(opening.request);
        let (request, consent_id) = (opening.request, Some(opening.consent_id));
        Ok(to_server(
            server,
            &scope,
            consent_id,
            return_to,
            &self.interface.client_id,
            request,
        ))
    }

    fn to_page(
        &self,
        opening: Opening<'_>,
        page: Url,
        confirmation: Option<&str>,
    ) -> Result<StartedAuthorisation, BankError> {
        if !self.quirks.returns_per_attempt {
            return Err(BankError::Settings(
                "a bank without OAuth brings no `state` back: its row needs `returns_per_attempt`",
            ));
        }
        let confirmation = confirmation
            .map(|href| self.interface.api.resolve(self.interface.api.base(), href))
            .transpose()?;
        Ok(StartedAuthorisation {
            way: WayToBank {
                href: page,
                approach: ScaApproach::Redirect,
            },
            secrets: opening.approval(confirmation),
        })
    }

    /// The authorisation server the bank named when it registered us: no link of an answer comes
    /// before that.
    fn registered_server(&self) -> Option<AuthorisationServer> {
        let interface = &self.interface;
        let page = interface.authorisation.clone()?;
        let issuer = interface.issuer.clone();
        Some(AuthorisationServer {
            issuer: issuer.unwrap_or_else(|| page.origin().ascii_serialization()),
            authorization_endpoint: page,
            token_endpoint: interface.token.clone()?,
            authorization_response_iss_parameter_supported: interface.issuer.is_some(),
            code_challenge_methods_supported: None,
        })
    }

    fn own(&self, link: &str) -> Result<Url, BankError> {
        let api = &self.interface.api;
        api.resolve(api.base(), link)
    }

    async fn described(
        &self,
        metadata: &Url,
        request: &AuthorisationRequest,
    ) -> Result<AuthorisationServer, BankError> {
        AuthorisationServer::discover(&self.http, metadata, &request.context).await
    }

    /// Hands a confirmation code over, where the bank wants one. A redirect proves nothing: whether
    /// the consent is valid is asked afterwards.
    pub(super) async fn approved(
        &self,
        approval: &Approval,
        bank_consent_id: Option<&str>,
        code: Option<&Private>,
        context: &CallContext,
        now: Timestamp,
    ) -> Result<OpenToken, BankError> {
        let consent_id = bank_consent_id.ok_or(BankError::DamagedSecrets)?;
        if let (Some(address), Some(code)) = (&approval.confirmation, code) {
            self.confirm(approval, address, code, context).await?;
        }
        Ok(match &approval.token {
            Some(token) => token.with_consent(consent_id.to_owned(), now),
            None => OpenToken::of_consent(consent_id.to_owned(), now),
        })
    }

    async fn confirm(
        &self,
        approval: &Approval,
        address: &Url,
        code: &Private,
        context: &CallContext,
    ) -> Result<(), BankError> {
        self.interface.api.own(address)?;
        let mut headers = json_headers();
        if let Some(token) = &approval.token {
            presence::authorise(&mut headers, token)?;
        }
        let answer = self
            .http
            .send(Call {
                name: "confirmation",
                method: Method::PUT,
                url: address.clone(),
                headers,
                body: Some(Zeroizing::new(consents::confirmation(code).into_bytes())),
                context,
            })
            .await?;
        if !answer.status.is_success() {
            return Err(match refusal::read(&answer) {
                BankError::Refused { code, .. } => BankError::CodeRefused { code },
                error => error,
            });
        }
        let confirmed: Confirmed = serde_json::from_slice(&answer.body).unwrap_or_default();
        match confirmed.has_failed() {
            true => Err(BankError::CodeRefused {
                code: BankCode::new("failed"),
            }),
            false => Ok(()),
        }
    }

    fn opening_headers(
        &self,
        request: &AuthorisationRequest,
        token: Option<&OpenToken>,
    ) -> Result<HeaderMap, BankError> {
        let mut headers = json_headers();
        presence::name_psu(&mut headers, &request.psu)?;
        if let Some(token) = token {
            presence::authorise(&mut headers, token)?;
        }
        let redirect = presence::header(self.return_address(request).as_str())?;
        headers.insert(REDIRECT_PREFERRED, HeaderValue::from_static("true"));
        headers.insert(NOK_REDIRECT_URI, redirect.clone());
        headers.insert(REDIRECT_URI, redirect);
        Ok(headers)
    }

    fn return_address(&self, request: &AuthorisationRequest) -> Url {
        match self.quirks.returns_per_attempt {
            true => request.own_return_address(),
            false => request.redirect_uri.clone(),
        }
    }

    async fn post(
        &self,
        name: &'static str,
        url: Url,
        headers: HeaderMap,
        body: String,
        context: &CallContext,
    ) -> Result<Answer, BankError> {
        self.http
            .send(Call {
                name,
                method: Method::POST,
                url,
                headers,
                body: Some(Zeroizing::new(body.into_bytes())),
                context,
            })
            .await
    }
}

impl Opening<'_> {
    fn approval(self, confirmation: Option<Url>) -> AttemptSecrets {
        let token = self
            .token
            .map(|token| token.with_consent(self.consent_id.clone(), self.request.now));
        AttemptSecrets {
            bank_consent_id: Some(self.consent_id),
            awaited: Awaited::Approval(Approval {
                confirmation,
                token,
            }),
        }
    }
}

fn to_server(
    server: AuthorisationServer,
    scope: &str,
    bank_consent_id: Option<String>,
    return_to: Url,
    client_id: &str,
    request: &AuthorisationRequest,
) -> StartedAuthorisation {
    let page = &server.authorization_endpoint;
    StartedAuthorisation {
        way: WayToBank {
            href: oauth::authorisation_page(page, client_id, scope, &return_to, request),
            approach: ScaApproach::Redirect,
        },
        secrets: AttemptSecrets {
            bank_consent_id,
            awaited: Awaited::Code(CodeFlow {
                code_verifier: request.code_verifier.expose().into(),
                redirect_uri: return_to,
                token_endpoint: server.token_endpoint,
                issuer: server.issuer,
                issuer_required: server.authorization_response_iss_parameter_supported,
            }),
        },
    }
}

fn json_headers() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)])
}
