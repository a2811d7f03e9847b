//! Runs every target on its corpus, and on inputs derived from it.

use std::collections::BTreeSet;
use std::path::Path;

use rookery_fuzz::{Mutator, TARGETS, Target};

/// How many derived inputs each target gets.
const DERIVED: usize = 500;

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
    for target in TARGETS {
        let corpus = target.corpus().expect("each target has a corpus");
        for input in &corpus {
            run(target, input);
        }
        let mut mutator = Mutator::new(1);
        for _ in 0..DERIVED {
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
