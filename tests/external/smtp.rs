//! Mail over SMTP with STARTTLS and authentication, to an independent mail server (aiosmtpd).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rookery_tests::irc::{Client, is_command};
use rookery_tests::mailbox::{Mailbox, code_in};
use rookery_tests::process::Process;
use rookery_tests::programs;
use rookery_tests::server::{Server, ServerBuilder};

const USERNAME: &str = "rookery";
const PASSWORD: &str = "a password for the mail server";

/// A mail server, the folder with its certificate, and the mails it received.
struct MailServer {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
    mailbox: Mailbox,
}

impl MailServer {
    /// Creates the certificates, and starts the mail server on a free port.
    async fn start(folder: &Path) -> Self {
        std::fs::create_dir_all(folder.join("mails")).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        std::fs::write(folder.join("ca.pem"), authority.pem()).unwrap();
        std::fs::write(folder.join("server.pem"), certificate.pem()).unwrap();
        std::fs::write(folder.join("server.key"), key.serialize_pem()).unwrap();
        let mailbox = Mailbox::new(folder.join("mails"));
        let mut server = Self {
            folder: folder.to_owned(),
            port: 0,
            process: None,
            mailbox,
        };
        server.resume().await;
        server
    }

    fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the mail server again on the same port.
    async fn resume(&mut self) {
        let mut command = Command::new(programs::python());
        command
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/external/smtp_server.py"
            ))
            .arg(self.port.to_string())
            .args([
                self.folder.join("server.pem"),
                self.folder.join("server.key"),
                self.folder.join("mails"),
            ])
            .args([USERNAME, PASSWORD]);
        let mut process = Process::start("the mail server", &mut command);
        let line = process.expect_line("listening on ").await;
        self.port = line.rsplit(' ').next().unwrap().parse().unwrap();
        self.process = Some(process);
    }
}

/// Starts a mail server, and a chat server that sends its mails through it.
async fn start_servers() -> (Server, MailServer) {
    let site = ServerBuilder::new(&[]);
    let mail = MailServer::start(&site.path("mail-server")).await;
    std::fs::write(site.path("smtp-password"), format!("{PASSWORD}\n")).unwrap();
    let server = site.with(&[
        "mail.transport = \"smtp\"",
        "mail.from = \"rookery@example.org\"",
        "mail.smtp.host = \"localhost\"",
        &format!("mail.smtp.port = {}", mail.port),
        "mail.smtp.security = \"starttls\"",
        &format!("mail.smtp.username = \"{USERNAME}\""),
        "mail.smtp.password_file = \"smtp-password\"",
        "mail.smtp.ca = \"mail-server/ca.pem\"",
    ]);
    (server.start().await, mail)
}

async fn register(server: &Server, mail: &MailServer, name: &str) -> Client {
    let mut client = Client::handshake(server, name).await;
    client
        .start_registration(name, &format!("{name}@example.org"))
        .await;
    let code = mail.mailbox.code_to(&format!("{name}@example.org")).await;
    client.send(&format!("VERIFY {name} {code}")).await;
    client.wait_until_admitted().await;
    client
}

#[tokio::test]
async fn an_account_is_registered_over_starttls_with_authentication() {
    let (server, mail) = start_servers().await;
    let mut alice = Client::handshake(&server, "alice").await;
    alice.start_registration("alice", "alice@example.org").await;
    let text = mail.mailbox.next_mail_to("alice@example.org").await;
    assert!(text.contains("X-Test-Tls: True"), "{text}");
    assert!(
        text.contains(&format!("X-Test-Login: {USERNAME}")),
        "{text}"
    );
    assert!(text.contains("rookery@example.org"), "{text}");
    alice
        .send(&format!("VERIFY alice {}", code_in(&text)))
        .await;
    alice.expect_text("Welcome, alice").await;
    assert!(!server.log().contains(PASSWORD), "a password is a secret");
}

#[tokio::test]
async fn an_unreachable_mail_server_delays_only_its_mails_and_is_tried_again() {
    let (server, mut mail) = start_servers().await;
    let mut bob = register(&server, &mail, "bob").await;
    let mut dora = register(&server, &mail, "dora").await;
    mail.stop();

    let mut alice = Client::handshake(&server, "alice").await;
    alice.start_registration("alice", "alice@example.org").await;
    let start = Instant::now();
    bob.say("#lobby", "business as usual").await;
    dora.expect_privmsg("bob", "#lobby", "business as usual")
        .await;
    Client::negotiating(&server, "erna").await;
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "others are delayed: {:?}",
        start.elapsed()
    );
    alice
        .expect("a NOTE on the delay", |message| {
            is_command(message, "NOTE", "REGISTER")
        })
        .await;

    mail.resume().await;
    let code = mail.mailbox.code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.wait_until_admitted().await;
}
