//! What a person agrees to on the purposes page, fixed when they leave for the bank.
//!
//! It stays with the attempt, not with the consent: a consent can be answered through its link by
//! whoever holds it, an attempt belongs to one browser. The bank's yes grants what this names, as far
//! as it is still asked for, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Consent, ConsentRefusal, RequestedPurpose};
use crate::content_hash::ContentHash;
use crate::purpose::PurposeCode;

/// The purposes one person switched on in one browser, each with the text they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Which question it answers: 0 for the first journey's, then the renewal's number.
    pub link_number: u32,
    /// The purposes that were switched on, each with the hash of the text the person read about it.
    pub purposes: BTreeMap<PurposeCode, ContentHash>,
    /// The words of the pages that led there, kept under this hash.
    pub journey_text: ContentHash,
    /// When the person answered.
    pub at: Timestamp,
}

impl Agreement {
    /// The purposes that are still asked for in the very words the person read.
    #[must_use]
    pub fn still_asked(&self, requested: &[RequestedPurpose]) -> BTreeSet<PurposeCode> {
        let read = |asked: &&RequestedPurpose| self.purposes.get(&asked.code) == Some(&asked.text);
        let asked = requested.iter().filter(read);
        asked.map(|asked| asked.code.clone()).collect()
    }
}

impl Consent {
    /// Reads an answer to the purposes question.
    ///
    /// # Errors
    /// [`ConsentRefusal`] when nothing is asked, more was ticked than is asked for, or a required
    /// purpose is off.
    pub fn agree(
        &self,
        chosen: &BTreeSet<PurposeCode>,
        now: Timestamp,
    ) -> Result<Agreement, ConsentRefusal> {
        let question = self.question(now).ok_or(ConsentRefusal::LinkExpired)?;
        check_choice(&question.purposes, chosen)?;
        let ticked = question.purposes.iter();
        let ticked = ticked.filter(|asked| chosen.contains(&asked.code));
        Ok(Agreement {
            link_number: question.renewal.unwrap_or(0),
            purposes: ticked
                .map(|asked| (asked.code.clone(), asked.text.clone()))
                .collect(),
            journey_text: self.journey_text.clone(),
            at: now,
        })
    }
}

/// Whether a choice lies within what is asked and holds everything that is required.
pub(super) fn check_choice(
    asked: &[&RequestedPurpose],
    chosen: &BTreeSet<PurposeCode>,
) -> Result<(), ConsentRefusal> {
    let known = |code: &PurposeCode| asked.iter().any(|ask| ask.code == *code);
    if !chosen.iter().all(known) {
        return Err(ConsentRefusal::PurposeNotRequested);
    }
    let missing = asked
        .iter()
        .any(|ask| ask.required && !chosen.contains(&ask.code));
    if missing || chosen.is_empty() {
        return Err(ConsentRefusal::RequiredPurposeMissing);
    }
    Ok(())
}
