//! Mail over SMTP with STARTTLS and a login, to a server that is not lettre's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rookery_tests::irc::{Client, starts};
use rookery_tests::mailbox::{Mailbox, code_in};
use rookery_tests::process::Process;
use rookery_tests::programs;
use rookery_tests::server::{Server, Site};

const USERNAME: &str = "rookery";
const PASSWORD: &str = "a password for the mail server";

/// A mail server, its certificate, and the mails it took.
struct MailServer {
    folder: PathBuf,
    port: u16,
    process: Option<Process>,
    mailbox: Mailbox,
}

impl MailServer {
    /// Makes the certificates, and starts it on a free port.
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

    /// Starts again on the same port.
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

/// A chat server that sends its mail through that mail server, whose files are in a folder of the
/// chat server's.
async fn both() -> (Server, MailServer) {
    let site = Site::new(&[]);
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
    let mut client = Client::introduce(server, name).await;
    client
        .ask_to_register(name, &format!("{name}@example.org"))
        .await;
    let code = mail.mailbox.code_to(&format!("{name}@example.org")).await;
    client.send(&format!("VERIFY {name} {code}")).await;
    client.admitted().await;
    client
}

#[tokio::test]
async fn an_account_is_registered_over_starttls_with_a_login() {
    let (server, mail) = both().await;
    let mut alice = Client::introduce(&server, "alice").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    let letter = mail.mailbox.next_to("alice@example.org").await;
    assert!(letter.contains("X-Test-Tls: True"), "{letter}");
    assert!(
        letter.contains(&format!("X-Test-Login: {USERNAME}")),
        "{letter}"
    );
    assert!(letter.contains("rookery@example.org"), "{letter}");
    alice
        .send(&format!("VERIFY alice {}", code_in(&letter)))
        .await;
    alice.expect_text("Welcome, alice. You are new here.").await;
    assert!(!server.log().contains(PASSWORD), "a password is a secret");
}

#[tokio::test]
async fn a_mail_server_that_is_down_delays_its_own_mail_only_and_is_tried_again() {
    let (server, mut mail) = both().await;
    let mut bob = register(&server, &mail, "bob").await;
    let mut dora = register(&server, &mail, "dora").await;
    mail.stop();

    let mut alice = Client::introduce(&server, "alice").await;
    alice.ask_to_register("alice", "alice@example.org").await;
    let start = Instant::now();
    bob.say("#lobby", "business as usual").await;
    dora.expect_said("bob", "#lobby", "business as usual").await;
    let mut erna = Client::connect(&server, "erna").await;
    erna.negotiate("erna").await;
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "others wait: {:?}",
        start.elapsed()
    );
    alice
        .expect("a NOTE on the delay", |message| {
            starts(message, "NOTE", "REGISTER")
        })
        .await;

    mail.resume().await;
    let code = mail.mailbox.code_to("alice@example.org").await;
    alice.send(&format!("VERIFY alice {code}")).await;
    alice.admitted().await;
}
