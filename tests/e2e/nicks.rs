//! Nicks that differ from the account name (`accounts.free_nicks`), and signing in again.

use rookery_protocol::Message;
use rookery_tests::irc::{Client, PASSWORD, email_of, is_command};
use rookery_tests::rook::Device;
use rookery_tests::server::Server;

/// Signs in to `account` under another nick.
async fn sign_in(server: &Server, nick: &str, account: &str) -> Client {
    let mut client = Client::negotiating(server, nick).await;
    client.sign_in_with(account, PASSWORD).await;
    client
}

#[tokio::test]
async fn with_free_nicks_any_nick_is_allowed_except_the_name_of_another_account() {
    let server = Server::with(&["accounts.free_nicks = true"]).await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;
    let mut wren = sign_in(&server, "wren", "alice").await;
    bob.expect("wren", |message| {
        message.command == "JOIN" && message.source_nick() == Some("wren")
    })
    .await;
    let said = {
        wren.send("PRIVMSG #lobby :hello").await;
        bob.expect_privmsg("wren", "#lobby", "hello").await
    };
    assert_eq!(
        said.tags.get("account"),
        Some("alice"),
        "the account is the same"
    );
    wren.send("NICK robin").await;
    bob.expect("robin", |message| is_command(message, "NICK", "robin"))
        .await;
    for taken in ["bob", "B0B"] {
        wren.send(&format!("@label=n NICK {taken}")).await;
        let refused = wren.expect_numeric("433").await;
        assert_eq!(refused.tags.get("label"), Some("n"), "{refused}");
        assert_eq!(refused.params[..2], ["robin", taken]);
    }
    wren.send("NICK \u{323}carol").await;
    let refused = wren.expect_numeric("432").await;
    assert_eq!(refused.params[..2], ["robin", "\u{323}carol"]);
    wren.send("NICK alice").await;
    bob.expect("her own name", |message| {
        is_command(message, "NICK", "alice")
    })
    .await;
}

#[tokio::test]
async fn without_free_nicks_the_nick_is_the_account_name() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut alice = sign_in(&server, "wren", "alice").await;
    alice.send("NICK robin").await;
    let refused = alice.expect_numeric("447").await;
    assert_eq!(refused.params[0], "alice", "{refused}");
    alice.send("PRIVMSG #lobby :hello").await;
    alice.expect_privmsg("alice", "#lobby", "hello").await;
}

#[tokio::test]
async fn an_admitted_user_may_authenticate_again_but_not_to_another_account() {
    let server = Server::start().await;
    let mut alice = Client::register(&server, "alice").await;
    drop(Client::register(&server, "bob").await);
    alice
        .authenticate("PLAIN", format!("\0alice\0{PASSWORD}").as_bytes())
        .await;
    alice.expect_numeric("903").await;
    alice.authenticate("PLAIN", b"\0alice\0wrong").await;
    alice.expect_numeric("904").await;
    alice
        .authenticate("PLAIN", format!("\0bob\0{PASSWORD}").as_bytes())
        .await;
    alice.expect_numeric("907").await;
    alice.say("#lobby", "still alice").await;
}

#[tokio::test]
async fn with_free_nicks_a_user_may_switch_accounts_and_keeps_the_nick() {
    let server = Server::with(&["accounts.free_nicks = true"]).await;
    let mut watcher = Client::register(&server, "watcher").await;
    watcher.send("CAP REQ :account-notify").await;
    drop(Client::register(&server, "alice").await);
    drop(Client::register(&server, "bob").await);
    let mut wren = sign_in(&server, "wren", "alice").await;
    wren.authenticate("PLAIN", format!("\0bob\0{PASSWORD}").as_bytes())
        .await;
    wren.expect_numeric("903").await;
    watcher
        .expect("ACCOUNT bob", |message| {
            is_command(message, "ACCOUNT", "bob") && message.source_nick() == Some("wren")
        })
        .await;
    wren.say("#lobby", "as bob now").await;
    let said = watcher.expect_privmsg("wren", "#lobby", "as bob now").await;
    assert_eq!(said.tags.get("account"), Some("bob"));
}

#[tokio::test]
async fn rook_has_the_account_nick_after_a_sign_in_by_mailed_code() {
    let settings = ["accounts.free_nicks = true", "accounts.required = false"];
    let server = Server::with(&settings).await;
    drop(Client::register_as_guest(&server, "alice").await);
    let mut watcher = Client::handshake(&server, "watcher").await;
    watcher.wait_until_admitted().await;
    let device = Device::new();
    let mut rook = device.start(&server, "alice");
    rook.type_line(&server.mailbox().code_to(&email_of("alice")).await);
    watcher
        .expect("NICK alice", |message| is_command(message, "NICK", "alice"))
        .await;
    rook.type_line("hello");
    watcher.expect_privmsg("alice", "#lobby", "hello").await;

    // A nick that she has chosen stays.
    rook.type_line("/nick wren");
    watcher
        .expect("NICK wren", |message| is_command(message, "NICK", "wren"))
        .await;
    let other = Device::new();
    let mut rook = other.start(&server, "alice");
    rook.type_line(&server.mailbox().code_to(&email_of("alice")).await);
    rook.expect_line("wren").await;
    rook.type_line("hello again");
    watcher
        .expect_privmsg("wren", "#lobby", "hello again")
        .await;
}

#[tokio::test]
async fn a_guest_who_signs_in_gets_the_account_nick_and_host() {
    let server = Server::with(&["accounts.required = false"]).await;
    drop(Client::register_as_guest(&server, "alice").await);
    let mut watcher = Client::handshake(&server, "watcher").await;
    watcher.wait_until_admitted().await;
    watcher.send("CAP REQ :account-notify chghost").await;
    let mut guest = Client::handshake(&server, "gust").await;
    guest.wait_until_admitted().await;
    watcher
        .expect("gust", |message| {
            message.command == "JOIN" && message.source_nick() == Some("gust")
        })
        .await;
    guest
        .authenticate("PLAIN", format!("\0alice\0{PASSWORD}").as_bytes())
        .await;
    guest.expect_numeric("903").await;
    let (mut account, mut host, mut nick) = (false, false, false);
    while !(account && host && nick) {
        let received = watcher
            .expect("a change of gust", |message| {
                ["ACCOUNT", "CHGHOST", "NICK"].contains(&message.command.as_str())
            })
            .await;
        account |= is_command(&received, "ACCOUNT", "alice");
        nick |= is_command(&received, "NICK", "alice");
        host |= received.command == "CHGHOST";
    }
}

#[tokio::test]
async fn a_user_who_is_away_before_admission_is_admitted_as_away() {
    let server = Server::start().await;
    drop(Client::register(&server, "alice").await);
    let mut bob = Client::register(&server, "bob").await;
    bob.send("CAP REQ :away-notify").await;
    bob.sync().await;
    let mut alice = Client::negotiating(&server, "alice").await;
    alice.send("AWAY :too early").await;
    alice.expect_numeric("451").await;
    alice.send("CAP REQ :draft/pre-away").await;
    alice.send("AWAY :in the nest").await;
    alice.expect_numeric("306").await;
    alice.sign_in_with("alice", PASSWORD).await;
    let away = bob
        .expect("AWAY", |message| message.command == "AWAY")
        .await;
    assert_eq!(away.params, ["in the nest"]);
    bob.send("PRIVMSG alice :are you there?").await;
    assert_eq!(
        bob.expect_numeric("301").await.params.last().unwrap(),
        "in the nest"
    );
    alice.send("AWAY").await;
    let back = bob
        .expect("AWAY", |message| message.command == "AWAY")
        .await;
    assert!(back.params.is_empty());

    // A client that runs without a person does not make the user away while another is in use.
    let mut phone = Client::negotiating(&server, "phone").await;
    phone.send("CAP REQ :draft/pre-away").await;
    phone.send("AWAY *").await;
    phone.expect_numeric("306").await;
    phone.sign_in_with("alice", PASSWORD).await;
    assert!(
        bob.sync()
            .await
            .iter()
            .all(|message| message.command != "AWAY"),
        "alice is not away"
    );
}

#[tokio::test]
async fn names_are_shown_with_composed_letters_however_they_are_encoded() {
    let server = Server::with(&["accounts.free_nicks = true"]).await;
    let mut zoe = Client::handshake(&server, "Zoe\u{301}").await;
    let email = email_of("zoe");
    zoe.start_registration("Zoe\u{301}", &email).await;
    let code = server.mailbox().code_to(&email).await;
    zoe.send(&format!("VERIFY Zoe\u{301} {code}")).await;
    assert_eq!(zoe.expect_numeric("001").await.params[0], "Zoé");
    zoe.send("JOIN #cafe\u{301}").await;
    let is_join = |message: &Message| is_command(message, "JOIN", "#café");
    let joined = zoe.expect("JOIN #café", is_join).await;
    assert_eq!(joined.source_nick(), Some("Zoé"));

    let mut bob = Client::register(&server, "bob").await;
    bob.send("JOIN #café").await;
    bob.expect("JOIN #café", is_join).await;
    zoe.send("PRIVMSG #cafe\u{301} :hello").await;
    let said = bob.expect_privmsg("Zoé", "#café", "hello").await;
    assert_eq!(said.tags.get("account"), Some("Zoé"));
    bob.send("PRIVMSG zoe\u{301} :hi").await;
    zoe.expect_privmsg("bob", "Zoé", "hi").await;
    zoe.send("NICK Rene\u{301}").await;
    bob.expect("NICK René", |message| is_command(message, "NICK", "René"))
        .await;
}
