//! What the browser that was at the bank reads when the journey runs in another one.

use axum::response::Response;
use passerelle_aws::table::Digest;
use passerelle_domain::authorisation::Authorisation;
use passerelle_domain::consent::Consent;
use passerelle_domain::purpose::PurposeText;
use passerelle_runtime::pages::Brand;
use passerelle_runtime::{Problem, TypedCode};

use crate::pages::{Outcome, Returned, TurnedAway};
use crate::visit::Visit;
use crate::{BankCallback, refused};

/// Who asks, under which name, and for what: as the person who began was told.
struct Asker {
    consent: Consent,
    brand: Brand,
    /// The insurer behind the brand, where the two have different names.
    insurer: Option<String>,
    bank_name: String,
}

impl BankCallback {
    /// Names who asks for what, warns, and shows the code.
    pub(crate) async fn returned_page(
        &self,
        attempt: &Authorisation,
        state: &Digest,
        code: &TypedCode,
        visit: &Visit,
    ) -> Result<Response, Problem> {
        let Some(asker) = self.asker(attempt).await? else {
            return self.turned_away(attempt, visit).await;
        };
        let page = Returned {
            locale: asker.consent.locale,
            purposes: self.titles(attempt).await?,
            brand: asker.brand,
            insurer: asker.insurer,
            bank_name: asker.bank_name,
            code: code.in_two(),
            attempt: state.as_str().to_owned(),
            refuse_at: format!("/v1/callback/{}/not-me", attempt.institution),
        };
        Ok(page.page())
    }

    /// Nothing comes of this return: says so, and where to begin anew.
    pub(crate) async fn turned_away(
        &self,
        attempt: &Authorisation,
        visit: &Visit,
    ) -> Result<Response, Problem> {
        let asker = self.asker(attempt).await?;
        let locale = asker
            .as_ref()
            .map_or(visit.visitor.locale, |asker| asker.consent.locale);
        let page = TurnedAway {
            locale,
            brand: asker.map(|asker| asker.brand),
            outcome: Outcome::NothingConnected,
        };
        Ok(page.page())
    }

    /// Somebody typed the code before: the access stands, and the person reads how to end it.
    pub(crate) async fn confirmed_before(
        &self,
        attempt: &Authorisation,
        visit: &Visit,
    ) -> Result<Response, Problem> {
        let asker = self.asker(attempt).await?;
        let locale = asker
            .as_ref()
            .map_or(visit.visitor.locale, |asker| asker.consent.locale);
        let client = asker.as_ref().map(|asker| asker.brand.name.clone());
        let page = TurnedAway {
            locale,
            brand: asker.map(|asker| asker.brand),
            outcome: Outcome::Connected {
                client: client.unwrap_or_else(|| attempt.client.to_string()),
            },
        };
        Ok(page.page())
    }

    async fn asker(&self, attempt: &Authorisation) -> Result<Option<Asker>, Problem> {
        let table = self.store.table();
        let stored = table.consent(&attempt.client, &attempt.consent).await;
        let Some(stored) = stored.map_err(refused)? else {
            return Ok(None);
        };
        let settings = table.settings(&attempt.client).await.map_err(refused)?;
        let own = Brand::of(&attempt.client, &settings);
        let shown = stored.consent.name_shown().to_owned();
        let bank = self.banks.directory().get(&attempt.institution);
        Ok(Some(Asker {
            insurer: settings.display_name.filter(|name| *name != shown),
            brand: Brand { name: shown, ..own },
            bank_name: bank.map_or_else(String::new, |bank| bank.institution.name.clone()),
            consent: stored.consent,
        }))
    }

    /// What was ticked before the bank, in the words that were read.
    async fn titles(&self, attempt: &Authorisation) -> Result<Vec<String>, Problem> {
        let mut titles = Vec::new();
        for text in attempt.agreed.purposes.values() {
            let kept = self.store.table().text(&attempt.client, text).await;
            let document = kept.map_err(refused)?;
            let text = document.and_then(|document| PurposeText::from_document(&document));
            titles.extend(text.map(|text| text.title));
        }
        Ok(titles)
    }
}
