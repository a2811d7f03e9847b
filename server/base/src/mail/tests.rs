//! Tests of mails through the real transports: a folder, and a small mail server.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::config::{Config, LiveConfig, SmtpSecurity};

const SHORT: &[Duration] = &[Duration::from_millis(10), Duration::from_millis(20)];

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

/// Starts a mail server that answers each command with `reply`. Returns its port and a receiver of
/// the lines that clients send.
async fn mail_server(
    reply: impl Fn(&str) -> &'static str + Clone + Send + 'static,
) -> (u16, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (received, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve_smtp(stream, reply.clone(), received.clone()));
        }
    });
    (port, lines)
}

/// Starts the same mail server with TLS and a self-signed certificate for `localhost`. Also returns
/// the certificate in PEM.
async fn tls_mail_server(
    reply: impl Fn(&str) -> &'static str + Clone + Send + 'static,
) -> (u16, mpsc::UnboundedReceiver<String>, String) {
    let created = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key =
        rustls::pki_types::PrivateKeyDer::try_from(created.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![created.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (received, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serve_smtp(stream, reply.clone(), received.clone()));
            }
        }
    });
    (port, lines, created.cert.pem())
}

async fn serve_smtp(
    stream: impl AsyncRead + AsyncWrite,
    reply: impl Fn(&str) -> &'static str,
    received: mpsc::UnboundedSender<String>,
) {
    let (read, mut write) = tokio::io::split(stream);
    let mut read = std::pin::pin!(BufReader::new(read).lines());
    let _ = write.write_all(b"220 hello\r\n").await;
    let mut in_data = false;
    while let Ok(Some(line)) = read.next_line().await {
        let answer = if in_data && line != "." {
            ""
        } else {
            reply(&line)
        };
        in_data = if in_data {
            line != "."
        } else {
            answer.starts_with("354")
        };
        let _ = received.send(line);
        let _ = write.write_all(answer.as_bytes()).await;
    }
}

/// Replies that accept every command.
fn accepting(line: &str) -> &'static str {
    match line.split(' ').next() {
        Some("DATA") => "354 go on\r\n",
        Some("QUIT") => "221 bye\r\n",
        _ => "250 fine\r\n",
    }
}

#[tokio::test]
async fn a_mail_is_written_into_the_folder_whole_and_private() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("data/mail");
    let (_sender, config) = LiveConfig::new(folder_config(&folder));
    let mut state = Mailer::start(config.section(|config| &config.mail), EventBus::default()).send(
        mail("alice@bücher.example", "Hello Älice,\n\n123456\n\nBye\n"),
    );
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    let [file] = files(&folder).try_into().unwrap();
    assert_eq!(file.extension().unwrap(), "eml");
    assert_eq!(
        fs::metadata(&folder).unwrap().permissions().mode() & 0o777,
        0o700
    );
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.lines().any(|line| line == "123456"),
        "the code is on a line of its own: {text}"
    );
    assert!(
        text.contains("\nTo: alice@xn--bcher-kva.example\n"),
        "{text}"
    );
    for header in [
        "Date: ",
        "Message-ID: <",
        "Auto-Submitted: auto-generated",
        "Subject: =?utf-8?",
        "From: ",
    ] {
        assert!(
            text.lines().any(|line| line.starts_with(header)),
            "{header} in {text}"
        );
    }
}

#[tokio::test]
async fn a_code_is_on_a_line_of_its_own_with_any_text_around_it() {
    let home = tempfile::tempdir().unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(home.path()));
    let mailer = Mailer::start(config.section(|config| &config.mail), EventBus::default());
    for around in [
        "plain".to_owned(),
        "long ".repeat(300),
        "ünïcode ".repeat(50),
        "日本語".repeat(50),
    ] {
        let mut state = mailer.send(mail(
            "a@b.example",
            &format!("{around}\n\n123456\n\n{around}\n"),
        ));
        assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    }
    for file in files(home.path()) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().any(|line| line == "123456"), "{text}");
    }
}

#[tokio::test]
async fn a_subject_cannot_start_another_header() {
    let home = tempfile::tempdir().unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(home.path()));
    let mut injection = mail("a@b.example", "text");
    injection.subject = "hello\r\nBcc: victim@b.example\r\n\r\nbody".to_owned();
    let mut state =
        Mailer::start(config.section(|config| &config.mail), EventBus::default()).send(injection);
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    let [file] = files(home.path()).try_into().unwrap();
    let text = fs::read_to_string(file).unwrap();
    assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
}

#[tokio::test]
async fn an_unusable_folder_delays_mail_until_it_is_usable_again() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(&folder));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    let mut state = mailer.send(mail("a@b.example", "text"));
    let delayed = until(&mut state, |state| matches!(state, MailState::Delayed(_))).await;
    assert_eq!(
        delayed,
        MailState::Delayed(CANNOT_SEND.to_owned()),
        "the reason does not name the folder"
    );
    assert!(mailer.health().unwrap_err().contains("the mail folder"));
    fs::remove_file(&folder).unwrap();
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    assert_eq!(mailer.health(), Ok(()));
    assert_eq!(files(&folder).len(), 1, "no temporary file is left");
}

#[tokio::test]
async fn a_mail_fails_when_it_is_no_longer_useful() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    fs::write(&folder, "a file where the folder should be").unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(&folder));
    let mut short_lived = mail("a@b.example", "text");
    short_lived.useful_for = Duration::from_millis(100);
    let mut state = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    )
    .send(short_lived);
    assert!(matches!(
        until(&mut state, is_final).await,
        MailState::Failed(_)
    ));
}

#[tokio::test]
async fn a_mail_fails_at_once_when_the_queue_is_full() {
    let home = tempfile::tempdir().unwrap();
    let (_sender, config) = LiveConfig::new(folder_config(home.path()));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        1,
        SHORT,
    );
    // On one thread, the first mail is not processed before this task waits.
    let mut first = mailer.send(mail("a@b.example", "text"));
    let second = mailer.send(mail("c@d.example", "text"));
    assert!(matches!(&*second.borrow(), MailState::Failed(reason) if reason.contains("too many")));
    assert_eq!(until(&mut first, is_final).await, MailState::Sent);
}

#[tokio::test]
async fn a_dummy_succeeds_and_fails_like_a_mail_and_leaves_no_file() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("mail");
    let (_sender, config) = LiveConfig::new(folder_config(&folder));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    let mut state = mailer.send_dummy(Duration::from_mins(1));
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    assert!(files(&folder).is_empty());
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "a file where the folder should be").unwrap();
    let mut state = mailer.send_dummy(Duration::from_millis(100));
    assert!(matches!(
        until(&mut state, is_final).await,
        MailState::Failed(_)
    ));
}

#[tokio::test]
async fn the_next_mail_follows_a_reloaded_configuration() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (home.path().join("one"), home.path().join("two"));
    let (sender, config) = LiveConfig::new(folder_config(&one));
    let mailer = Mailer::start(config.section(|config| &config.mail), EventBus::default());
    until(&mut mailer.send(mail("a@b.example", "text")), is_final).await;
    sender.send_replace(Arc::new(folder_config(&two)));
    until(&mut mailer.send(mail("a@b.example", "text")), is_final).await;
    assert_eq!((files(&one).len(), files(&two).len()), (1, 1));
}

#[tokio::test]
async fn a_mail_server_receives_the_mail_and_of_a_dummy_no_receiver() {
    let (port, mut lines) = mail_server(accepting).await;
    let (_sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::None));
    let mailer = Mailer::start(config.section(|config| &config.mail), EventBus::default());
    assert_eq!(
        until(&mut mailer.send_dummy(Duration::from_mins(1)), is_final).await,
        MailState::Sent
    );
    assert_eq!(
        until(&mut mailer.send(mail("a@b.example", "123456\n")), is_final).await,
        MailState::Sent
    );
    lines.close();
    let mut lines_sent = Vec::new();
    while let Some(line) = lines.recv().await {
        lines_sent.push(line);
    }
    assert_eq!(
        lines_sent
            .iter()
            .filter(|line| line.starts_with("RCPT TO:<a@b.example>"))
            .count(),
        1,
        "{lines_sent:?}"
    );
    assert!(lines_sent.contains(&"123456".to_owned()), "{lines_sent:?}");
}

#[tokio::test]
async fn a_refused_receiver_fails_the_mail_at_once_and_does_not_affect_health() {
    let (port, _lines) = mail_server(|line| {
        if line.starts_with("RCPT") {
            "550 no a@b.example here\r\n"
        } else {
            accepting(line)
        }
    })
    .await;
    let (_sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::None));
    let mailer = Mailer::start(config.section(|config| &config.mail), EventBus::default());
    let state = until(&mut mailer.send(mail("a@b.example", "text")), is_final).await;
    assert!(
        matches!(&state, MailState::Failed(reason) if reason.contains("550")),
        "{state:?}"
    );
    assert_eq!(mailer.health(), Ok(()));
}

#[tokio::test]
async fn nothing_is_sent_if_the_server_does_not_offer_starttls() {
    let (port, mut lines) = mail_server(accepting).await;
    let (_sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::StartTls));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    let mut short_lived = mail("a@b.example", "123456\n");
    short_lived.useful_for = Duration::from_millis(50);
    assert!(matches!(
        until(&mut mailer.send(short_lived), is_final).await,
        MailState::Failed(_)
    ));
    assert!(mailer.health().is_err());
    lines.close();
    let mut greeted = false;
    while let Some(line) = lines.recv().await {
        greeted |= line.starts_with("EHLO");
        assert!(
            !line.starts_with("MAIL") && !line.contains("123456"),
            "{line}"
        );
    }
    assert!(greeted, "the connection got as far as the greeting");
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
    fs::write(&password, "secret\n").unwrap();
    check(&config).unwrap();

    config.smtp.ca = Some(authority.clone());
    fs::write(&authority, "no certificate").unwrap();
    let error = check(&config).unwrap_err().to_string();
    assert!(error.starts_with("mail.smtp.ca: "), "{error}");
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

#[tokio::test]
async fn the_password_is_sent_only_to_a_server_with_a_trusted_certificate() {
    let (port, mut lines, authority) = tls_mail_server(|line| match line.split(' ').next() {
        Some("EHLO") => "250-hi\r\n250 AUTH PLAIN\r\n",
        Some("AUTH") => "235 welcome\r\n",
        _ => accepting(line),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("password"), "open sesame\n").unwrap();
    let mut settings = smtp_config(port, SmtpSecurity::Tls);
    settings.mail.smtp.host = "localhost".to_owned();
    settings.mail.smtp.username = Some("rookery".to_owned());
    settings.mail.smtp.password_file = Some(home.path().join("password"));
    let (sender, config) = LiveConfig::new(settings.clone());
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    let mut short_lived = mail("a@b.example", "text");
    short_lived.useful_for = Duration::from_millis(20);
    assert!(matches!(
        until(&mut mailer.send(short_lived), is_final).await,
        MailState::Failed(_)
    ));
    assert!(
        lines.try_recv().is_err(),
        "nothing is sent to a server that is not trusted"
    );
    fs::write(home.path().join("ca.pem"), authority).unwrap();
    settings.mail.smtp.ca = Some(home.path().join("ca.pem"));
    sender.send_replace(Arc::new(settings));
    assert_eq!(
        until(&mut mailer.send(mail("a@b.example", "text")), is_final).await,
        MailState::Sent
    );
    lines.close();
    let mut lines_sent = Vec::new();
    while let Some(line) = lines.recv().await {
        lines_sent.push(line);
    }
    let expected = base64::engine::general_purpose::STANDARD.encode("\0rookery\0open sesame");
    assert!(
        lines_sent.contains(&format!("AUTH PLAIN {expected}")),
        "{lines_sent:?}"
    );
}

#[tokio::test]
async fn a_mail_server_that_does_not_answer_delays_only_its_own_mail() {
    // Accepts the connection and never sends anything.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let home = tempfile::tempdir().unwrap();
    let (sender, config) = LiveConfig::new(smtp_config(
        silent.local_addr().unwrap().port(),
        SmtpSecurity::None,
    ));
    let mailer = Mailer::start(config.section(|config| &config.mail), EventBus::default());
    let stuck = mailer.send(mail("a@b.example", "text"));
    let _stream = silent.accept().await.unwrap();
    sender.send_replace(Arc::new(folder_config(home.path())));
    until(&mut mailer.send(mail("c@d.example", "text")), is_final).await;
    assert_eq!(*stuck.borrow(), MailState::Waiting);
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

/// Starts a mail server with these replies, and a mailer that uses it.
async fn mailer_to(
    reply: impl Fn(&str) -> &'static str + Clone + Send + 'static,
) -> (
    Mailer,
    watch::Sender<Arc<Config>>,
    mpsc::UnboundedReceiver<String>,
) {
    let (port, lines) = mail_server(reply).await;
    let (sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::None));
    let mailer = Mailer::start_with(
        config.section(|config| &config.mail),
        EventBus::default(),
        QUEUE_CAPACITY,
        SHORT,
    );
    (mailer, sender, lines)
}

#[tokio::test]
async fn a_receiver_that_is_deferred_is_tried_again_and_is_no_trouble_of_the_server() {
    for command in ["RCPT", "DATA", "."] {
        let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let (mailer, _config, _lines) = mailer_to(move |line| {
            let is_deferred = line.split(' ').next() == Some(command)
                && tries.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2;
            if is_deferred {
                "451 4.7.1 Greylisted, try again later\r\n"
            } else {
                accepting(line)
            }
        })
        .await;
        let mut state = mailer.send(mail("a@b.example", "text"));
        let delayed = until(&mut state, |state| matches!(state, MailState::Delayed(_))).await;
        assert_ne!(delayed, MailState::Delayed(CANNOT_SEND.to_owned()));
        assert_eq!(mailer.health(), Ok(()), "{command}");
        assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    }
}

#[tokio::test]
async fn what_stops_every_mail_is_reported_as_such_even_if_the_refusal_is_permanent() {
    for (command, refusal) in [
        ("EHLO", "550 5.5.0 Invalid EHLO domain\r\n"),
        ("MAIL", "553 5.7.1 Sender address rejected\r\n"),
        ("RCPT", "421 4.3.2 Shutting down\r\n"),
    ] {
        let (mailer, _config, _lines) = mailer_to(move |line| {
            if line.starts_with(command) {
                refusal
            } else {
                accepting(line)
            }
        })
        .await;
        let mut state = mailer.send(mail("a@b.example", "text"));
        let delayed = until(&mut state, |state| {
            is_final(state) || matches!(state, MailState::Delayed(_))
        })
        .await;
        assert_eq!(
            delayed,
            MailState::Delayed(CANNOT_SEND.to_owned()),
            "{command}"
        );
        assert!(mailer.health().unwrap_err().contains(&refusal[..3]));
    }
}

#[tokio::test]
async fn a_mail_that_was_accepted_is_sent_whatever_follows() {
    let (mailer, _config, _lines) = mailer_to(|line| {
        if line == "QUIT" {
            "" // and the connection stays open
        } else {
            accepting(line)
        }
    })
    .await;
    let state = until(&mut mailer.send(mail("a@b.example", "text")), is_final).await;
    assert_eq!(state, MailState::Sent);
}

#[tokio::test]
async fn an_address_that_the_mail_server_cannot_take_is_refused_without_a_try() {
    let (mailer, _config, mut lines) = mailer_to(accepting).await;
    let state = until(&mut mailer.send(mail("jürgen@b.example", "text")), is_final).await;
    assert!(matches!(state, MailState::Failed(_)), "{state:?}");
    assert_eq!(mailer.health(), Ok(()));
    lines.close();
    while let Some(line) = lines.recv().await {
        assert!(!line.starts_with("MAIL"), "{line}");
    }
}

#[tokio::test]
async fn the_server_introduces_itself_by_the_configured_name() {
    for (name, expected) in [
        ("chat.example.org", "EHLO chat.example.org"),
        ("192.0.2.1", "EHLO [192.0.2.1]"),
        ("2001:db8::1", "EHLO [IPv6:2001:db8::1]"),
    ] {
        let (mailer, sender, mut lines) = mailer_to(accepting).await;
        let mut config = Config::clone(&sender.borrow());
        config.mail.hello_name = Some(name.to_owned());
        sender.send_replace(Arc::new(config));
        let sent = until(&mut mailer.send(mail("a@b.example", "text")), is_final).await;
        assert_eq!(sent, MailState::Sent);
        assert_eq!(lines.recv().await.unwrap(), expected);
    }
}
