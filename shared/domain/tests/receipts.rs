//! The laws of receipt chains, with keys that really sign.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs
)]

use std::collections::{BTreeMap, BTreeSet};

use passerelle_domain::Timestamp;
use passerelle_domain::consent::{Provider, RequestedPurpose};
use passerelle_domain::content_hash::ContentHash;
use passerelle_domain::ids::{ConnectionId, ConsentId};
use passerelle_domain::locale::Locale;
use passerelle_domain::purpose::{
    Catalogue, DataClass, Fact, LegalBasis, MOST_PURPOSES, Purpose, PurposeTerms,
};
use passerelle_domain::receipt::{
    Act, Actor, ChainFault, Entry, Head, SignedReceipt, Terms, VerifyingKey, verify,
};
use proptest::prelude::*;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// What stands before the point in the DER of a P-256 public key (RFC 5480).
const P256_HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

struct Signer(EcdsaKeyPair);

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pair.as_ref(), &random);
        Self(pair.unwrap())
    }

    fn key(&self) -> VerifyingKey {
        let mut der = P256_HEADER.to_vec();
        der.extend_from_slice(self.0.public_key().as_ref());
        VerifyingKey::from_der(&der).unwrap()
    }

    fn sign(&self, bytes: Vec<u8>) -> SignedReceipt {
        let signature = self.0.sign(&SystemRandom::new(), &bytes).unwrap();
        SignedReceipt {
            signature: signature.as_ref().to_vec(),
            bytes,
        }
    }

    fn chain(&self, acts: &[u8], customer: &str) -> Vec<SignedReceipt> {
        let mut head = Head::start();
        let mut chain = Vec::new();
        for (index, act) in acts.iter().enumerate() {
            let at = Timestamp::from_second(i64::try_from(index).unwrap()).unwrap();
            let receipt = head.next(entry(*act, customer, at), "key-1");
            let bytes = receipt.canonical().unwrap();
            head = Head::after(receipt.sequence, &bytes);
            chain.push(self.sign(bytes));
        }
        chain
    }
}

fn entry(act: u8, customer: &str, at: Timestamp) -> Entry {
    let codes = |text: &str| BTreeSet::from([text.parse().unwrap()]);
    let connection = ConnectionId::from_entropy([2; 16]);
    Entry {
        at,
        client: "cli_demo".parse().unwrap(),
        name_shown: "Example \"Mutual\" é".to_owned(),
        customer: customer.parse().unwrap(),
        actor: Actor::Psu,
        consent: ConsentId::from_entropy([1; 16]),
        connection: connection.clone(),
        institution: "sandbox-bank".parse().unwrap(),
        act: match act % 4 {
            0 => Act::Withdrawn,
            1 => Act::Expired,
            2 => Act::Narrowed {
                removed: codes("quote"),
                purposes: codes("advice"),
                valid_until: at,
            },
            _ => Act::Erased {
                destroyed_key_of: connection,
                destroyed_at: at,
            },
        },
    }
}

#[test]
fn a_receipt_of_everything_the_bounds_allow_is_signed_in_one_piece() {
    let longest = Purpose {
        code: "p".repeat(32).parse().unwrap(),
        required: true,
        terms: PurposeTerms {
            reads: BTreeSet::from([
                DataClass::Accounts,
                DataClass::Transactions,
                DataClass::Scores,
            ]),
            learns: BTreeSet::from([
                Fact::RegularFlows,
                Fact::InsuranceContracts,
                Fact::Household,
                Fact::LifeMoments,
                Fact::Scores,
            ]),
            sells: false,
            retention_days: 3650,
            legal_basis: LegalBasis::LegitimateInterest,
        },
        texts: BTreeMap::new(),
    };
    let asked = RequestedPurpose {
        code: longest.code.clone(),
        required: true,
        terms: longest.terms.clone(),
        text: ContentHash::of(b"text"),
    };
    let far: Timestamp = "9999-12-30T22:00:00.999999999Z".parse().unwrap();
    let terms = Terms {
        locale: Locale::Fr,
        journey_text: ContentHash::of(b"words"),
        purposes: vec![asked; MOST_PURPOSES],
        valid_until: far,
        bank_valid_until: far,
        provider: Provider {
            name: "é".repeat(100),
            registration: "9".repeat(60),
        },
    };
    let entry = Entry {
        client: "c".repeat(64).parse().unwrap(),
        name_shown: "😀".repeat(60),
        customer: "c".repeat(64).parse().unwrap(),
        institution: "i".repeat(64).parse().unwrap(),
        act: Act::Granted(terms),
        ..entry(0, "customer-1", far)
    };
    let receipt = Head::after(u64::MAX - 1, b"").next(entry, "k".repeat(36));
    let bytes = receipt.canonical().unwrap();
    assert!(bytes.len() > 3000, "{}", bytes.len());
    assert!(Catalogue::parse(vec![longest; MOST_PURPOSES + 1], &[]).is_err());
}

#[test]
fn a_key_of_another_kind_is_not_taken_for_one_of_ours() {
    assert_eq!(VerifyingKey::from_der(&[0x30; 91]), None);
    assert_eq!(VerifyingKey::from_der(&P256_HEADER), None);
}

#[test]
fn a_receipt_of_another_customer_is_foreign_even_where_it_would_follow() {
    let signer = Signer::new();
    let mut chain = signer.chain(&[0], "customer-1");
    let head = verify(&chain, &signer.key()).unwrap();
    let stranger = head.next(entry(1, "customer-2", Timestamp::UNIX_EPOCH), "key-1");
    chain.push(signer.sign(stranger.canonical().unwrap()));
    assert_eq!(verify(&chain, &signer.key()), Err(ChainFault::Foreign(2)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_chain_is_sound_whatever_is_recorded_and_so_is_each_of_its_beginnings(
        acts in proptest::collection::vec(any::<u8>(), 0..8)
    ) {
        let signer = Signer::new();
        let chain = signer.chain(&acts, "customer-1");
        for end in 0..=chain.len() {
            let head = verify(&chain[..end], &signer.key()).unwrap();
            prop_assert_eq!(head.sequence, u64::try_from(end).unwrap());
        }
    }

    #[test]
    fn a_changed_byte_a_dropped_a_doubled_and_a_moved_receipt_are_seen(
        acts in proptest::collection::vec(any::<u8>(), 3..7),
        at in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        bit in 0_u32..8,
    ) {
        let signer = Signer::new();
        let chain = signer.chain(&acts, "customer-1");
        let (index, key) = (at.index(chain.len()), signer.key());

        let mut changed = chain.clone();
        let place = byte.index(changed[index].bytes.len());
        changed[index].bytes[place] ^= 1 << bit;
        prop_assert!(verify(&changed, &key).is_err());

        let mut forged = chain.clone();
        let place = byte.index(forged[index].signature.len());
        forged[index].signature[place] ^= 1 << bit;
        prop_assert!(verify(&forged, &key).is_err());

        let mut dropped = chain.clone();
        dropped.remove(index);
        let whole = verify(&chain, &key).unwrap();
        prop_assert!(verify(&dropped, &key) != Ok(whole), "the head tells");
        if index + 1 < chain.len() {
            prop_assert!(verify(&dropped, &key).is_err());
            let mut moved = chain.clone();
            moved.swap(index, index + 1);
            prop_assert!(verify(&moved, &key).is_err());
        }

        let mut doubled = chain.clone();
        doubled.insert(index, chain[index].clone());
        prop_assert!(verify(&doubled, &key).is_err());

        prop_assert!(verify(&chain, &Signer::new().key()).is_err(), "another key");
    }

    #[test]
    fn no_bytes_make_reading_a_chain_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..60),
        signature in proptest::collection::vec(any::<u8>(), 0..80),
    ) {
        let receipts = [SignedReceipt { bytes, signature }];
        prop_assert!(verify(&receipts, &Signer::new().key()).is_err());
    }
}
