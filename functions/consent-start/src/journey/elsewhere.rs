//! Going on with the journey on another device, by a short link or its QR code.
//!
//! Only the browser that left for the bank may offer the link. It works once, for ten minutes, and leads
//! to the journey's own pages: whoever opens it reads who asks before anything else, agrees for
//! themselves, and never lands at a bank that somebody else chose for them.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use passerelle_aws::Error;
use passerelle_aws::handovers::Handover;
use passerelle_aws::table::Digest;
use passerelle_domain::locale::Locale;
use passerelle_domain::private::Private;
use passerelle_runtime::{Browser, OwnAddress, Path, Problem, Visitor, entropy};

use super::standing::is_same_browser;
use super::{Journey, Step};
use crate::pages::{Elsewhere, TakeOver, handover_is_over};
use crate::{ConsentStart, refused};

/// Digits and letters that nobody takes for one another: five bits each.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Fifty bits, for ten minutes, once: more than anybody tries.
const CODE_LENGTH: usize = 10;

/// Offers the journey to another device.
pub(crate) async fn offer(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(token): Path<Private>,
    own: OwnAddress,
    browser: Browser,
) -> Result<Response, Problem> {
    let journey = consent_start.journey(token).await?;
    let address = consent_start.address(&own)?;
    if !consent_start
        .is_mine(&journey, browser.cookie(&address))
        .await?
    {
        return Ok(journey.go_to(Step::Progress));
    }
    let code = fresh_code();
    let handover = Handover {
        client: journey.consent.client.clone(),
        consent: journey.consent.id.clone(),
    };
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let offered = table.offer_handover(&digest(&code), &handover, now).await;
    offered.map_err(refused)?;
    tracing::info!("the journey is offered to another device");
    let page = Elsewhere {
        locale: journey.consent.locale,
        brand: journey.brand.clone(),
        link: Private::new(format!("{address}/journey/to/{}", in_two(&code))),
        again_at: journey.step(Step::Elsewhere),
        progress: journey.step(Step::Progress),
    };
    Ok(page.page())
}

/// What a code leads to, before it is used: a preview of the link uses nothing up.
pub(crate) async fn show(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(code): Path<Private>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let code = Private::new(plain(&code));
    let handover = table.handover(&digest(&code), now).await;
    let Some(handover) = handover.map_err(refused)? else {
        return Ok(over(visitor.locale));
    };
    let journey = consent_start.handed_over(&handover).await?;
    let page = TakeOver {
        locale: journey.consent.locale,
        brand: journey.brand,
        take_at: format!("/journey/to/{}", in_two(&code)),
    };
    Ok(page.page())
}

/// "Yes, here": the code is used up and the journey goes on.
pub(crate) async fn take(
    State(consent_start): State<Arc<ConsentStart>>,
    Path(code): Path<Private>,
    visitor: Visitor,
) -> Result<Response, Problem> {
    let (table, now) = (consent_start.store.table(), consent_start.clock.now());
    let code = Private::new(plain(&code));
    match table.take_handover(&digest(&code), now).await {
        Ok(handover) => {
            tracing::info!("the journey goes on elsewhere");
            let journey = consent_start.handed_over(&handover).await?;
            Ok(journey.go_to(Step::Progress))
        }
        Err(Error::Conflict) => Ok(over(visitor.locale)),
        Err(error) => Err(refused(error)),
    }
}

fn over(locale: Locale) -> Response {
    (StatusCode::GONE, handover_is_over(locale)).into_response()
}

fn fresh_code() -> Private {
    let symbols = entropy::<CODE_LENGTH>().into_iter().filter_map(|byte| {
        let symbol = ALPHABET.get(usize::from(byte & 31))?;
        Some(char::from(*symbol))
    });
    Private::new(symbols.collect::<String>())
}

/// A code as it was meant, however it was typed: case and dashes do not matter, O is 0, I and L are 1.
fn plain(code: &Private) -> String {
    let typed = code.expose().chars().take(4 * CODE_LENGTH);
    let meant =
        typed
            .filter(char::is_ascii_alphanumeric)
            .map(|symbol| match symbol.to_ascii_uppercase() {
                'O' => '0',
                'I' | 'L' => '1',
                symbol => symbol,
            });
    meant.collect()
}

/// A code as it is shown: two halves are easier to type.
fn in_two(code: &Private) -> String {
    let text = code.expose();
    match text.split_at_checked(CODE_LENGTH / 2) {
        Some((first, rest)) if !rest.is_empty() => format!("{first}-{rest}"),
        _ => text.to_owned(),
    }
}

fn digest(code: &Private) -> Digest {
    Digest::of(code.expose())
}

impl ConsentStart {
    /// Whether the browser with this cookie is the one that left for the bank.
    pub(super) async fn is_mine(
        &self,
        journey: &Journey,
        cookie: Option<&Private>,
    ) -> Result<bool, Problem> {
        let (consent, table) = (&journey.consent, self.store.table());
        let latest = table.latest_authorisation(&consent.client, &consent.id);
        let latest = latest.await.map_err(refused)?;
        Ok(latest.is_some_and(|(_, attempt)| is_same_browser(&attempt, cookie)))
    }

    /// The journey of a consent: its token is derived, so it need not be stored with a code.
    async fn handed_over(&self, handover: &Handover) -> Result<Journey, Problem> {
        let (vault, now) = (self.store.vault(), self.clock.now());
        let stored = self
            .store
            .table()
            .consent(&handover.client, &handover.consent);
        let stored = stored.await.map_err(refused)?;
        let link_number = stored.ok_or_else(Problem::not_found)?.consent.link_number();
        let tenant_key = vault.tenant_key(&handover.client, now).await;
        let token = tenant_key
            .map_err(refused)?
            .journey_token(&handover.consent, link_number);
        self.journey(token).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_understood_however_it_is_typed() {
        let code = fresh_code();
        assert_eq!(code.expose().len(), CODE_LENGTH);
        let shown = in_two(&code);
        assert_eq!(plain(&Private::new(shown.clone())), code.expose());
        assert_eq!(
            plain(&Private::new(shown.to_ascii_lowercase())),
            code.expose()
        );
        assert_eq!(plain(&Private::new("o0il-1 é")), "00111");
    }

    #[test]
    fn codes_are_not_alike() {
        assert_ne!(fresh_code().expose(), fresh_code().expose());
    }
}
