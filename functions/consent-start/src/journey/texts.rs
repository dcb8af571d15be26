//! What the person reads about each purpose: the very text the consent names and a receipt will name.

use std::collections::BTreeMap;

use passerelle_domain::consent::Consent;
use passerelle_domain::purpose::{PurposeCode, PurposeText};
use passerelle_runtime::Problem;

use crate::{ConsentStart, refused};

/// The texts of a consent's purposes.
pub(crate) type PurposeTexts = BTreeMap<PurposeCode, PurposeText>;

impl ConsentStart {
    /// The texts that were kept when the consent was opened, whatever the catalogue says today.
    pub(crate) async fn purpose_texts(&self, consent: &Consent) -> Result<PurposeTexts, Problem> {
        let mut texts = PurposeTexts::new();
        for asked in &consent.requested {
            let kept = self.store.table().text(&consent.client, &asked.text);
            let document = kept.await.map_err(refused)?;
            let text = document.and_then(|document| PurposeText::from_document(&document));
            if let Some(text) = text {
                texts.insert(asked.code.clone(), text);
            }
        }
        Ok(texts)
    }
}
