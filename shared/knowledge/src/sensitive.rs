//! Lines that reveal what GDPR article 9 protects, recognised before anything is stored.
//!
//! The list is read generously: a line coarsened for nothing costs a category, a line kept by
//! mistake costs a person's privacy.

use passerelle_domain::private::Private;
use passerelle_domain::transaction::Transaction;

use crate::enrichment::Reading;
use crate::lexicon::{Guard, Hit, Meaning, MerchantKind, lexicon};

/// Whether and why a line is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sensitivity {
    /// Nothing in it is protected.
    Ordinary,
    /// Its payee reveals health, belief, union or political membership, or intimate life.
    Payee,
    /// A donation, which can reveal belief.
    Donation,
    /// The premium of a complementary health contract: only that a contract exists may ever be
    /// known, and only with explicit consent.
    HealthPremium,
    /// Allowances paid during sickness: income, whose cause may not be known.
    IncomeWithoutCause,
}

/// Whether a line must be coarsened before it is stored
/// ([`Transaction::coarsened`]); already coarsened lines stay so.
#[must_use]
pub fn is_sensitive(line: &Transaction) -> bool {
    line.sensitive || sensitivity(&Reading::of(lexicon(), line)) != Sensitivity::Ordinary
}

/// The line as it may be stored: as it came when nothing in it is protected, coarsened otherwise.
///
/// Income without a cause keeps a text that says no more than that it replaces an income; whether
/// sickness or the loss of a job is behind it is hidden for both alike, because text that only the
/// sick ones lost would tell.
#[must_use]
pub fn storable(line: Transaction) -> Transaction {
    let reading = Reading::of(lexicon(), &line);
    let without_cause = !line.sensitive && reading.replaces_income();
    if without_cause {
        return Transaction {
            label: Private::new(REPLACED_INCOME.to_owned()),
            sensitive: false,
            ..line.coarsened()
        };
    }
    if is_sensitive(&line) {
        line.coarsened()
    } else {
        line
    }
}

/// What is left of the label of a replacement income.
const REPLACED_INCOME: &str = "VIREMENT REVENU DE REMPLACEMENT";

/// Why a line is protected, for the caller that holds an explicit consent for one of the reasons.
#[must_use]
pub fn sensitivity_of(line: &Transaction) -> Sensitivity {
    if line.sensitive {
        return Sensitivity::Payee;
    }
    sensitivity(&Reading::of(lexicon(), line))
}

pub(crate) fn sensitivity(reading: &Reading<'_>) -> Sensitivity {
    if !reading.is_whole() {
        // What was not read may hide anything.
        return Sensitivity::Payee;
    }
    let lexicon = reading.lexicon();
    let health_insurer = reading
        .merchant()
        .and_then(|(index, _)| lexicon.merchant(index))
        .is_some_and(|merchant| merchant.kind == MerchantKind::HealthInsurer);
    if health_insurer && let Some(protected) = with_a_mutual(reading) {
        return protected;
    }
    // "MEDECINS SANS FRONTIERES" is a charity, a "CLINIQUE VETERINAIRE" no clinic.
    let others: Vec<&Hit> = reading
        .hits
        .iter()
        .filter(|hit| match hit.meaning {
            Meaning::Charity | Meaning::Platform => true,
            Meaning::Sensitive(index) => lexicon
                .sensitive
                .get(index)
                .is_some_and(|phrase| phrase.guard == Guard::Never),
            _ => false,
        })
        .collect();
    let mut found = Sensitivity::Ordinary;
    for hit in &reading.hits {
        match hit.meaning {
            Meaning::Sensitive(_) if others.iter().any(|other| other.covers(hit)) => {}
            Meaning::Sensitive(index) if !hit.cut || hit.words > 1 => {
                let admitted = lexicon.sensitive.get(index).is_some_and(|phrase| {
                    phrase.guard.admits(reading.is_debit(), reading.operation)
                        && !(phrase.about_health && reading.announces_income())
                });
                if admitted {
                    return if reading.replaces_income() {
                        Sensitivity::IncomeWithoutCause
                    } else {
                        Sensitivity::Payee
                    };
                }
            }
            Meaning::Charity => found = Sensitivity::Donation,
            Meaning::Platform if reading.tells_a_pastime() => {}
            Meaning::Platform => found = Sensitivity::Donation,
            _ => {}
        }
    }
    if found == Sensitivity::Ordinary && reading.ends_in_a_sensitive_word() {
        return Sensitivity::Payee;
    }
    if found == Sensitivity::Ordinary && reading.is_health_premium() {
        return Sensitivity::HealthPremium;
    }
    found
}

/// What a movement with a health mutual reveals; `None` where its words tell another line of cover, or
/// wages: a mutual is an employer as well, and sells more than care.
fn with_a_mutual(reading: &Reading<'_>) -> Option<Sensitivity> {
    if reading.is_for_a_debit() {
        return reading
            .is_for_health()
            .then_some(Sensitivity::HealthPremium);
    }
    if reading.replaces_income() {
        return Some(Sensitivity::IncomeWithoutCause);
    }
    // What a mutual pays back is care received, not a contract.
    (!reading.announces_income()).then_some(Sensitivity::Payee)
}
