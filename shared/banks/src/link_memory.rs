//! Links seen in an account list, kept for the reads that follow it in the same process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use passerelle_domain::ids::ResourceId;
use ring::digest;
use secrecy::ExposeSecret;
use url::Url;

use crate::secrets::OpenToken;

/// More links than a process reads between two breaths; beyond it everything is forgotten.
const MAX_LINKS: usize = 4096;

/// Links by access token or consent (its digest) and resource id: an id means something inside one consent
/// only.
#[derive(Default)]
pub(crate) struct LinkMemory(Mutex<BTreeMap<(Vec<u8>, ResourceId), Url>>);

impl LinkMemory {
    pub(crate) fn remember(&self, token: &OpenToken, account: &ResourceId, link: Url) {
        let mut links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if links.len() >= MAX_LINKS {
            links.clear();
        }
        links.insert((digest_of(token), account.clone()), link);
    }

    pub(crate) fn recall(&self, token: &OpenToken, account: &ResourceId) -> Option<Url> {
        let links = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        links.get(&(digest_of(token), account.clone())).cloned()
    }
}

impl fmt::Debug for LinkMemory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("LinkMemory(…)")
    }
}

fn digest_of(token: &OpenToken) -> Vec<u8> {
    let access = token.access.as_ref().map(ExposeSecret::expose_secret);
    let own = access
        .or(token.bank_consent_id.as_deref())
        .unwrap_or_default();
    digest::digest(&digest::SHA256, own.as_bytes())
        .as_ref()
        .to_vec()
}
