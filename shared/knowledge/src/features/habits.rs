//! Signs of how one lives: home, vehicle, travel, animals, and the covers held.

use std::collections::BTreeMap;

use super::window::{Window, put};
use super::{Feature, Measured};
use crate::contracts::InsuranceContract;
use crate::measure::count;
use crate::taxonomy::Category;

/// The taxonomy has no leaf for animals: the rule that sorted a line tells of one.
const PET_RULES: &[&str] = &[
    "keywords.csv:VETERINAIRE",
    "keywords.csv:CLINIQUE VETERINAIRE",
    "keywords.csv:VETO",
    "keywords.csv:ANIMALERIE",
    "keywords.csv:TOILETTAGE",
    "Maxi Zoo",
    "Animalis",
    "Tom & Co",
    "Zooplus",
    "Wanimo",
    "Ultra Premium Direct",
    "Japhy",
    "Médor et Compagnie",
];

/// Nor one for two-wheelers.
const TWO_WHEELER_RULES: &[&str] = &[
    "keywords.csv:MOTOS",
    "keywords.csv:ACHAT MOTO",
    "Dafy Moto",
    "Motoblouz",
    "Maxxess",
    "Cardy",
    "Louis Moto",
    "Yamaha Finance",
    "Harley Finance",
];

impl Window<'_, '_, '_> {
    pub(super) fn habits(&self, values: &mut BTreeMap<Feature, Measured>) {
        let sums: [(Feature, &[Category]); 9] = [
            (
                Feature::HomeMonthly,
                &[
                    Category::HousingRent,
                    Category::HousingLoan,
                    Category::HousingCharges,
                ],
            ),
            (Feature::HomeLoanMonthly, &[Category::HousingLoan]),
            (
                Feature::VehicleMonthly,
                &[
                    Category::TransportFuel,
                    Category::TransportCharging,
                    Category::TransportParkingToll,
                    Category::TransportMaintenance,
                    Category::TransportVehicleLoan,
                ],
            ),
            (Feature::FuelMonthly, &[Category::TransportFuel]),
            (
                Feature::DrivingMonthly,
                &[
                    Category::TransportCharging,
                    Category::TransportParkingToll,
                    Category::TransportMaintenance,
                ],
            ),
            (
                Feature::PublicTransportMonthly,
                &[Category::TransportPublic],
            ),
            (Feature::LegalMonthly, &[Category::ServicesLegal]),
            (
                Feature::SchoolMonthly,
                &[Category::EducationFees, Category::FamilyActivity],
            ),
            (
                Feature::TravelMonthly,
                &[Category::TravelTransport, Category::TravelStay],
            ),
        ];
        for (feature, categories) in sums {
            values.insert(feature, self.monthly_sum(categories));
        }
        for (feature, rules) in [
            (Feature::PetMonthly, PET_RULES),
            (Feature::TwoWheelerMonthly, TWO_WHEELER_RULES),
        ] {
            let sum = self
                .sum(|entry| entry.cents() < 0 && rules.contains(&entry.enrichment.rule.as_ref()));
            let value = sum.value / self.months;
            values.insert(feature, Measured { value, ..sum });
        }
        let covers = [
            (Feature::CoverAuto, Category::InsuranceAuto),
            (Feature::CoverHome, Category::InsuranceHome),
            (Feature::CoverLoan, Category::InsuranceLoan),
            (Feature::CoverTravel, Category::InsuranceTravel),
            (Feature::CoverMoto, Category::InsuranceMoto),
            (Feature::CoverPet, Category::InsurancePet),
            (Feature::CoverLegal, Category::InsuranceLegal),
            (Feature::CoverProtection, Category::InsuranceProtection),
            (Feature::CoverSchool, Category::InsuranceSchool),
            (Feature::CoverUnknownLine, Category::InsuranceUnknownLine),
        ];
        for (feature, line) in covers {
            let held: Vec<&InsuranceContract> = self
                .sources
                .contracts
                .iter()
                .filter(|contract| contract.line == line && contract.is_active())
                .collect();
            let evidence = held
                .iter()
                .filter_map(|contract| contract.evidence.last().cloned())
                .collect();
            put(values, feature, count(held.len()), evidence);
        }
        let benefits = self.sum(|entry| entry.category() == Category::IncomeFamilyBenefit);
        put(
            values,
            Feature::FamilyBenefitMonthly,
            benefits.value / self.months,
            benefits.evidence,
        );
    }
}
