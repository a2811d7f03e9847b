//! Checks that the documents agree with the code.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the root folder of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Returns the text of every file below a folder of the project for which `wanted` holds.
fn files(folder: &str, wanted: impl Fn(&Path) -> bool) -> Vec<String> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if wanted(&path) {
                found.push(fs::read_to_string(&path).unwrap());
            }
        }
    }
    found
}

/// Returns the names of the test functions in a source file.
fn tests_in(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_test = |line: &str| line == "#[test]" || line.starts_with("#[tokio::test");
    let name = |line: &str| Some(line.split_once("fn ")?.1.split_once('(')?.0.to_owned());
    lines
        .windows(2)
        .filter(|pair| is_test(pair[0]))
        .filter_map(|pair| name(pair[1]))
        .collect()
}

/// Returns the names of tests that a document mentions between backquotes.
fn names_of_tests(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let is_name = |word: &&str| {
        word.matches('_').count() >= 2
            && word
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
    };
    quoted.filter(is_name).collect()
}

#[test]
fn the_security_document_names_every_requirement_and_only_existing_tests() {
    let document = fs::read_to_string(root().join("docs/control-plane-security.md")).unwrap();
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| 6.") || line.starts_with("| 7."))
        .map(|line| line.split(" | ").collect())
        .collect();
    // The number of requirements in each section of chapters V6 and V7 of ASVS 5.0.0.
    let sections = [
        (6, &[3, 12, 8, 6, 8, 4, 2, 4][..]),
        (7, &[3, 4, 2, 5, 3, 2]),
    ];
    let mut expected = Vec::new();
    for (chapter, sections) in sections {
        for (section, requirements) in sections.iter().enumerate() {
            expected.extend(
                (1..=*requirements).map(|number| format!("| {chapter}.{}.{number}", section + 1)),
            );
        }
    }
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), expected);

    let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let tests: BTreeSet<String> = ["server", "admin-cli", "tests/e2e", "tests/external"]
        .into_iter()
        .flat_map(|folder| files(folder, is_rust))
        .flat_map(|text| tests_in(&text))
        .collect();
    let named = names_of_tests(&document);
    assert!(named.len() > 60, "{named:?}");
    for name in named {
        assert!(tests.contains(name), "there is no test {name}");
    }
    for row in rows {
        let (number, verdict) = (row[0].trim_start_matches("| "), row[2]);
        let is_documentation = number.starts_with("6.1.") || number.starts_with("7.1.");
        let is_met = verdict.starts_with("Met") || verdict.starts_with("**Partly**");
        let is_known = is_met
            || ["Does not apply", "**No**", "**By choice**"]
                .iter()
                .any(|it| verdict.starts_with(it));
        assert!(is_known, "{number}: {verdict}");
        assert!(
            !is_met || is_documentation || !names_of_tests(verdict).is_empty(),
            "{number} names no test"
        );
    }
}

#[test]
fn random_numbers_come_only_from_the_operating_system() {
    let manifests = files("server", |path| path.ends_with("Cargo.toml"));
    assert!(
        manifests
            .iter()
            .any(|manifest| manifest.contains("getrandom"))
    );
    for other in ["rand", "fastrand", "nanorand", "oorandom", "uuid"] {
        assert!(
            !manifests
                .iter()
                .flat_map(|manifest| manifest.lines())
                .any(|line| line.split(['.', ' ', '=']).next() == Some(other)),
            "{other}"
        );
    }
}
