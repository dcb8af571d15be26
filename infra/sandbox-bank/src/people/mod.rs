//! Who banks here: households made from the seed, persona files, and people whose bank misbehaves.

mod aggregation;
mod behaviour;
mod dice;
mod flow;
mod household;
mod lives;
mod persona;
mod quirk;
mod variant;

use std::path::Path;

use jiff::civil::Date;

use crate::error::SandboxError;
use crate::ledger::LedgerAccount;
pub(crate) use crate::people::aggregation::Aggregation;
pub(crate) use crate::people::behaviour::Behaviour;
use crate::people::household::Household;
use crate::people::persona::Persona;
pub(crate) use crate::people::quirk::Quirk;
pub(crate) use crate::people::variant::Variant;

/// The password of everybody: this is a sandbox.
pub(crate) const PASSWORD: &str = "sandbox";

/// Somebody who can log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// What they type on the login page.
    pub login: String,
    /// Their name.
    pub name: String,
    /// What makes them worth connecting, in French.
    pub description: String,
    /// Whether they exist to show what a bank does wrong.
    pub test_case: bool,
}

/// A person and their money.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) person: Person,
    pub(crate) behaviour: Behaviour,
    pub(crate) quirk: Option<Quirk>,
    pub(crate) variant: Option<Variant>,
    pub(crate) aggregation: Option<Aggregation>,
    money: Money,
}

impl Member {
    fn ordinary(person: Person, money: Money) -> Self {
        Self {
            person,
            behaviour: Behaviour::Ordinary,
            quirk: None,
            variant: None,
            aggregation: None,
            money,
        }
    }
}

#[derive(Debug)]
enum Money {
    Household(Household),
    Persona(Persona),
}

/// Everybody.
#[derive(Debug)]
pub(crate) struct Population {
    seed: u64,
    opened_on: Date,
    members: Vec<Member>,
}

impl Population {
    /// Generates the households and imports the persona files. Ledgers are dated from the day the
    /// bank opened.
    pub(crate) fn new(
        seed: u64,
        opened_on: Date,
        personae: Option<&Path>,
    ) -> Result<Self, SandboxError> {
        let mut members: Vec<Member> = lives::all()
            .into_iter()
            .map(|life| Member::ordinary(life.person(), Money::Household(life)))
            .collect();
        if let Some(folder) = personae {
            members.extend(
                Persona::import(folder)?
                    .into_iter()
                    .map(|persona| Member::ordinary(persona.person(), Money::Persona(persona))),
            );
        }
        members.extend(Behaviour::ALL.into_iter().map(|behaviour| Member {
            behaviour,
            money: Money::Household(lives::behind(behaviour)),
            ..Self::test_case(behaviour.person())
        }));
        members.extend(Quirk::all().map(|quirk| Self::oddity(quirk, quirk.person())));
        // The other holder of the joint account.
        members.push(Self::oddity(
            Quirk::Q43,
            Person {
                login: "quirk-q43-bis".to_owned(),
                ..Quirk::Q43.person()
            },
        ));
        members.extend(Variant::all().map(|variant| Member {
            variant: Some(variant),
            ..Self::test_case(variant.person())
        }));
        members.extend(Aggregation::all().map(|aggregation| Member {
            aggregation: Some(aggregation),
            ..Self::test_case(aggregation.person())
        }));
        Ok(Self {
            seed,
            opened_on,
            members,
        })
    }

    fn oddity(quirk: Quirk, person: Person) -> Member {
        let life = lives::of_an_oddity(&person.login, quirk);
        Member {
            quirk: Some(quirk),
            ..Member::ordinary(person, Money::Household(life))
        }
    }

    fn test_case(person: Person) -> Member {
        let life = lives::of_a_test_case(&person.login);
        Member::ordinary(person, Money::Household(life))
    }

    pub(crate) fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.iter()
    }

    /// Case and surrounding spaces do not keep anybody out.
    pub(crate) fn member(&self, login: &str) -> Option<&Member> {
        let login = login.trim();
        self.members
            .iter()
            .find(|member| member.person.login.eq_ignore_ascii_case(login))
    }

    pub(crate) fn accounts(&self, member: &Member, today: Date) -> Vec<LedgerAccount> {
        match &member.money {
            Money::Household(household) => household.accounts(self.seed, self.opened_on, today),
            Money::Persona(persona) => persona.accounts(self.opened_on),
        }
    }
}
