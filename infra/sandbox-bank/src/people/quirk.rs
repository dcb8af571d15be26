//! Oddities met at real banks. Each is the login of a person, whatever façade they are read through,
//! and an address below the bank's own, where everybody shows it. The numbers are those of the
//! project's list of quirks.

use serde::{Deserialize, Serialize};

use crate::people::{Behaviour, Person};

/// One oddity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Quirk {
    /// No id on any movement.
    Q01,
    /// Ids that are a blank.
    Q02,
    /// Card lines that share the id `NOTPROVIDED`.
    Q03,
    /// Pending lines with the reference `0`.
    Q04,
    /// Small numbers used again for other lines.
    Q05,
    /// Another id once booked.
    Q06,
    /// Ids of booked lines that change every day.
    Q07,
    /// Two identical movements on one day.
    Q08,
    /// Pending amounts without a minus sign.
    Q09,
    /// Card accounts with inverted signs.
    Q10,
    /// STET: a minus sign and `DBIT` together.
    Q11,
    /// The shop's currency in the amount, the billed amount in the text.
    Q12,
    /// The second page leads to itself.
    Q13,
    /// An empty first page that continues.
    Q14,
    /// Continuation links that take no other parameter.
    Q15,
    /// Absolute and relative links in turn.
    Q16,
    /// 204 instead of an empty list; arrays missing.
    Q17,
    /// Text as text, list, object or `-`.
    Q18,
    /// Text cut at 35 characters.
    Q19,
    /// Text in `additionalInformation` only.
    Q20,
    /// `EndToEndID: NOTPROVIDED` inside the text.
    Q21,
    /// `transactionDate` only.
    Q22,
    /// Value date weeks later; pending lines dated in the future.
    Q23,
    /// A card authorisation booked, then replaced under another id and day.
    Q24,
    /// Pending lines said to be booked.
    Q25,
    /// `bookingStatus=both` refused.
    Q26,
    /// Date filters ignored; those of the savings account refused.
    Q27,
    /// 90 days only after the first quarter of an hour.
    Q28,
    /// 429 to who reads unattended, the delay in a sentence.
    Q29,
    /// 22 sub-accounts and every call counted.
    Q30,
    /// A valid consent with a dead refresh token.
    Q31,
    /// A renewal that fails and spends the token.
    Q32,
    /// One-time refresh tokens: a second use ends them all.
    Q33,
    /// STET 1.4: the same refresh token again.
    Q34,
    /// Tokens that end an hour after the login.
    Q35,
    /// STET: the whole history for the first token only.
    Q36,
    /// A consent shortened to 30 days.
    Q37,
    /// A second consent ends the first.
    Q38,
    /// Accounts shown only to who asks balances and transactions.
    Q39,
    /// An empty account list after the approval.
    Q40,
    /// No IBAN, and a closed account in the list.
    Q41,
    /// A masked card number as IBAN.
    Q42,
    /// A joint account (also at `quirk-q43-bis`, the other holder).
    Q43,
    /// A deferred card with its monthly settlement.
    Q44,
    /// The deferred card's lines in the current account too.
    Q45,
    /// A credit limit in the balance.
    Q46,
    /// Midnight with an offset as a date.
    Q47,
    /// `scaOAuth` is the authorisation page itself.
    Q48,
    /// The dialect of 1.1: `scaStatus` missing, misspelt members, a PUT on the consent.
    Q49,
    /// Amounts as JSON numbers.
    Q50,
    /// `PSU-IP-Address` demanded with every read.
    Q51,
    /// A gateway's HTML instead of an error to who reads unattended.
    Q52,
    /// `state` lost when the person refuses.
    Q53,
}

impl Quirk {
    /// Every oddity, with the name that asks for it and what the pages say about it.
    const TABLE: [(Self, &'static str, &'static str); 53] = [
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
            Self::Q07,
            "quirk-q07",
            "l'identifiant d'une opération comptabilisée change chaque jour",
        ),
        (
            Self::Q08,
            "quirk-q08",
            "deux opérations identiques le même jour",
        ),
        (Self::Q09, "quirk-q09", "montants à venir sans signe"),
        (Self::Q10, "quirk-q10", "cartes : signes inversés"),
        (
            Self::Q11,
            "quirk-q11",
            "STET : signe moins et DBIT ensemble",
        ),
        (
            Self::Q12,
            "quirk-q12",
            "montant en devise, contre-valeur dans le libellé",
        ),
        (
            Self::Q13,
            "quirk-q13",
            "la deuxième page renvoie à elle-même",
        ),
        (Self::Q14, "quirk-q14", "première page vide avec une suite"),
        (Self::Q15, "quirk-q15", "lien de suite sans autre paramètre"),
        (
            Self::Q16,
            "quirk-q16",
            "liens absolus et relatifs en alternance",
        ),
        (
            Self::Q17,
            "quirk-q17",
            "204 à la place d'une liste vide, listes absentes",
        ),
        (
            Self::Q18,
            "quirk-q18",
            "libellé en texte, liste, objet ou tiret",
        ),
        (Self::Q19, "quirk-q19", "libellé coupé à 35 caractères"),
        (
            Self::Q20,
            "quirk-q20",
            "libellé dans additionalInformation seulement",
        ),
        (Self::Q21, "quirk-q21", "bruit EndToEndID dans le libellé"),
        (Self::Q22, "quirk-q22", "date d'opération seulement"),
        (
            Self::Q23,
            "quirk-q23",
            "date de valeur lointaine, à venir daté au plus tard",
        ),
        (
            Self::Q24,
            "quirk-q24",
            "autorisation comptabilisée puis remplacée",
        ),
        (Self::Q25, "quirk-q25", "à venir annoncé comme comptabilisé"),
        (Self::Q26, "quirk-q26", "bookingStatus=both refusé"),
        (
            Self::Q27,
            "quirk-q27",
            "filtres de date ignorés, ou refusés (épargne)",
        ),
        (
            Self::Q28,
            "quirk-q28",
            "90 jours seulement après le premier quart d'heure",
        ),
        (
            Self::Q29,
            "quirk-q29",
            "429 sans personne présente, délai dans une phrase",
        ),
        (
            Self::Q30,
            "quirk-q30",
            "22 sous-comptes et chaque appel compté",
        ),
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
            Self::Q33,
            "quirk-q33",
            "jetons à usage unique : les rejouer les annule tous",
        ),
        (
            Self::Q34,
            "quirk-q34",
            "STET 1.4 : le même jeton de renouvellement",
        ),
        (
            Self::Q35,
            "quirk-q35",
            "jetons annulés une heure après la connexion",
        ),
        (
            Self::Q36,
            "quirk-q36",
            "STET : tout l'historique au premier jeton seulement",
        ),
        (Self::Q37, "quirk-q37", "accord raccourci à 30 jours"),
        (
            Self::Q38,
            "quirk-q38",
            "un deuxième accord met fin au premier",
        ),
        (
            Self::Q39,
            "quirk-q39",
            "comptes visibles si soldes et opérations sont demandés",
        ),
        (Self::Q40, "quirk-q40", "aucun compte listé malgré l'accord"),
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
            Self::Q43,
            "quirk-q43",
            "compte joint (l'autre titulaire : quirk-q43-bis)",
        ),
        (
            Self::Q44,
            "quirk-q44",
            "carte à débit différé et son relevé mensuel",
        ),
        (
            Self::Q45,
            "quirk-q45",
            "opérations différées aussi sur le compte courant",
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
        (
            Self::Q48,
            "quirk-q48",
            "scaOAuth est la page d'autorisation elle-même",
        ),
        (
            Self::Q49,
            "quirk-q49",
            "dialecte 1.1 : scaStatus absent, PUT sur l'accord",
        ),
        (Self::Q50, "quirk-q50", "montants en nombres JSON"),
        (
            Self::Q51,
            "quirk-q51",
            "PSU-IP-Address exigée à chaque lecture",
        ),
        (
            Self::Q52,
            "quirk-q52",
            "page HTML de passerelle à la place d'une erreur",
        ),
        (
            Self::Q53,
            "quirk-q53",
            "state perdu quand la personne refuse",
        ),
    ];

    /// Every oddity.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Self::TABLE.into_iter().map(|(quirk, _, _)| quirk)
    }

    fn row(self) -> (&'static str, &'static str) {
        Self::TABLE
            .into_iter()
            .find(|(quirk, _, _)| *quirk == self)
            .map_or(("", ""), |(_, name, description)| (name, description))
    }

    /// The login of its person, and its part of the bank's address.
    pub(crate) fn name(self) -> &'static str {
        self.row().0
    }

    /// What it is, in French.
    pub(crate) fn description(self) -> &'static str {
        self.row().1
    }

    /// The misbehaviour it is a name for.
    pub(crate) fn behaviour(self) -> Option<Behaviour> {
        match self {
            Self::Q13 => Some(Behaviour::Circle),
            Self::Q40 => Some(Behaviour::NoAccount),
            _ => None,
        }
    }

    /// Who logs in to see it.
    pub(crate) fn person(self) -> Person {
        Person {
            login: self.name().to_owned(),
            name: format!("Particularité {}", self.name()),
            description: self.description().to_owned(),
            test_case: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_quirk_has_its_number_for_a_name() {
        for (index, quirk) in Quirk::all().enumerate() {
            assert_eq!(quirk.name(), format!("quirk-q{:02}", index + 1));
            assert_eq!(format!("{quirk:?}"), format!("Q{:02}", index + 1));
            assert!(!quirk.description().is_empty());
        }
    }

    /// One table for whoever reads: the page, the README and the code name the same fifty-three.
    #[test]
    fn the_readme_lists_every_quirk() {
        let readme = include_str!("../../README.md");
        for quirk in Quirk::all() {
            let row = format!("| {quirk:?} | `{}` |", quirk.name());
            assert!(readme.contains(&row), "{row}");
        }
        let rows = readme.lines().filter(|line| line.starts_with("| Q"));
        assert_eq!(rows.count(), Quirk::all().count());
    }
}
