//! Throws damaged input at a reader and watches it: no panic, no input that takes long or much memory.
//!
//! The input is made from a corpus of sound documents by damage that knows their structure: members
//! dropped, doubled, swapped or given another type, numbers beyond every range, texts of odd
//! characters, then bytes flipped, cut and spliced. Everything follows from a seed, which a failure
//! prints together with the file the input was written to.
//!
//! `cargo test` gives each target a few hundred inputs. `FUZZ_SECONDS=20` gives it that many seconds
//! instead, and `FUZZ_SEED` another beginning.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use serde_json::{Map, Number, Value};

/// Counts what the whole test binary allocates.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Inputs per target when no time is given.
const FEW: usize = 300;

/// The longest input.
const MAX_INPUT: usize = 64 * 1024;

/// What a reader may hold at once: a document as objects is many times its text.
const MEMORY_PER_BYTE: usize = 512;

/// What a reader may hold for nothing: tables built at their first use.
const MEMORY_TO_START: usize = 32 * 1024 * 1024;

/// The longest an input may take, three times in a row: the machine may be busy with something else.
const PATIENCE: Duration = Duration::from_secs(2);

/// Values that readers trip over.
const AWKWARD: [&str; 24] = [
    "",
    " ",
    "0",
    "-",
    "-0",
    "1e400",
    "9223372036854775808",
    "-9223372036854775809",
    "999999999999999999999999999999",
    "0.1",
    "1,5",
    "NaN",
    "NOTPROVIDED",
    "null",
    "2026-02-30",
    "9999-12-31",
    "-009999-01-01",
    "2026-11-22T00:00:00+01:00",
    "FR7630004133112916078289675",
    "\u{0}",
    "\u{202e}",
    "e\u{301}\u{301}\u{301}",
    "🏦🏦🏦",
    "//evil.example/v1?next=1#x",
];

/// A reader and what sound input for it looks like.
pub struct Target {
    /// The folder of its corpus, and its name in a failure.
    pub name: &'static str,
    /// The reader. What it answers does not matter; that it answers does.
    pub read: fn(&[u8]),
}

/// Throws damaged input at the target until the time is up.
#[allow(clippy::print_stdout)] // how much was tried
pub fn drive(target: &Target) {
    let seconds = std::env::var("FUZZ_SECONDS")
        .ok()
        .and_then(|text| text.parse().ok());
    let seed = std::env::var("FUZZ_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let corpus = corpus(target.name);
    assert!(!corpus.is_empty(), "{}: no corpus", target.name);
    let watch = seconds.is_some();
    // First the corpus as it is: what once broke a reader is kept in it.
    for document in &corpus {
        try_one(target, document, seed, watch);
    }
    let mut chance = Chance(seed ^ 0x9e37_79b9_7f4a_7c15);
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut tried = 0;
    while until.map_or(tried < FEW, |until| Instant::now() < until) {
        let input = damaged(&corpus, &mut chance);
        try_one(target, &input, seed, watch);
        tried += 1;
    }
    println!("{}: {tried} inputs, seed {seed}", target.name);
}

fn try_one(target: &Target, input: &[u8], seed: u64, watch: bool) {
    let mut fastest = Duration::MAX;
    for _ in 0..3 {
        MEMORY.reset_peak_usage();
        let before = MEMORY.current_usage();
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| (target.read)(input)));
        fastest = fastest.min(began.elapsed());
        let held = MEMORY.peak_usage().saturating_sub(before);
        if outcome.is_err() {
            fail(target, input, seed, "it panicked");
        }
        // Other tests of the same binary allocate as well: only a run of its own tells.
        if watch && held > MEMORY_TO_START + input.len() * MEMORY_PER_BYTE {
            fail(target, input, seed, &format!("it held {held} bytes"));
        }
        if fastest < PATIENCE {
            return;
        }
    }
    if watch {
        fail(target, input, seed, &format!("it took {fastest:?}"));
    }
}

fn fail(target: &Target, input: &[u8], seed: u64, what: &str) -> ! {
    let path = std::env::temp_dir().join(format!("fuzz-{}-{seed}", target.name));
    let written = std::fs::write(&path, input).is_ok();
    panic!(
        "{}: {what} (seed {seed}, {} bytes{}). Keep the input in tests/fuzz/corpus/{}, under a name \
         that says what is wrong with it.",
        target.name,
        input.len(),
        if written {
            format!(", in {}", path.display())
        } else {
            String::new()
        },
        target.name,
    )
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut files: Vec<PathBuf> = std::fs::read_dir(root.join(name))
        .expect("the corpus folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| std::fs::read(path).expect("a file"))
        .collect()
}

/// SplitMix64: the same seed throws the same input.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    fn awkward(&mut self) -> &'static str {
        AWKWARD[self.below(AWKWARD.len())]
    }
}

fn damaged(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let document = &corpus[chance.below(corpus.len())];
    let mut bytes = match serde_json::from_slice::<Value>(document) {
        Ok(mut value) => {
            for _ in 0..=chance.below(4) {
                damage_value(&mut value, chance, 0);
            }
            value.to_string().into_bytes()
        }
        Err(_) => document.clone(),
    };
    // A document that is no JSON is damaged in its bytes always, the others now and then.
    let is_text = serde_json::from_slice::<Value>(document).is_err();
    if is_text || chance.one_in(3) {
        for _ in 0..=chance.below(6) {
            damage_bytes(&mut bytes, corpus, chance);
        }
    }
    bytes.truncate(MAX_INPUT);
    bytes
}

/// Walks to some place of the document and spoils it.
fn damage_value(value: &mut Value, chance: &mut Chance, depth: usize) {
    let go_on = depth < 12 && !chance.one_in(5);
    match value {
        Value::Object(members) if go_on && !members.is_empty() => {
            let names: Vec<String> = members.keys().cloned().collect();
            let name = &names[chance.below(names.len())];
            match chance.below(8) {
                0 => {
                    members.remove(name);
                }
                1 => {
                    let other = &names[chance.below(names.len())];
                    let copied = members[other].clone();
                    members.insert(name.clone(), copied);
                }
                2 => {
                    members.insert(chance.awkward().to_owned(), anything(chance));
                }
                _ => damage_value(members.get_mut(name).unwrap(), chance, depth + 1),
            }
        }
        Value::Array(items) if go_on && !items.is_empty() => {
            let index = chance.below(items.len());
            match chance.below(8) {
                0 => {
                    items.remove(index);
                }
                1 => {
                    let copied = items[index].clone();
                    let times = chance.below(40);
                    items.extend(std::iter::repeat_n(copied, times));
                }
                2 => items.push(anything(chance)),
                _ => damage_value(&mut items[index], chance, depth + 1),
            }
        }
        other => *other = anything(chance),
    }
}

fn anything(chance: &mut Chance) -> Value {
    match chance.below(9) {
        0 => Value::Null,
        1 => Value::Bool(chance.one_in(2)),
        2 => Value::Number(Number::from(chance.next())),
        3 => Value::Number(Number::from(i64::MIN)),
        4 => Number::from_f64(1e300).map_or(Value::Null, Value::Number),
        5 => Value::Array(vec![Value::from(chance.awkward()); chance.below(5)]),
        6 => Value::Object(Map::from_iter([(
            chance.awkward().to_owned(),
            Value::from(chance.awkward()),
        )])),
        7 => Value::from(chance.awkward().repeat(chance.below(200))),
        _ => Value::from(chance.awkward()),
    }
}

fn damage_bytes(bytes: &mut Vec<u8>, corpus: &[Vec<u8>], chance: &mut Chance) {
    if bytes.is_empty() {
        bytes.extend_from_slice(chance.awkward().as_bytes());
        return;
    }
    let at = chance.below(bytes.len());
    match chance.below(8) {
        0 => bytes.truncate(at),
        1 => {
            bytes.remove(at);
        }
        2 => bytes[at] = u8::try_from(chance.below(256)).unwrap(),
        3 => bytes[at] ^= 1 << chance.below(8),
        4 => {
            let word = chance.awkward().as_bytes().to_vec();
            bytes.splice(at..at, word);
        }
        5 => {
            let other = &corpus[chance.below(corpus.len())];
            let from = chance.below(other.len().max(1)).min(other.len());
            bytes.splice(at.., other[from..].iter().copied());
        }
        6 => {
            let end = (at + chance.below(60)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let times = chance.below(60);
            bytes.splice(at..at, piece.repeat(times));
        }
        _ => {
            // A bracket or a quote where none belongs.
            let marks = b"{}[]\",:\n\r\\";
            bytes.insert(at, marks[chance.below(marks.len())]);
        }
    }
    bytes.truncate(MAX_INPUT);
}
