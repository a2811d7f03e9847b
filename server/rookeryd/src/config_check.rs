//! `rookeryd check`: checks the config and the files that it names, without starting the server.
//! The start and a reload make the same checks.

use anyhow::Result;

use rookery_base::certificates::Certificates;
use rookery_base::config::{Config, Loaded};
use rookery_base::mail;
use rookery_terminal::printable_lines;

/// Runs the command, and prints the result.
pub fn run(loaded: &Loaded) -> Result<()> {
    for warning in check_files(&loaded.config)? {
        eprintln!("rookeryd: warning: {}", printable_lines(&warning));
    }
    match &loaded.file {
        Some(file) => println!("{} is valid.", file.display()),
        None => println!("No config.toml found; the built-in defaults are valid."),
    }
    Ok(())
}

/// Fails if a file or folder that the config names is missing or unusable, and is not one that the
/// first start creates. Returns what is wrong with files that can be used. Changes nothing.
pub fn check_files(config: &Config) -> Result<Vec<String>> {
    config.data.check_folder()?;
    mail::check(&config.mail)?;
    Certificates::check(&config.tls, &config.admin)
}
