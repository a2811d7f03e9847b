//! Tests of valid config files, and of the error messages for invalid ones.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;

const SHIPPED: &str = include_str!("../../../../config.toml");

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("config.toml")).map_err(|error| error.to_string())
}

#[track_caller]
fn assert_refused(text: &str, expected: &str) {
    let error = parse(text).expect_err("must be refused");
    assert!(
        error.starts_with(expected),
        "actual:   {error}\nexpected: {expected}"
    );
    assert_eq!(error.lines().count(), 1, "{error}");
}

/// Returns the known keys of a section, which the error message for an unknown key lists.
fn known_keys(section: &str) -> Vec<String> {
    let error = parse(&format!("{section}no_such_key = 1")).unwrap_err();
    let (_, names) = error.split_once("here: ").unwrap();
    names.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_shipped_file_has_exactly_the_defaults() {
    assert_eq!(parse(SHIPPED).unwrap(), Config::default());
    assert_eq!(parse("").unwrap(), Config::default());
}

#[test]
fn the_shipped_file_documents_every_key_once() {
    let mut sections = known_keys("");
    assert_eq!(sections.len(), 12);
    sections.push("mail.smtp".to_owned());
    let mut expected: Vec<String> = Vec::new();
    for section in &sections {
        let keys = known_keys(&format!("[{section}]\n"));
        expected.extend(
            keys.iter()
                .filter(|key| *key != "smtp")
                .map(|key| format!("{section}.{key}")),
        );
    }

    let mut section = "";
    let mut found = Vec::new();
    let mut above = "";
    for line in SHIPPED.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
        } else if let Some(key) = assigned_key(line) {
            assert!(
                above.starts_with("# ") && assigned_key(above).is_none(),
                "{section}.{key}: no comment"
            );
            found.push(format!("{section}.{key}"));
        }
        above = line;
    }
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
}

/// Returns the key of a line `key = value`, which may be commented out.
fn assigned_key(line: &str) -> Option<&str> {
    let (key, _) = line.strip_prefix("# ").unwrap_or(line).split_once(" = ")?;
    key.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        .then_some(key)
}

#[test]
fn the_commented_out_examples_are_valid() {
    let uncommented: Vec<&str> = SHIPPED
        .lines()
        .map(|line| {
            if assigned_key(line).is_some() {
                line.trim_start_matches("# ")
            } else {
                line
            }
        })
        .collect();
    let config = parse(&uncommented.join("\n")).unwrap();
    assert_eq!(config.mail.smtp.port, Some(587));
    assert!(config.admin.client_ca.is_some());
}

#[test]
fn an_error_names_the_file_the_line_and_the_key() {
    assert_refused(
        "\n[chat]\nlisten = \"nowhere\"",
        "config.toml:3: chat.listen: must be an IP address and a port, such as 0.0.0.0:6697",
    );
    assert_refused(
        "[chat]\nlobby = [\"#a\", \"b\"]",
        "config.toml:2: chat.lobby: a channel name must start with #",
    );
    assert_refused(
        "[chat]\nlobby = [\n  \"#a\",\n  \"#b c\",\n]",
        "config.toml:2: chat.lobby: a name cannot contain a space; use letters, digits and symbols other than , : * ?",
    );
    assert_refused(
        "[mail]\nfrom = \"me\"",
        "config.toml:2: mail.from: not a valid email address",
    );
    assert_refused(
        "[accounts]\n\nopen = 1",
        "config.toml:3: accounts.open: invalid type: integer `1`",
    );
    assert_refused(
        "[limits]\nsendq_bytes = -1",
        "config.toml:2: limits.sendq_bytes: invalid value: integer `-1`",
    );
    assert_refused(
        "mail.smtp.port = 70000",
        "config.toml:1: mail.smtp.port: invalid value: integer `70000`",
    );
    assert_refused("chat = 1", "config.toml:1: chat: invalid type: integer `1`");
    assert_refused(
        "[[chat]]\nlisten = \"127.0.0.1:1\"",
        "config.toml:1: chat: invalid type",
    );
}

#[test]
fn the_error_for_an_unknown_key_lists_the_known_ones() {
    assert_refused(
        "[history]\nenabled = true\nretention = 3",
        "config.toml:3: history.retention: unknown key; known keys here: enabled, retention_days, sync, before_join, replay_lines, redaction_minutes",
    );
    assert_refused(
        "[mail.smtp]\nhots = \"a\"",
        "config.toml:2: mail.smtp.hots: unknown key; known keys here: host,",
    );
    assert_refused(
        "mail = { smtp = { hots = 1 } }",
        "config.toml:1: mail.smtp.hots: unknown key",
    );
    assert_refused(
        "# a\n[metric]\nx = 1",
        "config.toml:2: metric: unknown section; known sections here: chat,",
    );
}

#[test]
fn the_error_for_an_unknown_choice_lists_the_valid_ones() {
    assert_refused(
        "[history]\nsync = \"fully\"",
        "config.toml:2: history.sync: must be one of normal, full",
    );
    assert_refused(
        "[mail.smtp]\nsecurity = \"ssl\"",
        "config.toml:2: mail.smtp.security: must be one of tls, starttls",
    );
    assert_refused(
        "[log]\nformat = \"xml\"",
        "config.toml:2: log.format: must be one of text, json",
    );
    assert_refused("[log]\nformat = 7", "config.toml:2: log.format: ");
}

#[test]
fn an_error_in_the_toml_syntax_names_the_line() {
    assert_refused("[chat]\nlisten = \"a", "config.toml:2: ");
    assert_refused("[chat]\n[chat]\n", "config.toml:2: ");
    assert_refused("[chat]\nmotd = \"a\"\nmotd = \"b\"\n", "config.toml:3: ");
}

#[test]
fn invalid_values_are_refused() {
    for (text, expected) in [
        (
            "[chat]\nserver_name = \"two words\"",
            "chat.server_name: must have the form of a host name",
        ),
        (
            "[chat]\nserver_name = \"\"",
            "chat.server_name: must have the form of a host name",
        ),
        (
            "[chat]\nnetwork = \"My Net\"",
            "chat.network: must be one word",
        ),
        (
            "[chat]\nmotd = \"a\\rb\"",
            "chat.motd: contains a control character",
        ),
        (
            "[admin]\nsession_minutes = 0",
            "admin.session_minutes: must be between 1 and 1440",
        ),
        (
            "[admin]\nidle_minutes = 0",
            "admin.idle_minutes: must be between 1 and 1440",
        ),
        (
            "[admin]\nsession_minutes = 1441",
            "admin.session_minutes: must be between 1 and 1440",
        ),
        (
            "[admin]\nclient_ca = \"\"",
            "admin.client_ca: must name a file",
        ),
        (
            "[tls]\nprivate_key = \"certs/server.pem\"",
            "tls.private_key: must differ from tls.certificate",
        ),
        ("[tls]\nnames = [\"a b\"]", "tls.names: \"a b\" is neither"),
        ("[mail.smtp]\nport = 0", "mail.smtp.port: must be between"),
        (
            "[mail.smtp]\nusername = \"u\"",
            "mail.smtp.username: requires mail.smtp.password_file",
        ),
        (
            "[mail.smtp]\npassword_file = \"p\"",
            "mail.smtp.password_file: requires mail.smtp.username",
        ),
        ("[data]\ndirectory = \"\"", "data.directory: must name"),
        (
            "[history]\nretention_days = 40000",
            "history.retention_days: must be at most",
        ),
        (
            "[limits]\nping_seconds = 100000",
            "limits.ping_seconds: must be at most",
        ),
        (
            "[limits]\nsendq_bytes = 100",
            "limits.sendq_bytes: must be at least",
        ),
        (
            "[log]\nlevel = \"inof\"",
            "log.level: \"inof\" is not a level; must be one of",
        ),
        (
            "[log]\nlevel = \"info,rookery_base::mail=loud\"",
            "log.level: ",
        ),
    ] {
        assert_refused(text, &format!("config.toml:2: {expected}"));
    }
    assert_refused(
        "[mail.smtp]\nusername = \"u\"\npassword_file = \"p\"\nsecurity = \"none\"",
        "config.toml:4: mail.smtp.security: must be tls or starttls",
    );
    assert_refused(
        "[mail]\ntransport = \"smtp\"\n[mail.smtp]\nhost = \"\"",
        "config.toml:4: mail.smtp.host: must be",
    );
}

#[test]
fn two_listeners_on_one_port_are_refused() {
    for (text, key, other) in [
        ("admin.listen = \"0.0.0.0:6697\"", "admin", "chat"),
        ("admin.listen = \"127.0.0.1:6697\"", "admin", "chat"),
        ("admin.listen = \"[::]:6697\"", "admin", "chat"),
        (
            "admin.listen = \"[::ffff:127.0.0.1]:6697\"",
            "admin",
            "chat",
        ),
        ("metrics.listen = \"127.0.0.1:6698\"", "metrics", "admin"),
        ("metrics.listen = \"[::]:6698\"", "metrics", "admin"),
        ("websocket.listen = \"0.0.0.0:6698\"", "websocket", "admin"),
    ] {
        assert_refused(
            text,
            &format!("config.toml:1: {key}.listen: needs a port of its own: {other}.listen ("),
        );
    }
    for text in [
        "admin.listen = \"[::1]:6697\"",
        "metrics.listen = \"127.0.0.2:6698\"",
        "chat.listen = \"0.0.0.0:0\"\nadmin.listen = \"0.0.0.0:0\"",
    ] {
        assert_eq!(parse(text).err(), None, "{text}");
    }
}

#[test]
fn an_origin_that_no_page_can_have_is_refused() {
    for origin in [
        "https://a.example:x",
        "https://a.example/",
        "https://%",
        "ftp://a.example",
        "null",
    ] {
        assert_refused(
            &format!("websocket.origins = [\"{origin}\"]"),
            &format!("config.toml:1: websocket.origins: \"{origin}\" is not an origin, such as "),
        );
    }
    assert_refused(
        "websocket.origins = [\"*\", \"https://*.x\"]",
        "config.toml:1: websocket.origins: \"https://*.x\" matches no page: list each origin",
    );
    for (origin, without) in [
        ("https://a.example:443", "https://a.example"),
        ("http://[2001:db8::80]:80", "http://[2001:db8::80]"),
    ] {
        assert_refused(
            &format!("websocket.origins = [\"{origin}\"]"),
            &format!(
                "config.toml:1: websocket.origins: \"{origin}\" matches no page, since browsers \
                 leave out the default port: write \"{without}\""
            ),
        );
    }
    let others = "websocket.origins = [\"*\", \"https://a.example:80\", \"http://a.example:443\"]";
    assert_eq!(parse(others).err(), None);
}

#[test]
fn relative_paths_are_resolved_against_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file)).unwrap().config
    };
    let config = load(
        "admin.client_ca = \"admins.pem\"\nmail.directory = \"/var/mails\"\n\
         [mail.smtp]\nusername = \"u\"\npassword_file = \"password\"\nca = \"../ca.pem\"",
    );
    let within = |name: &str| folder.path().join(name);
    assert_eq!(config.tls.certificate, within("certs/server.pem"));
    assert_eq!(config.tls.private_key, within("certs/server.key"));
    assert_eq!(config.data.directory, within("data"));
    assert_eq!(config.mail.directory, Path::new("/var/mails"));
    assert_eq!(config.admin.client_ca, Some(within("admins.pem")));
    assert_eq!(config.mail.smtp.password_file, Some(within("password")));
    assert_eq!(config.mail.smtp.ca, Some(within("../ca.pem")));
}

#[test]
fn files_are_created_at_the_default_paths_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    let load = |text: &str| {
        std::fs::write(&file, text).unwrap();
        Config::load(Some(&file)).unwrap().config
    };
    let config = load("");
    assert!(config.tls.create_missing && config.data.create_missing);
    config.data.check_folder().unwrap();
    let same = folder.path().join("certs/server.pem");
    let config = load(&format!(
        "tls.certificate = {same:?}\ndata.directory = \"data\""
    ));
    assert!(config.tls.create_missing && config.data.create_missing);

    assert!(!load("tls.certificate = \"other.pem\"").tls.create_missing);
    assert!(!load("tls.private_key = \"other.key\"").tls.create_missing);
    let config = load("data.directory = \"elsewhere\"");
    let error = config.data.check_folder().unwrap_err().to_string();
    assert!(error.starts_with("data.directory: "), "{error}");
    std::fs::create_dir(folder.path().join("elsewhere")).unwrap();
    config.data.check_folder().unwrap();
}

#[test]
fn limits_can_be_disabled_and_the_log_filtered() {
    let config = parse(
        "[limits]\nsendq_bytes = 0\nping_seconds = 0\n[log]\nlevel = \"warn,rookery_base::mail=debug\"",
    );
    assert_eq!(config.unwrap().limits.sendq_bytes, 0);
}

#[test]
fn a_named_file_must_be_readable_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.toml");
    let error = Config::load(Some(&file)).unwrap_err().to_string();
    assert!(error.contains("other.toml: cannot be read: "), "{error}");

    std::fs::write(&file, "[chat]\nnetwork = \"Crew\"").unwrap();
    let loaded = Config::load(Some(&file)).unwrap();
    assert_eq!(loaded.config.chat.network, "Crew");
    assert_eq!(loaded.file.as_deref(), Some(file.as_path()));

    std::fs::write(&file, b"motd = \"\xff\"").unwrap();
    assert!(matches!(
        Config::load(Some(&file)),
        Err(ConfigError::Unreadable { .. })
    ));
}

#[test]
fn control_characters_of_the_file_are_escaped_in_an_error() {
    assert_refused(
        "\"\\u001b[2J\" = 1",
        "config.toml:1: \\u{1b}[2J: unknown section",
    );
}
