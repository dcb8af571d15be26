//! Income that no word of a label announces: told by its rhythm.

use crate::ledger::Ledger;
use crate::operation::Operation;
use crate::recurrence::{self, Flow, FlowKind, Rhythm};
use crate::taxonomy::Category;

/// Below this a regular transfer from an unnamed payer may be anything (cents per month).
const SALARY_FLOOR: i64 = 70_000;
/// With a company among its words, less is enough.
const SALARY_FLOOR_FROM_COMPANY: i64 = 30_000;

/// Finds the flows and recognises among them salaries paid without a telling word: regular, monthly,
/// from a company or large enough.
pub(crate) fn find_flows(ledger: &mut Ledger<'_>) -> Vec<Flow> {
    let mut flows = recurrence::find(ledger);
    for flow in &mut flows {
        if looks_like_salary(ledger, flow) {
            for index in &flow.entries {
                ledger.reclassify(*index, Category::IncomeSalary, "regular monthly income", 84);
            }
            flow.recurrence.category = Category::IncomeSalary;
            flow.recurrence.kind = FlowKind::Salary;
        }
    }
    recurrence::sort(&mut flows);
    flows
}

fn looks_like_salary(ledger: &Ledger<'_>, flow: &Flow) -> bool {
    let recurrence = &flow.recurrence;
    let by_transfer = flow.entries.iter().all(|index| {
        ledger
            .entries
            .get(*index)
            .is_some_and(|entry| entry.operation() == Operation::TransferReceived && entry.counts())
    });
    let floor = if names_a_company(recurrence.payee.expose()) {
        SALARY_FLOOR_FROM_COMPANY
    } else {
        SALARY_FLOOR
    };
    recurrence.category == Category::Unknown
        && recurrence.rhythm == Rhythm::Monthly
        && recurrence.evidence.len() >= 3
        && by_transfer
        && recurrence.amount.minor >= floor
}

/// Legal forms and words that only companies carry. `cleaned` is folded already.
pub(crate) fn names_a_company(cleaned: &str) -> bool {
    const COMPANY: &[&str] = &[
        "SA",
        "SAS",
        "SASU",
        "SARL",
        "EURL",
        "SNC",
        "SCOP",
        "GIE",
        "STE",
        "SOCIETE",
        "GROUPE",
        "ENTREPRISE",
        "ASSOCIES",
        "SERVICES",
        "HOLDING",
        "INDUSTRIE",
        "INDUSTRIES",
        "COMPAGNIE",
        "CIE",
        "FRANCE",
        "INTERIM",
        "CONSULTING",
        "MAIRIE",
        "COMMUNE",
        "DEPARTEMENT",
        "REGION",
        "RECTORAT",
        "MINISTERE",
        "ETABLISSEMENT",
        "DISTRIBUTION",
        "TECHNOLOGIES",
        "SYSTEMS",
        "LTD",
        "GMBH",
        "SPRL",
        "ASSOCIATION",
        "CLUB",
        "CABINET",
        "AGENCE",
        "SCI",
        "SELARL",
        "FACTURE",
    ];
    cleaned.split(' ').any(|word| COMPANY.contains(&word))
}
