//! `POST /v1/customers/{customer}/self-care-links`: a client asks for a link into self-care, to open in
//! its app or to send by e-mail.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use jiff::SignedDuration;
use passerelle_aws::consents::IdempotencyKey;
use passerelle_aws::self_care::{Made, MadeLink, Psu};
use passerelle_aws::table::Digest;
use passerelle_domain::Timestamp;
use passerelle_domain::ids::{CustomerReference, LinkId};
use passerelle_domain::locale::Locale;
use passerelle_runtime::{Caller, Code, Json, OwnAddress, Path, Problem, entropy, idempotency_key};
use serde::{Deserialize, Serialize};

use crate::{Connections, refused};

/// Long enough to hand a link over in an app; an e-mail asks for more.
const DEFAULT_MINUTES: u16 = 15;
const MAX_MINUTES: u16 = 24 * 60;

/// What a client asks for.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LinkRequest {
    #[serde(default)]
    locale: Locale,
    /// How long the link can be opened: 1 minute to a day, a quarter of an hour unless said otherwise.
    lifetime_minutes: Option<u16>,
}

/// The link, to be given to this person and nobody else.
#[derive(Debug, Serialize)]
pub(crate) struct Link {
    url: String,
    expires_at: Timestamp,
}

pub(crate) async fn open(
    State(connections): State<Arc<Connections>>,
    caller: Caller,
    own: OwnAddress,
    headers: HeaderMap,
    Path(customer): Path<CustomerReference>,
    Json(request): Json<LinkRequest>,
) -> Result<Response, Problem> {
    let lifetime = lifetime(&request)?;
    let address = connections.address(&own)?;
    let idempotency = same_request(&headers, &customer, &request)?;
    let psu = Psu {
        client: caller.client,
        customer,
        locale: request.locale,
    };
    connections.require_known(&psu).await?;
    let link = connections
        .link(&psu, lifetime, idempotency.as_ref(), &address)
        .await?;
    Ok((StatusCode::CREATED, Json(link)).into_response())
}

fn lifetime(request: &LinkRequest) -> Result<SignedDuration, Problem> {
    let minutes = request.lifetime_minutes.unwrap_or(DEFAULT_MINUTES);
    if (1..=MAX_MINUTES).contains(&minutes) {
        Ok(SignedDuration::from_mins(i64::from(minutes)))
    } else {
        let detail = "expected 1 to 1440 minutes";
        Err(Problem::invalid_body("#/lifetime_minutes", detail))
    }
}

/// The key and the digest of what is asked under it.
fn same_request(
    headers: &HeaderMap,
    customer: &CustomerReference,
    request: &LinkRequest,
) -> Result<Option<IdempotencyKey>, Problem> {
    let asked = ("self-care-link", customer, request);
    let canonical = serde_json::to_string(&asked).map_err(|error| Problem::internal(&error))?;
    Ok(idempotency_key(headers)?.map(|key| IdempotencyKey {
        key,
        request: Digest::of(&canonical),
    }))
}

impl Connections {
    /// A person nothing was ever connected for has nothing to look after.
    async fn require_known(&self, psu: &Psu) -> Result<(), Problem> {
        let ids = self
            .store
            .table()
            .connections_of(&psu.client, &psu.customer);
        match ids.await.map_err(refused)?.is_empty() {
            true => Err(Problem::not_found()),
            false => Ok(()),
        }
    }

    async fn link(
        &self,
        psu: &Psu,
        lifetime: SignedDuration,
        idempotency: Option<&IdempotencyKey>,
        address: &str,
    ) -> Result<Link, Problem> {
        let now = self.clock.now();
        let tenant_key = self.store.vault().tenant_key(&psu.client, now).await;
        let tenant_key = tenant_key.map_err(refused)?;
        let asked = MadeLink {
            id: LinkId::from_entropy(entropy()),
            expires_at: whole_second(now.checked_add(lifetime).unwrap_or(now)),
        };
        let token = Digest::of(tenant_key.self_care_token(&asked.id).expose());
        let made = self
            .store
            .table()
            .open_self_care_link(&asked, &token, psu, idempotency, now)
            .await;
        match made.map_err(refused)? {
            Made::Link(made) => Ok(Link {
                url: format!(
                    "{address}/self-care/link/{}",
                    tenant_key.self_care_token(&made.id).expose()
                ),
                expires_at: made.expires_at,
            }),
            Made::KeyReused => Err(Problem::new(Code::IdempotencyKeyReused)),
        }
    }
}

/// Moments are stored in seconds: the first answer and a repeated one say the same.
fn whole_second(moment: Timestamp) -> Timestamp {
    Timestamp::from_second(moment.as_second()).unwrap_or(moment)
}
