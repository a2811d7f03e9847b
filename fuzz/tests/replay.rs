//! Runs every target on its corpus, and on inputs derived from it.
//!
//! The environment variables `TARGET`, `INPUTS` and `SEED` choose one target, the number of derived
//! inputs and the seed that they follow from, for runs that are longer than those of every day:
//! `fuzz/run --derived N` sets them.

use std::collections::BTreeSet;
use std::env;
use std::fmt::Debug;
use std::path::Path;
use std::str::FromStr;

use rookery_fuzz::{Mutator, TARGETS, Target};

/// Returns the number in an environment variable, or another one if it is not set.
fn number<T: FromStr<Err: Debug>>(variable: &str, otherwise: T) -> T {
    env::var(variable).map_or(otherwise, |text| text.parse().expect("it is a number"))
}

/// Runs the target. If it panics, the input is in the output.
fn run(target: &Target, input: &[u8]) {
    struct Report<'a>(&'a Target, &'a [u8]);
    impl Drop for Report<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                let Self(target, input) = self;
                eprintln!("{} fails on \"{}\"", target.name, input.escape_ascii());
            }
        }
    }
    let _report = Report(target, input);
    (target.run)(input);
}

#[test]
fn no_target_fails_on_its_corpus_or_on_what_is_derived_from_it() {
    let chosen = env::var("TARGET").ok();
    let targets: Vec<_> = TARGETS
        .iter()
        .filter(|target| chosen.as_ref().is_none_or(|name| name == target.name))
        .collect();
    assert!(!targets.is_empty(), "TARGET names no target");
    for target in targets {
        let corpus = target.corpus().expect("each target has a corpus");
        for input in &corpus {
            run(target, input);
        }
        let mut mutator = Mutator::new(number("SEED", 1));
        for _ in 0..number("INPUTS", 500_u64) {
            run(target, &mutator.derive(&corpus));
        }
    }
}

#[test]
fn each_folder_of_the_corpus_belongs_to_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let found: BTreeSet<String> = folder
        .read_dir()
        .expect("the corpus is there")
        .map(|entry| {
            entry
                .expect("a folder")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    let expected = TARGETS
        .iter()
        .map(|target| target.name.to_owned())
        .collect();
    assert_eq!(found, expected);
}
