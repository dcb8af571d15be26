//! The two-level list of categories, with codes that never change once served.
//!
//! The list is our own because no public one separates what an insurer must tell apart: lines of
//! insurance, kinds of lender, incident fees. It is mapped outward by `data/taxonomy.csv`.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::table::{self, Row};

/// The version served with every answer. It changes when a leaf is added, removed or redefined.
pub const TAXONOMY_VERSION: &str = "2026.1";

/// A text that is no category code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a category code")]
pub struct UnknownCategoryCode;

/// Read while compiling: groups are compared for every line of a history.
const fn before_dot(code: &'static str) -> &'static str {
    let mut rest = code.as_bytes();
    let mut length = 0;
    while let Some((symbol, tail)) = rest.split_first() {
        if *symbol == b'.' {
            return code.split_at(length).0;
        }
        length += 1;
        rest = tail;
    }
    code
}

macro_rules! taxonomy {
    ($($variant:ident = $code:literal),+ $(,)?) => {
        /// A leaf of the taxonomy. `Unknown` is a value: a wrong category costs more than a missing one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub enum Category {
            $(
                #[doc = concat!("`", $code, "`")]
                $variant,
            )+
        }

        impl Category {
            /// Every leaf, in the order of the taxonomy.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable code, `group.leaf`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code),+ }
            }

            /// The part before the dot; the whole code for the two leaves without a group.
            #[must_use]
            pub const fn group(self) -> &'static str {
                match self { $(Self::$variant => const { before_dot($code) }),+ }
            }
        }

        impl FromStr for Category {
            type Err = UnknownCategoryCode;
            fn from_str(text: &str) -> Result<Self, UnknownCategoryCode> {
                match text { $($code => Ok(Self::$variant),)+ _ => Err(UnknownCategoryCode) }
            }
        }
    };
}

taxonomy! {
    IncomeSalary = "income.salary",
    IncomeReplacement = "income.replacement",
    IncomeRetirement = "income.retirement",
    IncomeFamilyBenefit = "income.family_benefit",
    IncomeRental = "income.rental",
    IncomeInterest = "income.interest",
    IncomeDividend = "income.dividend",
    IncomeRefund = "income.refund",
    IncomeInsurancePayout = "income.insurance_payout",
    IncomeOther = "income.other",
    HousingRent = "housing.rent",
    HousingLoan = "housing.loan",
    HousingPurchase = "housing.purchase",
    HousingCharges = "housing.charges",
    HousingEnergy = "housing.energy",
    HousingWater = "housing.water",
    HousingWorksFurniture = "housing.works_furniture",
    HousingRemoval = "housing.removal",
    HousingDeposit = "housing.deposit",
    InsuranceAuto = "insurance.auto",
    InsuranceMoto = "insurance.moto",
    InsuranceHome = "insurance.home",
    InsuranceLoan = "insurance.loan",
    InsuranceLifeSavings = "insurance.life_savings",
    InsuranceProtection = "insurance.protection",
    InsuranceLegal = "insurance.legal",
    InsuranceTravel = "insurance.travel",
    InsurancePet = "insurance.pet",
    InsuranceAffinity = "insurance.affinity",
    InsuranceSchool = "insurance.school",
    InsuranceUnknownLine = "insurance.unknown_line",
    InsuranceHealth = "insurance.health",
    TransportFuel = "transport.fuel",
    TransportCharging = "transport.charging",
    TransportParkingToll = "transport.parking_toll",
    TransportMaintenance = "transport.maintenance",
    TransportVehiclePurchase = "transport.vehicle_purchase",
    TransportVehicleLoan = "transport.vehicle_loan",
    TransportVehicleRental = "transport.vehicle_rental",
    TransportPublic = "transport.public",
    TransportTaxi = "transport.taxi",
    LoanConsumer = "loan.consumer",
    LoanRevolving = "loan.revolving",
    LoanStudent = "loan.student",
    LoanBnpl = "loan.bnpl",
    LoanUnknown = "loan.unknown",
    BankAccountFee = "bank.account_fee",
    BankOverdraftInterest = "bank.overdraft_interest",
    BankIncidentFee = "bank.incident_fee",
    BankCardFee = "bank.card_fee",
    BankFx = "bank.fx",
    CashWithdrawal = "cash.withdrawal",
    CashDeposit = "cash.deposit",
    ChequeOut = "cheque.cheque_out",
    ChequeIn = "cheque.cheque_in",
    CardDeferredSettlement = "card.deferred_settlement",
    TransferInternal = "transfer.internal",
    TransferPerson = "transfer.person",
    TransferSavings = "transfer.savings",
    TransferInvestment = "transfer.investment",
    FoodGroceries = "food.groceries",
    FoodRestaurant = "food.restaurant",
    ShoppingClothing = "shopping.clothing",
    ShoppingElectronics = "shopping.electronics",
    ShoppingEcommerce = "shopping.ecommerce",
    ShoppingTobaccoPress = "shopping.tobacco_press",
    ShoppingGeneral = "shopping.general",
    LeisureCulture = "leisure.culture",
    LeisureSport = "leisure.sport",
    LeisureStreaming = "leisure.streaming",
    LeisureGambling = "leisure.gambling",
    TravelTransport = "travel.transport",
    TravelStay = "travel.stay",
    TelecomMobile = "telecom.mobile",
    TelecomInternet = "telecom.internet",
    ServicesPost = "services.post",
    ServicesPersonalCare = "services.personal_care",
    ServicesLegal = "services.legal",
    ServicesHomeHelp = "services.home_help",
    FamilyChildcare = "family.childcare",
    FamilyAlimony = "family.alimony",
    FamilyActivity = "family.activity",
    EducationFees = "education.fees",
    TaxIncome = "tax.income",
    TaxProperty = "tax.property",
    TaxFine = "tax.fine",
    TaxSocial = "tax.social",
    CharityRestricted = "charity.restricted",
    Sensitive = "sensitive",
    Unknown = "unknown",
}

impl Category {
    /// Whether the leaf belongs to a group.
    #[must_use]
    pub fn is_in(self, group: &str) -> bool {
        self.group() == group
    }

    /// Whether what is in this leaf may only ever protect the person, never serve a sale: games of
    /// chance, and the signs of financial difficulty.
    #[must_use]
    pub fn is_protective_only(self) -> bool {
        matches!(
            self,
            Self::LeisureGambling
                | Self::BankIncidentFee
                | Self::BankOverdraftInterest
                | Self::LoanRevolving
                | Self::LoanBnpl
                | Self::TaxFine
        )
    }

    /// Whether money in this leaf buys something (as against moving between pockets).
    #[must_use]
    pub fn is_spending(self) -> bool {
        !matches!(
            self,
            Self::TransferInternal
                | Self::TransferSavings
                | Self::TransferInvestment
                | Self::InsuranceLifeSavings
        ) && !self.is_in("income")
    }

    /// Names and outward mappings of the leaf, where the data file has them.
    #[must_use]
    pub fn mapping(self) -> Option<&'static Mapping> {
        MAPPINGS
            .iter()
            .find(|(category, _)| *category == self)
            .map(|(_, mapping)| mapping)
    }
}

impl fmt::Display for Category {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.code())
    }
}

impl TryFrom<String> for Category {
    type Error = UnknownCategoryCode;
    fn try_from(text: String) -> Result<Self, UnknownCategoryCode> {
        text.parse()
    }
}

impl From<Category> for String {
    fn from(category: Category) -> String {
        category.code().to_owned()
    }
}

/// How a leaf is called, and what it corresponds to elsewhere. An empty text is "no counterpart".
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mapping {
    /// The name a French reader sees.
    pub french: &'static str,
    /// The name an English reader sees.
    pub english: &'static str,
    /// COICOP 2018 division or group (UN Statistics Division).
    pub coicop: &'static str,
    /// Plaid Personal Finance Category, primary level.
    pub plaid: &'static str,
    /// ISO 20022 bank transaction code that most often carries it.
    pub iso20022: &'static str,
}

static MAPPINGS: LazyLock<Vec<(Category, Mapping)>> =
    LazyLock::new(|| mappings().unwrap_or_default());

fn mappings() -> Result<Vec<(Category, Mapping)>, table::MalformedTable> {
    table::rows("taxonomy.csv", include_str!("../data/taxonomy.csv"))
        .map(|row| {
            let row: Row<'static> = row;
            Ok((
                row.parse(0)?,
                Mapping {
                    french: row.required(1)?,
                    english: row.required(2)?,
                    coicop: row.text(3),
                    plaid: row.text(4),
                    iso20022: row.text(5),
                },
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_leaf_has_its_names_once() {
        let named: Vec<Category> = mappings()
            .unwrap()
            .into_iter()
            .map(|(leaf, _)| leaf)
            .collect();
        let distinct: BTreeSet<Category> = named.iter().copied().collect();
        assert_eq!(named.len(), distinct.len(), "a leaf is mapped twice");
        for leaf in Category::ALL {
            assert!(
                distinct.contains(leaf),
                "{leaf} has no line in taxonomy.csv"
            );
        }
    }

    /// Only what exists elsewhere may be named: Plaid's primaries, COICOP divisions and groups, ISO 20022
    /// domain-family-sub-family codes.
    #[test]
    fn what_a_leaf_is_elsewhere_exists_there() {
        const PLAID: [&str; 18] = [
            "INCOME",
            "LOAN_DISBURSEMENTS",
            "LOAN_PAYMENTS",
            "TRANSFER_IN",
            "TRANSFER_OUT",
            "BANK_FEES",
            "ENTERTAINMENT",
            "FOOD_AND_DRINK",
            "GENERAL_MERCHANDISE",
            "GENERAL_SERVICES",
            "GOVERNMENT_AND_NON_PROFIT",
            "HOME_IMPROVEMENT",
            "MEDICAL",
            "PERSONAL_CARE",
            "RENT_AND_UTILITIES",
            "TRANSPORTATION",
            "TRAVEL",
            "OTHER",
        ];
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        for (leaf, mapping) in mappings().unwrap() {
            let plaid = mapping.plaid;
            assert!(
                plaid.is_empty() || PLAID.contains(&plaid),
                "{leaf}: {plaid}"
            );
            let iso: Vec<&str> = mapping.iso20022.split('-').collect();
            let coded = iso.len() == 3 && iso.iter().all(|part| part.len() == 4);
            assert!(coded || mapping.iso20022.is_empty(), "{leaf}: {iso:?}");
            let coicop: Vec<&str> = mapping.coicop.split('.').collect();
            let division = coicop.first().and_then(|part| part.parse::<u8>().ok());
            let known = division.is_some_and(|it| (1..=15).contains(&it));
            let numbered = coicop.iter().all(|part| digits(part));
            assert!(
                (known && numbered) || mapping.coicop.is_empty(),
                "{leaf}: {coicop:?}"
            );
        }
    }

    #[test]
    fn groups_are_the_part_before_the_dot() {
        assert_eq!(Category::CashWithdrawal.group(), "cash");
        assert_eq!(Category::Sensitive.group(), "sensitive");
    }

    #[test]
    fn codes_read_back() {
        for leaf in Category::ALL {
            assert_eq!(leaf.code().parse(), Ok(*leaf));
        }
        assert!("food.space_travel".parse::<Category>().is_err());
    }
}
