//! Reads the config file. An error names the file, the line and the key.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::de::{DeTable, DeValue, Deserializer};

use super::check::{self, InvalidValue};
use super::{Config, Data, Tls};

/// The file that is read by default. It may be missing.
const DEFAULT_FILE: &str = "config.toml";

/// A configuration and where it was read from.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The file that was read; `None` for the built-in defaults.
    pub file: Option<PathBuf>,
    /// Whether the file has no text, so that the configuration is that of the built-in defaults.
    pub is_empty: bool,
}

/// Why the configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why it cannot be read.
        error: io::Error,
    },
    /// The file is not valid.
    #[error("{}:{line}: {key}{message}", file.display(), key = prefix(key.as_deref()))]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The dotted key, for example `chat.listen`; `None` if the file is not TOML.
        key: Option<String>,
        /// What is wrong, and what is valid.
        message: String,
    },
}

impl Config {
    /// Reads the file `named`. With `None`, reads `config.toml`, or returns the built-in defaults
    /// if that file is missing. Relative paths are resolved against the folder of the file.
    pub fn load(named: Option<&Path>) -> Result<Loaded, ConfigError> {
        let file = named.unwrap_or(Path::new(DEFAULT_FILE));
        match std::fs::read_to_string(file) {
            Ok(text) => Ok(Loaded {
                config: Self::parse(&text, file)?.with_paths_in(file.parent()),
                file: Some(file.to_owned()),
                is_empty: text.trim().is_empty(),
            }),
            Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
                Ok(Loaded {
                    config: Self::default(),
                    file: None,
                    is_empty: false,
                })
            }
            Err(error) => Err(ConfigError::Unreadable {
                file: file.to_owned(),
                error,
            }),
        }
    }

    /// Resolves relative paths against `folder`.
    fn with_paths_in(mut self, folder: Option<&Path>) -> Self {
        let Self {
            admin,
            tls,
            mail,
            data,
            ..
        } = &mut self;
        let folder = folder.unwrap_or(Path::new(""));
        let required = [
            &mut tls.certificate,
            &mut tls.private_key,
            &mut mail.directory,
            &mut data.directory,
        ];
        let optional = [
            &mut admin.client_ca,
            &mut mail.smtp.password_file,
            &mut mail.smtp.ca,
        ];
        for path in required
            .into_iter()
            .chain(optional.into_iter().filter_map(Option::as_mut))
        {
            *path = folder.join(&path);
        }
        let is_default = |path: &Path, default: &Path| {
            let [path, default] = [path, &folder.join(default)].map(std::path::absolute);
            matches!((path, default), (Ok(path), Ok(default)) if path == default)
        };
        let default = Tls::default();
        tls.create_missing = is_default(&tls.certificate, &default.certificate)
            && is_default(&tls.private_key, &default.private_key);
        data.create_missing = is_default(&data.directory, &Data::default().directory);
        self
    }

    /// Parses and checks the text of `file`. Relative paths stay as they are.
    pub fn parse(text: &str, file: &Path) -> Result<Self, ConfigError> {
        let invalid = |at: usize, key: Option<String>, message: String| ConfigError::Invalid {
            file: file.to_owned(),
            line: line_of(text, at),
            key: key.map(|key| visible(&key)),
            message: visible(&message),
        };
        let table = DeTable::parse(text).map_err(|error| {
            invalid(
                error.span().map_or(0, |span| span.start),
                None,
                one_line(error.message()),
            )
        })?;
        let config = Self::deserialize(Deserializer::from(table.clone())).map_err(|error| {
            let span = error.span().unwrap_or_default();
            let path = path_of(table.get_ref(), &span);
            invalid(
                span.start,
                path.map(|path| path.join(".")),
                reworded(error.message(), table.get_ref(), &span),
            )
        })?;
        check::validate(&config).map_err(|InvalidValue { key, message }| {
            let at = position_of(table.get_ref(), key).unwrap_or(0);
            invalid(at, Some(key.to_owned()), message)
        })?;
        Ok(config)
    }
}

/// Returns the text with its control characters escaped: a key or value of the file may contain
/// any, and the error is shown in a terminal.
fn visible(text: &str) -> String {
    let mut visible = String::with_capacity(text.len());
    for char in text.chars() {
        if char.is_control() {
            visible.extend(char.escape_default());
        } else {
            visible.push(char);
        }
    }
    visible
}

fn prefix(key: Option<&str>) -> String {
    key.map(|key| format!("{key}: ")).unwrap_or_default()
}

/// Returns the number of the line, from 1, that contains the byte position.
fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count()
}

/// Returns the keys that lead to the key or the value at `span`.
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

/// Returns the byte position of a dotted key's value.
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

/// Rewords an error message of serde in terms of sections and keys instead of Rust types.
fn reworded(message: &str, table: &DeTable<'_>, span: &Range<usize>) -> String {
    if message.starts_with("unknown field") {
        let kind = match path_of(table, span) {
            Some(path) if path.len() == 1 => "section",
            _ => "key",
        };
        return format!("unknown {kind}; known {kind}s here: {}", names_in(message));
    }
    if message.starts_with("unknown variant") {
        return format!("must be one of {}", names_in(message));
    }
    if message.starts_with("invalid socket address") {
        return "must be an IP address and a port, such as 0.0.0.0:6697 or [::]:6697".to_owned();
    }
    if message.starts_with("invalid type") || message.starts_with("invalid value") {
        return message
            .replace("expected struct", "expected a section, such as")
            .replace("invalid type: map", "invalid type: table")
            .replace(
                "expected a sequence",
                "expected a list, such as [\"one\", \"two\"]",
            )
            .replace("expected usize", "expected a whole number, 0 or more")
            .replace("expected u16", "expected a whole number from 0 to 65535")
            .replace("expected u32", "expected a whole number, 0 or more");
    }
    one_line(message)
}

/// Returns the valid names, which serde lists in backquotes after the invalid one.
fn names_in(message: &str) -> String {
    let names: Vec<&str> = message.split('`').skip(1).step_by(2).skip(1).collect();
    names.join(", ")
}

/// Puts a message on one line, as the log requires.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
