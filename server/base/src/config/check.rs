//! Checks what the types of the values do not: ranges, keys that depend on one another, and
//! addresses that are used twice.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use rustls::pki_types::ServerName;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use super::{ANY_ORIGIN, Config, Limits, MailTransport, Smtp, SmtpSecurity};
use crate::net::split_origin;

const MINUTES_PER_DAY: u32 = 24 * 60;
const SECONDS_PER_DAY: u32 = 24 * 60 * 60;
/// A hundred years. Much larger values could make the date of the oldest unexpired message
/// unrepresentable.
const MAX_RETENTION_DAYS: u32 = 36_500;
/// Ten years.
const MAX_STS_DAYS: u32 = 3650;
/// The minimum size of a send queue: what a session receives on sign-in, and the parts of long
/// replies, must fit.
const MIN_SENDQ: usize = 64 * 1024;
/// The maximum of `limits.password_length`, which is itself a minimum.
const MAX_PASSWORD_LENGTH: usize = 64;
/// The maximum length of a server name in bytes. The name is part of every numeric.
const MAX_SERVER_NAME: usize = 63;

/// A value that cannot be used.
#[derive(Debug)]
pub(super) struct InvalidValue {
    /// The dotted key, for example `chat.listen`.
    pub key: &'static str,
    /// What is wrong with the value, and which values are valid.
    pub message: String,
}

/// Returns an error for the first invalid value. The values are checked in the order of the shipped
/// file.
pub(super) fn validate(config: &Config) -> Checked {
    listeners(config)
        .and_then(|()| chat(config))
        .and_then(|()| admin(config))
        .and_then(|()| tls(config))
        .and_then(|()| accounts(config))
        .and_then(|()| mail(config))
        .and_then(|()| data(config))
        .and_then(|()| limits(&config.limits))
        .and_then(|()| log_level(&config.log.level))
        .and_then(|()| websocket(config))
}

type Checked = Result<(), InvalidValue>;

fn ensure(valid: bool, key: &'static str, message: impl Into<String>) -> Checked {
    if valid {
        Ok(())
    } else {
        Err(InvalidValue {
            key,
            message: message.into(),
        })
    }
}

fn chat(config: &Config) -> Checked {
    let chat = &config.chat;
    ensure(
        is_host_name(&chat.server_name) && chat.server_name.len() <= MAX_SERVER_NAME,
        "chat.server_name",
        "must have the form of a host name, such as chat.example.org, and at most 63 bytes",
    )?;
    ensure(
        !chat.network.is_empty()
            && chat.network.len() <= 64
            && !chat
                .network
                .contains(|char: char| char.is_whitespace() || char.is_control()),
        "chat.network",
        "must be one word of at most 64 bytes",
    )?;
    ensure(
        !chat
            .motd
            .contains(|char: char| char.is_control() && char != '\n' && char != '\t'),
        "chat.motd",
        "contains a control character; only line breaks and tabs are allowed",
    )
}

/// Refuses two listeners on the same port, unless their addresses can be used at the same time.
fn listeners(config: &Config) -> Checked {
    let all = [
        ("chat.listen", Some(config.chat.listen)),
        ("admin.listen", Some(config.admin.listen)),
        ("metrics.listen", config.metrics.listen),
        ("websocket.listen", config.websocket.listen),
    ];
    let mut earlier: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, address) in all {
        let Some(address) = address else { continue };
        if let Some((other, used)) = earlier
            .iter()
            .find(|(_, used)| exclude_one_another(*used, address))
        {
            let message = format!("needs a port of its own: {other} ({used}) uses the same one");
            return Err(InvalidValue { key, message });
        }
        earlier.push((key, address));
    }
    Ok(())
}

/// Whether only one of two addresses can be listened on. An unspecified address covers all others
/// of its family, and `[::]` covers IPv4 as well.
fn exclude_one_another(one: SocketAddr, other: SocketAddr) -> bool {
    let covers = |all: IpAddr, other: IpAddr| {
        all.is_unspecified() && (all.is_ipv6() || other.is_ipv4()) || all == other
    };
    let [first, second] = [one, other].map(|address| address.ip().to_canonical());
    one.port() == other.port()
        && one.port() != 0
        && (covers(first, second) || covers(second, first))
}

fn admin(config: &Config) -> Checked {
    ensure(
        (1..=MINUTES_PER_DAY).contains(&config.admin.session_minutes),
        "admin.session_minutes",
        format!("must be between 1 and {MINUTES_PER_DAY}"),
    )?;
    ensure(
        (1..=MINUTES_PER_DAY).contains(&config.admin.idle_minutes),
        "admin.idle_minutes",
        format!("must be between 1 and {MINUTES_PER_DAY}"),
    )?;
    ensure_not_empty(config.admin.client_ca.as_deref(), "admin.client_ca")
}

fn tls(config: &Config) -> Checked {
    let tls = &config.tls;
    ensure_not_empty(Some(&tls.certificate), "tls.certificate")?;
    ensure_not_empty(Some(&tls.private_key), "tls.private_key")?;
    ensure(
        tls.certificate != tls.private_key,
        "tls.private_key",
        "must differ from tls.certificate: the key needs a file of its own",
    )?;
    ensure(
        tls.sts_days <= MAX_STS_DAYS,
        "tls.sts_days",
        format!("must be at most {MAX_STS_DAYS}; 0 disables it"),
    )?;
    match tls
        .names
        .iter()
        .find(|name| ServerName::try_from(name.as_str()).is_err())
    {
        None => Ok(()),
        Some(name) => {
            let message = format!("{name:?} is neither a host name nor an IP address");
            Err(InvalidValue {
                key: "tls.names",
                message,
            })
        }
    }
}

fn accounts(config: &Config) -> Checked {
    ensure(
        config.accounts.register_before_connect || !config.accounts.required,
        "accounts.register_before_connect",
        "must be true if accounts.required is true: otherwise nobody could register",
    )?;
    for (key, domains) in [
        (
            "accounts.emails_without_dots",
            &config.accounts.emails_without_dots,
        ),
        (
            "accounts.emails_without_tags",
            &config.accounts.emails_without_tags,
        ),
    ] {
        if let Some(domain) = domains.iter().find(|domain| !is_host_name(domain)) {
            let message = format!("{domain:?} is not a domain in ASCII, such as gmail.com");
            return Err(InvalidValue { key, message });
        }
    }
    Ok(())
}

fn mail(config: &Config) -> Checked {
    let mail = &config.mail;
    ensure_not_empty(Some(&mail.directory), "mail.directory")?;
    let Smtp {
        host,
        port,
        security,
        username,
        password_file,
        ca,
    } = &mail.smtp;
    ensure(
        mail.transport == MailTransport::Directory || ServerName::try_from(host.as_str()).is_ok(),
        "mail.smtp.host",
        "must be a host name or an IP address",
    )?;
    ensure(
        mail.hello_name
            .as_deref()
            .is_none_or(|name| name.parse::<IpAddr>().is_ok() || is_host_name(name)),
        "mail.hello_name",
        "must be a host name or an IP address",
    )?;
    ensure(
        *port != Some(0),
        "mail.smtp.port",
        "must be between 1 and 65535",
    )?;
    ensure_not_empty(password_file.as_deref(), "mail.smtp.password_file")?;
    ensure_not_empty(ca.as_deref(), "mail.smtp.ca")?;
    ensure(
        username.is_none() || password_file.is_some(),
        "mail.smtp.username",
        "requires mail.smtp.password_file",
    )?;
    ensure(
        password_file.is_none() || username.is_some(),
        "mail.smtp.password_file",
        "requires mail.smtp.username",
    )?;
    ensure(
        username.is_none() || *security != SmtpSecurity::None,
        "mail.smtp.security",
        "must be tls or starttls if there is a username: the password would be sent unencrypted",
    )
}

fn data(config: &Config) -> Checked {
    ensure_not_empty(Some(&config.data.directory), "data.directory")?;
    ensure(
        config.history.retention_days <= MAX_RETENTION_DAYS,
        "history.retention_days",
        format!("must be at most {MAX_RETENTION_DAYS}; 0 means that messages are never deleted"),
    )
}

fn limits(limits: &Limits) -> Checked {
    for (key, seconds) in [
        ("limits.tls_handshake_seconds", limits.tls_handshake_seconds),
        ("limits.handshake_seconds", limits.handshake_seconds),
        ("limits.waiting_room_seconds", limits.waiting_room_seconds),
        ("limits.ping_seconds", limits.ping_seconds),
    ] {
        let message = format!("must be at most {SECONDS_PER_DAY} (one day); 0 disables the limit");
        ensure(seconds <= SECONDS_PER_DAY, key, message)?;
    }
    ensure(
        limits.sendq_bytes == 0 || limits.sendq_bytes >= MIN_SENDQ,
        "limits.sendq_bytes",
        format!("must be at least {MIN_SENDQ}, or 0 to disable the limit"),
    )?;
    ensure(
        limits.password_length <= MAX_PASSWORD_LENGTH,
        "limits.password_length",
        format!("must be at most {MAX_PASSWORD_LENGTH}; 0 disables the limit"),
    )
}

/// Checks the log filter. `EnvFilter` accepts any word as the name of a module, so it would not
/// report a misspelt level.
fn log_level(level: &str) -> Checked {
    let misspelt = level.split(',').find(|part| {
        !part.contains(['=', '['])
            && (part.is_empty() || part.trim().parse::<LevelFilter>().is_err())
    });
    if let Some(part) = misspelt {
        let message =
            format!("{part:?} is not a level; must be one of error, warn, info, debug, trace, off");
        return Err(InvalidValue {
            key: "log.level",
            message,
        });
    }
    match EnvFilter::builder().parse(level) {
        Ok(_) => Ok(()),
        Err(error) => Err(InvalidValue {
            key: "log.level",
            message: error.to_string(),
        }),
    }
}

fn websocket(config: &Config) -> Checked {
    let problem = config.websocket.origins.iter().find_map(origin_problem);
    match problem {
        None => Ok(()),
        Some(message) => Err(InvalidValue {
            key: "websocket.origins",
            message,
        }),
    }
}

/// Returns why no browser sends this text as the origin of a page, if so.
fn origin_problem(text: &String) -> Option<String> {
    if text == ANY_ORIGIN {
        return None;
    }
    if text.contains('*') {
        return Some(format!(
            "{text:?} matches no page: list each origin, such as https://chat.example.org, or \
             {ANY_ORIGIN:?} for all"
        ));
    }
    let origin = split_origin(text);
    let default_port = match origin.map(|origin| origin.scheme) {
        Some("https") => 443,
        Some("http") => 80,
        _ => {
            return Some(format!(
                "{text:?} is not an origin, such as https://chat.example.org"
            ));
        }
    };
    let is_default = origin.and_then(|origin| origin.port) == Some(default_port);
    is_default.then(|| {
        let without = text
            .trim_end_matches(char::is_numeric)
            .trim_end_matches(':');
        format!(
            "{text:?} matches no page, since browsers leave out the default port: write {without:?}"
        )
    })
}

/// Refuses an empty path.
fn ensure_not_empty(path: Option<&Path>, key: &'static str) -> Checked {
    ensure(
        path.is_none_or(|path| !path.as_os_str().is_empty()),
        key,
        "must name a file or folder",
    )
}

fn is_host_name(text: &str) -> bool {
    text.split('.').all(|label| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    })
}
