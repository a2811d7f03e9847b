//! Reads the config file, and turns what is wrong with it into file, line and key.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue, Deserializer};

use super::{Config, check};

/// Read when no other file is named; it need not be there.
const DEFAULT_FILE: &str = "config.toml";

/// A config and where it came from.
#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// None for the built-in defaults.
    pub file: Option<PathBuf>,
}

/// Why there is no config.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {error}", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{}:{line}: {key}{message}", file.display(), key = prefix(key.as_deref()))]
    Wrong {
        file: PathBuf,
        /// From 1.
        line: usize,
        /// Dotted, as `chat.listen`; none where the file is not TOML at all.
        key: Option<String>,
        message: String,
    },
}

impl Config {
    /// Reads the named file; without a name `config.toml`, or the built-in defaults where that is
    /// missing.
    pub fn load(named: Option<&Path>) -> Result<Loaded, ConfigError> {
        let file = named.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Loaded {
                config: Self::parse(&text, file)?,
                file: Some(file.to_owned()),
            }),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Loaded {
                    config: Self::default(),
                    file: None,
                })
            }
            Err(error) => Err(ConfigError::Unreadable {
                file: file.to_owned(),
                error,
            }),
        }
    }

    /// Reads the text of `file`.
    pub(super) fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let wrong = |at: usize, key: Option<String>, message: String| ConfigError::Wrong {
            file: file.to_owned(),
            line: line_of(text, at),
            key,
            message,
        };
        let table = DeTable::parse(text).map_err(|error| {
            wrong(
                error.span().map_or(0, |span| span.start),
                None,
                plain(error.message()),
            )
        })?;
        let config = Self::deserialize(Deserializer::from(table.clone())).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let path = path_of(table.get_ref(), &span);
            wrong(
                span.start,
                path.map(|path| path.join(".")),
                reworded(error.message(), table.get_ref(), &span),
            )
        })?;
        match check::first_fault(&config) {
            None => Ok(config),
            Some(fault) => {
                let at = position_of(table.get_ref(), fault.key).unwrap_or(0);
                Err(wrong(at, Some(fault.key.to_owned()), fault.message))
            }
        }
    }
}

fn prefix(key: Option<&str>) -> String {
    key.map(|key| format!("{key}: ")).unwrap_or_default()
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

/// The keys that lead to what stands at `span`: a key, or a value.
fn path_of(table: &DeTable<'_>, span: &Range<usize>) -> Option<Vec<String>> {
    let covers = |whole: Range<usize>| whole.start <= span.start && span.end <= whole.end;
    table.iter().find_map(|(key, value)| {
        let inner = match value.get_ref() {
            DeValue::Table(inner) => path_of(inner, span),
            _ => None,
        };
        let mut path =
            inner.or_else(|| (covers(key.span()) || covers(value.span())).then(Vec::new))?;
        path.insert(0, key.get_ref().to_string());
        Some(path)
    })
}

/// Where the value of a dotted key stands.
fn position_of(table: &DeTable<'_>, dotted: &str) -> Option<usize> {
    let (first, rest) = dotted
        .split_once('.')
        .map_or((dotted, None), |(first, rest)| (first, Some(rest)));
    let (_, value) = table.iter().find(|(key, _)| key.get_ref() == first)?;
    match (rest, value.get_ref()) {
        (Some(rest), DeValue::Table(inner)) => position_of(inner, rest),
        _ => Some(value.span().start),
    }
}

/// What serde says, in the words of this file's readers.
fn reworded(message: &str, table: &DeTable<'_>, span: &Range<usize>) -> String {
    if message.starts_with("unknown field") {
        let what = match path_of(table, span) {
            Some(path) if path.len() == 1 => "section",
            _ => "key",
        };
        return format!("unknown {what}; known {what}s here: {}", known(message));
    }
    if message.starts_with("unknown variant") {
        return format!("must be one of {}", known(message));
    }
    if message.starts_with("invalid socket address") {
        return "must be an IP address and a port, as 0.0.0.0:6697 or [::]:6697".to_owned();
    }
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        return message
            .replace("expected struct", "expected a section, as")
            .replace("invalid type: map", "invalid type: table")
            .replace(
                "expected a sequence",
                "expected a list, as [\"one\", \"two\"]",
            )
            .replace("expected usize", "expected a whole number from 0 on")
            .replace("expected u16", "expected a whole number from 0 to 65535")
            .replace("expected u32", "expected a whole number from 0 on");
    }
    plain(message)
}

/// The names that serde lists in backquotes after the wrong one.
fn known(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).skip(1).collect();
    names.join(", ")
}

/// On one line, as the log wants it.
fn plain(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
