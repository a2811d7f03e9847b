//! The target of the configuration.

use std::path::Path;

use rookery_base::config::Config;

/// The text of `config.toml`. An error is one line that a terminal can show.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Err(error) = Config::parse(&text, Path::new("config.toml")) {
        let error = error.to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
    }
}
