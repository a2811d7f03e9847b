//! `rookeryd check`: checks the config and the files that it names, without starting the server.
//! The start and a reload make the same checks.

use std::path::Path;

use anyhow::{Context as _, Result};

use crate::data_folder::refuse_lost_database;
use rookery_accounts::verifier_key::{KEY_FILE, VerifierKey};
use rookery_base::certificates::Certificates;
use rookery_base::config::{Config, Loaded};
use rookery_base::{files, mail};
use rookery_control::head_key::{self, HeadKey};
use rookery_store::{DATABASE_FILE, Store};
use rookery_terminal::printable_lines;

/// Runs the command, and prints the result.
pub fn run(loaded: &Loaded) -> Result<()> {
    let warnings = check_files(&loaded.config)?;
    check_data(&loaded.config)?;
    let warnings = emptiness(loaded).into_iter().chain(warnings);
    for warning in warnings.chain(exposures(&loaded.config)) {
        eprintln!("rookeryd: warning: {}", printable_lines(&warning));
    }
    match &loaded.file {
        Some(file) => println!("{} is valid.", file.display()),
        None => println!("No config.toml found; the built-in defaults are valid."),
    }
    Ok(())
}

/// Returns a warning if the config file is empty.
pub fn emptiness(loaded: &Loaded) -> Option<String> {
    let file = loaded.file.as_ref().filter(|_| loaded.is_empty)?;
    Some(format!(
        "{} is empty: the built-in defaults are used",
        file.display()
    ))
}

/// Fails if a file or folder that the config names is missing or unusable, and is not one that the
/// first start creates. Returns what is wrong with files that can be used. Changes nothing.
pub fn check_files(config: &Config) -> Result<Vec<String>> {
    config.data.check_folder()?;
    mail::check(&config.mail)?;
    Certificates::check(&config.tls, &config.admin)
}

/// Fails if files in the data folder cannot be used. The start finds that out by opening them.
fn check_data(config: &Config) -> Result<()> {
    let folder = &config.data.directory;
    let context = || {
        format!(
            "cannot use the data folder {} (data.directory)",
            folder.display()
        )
    };
    refuse_lost_database(folder)?;
    Store::check(&folder.join(DATABASE_FILE)).with_context(context)?;
    let unusable = |file| format!("cannot use the key file {}", folder.join(file).display());
    VerifierKey::load(folder).with_context(|| unusable(KEY_FILE))?;
    HeadKey::load(folder).with_context(|| unusable(head_key::KEY_FILE))?;
    Ok(())
}

/// Returns a warning for each secret that others can read or change: files of the server that every
/// user of the machine can, and mails that are sent in clear.
pub fn exposures(config: &Config) -> Vec<String> {
    let certificates = config.tls.certificate.parent().unwrap_or(Path::new(""));
    let data = &config.data.directory;
    let files = [
        config.tls.private_key.clone(),
        certificates.join("ca.key"),
        certificates.to_owned(),
        data.to_owned(),
        data.join(DATABASE_FILE),
        data.join(KEY_FILE),
        data.join(head_key::KEY_FILE),
    ];
    let files = files.iter().chain(&config.mail.smtp.password_file);
    files
        .filter_map(|file| files::exposure(file))
        .chain(mail::exposure(&config.mail))
        .collect()
}
