//! Ways banks differ that are nobody's fault: how long tokens live, how accesses are counted, how strong
//! authentication ends. Each is the login of a person, through every façade that has the thing at all.

use jiff::SignedDuration;

use crate::people::Person;

/// One way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// An access token that is over within a minute.
    ShortToken,
    /// The same refresh token, every time.
    KeptRefreshToken,
    /// A new refresh token with every use, and the former one is over: STET 1.4 as well.
    RotatingRefreshToken,
    /// An access token for thirty days, and nothing to renew it with.
    NoRefreshToken,
    /// A grant that does not say how long it lasts.
    UnsaidLifetime,
    /// Four accesses to one resource in any 24 hours.
    RollingBudget,
    /// Four accesses to one resource in a calendar day.
    CalendarDayBudget,
    /// Four accesses to one kind of endpoint in any 24 hours, whatever account it is about.
    EndpointBudget,
    /// Four accesses in any 24 hours, whatever is read.
    ConnectionBudget,
    /// Strong authentication that never ends: the bank gives up and sends the person back.
    NoStrongAuthentication,
    /// A phone nobody answers: the bank's page waits, and gives up after its time.
    SilentPhone,
}

impl Variant {
    const TABLE: [(Self, &'static str, &'static str); 11] = [
        (
            Self::ShortToken,
            "tokens-short",
            "jeton d'accès d'une minute",
        ),
        (
            Self::KeptRefreshToken,
            "tokens-kept",
            "toujours le même jeton de renouvellement",
        ),
        (
            Self::RotatingRefreshToken,
            "tokens-rotating",
            "un nouveau jeton de renouvellement à chaque usage",
        ),
        (
            Self::NoRefreshToken,
            "tokens-without-refresh",
            "jeton d'accès de trente jours, sans renouvellement",
        ),
        (
            Self::UnsaidLifetime,
            "tokens-unsaid",
            "durée du jeton non dite",
        ),
        (
            Self::RollingBudget,
            "budget-rolling",
            "quatre accès par ressource sur vingt-quatre heures",
        ),
        (
            Self::CalendarDayBudget,
            "budget-calendar-day",
            "quatre accès par ressource et par jour",
        ),
        (
            Self::EndpointBudget,
            "budget-endpoint",
            "quatre accès par type d'appel sur vingt-quatre heures",
        ),
        (
            Self::ConnectionBudget,
            "budget-connection",
            "quatre accès en tout sur vingt-quatre heures",
        ),
        (
            Self::NoStrongAuthentication,
            "sca-timeout",
            "authentification forte qui n'aboutit jamais",
        ),
        (
            Self::SilentPhone,
            "sca-silent",
            "téléphone muet : la banque attend cinq minutes puis renonce",
        ),
    ];

    /// Every way.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(variant, _, _)| variant)
    }

    /// Who logs in to see it.
    pub(crate) fn person(self) -> Person {
        let row = Self::TABLE.into_iter().find(|(one, _, _)| *one == self);
        let (login, description) = row.map_or(("", ""), |(_, login, text)| (login, text));
        Person {
            login: login.to_owned(),
            name: format!("Variante {login}"),
            description: description.to_owned(),
            test_case: true,
        }
    }

    /// How long an access token lives; `None` for as long as the bank's others.
    pub(crate) fn access_lifetime(self) -> Option<SignedDuration> {
        match self {
            Self::ShortToken => Some(SignedDuration::from_secs(60)),
            Self::NoRefreshToken => Some(SignedDuration::from_hours(30 * 24)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_lists_every_variant() {
        let readme = include_str!("../../README.md");
        for variant in Variant::all() {
            let row = format!("| `{}` |", variant.person().login);
            assert!(readme.contains(&row), "{row}");
        }
    }
}
