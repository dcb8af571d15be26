//! People whose bank misbehaves on purpose.

use crate::people::Person;

/// What the bank does wrong when somebody's data is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Behaviour {
    /// Nothing.
    Ordinary,
    /// Movements are answered with a web page and status 200.
    Nonsense,
    /// Every read of data is answered with 503.
    Down,
    /// Every read of movements is answered with 429.
    RateLimited,
    /// Berlin Group: 429 with `Retry-After` to the reads of movements of the first ten minutes.
    Busy,
    /// The first page of movements comes, the second never does.
    HalfPage,
    /// The second page of movements leads to itself (Q13).
    Circle,
    /// The second page of movements is said to be on another host (Q16).
    ForeignLink,
    /// An amount that is no number among the movements.
    UnreadableAmount,
    /// No account is listed, although the person approved (Q40).
    NoAccount,
    /// Berlin Group: the savings account is listed, and a 404 to who reads its movements (Q41).
    ClosedAccount,
    /// Berlin Group: every read of data takes its time; 22 accounts, one with a long history in short pages.
    Slow,
}

impl Behaviour {
    /// Every misbehaviour.
    pub(crate) const ALL: [Self; 11] = [
        Self::Nonsense,
        Self::Down,
        Self::RateLimited,
        Self::Busy,
        Self::HalfPage,
        Self::Circle,
        Self::ForeignLink,
        Self::UnreadableAmount,
        Self::NoAccount,
        Self::ClosedAccount,
        Self::Slow,
    ];

    /// The login that asks for it.
    pub(crate) fn login(self) -> &'static str {
        match self {
            Self::Ordinary => "ordinary",
            Self::Nonsense => "bank-nonsense",
            Self::Down => "bank-down",
            Self::RateLimited => "bank-rate-limited",
            Self::Busy => "bank-busy",
            Self::HalfPage => "bank-half-page",
            Self::Circle => "bank-circle",
            Self::ForeignLink => "bank-foreign-link",
            Self::UnreadableAmount => "bank-unreadable-amount",
            Self::NoAccount => "bank-no-account",
            Self::ClosedAccount => "bank-closed-account",
            Self::Slow => "bank-slow",
        }
    }

    /// What the login page says about it.
    fn description(self) -> &'static str {
        match self {
            Self::Ordinary => "",
            Self::Nonsense => "la banque répond par une page web à la place des opérations",
            Self::Down => "la banque répond 503 à chaque lecture",
            Self::RateLimited => "la banque répond 429 à chaque lecture d'opérations",
            Self::Busy => "la banque répond 429 et Retry-After pendant dix minutes",
            Self::HalfPage => "la deuxième page d'opérations ne vient jamais",
            Self::Circle => "la deuxième page d'opérations renvoie à elle-même",
            Self::ForeignLink => "la deuxième page d'opérations pointe vers un autre serveur",
            Self::UnreadableAmount => "un montant illisible parmi les opérations",
            Self::NoAccount => "aucun compte n'est listé malgré l'accord",
            Self::ClosedAccount => "le compte d'épargne est listé mais déjà clos",
            Self::Slow => "22 comptes, et chaque lecture dure dix secondes",
        }
    }

    /// Who logs in to see it.
    pub(crate) fn person(self) -> Person {
        Person {
            login: self.login().to_owned(),
            name: format!("Cas d'essai {}", self.login()),
            description: self.description().to_owned(),
            test_case: true,
        }
    }
}
