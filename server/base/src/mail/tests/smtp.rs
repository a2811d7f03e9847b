//! Mails to a mail server.

use std::collections::HashSet;

use base64::Engine as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::super::attempts::RETRIES;
use super::*;

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
pub(super) fn accepting(line: &str) -> &'static str {
    match line.split(' ').next() {
        Some("DATA") => "354 go on\r\n",
        Some("QUIT") => "221 bye\r\n",
        _ => "250 fine\r\n",
    }
}

#[tokio::test]
async fn a_mail_server_receives_the_mail_and_of_a_dummy_no_receiver() {
    let (port, lines) = mail_server(accepting).await;
    let (mailer, _sender) = mailer_with(smtp_config(port, SmtpSecurity::None));
    assert_eq!(
        until(
            &mut mailer.send_dummy(Duration::from_mins(1), someone(1)),
            is_final
        )
        .await,
        MailState::Sent
    );
    assert_eq!(
        until(
            &mut mailer.send(mail("a@b.example", "123456\n"), someone(1)),
            is_final
        )
        .await,
        MailState::Sent
    );
    let lines_sent = all_of(lines).await;
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
    let (mailer, _sender) = mailer_with(smtp_config(port, SmtpSecurity::None));
    let state = until(
        &mut mailer.send(mail("a@b.example", "text"), someone(1)),
        is_final,
    )
    .await;
    assert!(
        matches!(&state, MailState::Failed(reason) if reason.contains("550")),
        "{state:?}"
    );
    assert_eq!(mailer.health(), Ok(()));
}

#[tokio::test]
async fn nothing_is_sent_if_the_server_does_not_offer_starttls() {
    let (port, mut lines) = mail_server(accepting).await;
    let (mailer, _sender) = mailer_with(smtp_config(port, SmtpSecurity::StartTls));
    let mut short_lived = mail("a@b.example", "123456\n");
    short_lived.useful_for = Duration::from_millis(50);
    assert!(matches!(
        until(&mut mailer.send(short_lived, someone(1)), is_final).await,
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
    let (mailer, sender) = mailer_with(settings.clone());
    let mut short_lived = mail("a@b.example", "text");
    short_lived.useful_for = Duration::from_millis(20);
    assert!(matches!(
        until(&mut mailer.send(short_lived, someone(1)), is_final).await,
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
        until(
            &mut mailer.send(mail("a@b.example", "text"), someone(1)),
            is_final
        )
        .await,
        MailState::Sent
    );
    let lines_sent = all_of(lines).await;
    let expected = base64::engine::general_purpose::STANDARD.encode("\0rookery\0open sesame");
    assert!(
        lines_sent.contains(&format!("AUTH PLAIN {expected}")),
        "{lines_sent:?}"
    );
}

/// Starts a mail server with these replies, and a mailer that uses it.
pub(super) async fn mailer_to(
    reply: impl Fn(&str) -> &'static str + Clone + Send + 'static,
) -> (
    Mailer,
    watch::Sender<Arc<Config>>,
    mpsc::UnboundedReceiver<String>,
) {
    let (port, lines) = mail_server(reply).await;
    let (mailer, sender) = mailer_with(smtp_config(port, SmtpSecurity::None));
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
        let mut state = mailer.send(mail("a@b.example", "text"), someone(1));
        let delayed = until(&mut state, |state| matches!(state, MailState::Delayed(_))).await;
        assert_ne!(delayed, MailState::Delayed(CANNOT_SEND.to_owned()));
        assert_eq!(mailer.health(), Ok(()), "{command}");
        assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    }
}

#[tokio::test]
async fn mail_is_not_healthy_while_the_sender_is_refused_although_no_mail_is_sent() {
    let (mailer, _config, _lines) = mailer_to(|line| {
        if line.starts_with("MAIL") {
            "553 5.7.1 Sender address rejected\r\n"
        } else {
            accepting(line)
        }
    })
    .await;
    let mut state = mailer.send_dummy(Duration::from_mins(1), someone(1));
    let tried = until(&mut state, |state| *state != MailState::Waiting).await;
    assert_eq!(tried, MailState::Delayed(CANNOT_SEND.to_owned()));
    assert!(mailer.health().unwrap_err().contains("553"));
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
        let mut state = mailer.send(mail("a@b.example", "text"), someone(1));
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
    let state = until(
        &mut mailer.send(mail("a@b.example", "text"), someone(1)),
        is_final,
    )
    .await;
    assert_eq!(state, MailState::Sent);
}

#[tokio::test]
async fn an_address_that_the_mail_server_cannot_take_is_refused_without_a_try() {
    let (mailer, _config, mut lines) = mailer_to(accepting).await;
    let state = until(
        &mut mailer.send(mail("jürgen@b.example", "text"), someone(1)),
        is_final,
    )
    .await;
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
        let sent = until(
            &mut mailer.send(mail("a@b.example", "text"), someone(1)),
            is_final,
        )
        .await;
        assert_eq!(sent, MailState::Sent);
        assert_eq!(lines.recv().await.unwrap(), expected);
    }
}

/// Returns all lines that a mail server has received.
async fn all_of(mut lines: mpsc::UnboundedReceiver<String>) -> Vec<String> {
    lines.close();
    let mut all = Vec::new();
    while let Some(line) = lines.recv().await {
        all.push(line);
    }
    all
}

#[tokio::test]
async fn a_mail_server_that_sends_a_line_without_end_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (mailer, _config) = mailer_with(smtp_config(port, SmtpSecurity::StartTls));
    let mut state = mailer.send(mail("a@b.example", "text"), someone(1));
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut written = 0;
    while stream.write_all(&[b'x'; 4096]).await.is_ok() {
        written += 4096;
        assert!(written < 64 << 20, "the server reads on");
    }
    until(&mut state, |state| *state != MailState::Waiting).await;
}

/// A mail server defers mail of unknown senders for minutes (greylisting), and anyone can request
/// mails to such receivers.
#[tokio::test]
async fn many_networks_whose_receivers_are_deferred_do_not_take_all_places() {
    const PLACES: u32 = 40;
    const LONG: &[Duration] = &[Duration::from_secs(30)];
    let (port, _lines) = mail_server(|line| {
        if line.starts_with("RCPT") && line.contains("grey.example") {
            "451 4.7.1 Greylisted, try again later\r\n"
        } else {
            accepting(line)
        }
    })
    .await;
    let (_sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::None));
    let config = config.section(|config| &config.mail);
    let mailer = Mailer::start_with(config, EventBus::default(), PLACES as usize, LONG);
    // The first network has more than the others.
    let requesters = (0..PLACES).map(|number| someone(number.saturating_sub(10)));
    let mut deferred = Vec::new();
    for (number, requester) in requesters.enumerate() {
        let to = format!("t{number}@grey.example");
        let mut state = mailer.send(mail(&to, "text"), requester);
        until(&mut state, |state| matches!(state, MailState::Delayed(_))).await;
        deferred.push(state);
    }
    for number in 0..5 {
        let to = format!("user{number}@good.example");
        let mut state = mailer.send(mail(&to, "code"), someone(1000 + number));
        assert_eq!(until(&mut state, is_final).await, MailState::Sent);
    }
    // Each of them used the place that the first had taken, one after the other.
    let mut given_up = 0;
    for (number, state) in deferred.iter().enumerate() {
        let is_given_up = *state.borrow() == MailState::Failed(TOO_MANY.to_owned());
        given_up += usize::from(is_given_up);
        assert!(
            !is_given_up || number <= 10,
            "mail {number} of a network with one"
        );
    }
    assert_eq!(given_up, 1);
}

/// Returns the replies of a server that defers each receiver at `grey.example`, and does not answer
/// when it is tried again.
fn greylisting_and_then_silent() -> impl Fn(&str) -> &'static str + Clone + Send + 'static {
    let tried = Arc::new(Mutex::new(HashSet::new()));
    move |line| {
        if !(line.starts_with("RCPT") && line.contains("grey.example")) {
            accepting(line)
        } else if tried.lock().insert(line.to_owned()) {
            "451 4.7.1 Greylisted, try again later\r\n"
        } else {
            ""
        }
    }
}

#[tokio::test]
async fn a_first_attempt_does_not_wait_for_the_retries_of_many_networks() {
    let (mailer, _config, mut lines) = mailer_to(greylisting_and_then_silent()).await;
    let _deferred: Vec<_> = (0..100)
        .map(|number| {
            let to = format!("t{number}@grey.example");
            mailer.send(mail(&to, "text"), someone(number))
        })
        .collect();
    // The retries that can be made at the same time are stuck.
    let mut attempts = 0;
    while attempts < 100 + RETRIES {
        let line = lines.recv().await.unwrap();
        attempts += usize::from(line.starts_with("RCPT"));
    }
    let mut state = mailer.send(mail("user@good.example", "code"), someone(1000));
    let sent = tokio::time::timeout(MIN_TIME, until(&mut state, is_final)).await;
    assert_eq!(sent, Ok(MailState::Sent));
}

#[tokio::test]
async fn a_new_mail_gets_the_place_of_a_retry_that_waits_for_its_turn() {
    const PLACES: u32 = 40;
    const SOON: &[Duration] = &[Duration::from_millis(1)];
    let (port, mut lines) = mail_server(greylisting_and_then_silent()).await;
    let (_sender, config) = LiveConfig::new(smtp_config(port, SmtpSecurity::None));
    let config = config.section(|config| &config.mail);
    let mailer = Mailer::start_with(config, EventBus::default(), PLACES as usize, SOON);
    let _deferred: Vec<_> = (0..PLACES)
        .map(|number| {
            let to = format!("t{number}@grey.example");
            mailer.send(mail(&to, "text"), someone(number))
        })
        .collect();
    // The retries that can be made at the same time are stuck, and the others wait for these.
    let mut attempts = 0;
    while attempts < PLACES as usize + RETRIES {
        let line = lines.recv().await.unwrap();
        attempts += usize::from(line.starts_with("RCPT"));
    }
    let mut state = mailer.send(mail("user@good.example", "code"), someone(1000));
    assert_eq!(until(&mut state, is_final).await, MailState::Sent);
}
