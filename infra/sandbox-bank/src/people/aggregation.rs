//! People whose bank an aggregator has trouble with. At the bank itself they are ordinary.

use crate::people::Person;

/// What the aggregator says of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Aggregation {
    /// The bank wants its strong authentication again.
    ScaRequired,
    /// The bank wants its own page again.
    WebauthRequired,
    /// The password changed.
    WrongPass,
    /// The password is too old.
    PasswordExpired,
    /// The bank wants something read or accepted.
    ActionNeeded,
    /// The bank wants a code or an answer.
    AdditionalInformation,
    /// The person is confirming on their phone.
    Decoupled,
    /// The bank's site is away.
    WebsiteUnavailable,
    /// The bank limits the aggregator's calls.
    RateLimiting,
    /// The aggregator fails.
    Bug,
    /// The bank is read to the end only some minutes after the person came back.
    FirstReading,
    /// Accounts that are gone, shut out or listed a second time.
    ListedTwice,
}

impl Aggregation {
    /// Login, state in the aggregator's words, and what the login page says.
    const TABLE: [(Self, &'static str, Option<&'static str>, &'static str); 12] = [
        (
            Self::ScaRequired,
            "powens-sca-required",
            Some("SCARequired"),
            "authentification forte redemandée",
        ),
        (
            Self::WebauthRequired,
            "powens-webauth-required",
            Some("webauthRequired"),
            "passage par la page de la banque redemandé",
        ),
        (
            Self::WrongPass,
            "powens-wrongpass",
            Some("wrongpass"),
            "mot de passe changé",
        ),
        (
            Self::PasswordExpired,
            "powens-password-expired",
            Some("passwordExpired"),
            "mot de passe trop vieux",
        ),
        (
            Self::ActionNeeded,
            "powens-action-needed",
            Some("actionNeeded"),
            "la banque attend une action",
        ),
        (
            Self::AdditionalInformation,
            "powens-additional-information",
            Some("additionalInformationNeeded"),
            "la banque attend une réponse",
        ),
        (
            Self::Decoupled,
            "powens-decoupled",
            Some("decoupled"),
            "validation en cours sur le téléphone",
        ),
        (
            Self::WebsiteUnavailable,
            "powens-website-unavailable",
            Some("websiteUnavailable"),
            "site de la banque indisponible",
        ),
        (
            Self::RateLimiting,
            "powens-rate-limiting",
            Some("rateLimiting"),
            "appels limités par la banque",
        ),
        (
            Self::Bug,
            "powens-bug",
            Some("bug"),
            "l'agrégateur est en panne",
        ),
        (
            Self::FirstReading,
            "powens-first-reading",
            None,
            "première lecture terminée cinq minutes après le retour",
        ),
        (
            Self::ListedTwice,
            "powens-listed-twice",
            None,
            "comptes disparus, masqués ou en double",
        ),
    ];

    /// Every trouble.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(aggregation, ..)| aggregation)
    }

    /// The state the connection shows; `None` for a healthy one.
    pub(crate) fn state(self) -> Option<&'static str> {
        Self::TABLE
            .into_iter()
            .find(|(aggregation, ..)| *aggregation == self)
            .and_then(|(_, _, state, _)| state)
    }

    /// Who logs in to see it.
    pub(crate) fn person(self) -> Person {
        let (login, description) = Self::TABLE
            .into_iter()
            .find(|(aggregation, ..)| *aggregation == self)
            .map_or(("", ""), |(_, login, _, description)| (login, description));
        Person {
            login: login.to_owned(),
            name: format!("Agrégateur {login}"),
            description: description.to_owned(),
            test_case: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_trouble_has_a_login_of_its_own() {
        let logins: std::collections::BTreeSet<_> = Aggregation::all()
            .map(|aggregation| aggregation.person().login)
            .collect();
        assert_eq!(logins.len(), Aggregation::all().count());
        assert!(logins.iter().all(|login| login.starts_with("powens-")));
    }
}
