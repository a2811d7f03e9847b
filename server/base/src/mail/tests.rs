//! Tests of mails through the real transports: a folder, and a small mail server.
#![allow(clippy::unwrap_used)]

mod folder;
mod slow;
mod smtp;

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;

use super::*;
use crate::config::{Config, LiveConfig, SmtpSecurity};

const SHORT: &[Duration] = &[Duration::from_millis(10), Duration::from_millis(20)];

/// Someone in the network with this number.
fn someone(number: u32) -> Requester {
    Requester::Site(Network::of_site(Ipv4Addr::from(number).into()))
}

fn mail(to: &str, text: &str) -> Mail {
    Mail {
        to: Email::parse(to).unwrap(),
        subject: "Grüße: your code".to_owned(),
        text: text.to_owned(),
        useful_for: Duration::from_mins(1),
    }
}

fn folder_config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.mail.directory = folder.to_owned();
    config
}

fn smtp_config(port: u16, security: SmtpSecurity) -> Config {
    let mut config = Config::default();
    config.mail.transport = MailTransport::Smtp;
    config.mail.smtp.host = "127.0.0.1".to_owned();
    config.mail.smtp.port = Some(port);
    config.mail.smtp.security = security;
    config
}

/// Starts a mailer that tries again soon. The sender replaces its configuration.
fn mailer_with(config: Config) -> (Mailer, watch::Sender<Arc<Config>>) {
    let (sender, config) = LiveConfig::new(config);
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    (mailer, sender)
}

/// Waits until the state satisfies `condition`, and returns it.
async fn until(
    states: &mut watch::Receiver<MailState>,
    condition: impl Fn(&MailState) -> bool,
) -> MailState {
    tokio::time::timeout(
        Duration::from_secs(20),
        states.wait_for(|state| condition(state)),
    )
    .await
    .expect("the state changes in time")
    .unwrap()
    .clone()
}

fn is_final(state: &MailState) -> bool {
    matches!(state, MailState::Sent | MailState::Failed(_))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect()
}

#[test]
fn the_files_that_the_smtp_transport_needs_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let [password, authority] = ["password", "ca.pem"].map(|name| folder.path().join(name));
    let mut config = smtp_config(25, SmtpSecurity::Tls).mail;
    check(&config).unwrap();
    config.smtp.password_file = Some(password.clone());
    let error = check(&config).unwrap_err().to_string();
    assert!(error.starts_with("mail.smtp.password_file: "), "{error}");
    fs::write(&password, "\n").unwrap();
    assert!(check(&config).is_err(), "an empty password");
    fs::write(&password, "secret\nuser = rookery\n").unwrap();
    assert!(check(&config).is_err(), "more than a password");
    fs::write(&password, [0xFF, 0xFE]).unwrap();
    let error = format!("{:#}", check(&config).unwrap_err());
    assert!(error.ends_with("the file is not text in UTF-8"), "{error}");
    fs::write(&password, "secret\n").unwrap();
    check(&config).unwrap();

    config.smtp.ca = Some(authority.clone());
    fs::write(&authority, "no certificate").unwrap();
    let error = check(&config).unwrap_err().to_string();
    assert!(error.starts_with("mail.smtp.ca: "), "{error}");
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(&authority, damaged).unwrap();
    assert!(check(&config).is_err(), "a damaged certificate");
    config.transport = MailTransport::Directory;
    for (directory, is_valid) in [
        (folder.path().to_owned(), true),
        (folder.path().join("created/later"), true),
        (password.clone(), false),
        (password.join("mail"), false),
    ] {
        config.directory = directory;
        assert_eq!(check(&config).is_ok(), is_valid, "{:?}", config.directory);
    }
}

#[test]
fn logs_and_debug_output_contain_neither_codes_nor_full_addresses() {
    let mail = mail("alice@example.org", "123456\n");
    assert!(!format!("{mail:?}").contains("123456") && !format!("{mail:?}").contains("alice@"));
    assert_eq!(shortened(&mail.to), "a…@e….org");
    assert_eq!(shortened(&Email::parse("bob@localhost").unwrap()), "b…@l…");
    assert_eq!(
        without_addresses("550 no <alice@example.org> here"),
        "550 no …@… here"
    );
}
