//! The link check: files that the documents name, as the target of a link or as a path between
//! back quotes, must exist.

use std::path::Path;

use regex::Regex;

use crate::files::{self, Finding};

/// Checks every tracked Markdown file.
pub fn check(root: &Path) -> anyhow::Result<Vec<Finding>> {
    let tracked = files::tracked(root)?;
    // Paths are recognised by their first folder. The contents of these two are not tracked.
    let folders = tracked
        .iter()
        .filter_map(|file| file.split_once('/').map(|(folder, _)| folder))
        .filter(|folder| !["certs", "data"].contains(folder));
    let mut folders: Vec<&str> = folders.collect();
    folders.dedup();
    let mut findings = Vec::new();
    for file in tracked.iter().filter(|file| {
        Path::new(file)
            .extension()
            .is_some_and(|extension| extension == "md")
    }) {
        let parent = Path::new(file).parent().unwrap_or(Path::new(""));
        for (line, path, is_link) in named_paths(&files::read(root, file)?, &folders)? {
            let from = if is_link { parent } else { Path::new("") };
            if !root.join(from).join(&path).exists() {
                let message = format!("{path} does not exist");
                let file = file.clone();
                findings.push(Finding {
                    file,
                    line,
                    message,
                });
            }
        }
    }
    Ok(findings)
}

/// Returns the paths that a document names, with their lines, and whether each is a link.
fn named_paths(text: &str, folders: &[&str]) -> anyhow::Result<Vec<(usize, String, bool)>> {
    let link = Regex::new(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")?;
    let quoted = Regex::new(r"`([^`\s]+/[^`\s]*)`")?;
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        let links = link.captures_iter(line).map(|it| (it[1].to_owned(), true));
        let paths = quoted
            .captures_iter(line)
            .map(|it| it[1].to_owned())
            .filter(|path| {
                folders
                    .iter()
                    .any(|folder| path.split('/').next() == Some(folder))
            })
            // A path with a gap or a pattern in it names many files.
            .filter(|path| !path.contains(['<', '*', '{']))
            .map(|path| (path, false));
        found.extend(
            links
                .chain(paths)
                .map(|(path, is_link)| (index + 1, path, is_link)),
        );
    }
    Ok(found)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn links_and_quoted_paths_are_found() {
        let text = "See [it](../README.md#folders) and `docs/irc.md`.\n`/v1/users`, `a/b`\n";
        let expected = [
            (1, "../README.md".to_owned(), true),
            (1, "docs/irc.md".to_owned(), false),
        ];
        assert_eq!(named_paths(text, &["docs"]).unwrap(), expected);
    }

    #[test]
    fn addresses_code_blocks_and_patterns_are_left_out() {
        let text =
            "[a](https://example.org/b) [c](#d)\n```\n[e](f.md) `docs/g`\n```\n`docs/<h>.md`\n";
        assert_eq!(named_paths(text, &["docs"]).unwrap(), []);
    }
}
