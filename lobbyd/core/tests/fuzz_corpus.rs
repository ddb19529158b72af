//! The laws that `make fuzz` tries to break hold for its corpus and for what lies near it.
#![expect(clippy::unwrap_used, reason = "a test ends by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lobby_core::testsuite::laws;
use proptest::prelude::*;

type Law = fn(&[u8]);

/// Each fuzz target by its name.
const LAWS: [(&str, Law); 9] = [
    ("dns", laws::dns),
    ("envelope", laws::envelope),
    ("labels", laws::labels),
    ("local_names", laws::local_names),
    ("piece", laws::piece),
    ("plan", laws::plan),
    ("prometheus", laws::prometheus),
    ("query", laws::query),
    ("selector", laws::selector),
];

fn fuzz_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz")
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(fuzz_directory().join("corpus").join(name)).unwrap();
    entries.map(|entry| fs::read(entry.unwrap().path()).unwrap()).collect()
}

#[test]
fn every_fuzz_target_is_a_law_that_is_tried_here() {
    let targets = fs::read_dir(fuzz_directory().join("fuzz_targets")).unwrap();
    let targets: BTreeSet<_> =
        targets.map(|target| target.unwrap().path().file_stem().unwrap().to_owned()).collect();
    assert_eq!(targets, LAWS.iter().map(|(name, _)| (*name).into()).collect());
}

#[test]
fn every_law_holds_for_its_corpus() {
    for (name, law) in LAWS {
        let corpus = corpus(name);
        assert!(!corpus.is_empty(), "{name}");
        corpus.iter().for_each(|input| law(input));
    }
}

/// A law with an input that was put together of two of its corpus, and then damaged at one place.
fn law_and_near_input() -> impl Strategy<Value = (Law, Vec<u8>)> {
    let pick = prop::sample::select(LAWS.to_vec());
    let places =
        (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    (pick, any::<[prop::sample::Index; 2]>(), places, any::<u8>()).prop_map(
        |((name, law), picks, (cut, on, at), byte)| {
            let corpus = corpus(name);
            let [front, back] = picks.map(|pick| pick.get(&corpus));
            let mut input =
                [&front[..cut.index(front.len() + 1)], &back[on.index(back.len() + 1)..]].concat();
            if !input.is_empty() {
                let at = at.index(input.len());
                input[at] = byte;
            }
            (law, input)
        },
    )
}

proptest! {
    #[test]
    fn every_law_holds_near_its_corpus((law, input) in law_and_near_input()) {
        law(&input);
    }

    #[test]
    fn every_law_holds_for_any_bytes(input in prop::collection::vec(any::<u8>(), 0..300)) {
        LAWS.iter().for_each(|(_, law)| law(&input));
    }
}
