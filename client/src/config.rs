//! The user's config file: servers by name, colours and notifications. `rook` never writes it.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use etcetera::BaseStrategy as _;
use rookery_protocol::{AccountName, ChannelName, Email};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::address::{AddressError, ServerAddress};

/// Subcommands, which cannot be names of servers.
const RESERVED_NAMES: [&str; 6] = ["completions", "help", "man", "send", "tail", "trust"];

/// The config file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The server that is used if none is named.
    default: Option<Spanned<String>>,
    /// How many colours the screen uses.
    pub colours: Option<Colours>,
    /// How the user is notified of highlights that are not in view.
    pub notify: Notify,
    /// Whether `rook` uses the mouse, which it does by default; otherwise the terminal selects text
    /// with it.
    pub mouse: Option<bool>,
    servers: BTreeMap<ServerName, Server>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its address.
    pub address: ServerAddress,
    /// The account's name.
    pub name: Option<AccountName>,
    /// The address that codes are mailed to.
    pub email: Option<Email>,
    /// The PEM file of the only trusted authority.
    pub ca: Option<PathBuf>,
    /// The channels to join, besides the lobby.
    #[serde(default)]
    pub join: Vec<AutoJoin>,
}

/// How many colours the screen uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Colours {
    /// No colours; only bold and the like.
    #[serde(rename = "none")]
    None,
    /// The sixteen colours of the terminal.
    #[serde(rename = "16")]
    Sixteen,
    /// 24-bit colours.
    #[serde(rename = "true")]
    True,
}

/// How the user is notified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Notify {
    /// With the bell, and a desktop notification where the terminal supports it.
    #[default]
    Terminal,
    /// With the bell only.
    Bell,
    /// Not at all.
    Nothing,
}

/// A channel to join, with its key: `#ops` or `#ops sesame`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AutoJoin {
    /// The channel.
    pub channel: ChannelName,
    /// Its key.
    pub key: Option<String>,
}

impl TryFrom<String> for AutoJoin {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (channel, key) = text
            .split_once(' ')
            .map_or((&*text, None), |(channel, key)| (channel, Some(key)));
        let channel = ChannelName::parse(channel).map_err(|error| error.to_string())?;
        Ok(Self {
            channel,
            key: key.map(str::to_owned),
        })
    }
}

impl From<AutoJoin> for String {
    fn from(AutoJoin { channel, key }: AutoJoin) -> Self {
        match key {
            Some(key) => format!("{channel} {key}"),
            None => channel.to_string(),
        }
    }
}

/// The name of a server in the config: letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
struct ServerName(String);

impl TryFrom<String> for ServerName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let is_allowed = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_');
        if name.is_empty() || !name.chars().all(is_allowed) {
            return Err(format!(
                "{name:?} is not a valid name of a server: use letters, digits, - and _"
            ));
        }
        if RESERVED_NAMES.contains(&name.as_str()) {
            return Err(format!(
                "a server cannot be named {name}, since `rook {name}` is a command"
            ));
        }
        Ok(Self(name))
    }
}

/// A server on the command line: its name in the config, or its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerArgument {
    text: String,
    address: ServerAddress,
}

impl FromStr for ServerArgument {
    type Err = AddressError;

    /// Parses the address only: every valid name of a server is also a valid host.
    fn from_str(text: &str) -> Result<Self, AddressError> {
        Ok(Self {
            text: text.to_owned(),
            address: text.parse()?,
        })
    }
}

/// Why the config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {error}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// The reason.
        error: std::io::Error,
    },
    /// Its content is invalid.
    #[error("{}:{line}: {message}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key and the error.
        message: String,
    },
}

impl Config {
    /// Loads the file from the user's config folder. Without a file, the config is empty.
    pub fn load() -> Result<Self, ConfigError> {
        // Without a home folder there is no config.
        let Ok(base) = etcetera::choose_base_strategy() else {
            return Ok(Self::default());
        };
        let file = base.config_dir().join("rookery").join("rook.toml");
        match std::fs::read_to_string(&file) {
            Ok(text) => Self::parse(&text, &file, base.home_dir()),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(ConfigError::Unreadable { file, error }),
        }
    }

    fn parse(text: &str, file: &Path, home: &Path) -> Result<Self, ConfigError> {
        let wrong = |at: usize, message: String| {
            let line = 1 + text.bytes().take(at).filter(|&byte| byte == b'\n').count();
            ConfigError::Invalid {
                file: file.to_owned(),
                line,
                message,
            }
        };
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            // The key is on the same line, before its value.
            let line = text[..at].rsplit('\n').next().unwrap_or_default();
            let key = line
                .split_once('=')
                .map_or(String::new(), |(key, _)| format!("{}: ", key.trim()));
            wrong(
                at,
                format!(
                    "{key}{}",
                    error.message().replace("unknown field", "unknown key")
                ),
            )
        })?;
        if let Some(default) = &config.default
            && config.named(default.get_ref()).is_none()
        {
            let message = format!("default: there is no [servers.{}]", default.get_ref());
            return Err(wrong(default.span().start, message));
        }
        let folder = file.parent().unwrap_or(Path::new("."));
        for server in config.servers.values_mut() {
            server.ca = server.ca.take().map(|ca| match ca.strip_prefix("~") {
                Ok(rest) => home.join(rest),
                Err(_) => folder.join(ca),
            });
        }
        Ok(config)
    }

    /// Returns the server to connect to, with its settings from the config.
    pub fn choose(&self, choice: Option<&ServerArgument>) -> Server {
        let by_default = || match &self.default {
            Some(default) => self.named(default.get_ref()),
            // If only one server is configured, it is the default.
            None => self
                .servers
                .values()
                .next()
                .filter(|_| self.servers.len() == 1),
        };
        let address = match choice {
            None => match by_default() {
                Some(server) => return server.clone(),
                None => "localhost".parse().expect("a plain name is an address"),
            },
            Some(choice) => match self.named(&choice.text) {
                Some(server) => return server.clone(),
                None => choice.address.clone(),
            },
        };
        let known = self
            .servers
            .values()
            .find(|server| server.address == address)
            .cloned();
        known.unwrap_or(Server {
            address,
            name: None,
            email: None,
            ca: None,
            join: Vec::new(),
        })
    }

    fn named(&self, name: &str) -> Option<&Server> {
        self.servers
            .iter()
            .find(|(known, _)| known.0 == name)
            .map(|(_, server)| server)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        let (file, home) = (Path::new("/etc/xdg/rook.toml"), Path::new("/home/alice"));
        Config::parse(text, file, home).map_err(|error| error.to_string())
    }

    fn chosen(config: &Config, choice: Option<&str>) -> String {
        let choice: Option<ServerArgument> = choice.map(|text| text.parse().unwrap());
        config.choose(choice.as_ref()).address.to_string()
    }

    const TWO: &str = r##"
        notify = "bell"
        mouse = false
        colours = "16"
        [servers.home]
        address = "chat.example.org"
        name = "alice"
        email = "alice@example.org"
        ca = "~/home.pem"
        join = ["#ops", "#nest sesame"]
        [servers.work]
        address = "chat.work.example:7000"
        ca = "work.pem"
    "##;

    #[test]
    fn a_server_is_found_by_name_and_by_address() {
        let config = parse(TWO).unwrap();
        let home = config.choose(Some(&"home".parse().unwrap()));
        assert_eq!(home.address.to_string(), "chat.example.org:6697");
        assert_eq!(home.ca.as_deref(), Some(Path::new("/home/alice/home.pem")));
        assert_eq!(home.join[1].key.as_deref(), Some("sesame"));
        assert_eq!(
            config.choose(Some(&"chat.example.org:6697".parse().unwrap())),
            home
        );
        let work = config.choose(Some(&"work".parse().unwrap()));
        assert_eq!(work.ca.as_deref(), Some(Path::new("/etc/xdg/work.pem")));
        let other = config.choose(Some(&"chat.example.org:7000".parse().unwrap()));
        assert_eq!(
            (other.name, other.ca),
            (None, None),
            "another port is another server"
        );
        assert_eq!(
            chosen(&config, Some("home:6697")),
            "home:6697",
            "a port makes it a host"
        );
        assert_eq!(
            (config.notify, config.colours, config.mouse),
            (Notify::Bell, Some(Colours::Sixteen), Some(false))
        );
    }

    #[test]
    fn without_an_argument_the_default_or_the_only_server_or_localhost_is_used() {
        assert_eq!(chosen(&Config::default(), None), "localhost:6697");
        assert_eq!(chosen(&parse(TWO).unwrap(), None), "localhost:6697");
        let with_default = format!("default = \"work\"\n{TWO}");
        assert_eq!(
            chosen(&parse(&with_default).unwrap(), None),
            "chat.work.example:7000"
        );
        let one = parse("[servers.home]\naddress = \"a.example\"").unwrap();
        assert_eq!(chosen(&one, None), "a.example:6697");
    }

    #[test]
    fn the_documented_example_is_valid() {
        let page = include_str!("../../docs/rook.md");
        let example = page
            .split("```toml\n")
            .nth(1)
            .unwrap()
            .split("```")
            .next()
            .unwrap();
        let config = parse(example).unwrap();
        assert_eq!(config.servers.len(), 2);
        assert_eq!(
            config.choose(None),
            config.choose(Some(&"home".parse().unwrap()))
        );
    }

    #[test]
    fn an_error_names_file_line_and_key() {
        for (text, line, parts) in [
            ("\nthem = 1", 2, &["them", "unknown key"] as &[_]),
            (
                "[servers.a]\naddress = \"a\"\nnick = \"b\"",
                3,
                &["nick", "email"],
            ),
            ("[servers.a]\naddress = \"a b\"", 2, &["address: ", "host"]),
            (
                "[servers.a]\naddress = \"a\"\nname = \"a!\"",
                3,
                &["name: "],
            ),
            (
                "[servers.a]\naddress = \"a\"\njoin = [\"#a\", \"ops\"]",
                3,
                &["join: "],
            ),
            ("[servers.a]\nname = \"a\"", 1, &["address"]),
            ("notify = \"loud\"", 1, &["notify: ", "terminal"]),
            ("colours = 16", 1, &["colours: "]),
            ("mouse = \"off\"", 1, &["mouse: ", "boolean"]),
            ("default = \"x\"", 1, &["default: ", "servers.x"]),
            ("[servers.send]\naddress = \"a\"", 1, &["send"]),
            ("[servers.\"a b\"]\naddress = \"a\"", 1, &["a b"]),
            ("x", 1, &[]),
        ] {
            let error = parse(text).unwrap_err();
            let rest = error.strip_prefix(&format!("/etc/xdg/rook.toml:{line}: "));
            let rest = rest.unwrap_or_else(|| panic!("{text:?}: {error}"));
            assert!(
                parts.iter().all(|part| rest.contains(part)),
                "{text:?}: {error}"
            );
            assert_eq!(rest.lines().count(), 1, "{error}");
        }
    }
}
