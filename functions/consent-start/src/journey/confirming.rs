//! The bank answered in another browser: the code that browser shows is typed here, where the journey
//! began. The callback takes it ([`crate::pages::Confirm`] posts there).

use axum::response::Response;
use passerelle_domain::authorisation::Authorisation;

use super::Journey;
use crate::ConsentStart;
use crate::pages::Confirm;

impl ConsentStart {
    pub(super) fn confirm_page(
        &self,
        journey: &Journey,
        attempt: &Authorisation,
        was_wrong: bool,
    ) -> Response {
        let callback = format!("/v1/callback/{}", attempt.institution);
        Confirm {
            locale: journey.consent.locale,
            brand: journey.brand.clone(),
            bank_name: self.bank_name(journey).unwrap_or_default(),
            journey: journey.token.clone(),
            confirm_at: format!("{callback}/confirm"),
            refuse_at: format!("{callback}/not-me"),
            was_wrong,
        }
        .page()
    }
}
