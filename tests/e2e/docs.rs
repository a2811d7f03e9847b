//! What the documents say of the code, held against it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The root of the project.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All Rust files under a folder, with what is in them.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
        {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// The functions that are tests.
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

/// What stands between back quotes and reads like the name of a test.
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
fn the_document_on_security_names_every_requirement_and_tests_that_are_there() {
    let document = fs::read_to_string(root().join("docs/control-plane-security.md")).unwrap();
    let rows: Vec<Vec<&str>> = document
        .lines()
        .filter(|line| line.starts_with("| 6.") || line.starts_with("| 7."))
        .map(|line| line.split(" | ").collect())
        .collect();
    // How many requirements each section of the chapters V6 and V7 of ASVS 5.0.0 has.
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

    let tests: BTreeSet<String> = ["server/src", "admin-cli/src", "tests/e2e", "tests/external"]
        .into_iter()
        .flat_map(sources)
        .flat_map(|(_, text)| tests_in(&text))
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
fn no_random_number_comes_from_anywhere_but_the_system() {
    let manifest = fs::read_to_string(root().join("server/Cargo.toml")).unwrap();
    assert!(manifest.contains("getrandom"));
    for other in ["rand", "fastrand", "nanorand", "oorandom", "uuid"] {
        assert!(
            !manifest
                .lines()
                .any(|line| line.split(['.', ' ', '=']).next() == Some(other)),
            "{other}"
        );
    }
}
