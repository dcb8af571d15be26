//! Oddities met at real banks, each behind a person's login. The numbers are those of the
//! project's list of quirks.

use crate::people::Person;

/// One oddity of the Berlin Group façade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quirk {
    /// Movements without any id.
    Q01,
    /// Ids that are a blank.
    Q02,
    /// Card lines that all share the id `NOTPROVIDED`.
    Q03,
    /// Pending lines with the reference `0`.
    Q04,
    /// Small numbers used again for other lines.
    Q05,
    /// Another id while pending than once booked.
    Q06,
    /// Two identical lines on one day, without ids.
    Q08,
    /// Text as string, array, empty array or `-`.
    Q18,
    /// Text cut at 35 characters in the middle of words.
    Q19,
    /// Counterparty and text only in `additionalInformation`.
    Q20,
    /// `EndToEndID: NOTPROVIDED` inside the text.
    Q21,
    /// Booked lines that carry `transactionDate` only.
    Q22,
    /// `bookingStatus=both` refused.
    Q26,
    /// Date filters ignored.
    Q27,
    /// A consent that stands while its refresh token is dead.
    Q31,
    /// A token endpoint that fails after the refresh token was spent.
    Q32,
    /// A second consent ends the first without a word.
    Q38,
    /// Accounts without an IBAN, and a closed one in the list.
    Q41,
    /// A masked card number in the `iban` member.
    Q42,
    /// A credit limit inside the balance, and a type of the bank's own.
    Q46,
    /// Dates as midnight with an offset.
    Q47,
    /// Amounts as JSON numbers, or with one decimal.
    Q50,
    /// `PSU-IP-Address` demanded with every read.
    Q51,
}

impl Quirk {
    /// Every oddity, with the login that asks for it and what the login page says.
    const TABLE: [(Self, &'static str, &'static str); 23] = [
        (Self::Q01, "quirk-q01", "opérations sans identifiant"),
        (Self::Q02, "quirk-q02", "identifiants vides"),
        (
            Self::Q03,
            "quirk-q03",
            "cartes : identifiant NOTPROVIDED partagé",
        ),
        (Self::Q04, "quirk-q04", "opérations à venir de référence 0"),
        (Self::Q05, "quirk-q05", "petits numéros réutilisés"),
        (
            Self::Q06,
            "quirk-q06",
            "l'identifiant change à la comptabilisation",
        ),
        (
            Self::Q08,
            "quirk-q08",
            "deux opérations identiques le même jour",
        ),
        (
            Self::Q18,
            "quirk-q18",
            "libellé en texte, liste, liste vide ou tiret",
        ),
        (Self::Q19, "quirk-q19", "libellé coupé à 35 caractères"),
        (
            Self::Q20,
            "quirk-q20",
            "libellé dans additionalInformation seulement",
        ),
        (Self::Q21, "quirk-q21", "bruit EndToEndID dans le libellé"),
        (Self::Q22, "quirk-q22", "date d'opération seulement"),
        (Self::Q26, "quirk-q26", "bookingStatus=both refusé"),
        (Self::Q27, "quirk-q27", "filtres de date ignorés"),
        (
            Self::Q31,
            "quirk-q31",
            "accord valide, jeton de renouvellement mort",
        ),
        (
            Self::Q32,
            "quirk-q32",
            "le renouvellement échoue et consomme le jeton",
        ),
        (
            Self::Q38,
            "quirk-q38",
            "un deuxième accord met fin au premier",
        ),
        (
            Self::Q41,
            "quirk-q41",
            "comptes sans IBAN, compte clos listé",
        ),
        (
            Self::Q42,
            "quirk-q42",
            "numéro de carte masqué à la place de l'IBAN",
        ),
        (
            Self::Q46,
            "quirk-q46",
            "solde avec découvert autorisé inclus",
        ),
        (
            Self::Q47,
            "quirk-q47",
            "dates à minuit avec décalage horaire",
        ),
        (Self::Q50, "quirk-q50", "montants en nombres JSON"),
        (
            Self::Q51,
            "quirk-q51",
            "PSU-IP-Address exigée à chaque lecture",
        ),
    ];

    /// Every oddity.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(quirk, _, _)| quirk)
    }

    /// Who logs in to see it.
    pub(crate) fn person(self) -> Person {
        let (login, description) = Self::TABLE
            .into_iter()
            .find(|(quirk, _, _)| *quirk == self)
            .map_or(("", ""), |(_, login, description)| (login, description));
        Person {
            login: login.to_owned(),
            name: format!("Particularité {login}"),
            description: description.to_owned(),
            test_case: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_a_login_of_its_own() {
        let logins: std::collections::BTreeSet<_> =
            Quirk::all().map(|quirk| quirk.person().login).collect();
        assert_eq!(logins.len(), Quirk::all().count());
        assert!(logins.iter().all(|login| login.starts_with("quirk-q")));
    }
}
