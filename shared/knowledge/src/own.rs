//! Whose contract it is: the client's own, or a competitor's.
//!
//! A history does not say who asks about it, so this is decided when a client reads, not when the
//! history is understood.

use std::collections::BTreeSet;

use crate::analysis::Analysis;
use crate::contracts::Provider;
use crate::label::Words;
use crate::lexicon::{Meaning, lexicon};

/// The insurers a client is, by the names of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OwnInsurers(BTreeSet<&'static str>);

impl OwnInsurers {
    /// Knows the client by its names. A name the dictionary does not know tells nothing.
    pub fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self(names.into_iter().filter_map(insurer_named).collect())
    }

    /// Who an insurer is; `None` where it is not known, or the client said no name.
    fn provider(&self, insurer: Option<&str>) -> Option<Provider> {
        let insurer = insurer.filter(|_| !self.0.is_empty())?;
        Some(match self.0.contains(insurer) {
            true => Provider::Own,
            false => Provider::Competitor,
        })
    }
}

/// The usual name of an insurer, from any of the names the dictionary has for it. Accents and case do
/// not matter.
#[must_use]
pub fn insurer_named(text: &str) -> Option<&'static str> {
    let lexicon = lexicon();
    let words = Words::of([text]);
    lexicon
        .hits(&words)
        .into_iter()
        .filter(|hit| hit.start == 0 && hit.words == words.len() && !hit.cut)
        .find_map(|hit| match hit.meaning {
            Meaning::Merchant(index) => lexicon
                .merchant(index)
                .filter(|merchant| merchant.kind.is_insurer())
                .map(|merchant| merchant.name),
            _ => None,
        })
}

impl Analysis {
    /// The same as one client sees it: every contract, and every new or ended one, its own or a competitor's.
    #[must_use]
    pub fn seen_by(mut self, own: &OwnInsurers) -> Self {
        for contract in &mut self.contracts {
            contract.provider = own.provider(contract.insurer.as_deref());
        }
        for moment in &mut self.life_moments {
            moment.provider = own.provider(moment.insurer.as_deref());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insurer_is_known_by_any_of_its_names_and_by_no_part_of_one() {
        assert_eq!(insurer_named("maif"), Some("MAIF"));
        assert_eq!(insurer_named("Équité Assurances"), Some("L'Équité"));
        assert_eq!(insurer_named("GENERALI IARD"), Some("Generali"));
        for other in ["", "Carrefour", "MAIF and others", "GENERALI IA"] {
            assert_eq!(insurer_named(other), None, "{other}");
        }
    }

    #[test]
    fn without_a_name_of_its_own_a_client_has_no_competitors() {
        let nobody = OwnInsurers::default();
        assert_eq!(nobody.provider(Some("MAIF")), None);
        let maif = OwnInsurers::named(["Maif", "no such insurer"]);
        assert_eq!(maif.provider(Some("MAIF")), Some(Provider::Own));
        assert_eq!(maif.provider(Some("Macif")), Some(Provider::Competitor));
        assert_eq!(maif.provider(None), None);
    }
}
