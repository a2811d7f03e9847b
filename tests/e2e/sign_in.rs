//! Operators' factors, sessions and roles, with `admin-cli`.

use jiff::Timestamp;
use rookery_tests::admin::{Operator, PASSWORD, admin_email};
use rookery_tests::server::Server;
use totp_rs::{Builder, Secret, Totp};

const NEW_PASSWORD: &str = "lantern kettle marble ox";

/// An authenticator app, as a phone has it.
struct App(Totp);

impl App {
    /// Reads the key that `totp enrol` shows.
    fn scan(transcript: &str) -> Self {
        let (_, rest) = transcript.split_once("secret=").unwrap_or_else(|| panic!("{transcript}"));
        let secret = Secret::try_from_base32(&rest[..32]).unwrap();
        Self(Builder::new().with_secret(secret).build().unwrap())
    }

    /// The code that the app will show so many half-minutes later.
    fn code(&self, later: i64) -> String {
        let second = Timestamp::now().as_second() + 30 * later;
        self.0.generate(second.unsigned_abs()).to_string()
    }
}

#[tokio::test]
async fn an_operator_enrols_an_app_and_signs_in_with_it_alone() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let mut enrol = operator.start(&["totp", "enrol"]);
    enrol.expect_text("Then enter a code").await;
    let shown = enrol.transcript();
    assert!(shown.contains("otpauth://totp/Rookery:root?secret=") && shown.contains("█▀"), "{shown}");
    let app = App::scan(&shown);
    enrol.type_line(&app.code(0));
    let ended = enrol.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    let is_code = |line: &&str| line.len() == 29 && line.bytes().filter(|byte| *byte == b'-').count() == 5;
    let recovery: Vec<&str> = ended.transcript.lines().filter(is_code).collect();
    assert_eq!(recovery.len(), 10, "{}", ended.transcript);
    assert_eq!(operator.run(&["list"]).await.code, Some(3), "the session has ended");
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(notice.contains("an authenticator app was enrolled"), "{notice}");

    let mut login = operator.start_login(&server);
    login.expect_text("a code of your authenticator app or a recovery code").await;
    // This half-minute is used up; the server takes the next one's too.
    let code = app.code(1);
    login.type_line(&code);
    let ended = login.ended().await;
    assert_eq!(ended.code, Some(0), "{}", ended.transcript);
    operator.done(&["totp", "require", "on"]).await;

    // The same code once more, at once: it is used up.
    let mut login = operator.start_login(&server);
    login.expect_text("Enter a code of your authenticator app").await;
    assert!(!login.transcript().contains("mailed"), "{}", login.transcript());
    login.type_line(&code);
    login.end_input();
    assert_eq!(login.ended().await.code, Some(1));

    let mut login = operator.start_login(&server);
    login.type_line(recovery[0]);
    assert_eq!(login.ended().await.code, Some(0));
    let status = operator.done(&["totp", "status"]).await;
    assert!(status.contains("no longer suffices") && status.contains("9 recovery codes left"), "{status}");

    let lost = server.rookeryd(&["admin", "forget-totp", "root"]);
    assert!(lost.status.success(), "{lost:?}");
    assert_eq!(operator.run(&["list"]).await.code, Some(3), "a changed factor ends the session");
}

#[tokio::test]
async fn an_operator_changes_the_password_and_sees_and_ends_sessions() {
    let server = Server::start().await;
    let operator = Operator::sign_in(&server, "root").await;
    let sessions = operator.done(&["sessions"]).await;
    assert!(sessions.contains("(this one)") && sessions.contains("1 session"), "{sessions}");
    operator.done(&["sessions", "revoke", "all"]).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    operator.login(&server).await;
    assert_eq!(operator.run(&["sessions", "revoke", "nobodys"]).await.code, Some(1));

    let (old, new) = (server.path("root.password"), server.path("new.password"));
    std::fs::write(&new, "qwerty123456\n").unwrap();
    let (old, new) = (old.to_str().unwrap(), new.to_str().unwrap());
    let passwd = ["passwd", "--password-file", old, "--new-password-file", new];
    let refused = operator.run(&passwd).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.transcript.contains("too easy to guess"), "{}", refused.transcript);
    std::fs::write(new, format!("{NEW_PASSWORD}\n")).unwrap();
    operator.done(&passwd).await;
    assert_eq!(operator.run(&["list"]).await.code, Some(3));
    let notice = server.mailbox().next_to(&admin_email("root")).await;
    assert!(notice.contains("the password of root was changed"), "{notice}");
    std::fs::copy(new, old).unwrap();
    operator.login(&server).await;
    let trail = format!("{:?}", server.record().audit());
    assert!(!trail.contains(PASSWORD) && !trail.contains(NEW_PASSWORD));
}

#[tokio::test]
async fn an_owner_adds_an_auditor_who_reads_and_does_nothing_else() {
    let server = Server::start().await;
    let owner = Operator::sign_in(&server, "root").await;
    let email = admin_email("vera");
    let added = owner.done(&["admins", "add", "vera", "--email", &email, "--role", "auditor"]).await;
    let initial = added.lines().find(|line| line.len() == 29).unwrap_or_else(|| panic!("{added}"));
    let vera = Operator::known(&server, "vera");
    let file = server.path("vera.password");
    std::fs::write(&file, initial).unwrap();
    vera.login(&server).await;
    let refused = vera.run(&["list"]).await;
    assert_eq!(refused.code, Some(1));
    assert!(refused.transcript.contains("admin-cli passwd"), "{}", refused.transcript);
    let new = server.path("new.password");
    std::fs::write(&new, NEW_PASSWORD).unwrap();
    let (old, new) = (file.to_str().unwrap(), new.to_str().unwrap());
    vera.done(&["passwd", "--password-file", old, "--new-password-file", new]).await;
    server.mailbox().next_to(&email).await;
    std::fs::copy(new, old).unwrap();
    vera.login(&server).await;

    vera.done(&["list"]).await;
    for refused in [&["kick", "alice"][..], &["ban", "alice"], &["admins", "list"]] {
        let ended = vera.run(refused).await;
        assert_eq!(ended.code, Some(1), "{}", ended.transcript);
        assert!(ended.transcript.contains("and yours is auditor"), "{}", ended.transcript);
    }
    assert!(server.record().bans().is_empty());
    assert_eq!(server.record().count_audit("request", "refused"), 4, "in the trail");

    let list = owner.done(&["admins", "list"]).await;
    assert!(list.contains("vera") && list.contains("auditor"), "{list}");
    owner.done(&["admins", "role", "vera", "moderator"]).await;
    assert_eq!(vera.run(&["list"]).await.code, Some(3), "another role ends the session");
    owner.done(&["admins", "remove", "vera"]).await;
    let refused = owner.run(&["admins", "remove", "root"]).await;
    assert!(refused.transcript.contains("only owner"), "{}", refused.transcript);
    assert_eq!(refused.code, Some(1));
}
