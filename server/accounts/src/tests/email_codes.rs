//! The durable count of mailed codes that are tried for an account.

use super::*;

const EMAIL: &str = "wren@reeds.example";
/// Where the owner has signed in before.
const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "203.0.113.1";

fn without_limits(config: &mut Config) {
    config.limits.failed_sign_ins = 0;
    config.limits.mails_per_hour = 0;
}

/// Returns a server with an account whose owner has signed in at home.
async fn server() -> TestServer {
    let server = TestServer::with(without_limits);
    server.account("wren", EMAIL, Some(PASSWORD)).await;
    server.sign_in("wren", PASSWORD).await.expect(" 903 ");
    server
}

/// Requests a code from an address. Returns the client and the text of its mail.
async fn request(server: &TestServer, from: &str, email: &str) -> (Client, String) {
    let mails = server.mail_files().len();
    let mut client = server.client_from(from, None);
    client
        .request_code("wren", email)
        .await
        .expect("AUTHENTICATE +");
    let mail = if email == EMAIL {
        server.mail(mails + 1).await
    } else {
        String::new()
    };
    (client, mail)
}

/// Tries fifty wrong codes from an address.
async fn guess(server: &TestServer, from: &str) {
    for _ in 0..10 {
        let (mut client, mail) = request(server, from, EMAIL).await;
        let code = code_in(&mail).expect("a code");
        try_five(&mut client, EMAIL, another(&code)).await;
    }
}

/// Tries a wrong code five times, which ends the challenge. Returns the replies.
async fn try_five(client: &mut Client, email: &str, code: &str) -> Vec<Vec<String>> {
    let mut replies = Vec::new();
    for attempt in 0..5 {
        if attempt > 0 {
            // Continues the challenge, without another mail.
            client.request_code("wren", email).await;
        }
        let received = client.submit_code(code, &device(9)).await;
        received.expect(" 904 ");
        replies.push(received.lines);
    }
    replies
}

/// Whether a code that is requested from an address signs the owner in.
async fn accepts_codes(server: &TestServer, from: &str) -> bool {
    let (mut client, mail) = request(server, from, EMAIL).await;
    let Some(code) = code_in(&mail) else {
        assert!(mail.contains("password"), "the owner learns why: {mail}");
        return false;
    };
    client.submit_code(&code, &device(1)).await.has(" 903 ")
}

#[tokio::test]
async fn after_fifty_wrong_codes_none_is_accepted_until_the_owner_signs_in() {
    let server = server().await;
    let (mut early, mail) = request(&server, ELSEWHERE, EMAIL).await;
    let early_code = code_in(&mail).unwrap();
    guess(&server, "198.51.100.1").await;
    let received = early.submit_code(&early_code, &device(1)).await;
    received.expect(" 904 ").expect("no longer valid");
    assert!(!accepts_codes(&server, ELSEWHERE).await);

    let restarted = TestServer::over(server.folder, without_limits);
    assert!(
        !accepts_codes(&restarted, ELSEWHERE).await,
        "after a restart"
    );
    restarted.sign_in("wren", PASSWORD).await.expect(" 903 ");
    assert!(accepts_codes(&restarted, ELSEWHERE).await);
}

#[tokio::test]
async fn wrong_codes_of_strangers_stop_no_code_where_the_owner_has_signed_in() {
    let server = server().await;
    guess(&server, "198.51.100.1").await;
    assert!(!accepts_codes(&server, ELSEWHERE).await);
    assert!(accepts_codes(&server, HOME).await);
    assert!(accepts_codes(&server, ELSEWHERE).await, "after a sign-in");

    guess(&server, HOME).await;
    assert!(!accepts_codes(&server, HOME).await, "a guesser at home");
    server
        .change_account("wren", |store, account| {
            store.reset_account_codes(account.id)
        })
        .await;
    assert!(accepts_codes(&server, HOME).await);
}

#[tokio::test]
async fn a_stranger_cannot_tell_that_codes_are_no_longer_accepted() {
    let server = server().await;
    let replies = async |email: &str| {
        let (mut client, _) = request(&server, "198.51.100.2", email).await;
        try_five(&mut client, email, "000000").await
    };
    let before = replies("robin@reeds.example").await;
    guess(&server, "198.51.100.1").await;
    assert_eq!(replies(EMAIL).await, before);
    assert_eq!(replies("robin@reeds.example").await, before);
}

/// Returns a client that is signed in to `wren` with its device.
async fn on_device(server: &TestServer) -> Client {
    let mut client = server.client_from(HOME, None);
    client.plain("wren", &device(1)).await.expect(" 903 ");
    client
}

/// Adds a device to `wren`, and removes the password.
async fn remove_password(server: &TestServer) {
    assert!(accepts_codes(server, HOME).await);
    let remove = |store: &mut Store, account: Account| store.remove_password(account.id);
    server.change_account("wren", remove).await;
}

#[tokio::test]
async fn strangers_do_not_stop_the_codes_of_an_owner_who_is_signed_in() {
    let server = server().await;
    remove_password(&server).await;
    for neighbour in [HOME, ELSEWHERE] {
        guess(&server, neighbour).await;
        assert!(!accepts_codes(&server, neighbour).await);
    }
    let limit_failures = |limit: u32| {
        let set = |config: &mut Arc<Config>| Arc::make_mut(config).limits.failed_sign_ins = limit;
        server.config.send_modify(set);
    };
    limit_failures(1);
    let failed = server.client_from(HOME, None).plain("robin", "guess").await;
    failed.expect(" 904 ");

    let mut owner = on_device(&server).await;
    let mails = server.mail_files().len();
    let requested = owner.send("SETPASS * :battery staple").await;
    requested.expect("SETPASS VERIFICATION_REQUIRED wren :");
    let code = server.code(mails + 1).await;
    let wrong = owner.verify("wren", another(&code)).await;
    wrong.expect("4 tries are left");
    let right = owner.verify("wren", &code).await;
    right.expect("VERIFY SUCCESS wren :");
    limit_failures(0);
    server.mail(mails + 2).await;
    assert!(accepts_codes(&server, HOME).await, "the mailbox is proved");
}

#[tokio::test]
async fn the_refusal_of_codes_says_what_the_owner_can_do() {
    let ask =
        "ask an operator of this server to accept codes again (admin-cli account enable wren)";
    for (has_password, has_email, remedy) in [
        (true, true, "; sign in again with your password, then"),
        (
            false,
            true,
            &format!("; sign in on a new device with a mailed code, or {ask}, then"),
        ),
        (false, false, &format!("; {ask}, then")),
    ] {
        let server = server().await;
        assert!(accepts_codes(&server, HOME).await);
        let change = move |store: &mut Store, account: Account| {
            if !has_password {
                store.remove_password(account.id)?;
            }
            if !has_email {
                store.set_email(account.id, None)?.unwrap();
            }
            Ok(())
        };
        server.change_account("wren", change).await;
        let mut owner = on_device(&server).await;
        for tried in 0..=50 {
            if tried % 5 == 0 {
                let requested = owner.send("SETEMAIL new@reeds.example").await;
                requested.expect("VERIFICATION_REQUIRED");
            }
            let received = owner.verify("wren", "000000").await;
            received.expect("FAIL VERIFY INVALID_CODE");
            assert_eq!(received.has("Too many codes"), tried == 50, "{tried}");
            if tried == 50 {
                received.expect(remedy);
            }
        }
        server.mail(12).await;
        if has_email {
            assert!(accepts_codes(&server, HOME).await, "counted apart");
            let requested = owner.send("SETEMAIL new@reeds.example").await;
            requested.expect("VERIFICATION_REQUIRED");
            let received = owner.verify("wren", "000000").await;
            received.expect("4 tries are left");
        }
    }
}

#[tokio::test]
async fn the_mail_about_stopped_codes_names_the_password_only_if_there_is_one() {
    let server = server().await;
    guess(&server, ELSEWHERE).await;
    let (_, mail) = request(&server, ELSEWHERE, EMAIL).await;
    assert!(mail.contains("your password"), "{mail}");
    remove_password(&server).await;
    guess(&server, HOME).await;
    let (_, mail) = request(&server, HOME, EMAIL).await;
    assert!(!mail.contains("your password"), "{mail}");
    assert!(mail.contains("you have not signed in"), "{mail}");
}

#[tokio::test]
async fn a_code_to_an_email_that_was_replaced_signs_nobody_in() {
    let server = server().await;
    let (mut client, mail) = request(&server, HOME, EMAIL).await;
    let code = code_in(&mail).expect("a code");
    server
        .change_account("wren", |store, account| {
            let new = Email::parse("wren@heath.example").unwrap();
            store.set_email(account.id, Some(&new)).map(Result::unwrap)
        })
        .await;
    client.submit_code(&code, &device(1)).await.expect(" 904 ");
    server.sign_in("wren", &device(1)).await.expect(" 904 ");
}

#[tokio::test]
async fn a_network_in_use_stays_known_although_the_clock_was_ahead() {
    let server = server().await;
    let ahead = start() + SignedDuration::from_hours(24 * 400);
    let name = AccountName::parse("wren").unwrap();
    let found = server
        .database
        .read(move |store| store.account_by_name(&name));
    let account = found.await.unwrap().unwrap().id;
    let record = async |host: u8, now: Timestamp| {
        let peer = Peer {
            address: ([192, 0, 2, host], 5000).into(),
            certificate: None,
            tls: Box::default(),
            ending: Arc::default(),
        };
        server.accounts.record_network(account, &peer, now).await;
    };
    record(1, ahead).await;
    for other in 2..=40 {
        record(other, start()).await;
        let home = Network::of(HOME.parse().unwrap());
        let known = server
            .database
            .read(move |store| store.account_network(account, home));
        assert!(known.await.unwrap().is_some(), "after {other} networks");
        record(1, start()).await;
    }
}

#[test]
fn the_mails_of_a_site_take_turns_as_those_of_one_requester() {
    let requester = |address: &str| {
        let address = (address.parse::<std::net::IpAddr>().unwrap(), 5000).into();
        let (certificate, tls) = (None, Box::default());
        let peer = Peer {
            address,
            certificate,
            tls,
            ending: Arc::default(),
        };
        peer.requester()
    };
    assert_eq!(requester("2001:db8:0:1::1"), requester("2001:db8:0:2::1"));
    assert_ne!(requester("2001:db8:0:1::1"), requester("2001:db8:1:1::1"));
    assert_ne!(requester("192.0.2.1"), requester("192.0.2.2"));
}
