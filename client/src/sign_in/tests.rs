use rookery_protocol::AccountName;

use super::*;

const OFFER: &str = ":s CAP * LS :message-tags server-time echo-message batch labeled-response multi-prefix \
                     standard-replies sasl=PLAIN,EXTERNAL,X-EMAIL-CODE draft/account-registration=before-connect \
                     away-notify draft/read-marker setname";

fn credential(byte: u8) -> DeviceCredential {
    DeviceCredential::from_random([byte; 32])
}

fn alice() -> StoredAccount {
    StoredAccount {
        name: AccountName::parse("alice").unwrap(),
        email: Email::parse("alice@example.org").unwrap(),
        credential: credential(1),
    }
}

/// A sign-in under test, with its actions as short texts.
struct Harness(SignIn);

impl Harness {
    fn start(plan: Plan) -> Self {
        let (sign_in, actions) = SignIn::start(plan, Nick::parse("rook1234").unwrap());
        assert_eq!(
            show(actions),
            ["> CAP LS 302", "> NICK alice", "> USER rook 0 * alice"]
        );
        Self(sign_in)
    }

    fn mailed_code() -> Self {
        let mut sign_in = Self::start(Plan::MailedCode(alice()));
        sign_in.negotiate();
        sign_in
    }

    fn negotiate(&mut self) -> Vec<String> {
        let request = self.receive(OFFER);
        assert_eq!(request.len(), 1);
        assert!(request[0].starts_with("> CAP REQ :"), "{request:?}");
        for unused in ["away-notify", "setname"] {
            assert!(
                !request[0].contains(unused),
                "an unused capability is requested: {request:?}"
            );
        }
        assert!(request[0].contains("draft/read-marker"), "{request:?}");
        self.receive(&format!(
            ":s CAP * ACK :{}",
            &request[0]["> CAP REQ :".len()..]
        ))
    }

    fn receive(&mut self, line: &str) -> Vec<String> {
        self.0
            .handle(&Message::parse(line).unwrap())
            .map(show)
            .unwrap_or_default()
    }

    fn answer(&mut self, code: &str) -> Vec<String> {
        show(self.0.answer(code))
    }
}

fn show(actions: Vec<Action>) -> Vec<String> {
    let show = |action| match action {
        Action::Send(message) => format!("> {message}"),
        Action::AskCode {
            email,
            if_email_of: None,
        } => format!("? {email}"),
        Action::AskCode {
            email,
            if_email_of: Some(name),
        } => format!("? {email} if of {name}"),
        Action::Notify(text) => format!("- {text}"),
        Action::Store(account) => format!(
            "store {} {}",
            account.name,
            &account.credential.expose()[..7]
        ),
        Action::Done => "done".to_owned(),
        Action::Fail(reason) => format!("fail {reason}"),
    };
    actions.into_iter().map(show).collect()
}

fn base64(text: &str) -> String {
    BASE64.encode(text)
}

#[test]
fn a_stored_credential_signs_in_without_questions() {
    let mut sign_in = Harness::start(Plan::StoredCredential {
        account: alice(),
        fallback: None,
    });
    assert_eq!(sign_in.negotiate(), ["> AUTHENTICATE PLAIN"]);
    let response = base64(&format!("\0alice\0{}", credential(1).expose()));
    assert_eq!(
        sign_in.receive("AUTHENTICATE +"),
        [format!("> AUTHENTICATE {response}")]
    );
    assert!(
        sign_in
            .receive(":s 900 alice alice!a@h alice :You are now signed in")
            .is_empty()
    );
    assert_eq!(
        sign_in.receive(":s 903 alice :SASL authentication successful"),
        ["> CAP END"]
    );
    assert_eq!(sign_in.receive(":s 001 Alice :Welcome"), ["done"]);
}

#[test]
fn a_new_account_is_registered_and_the_user_asked_for_the_code_after_negotiation() {
    let mut sign_in = Harness::start(Plan::MailedCode(alice()));
    let registered = format!(
        "> REGISTER alice alice@example.org {}",
        credential(1).expose()
    );
    assert_eq!(sign_in.negotiate(), ["> CAP END".to_owned(), registered]);
    assert!(
        sign_in
            .receive(":s NOTICE * :Sign in with SASL or REGISTER")
            .is_empty(),
        "that is for users of other clients"
    );
    let asked = sign_in.receive(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    assert_eq!(asked, ["? alice@example.org"]);
    assert_eq!(
        sign_in.receive(":s NOTICE * :The mail is delayed"),
        ["- The mail is delayed"]
    );
    assert_eq!(
        sign_in.receive(":s NOTE REGISTER MAIL_DELAYED alice :Trying again"),
        ["- Trying again"]
    );
    assert_eq!(sign_in.answer("  123 456 "), ["> VERIFY alice 123456"]);
    assert_eq!(
        sign_in.receive(":s VERIFY SUCCESS alice :Verified"),
        ["store alice rkd1_01"]
    );
    assert_eq!(
        sign_in.receive(":s 001 alice :Welcome, alice. You are new here."),
        ["done"]
    );
}

#[test]
fn without_verification_there_is_no_question() {
    let mut sign_in = Harness::mailed_code();
    assert_eq!(
        sign_in.receive(":s REGISTER SUCCESS alice :Done"),
        ["store alice rkd1_01"]
    );
    assert_eq!(sign_in.receive(":s 001 alice :Welcome"), ["done"]);
}

#[test]
fn a_wrong_code_is_asked_for_again_and_what_cannot_be_a_code_is_not_sent() {
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    for invalid in ["", "12 34", "12345", "abcdef"] {
        let asked_again = [
            "- The code is the 6 digits in the mail.",
            "? alice@example.org",
        ];
        assert_eq!(sign_in.answer(invalid), asked_again);
    }
    let wrong = ":s FAIL VERIFY INVALID_CODE alice :That code is not right";
    for _ in 1..MAX_ATTEMPTS {
        sign_in.answer("000000");
        assert_eq!(
            sign_in.receive(wrong),
            ["- That code is not right", "? alice@example.org"]
        );
    }
    assert_eq!(sign_in.receive(wrong), ["fail That code is not right"]);
}

#[test]
fn a_device_is_added_to_an_existing_account_by_a_mailed_code() {
    let mut sign_in = Harness::mailed_code();
    let actions = sign_in.receive(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    assert_eq!(actions, ["> AUTHENTICATE X-EMAIL-CODE"]);
    let identity = base64("alice\0alice@example.org");
    assert_eq!(
        sign_in.receive("AUTHENTICATE +"),
        [format!("> AUTHENTICATE {identity}")]
    );
    let exists =
        "- alice already exists. If it is yours, enter the mailed code to add this device.";
    assert_eq!(
        sign_in.receive("AUTHENTICATE +"),
        [exists, "? alice@example.org if of alice"]
    );
    let response = base64(&format!("123456\0{}", credential(1).expose()));
    assert_eq!(
        sign_in.answer("123456"),
        [format!("> AUTHENTICATE {response}")]
    );
    assert_eq!(sign_in.receive(":s 903 * :ok"), ["store alice rkd1_01"]);
    assert_eq!(
        sign_in.receive(":s 001 alice :Welcome back, alice."),
        ["done"]
    );
}

#[test]
fn the_servers_text_about_an_existing_name_is_shown_if_no_mail_is_sent() {
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(
        ":s FAIL REGISTER ACCOUNT_EXISTS alice :Someone is registering that name; choose another",
    );
    sign_in.receive("AUTHENTICATE +");
    let refused =
        sign_in.receive(":s 904 * :SASL authentication failed: no account has exactly that name");
    let failure =
        "fail Someone is registering that name; choose another (no account has exactly that name)";
    assert_eq!(refused, [failure]);
}

#[test]
fn a_mistyped_email_is_corrected_on_the_same_connection() {
    let registered = |email: &str| format!("> REGISTER alice {email} {}", credential(1).expose());
    let corrected = StoredAccount {
        email: Email::parse("alice@right.example").unwrap(),
        ..alice()
    };
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    assert_eq!(
        show(sign_in.0.restart(corrected.clone())),
        [registered("alice@right.example")]
    );
    assert_eq!(
        sign_in.receive(":s REGISTER VERIFICATION_REQUIRED alice :Mailed"),
        ["? alice@right.example"]
    );
    // An exchange that adds a device is aborted.
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    sign_in.receive("AUTHENTICATE +");
    sign_in.receive("AUTHENTICATE +");
    let other = StoredAccount {
        name: AccountName::parse("alicia").unwrap(),
        ..alice()
    };
    let actions = show(sign_in.0.restart(other));
    assert_eq!(
        actions[..2],
        ["> AUTHENTICATE *", "> NICK alicia"],
        "{actions:?}"
    );
    assert!(
        actions[2].starts_with("> REGISTER alicia alice@example.org "),
        "{actions:?}"
    );
    assert!(
        sign_in
            .receive(":s 906 alice :SASL authentication aborted")
            .is_empty()
    );
    assert_eq!(
        sign_in.receive(":s REGISTER VERIFICATION_REQUIRED alicia :Mailed"),
        ["? alice@example.org"]
    );
    assert_eq!(sign_in.answer("123456"), ["> VERIFY alicia 123456"]);
}

#[test]
fn a_wrong_code_for_a_new_device_starts_the_exchange_again() {
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    for attempt in 1..=MAX_ATTEMPTS {
        sign_in.receive("AUTHENTICATE +");
        let asked = sign_in.receive("AUTHENTICATE +");
        assert_eq!(asked.last().unwrap(), "? alice@example.org if of alice");
        assert_eq!(
            asked.len() == 2,
            attempt == 1,
            "that the account exists is shown once: {asked:?}"
        );
        sign_in.answer("000000");
        let actions = sign_in.receive(":s 904 * :Wrong code");
        if attempt < MAX_ATTEMPTS {
            assert_eq!(actions, ["- Wrong code", "> AUTHENTICATE X-EMAIL-CODE"]);
        } else {
            assert_eq!(actions, ["fail Wrong code"]);
        }
    }
}

#[test]
fn a_refused_credential_is_replaced_by_a_mailed_code_or_fails() {
    let mut sign_in = Harness::start(Plan::StoredCredential {
        account: alice(),
        fallback: Some(credential(2)),
    });
    sign_in.negotiate();
    sign_in.receive("AUTHENTICATE +");
    let actions = sign_in.receive(":s 904 * :Unknown credential");
    assert!(actions[0].contains("Unknown credential"), "{actions:?}");
    assert_eq!(actions[1], "> CAP END");
    assert!(
        actions[2].starts_with("> REGISTER alice alice@example.org rkd1_02"),
        "{actions:?}"
    );

    let mut sign_in = Harness::start(Plan::StoredCredential {
        account: alice(),
        fallback: None,
    });
    sign_in.negotiate();
    sign_in.receive("AUTHENTICATE +");
    let actions = sign_in.receive(":s 904 * :Unknown credential");
    assert!(
        matches!(&actions[..], [fail] if fail.starts_with("fail ")),
        "{actions:?}"
    );
}

#[test]
fn other_refusals_end_the_sign_in_with_the_servers_text() {
    let mut sign_in = Harness::mailed_code();
    let refusal = ":s FAIL REGISTER UNACCEPTABLE_EMAIL alice :That email has an account";
    assert_eq!(sign_in.receive(refusal), ["fail That email has an account"]);
    let mut sign_in = Harness::mailed_code();
    sign_in.receive(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    sign_in.receive("AUTHENTICATE +");
    assert_eq!(
        sign_in.receive(":s 904 * :Too many mails"),
        ["fail Taken (Too many mails)"]
    );
}

#[test]
fn where_registration_is_closed_a_mailed_code_still_signs_in() {
    let mut sign_in = Harness::start(Plan::MailedCode(alice()));
    sign_in.receive(":s CAP * LS * :message-tags echo-message");
    sign_in.receive(":s CAP * LS :batch labeled-response sasl=PLAIN,X-EMAIL-CODE");
    assert_eq!(
        sign_in.receive(":s CAP * ACK :batch"),
        ["> CAP END", "> AUTHENTICATE X-EMAIL-CODE"]
    );
}

#[test]
fn a_server_that_lacks_required_capabilities_is_refused() {
    let mut sign_in = Harness::start(Plan::MailedCode(alice()));
    let actions = sign_in.receive(":s CAP * LS :message-tags batch sasl");
    assert_eq!(
        actions,
        ["fail rook needs capabilities that this server lacks: echo-message, labeled-response"]
    );
}

#[test]
fn a_server_that_admits_guests_welcomes_before_the_sign_in_is_complete() {
    let mut sign_in = Harness::mailed_code();
    for refusal in [":s 433 * alice :In use", ":s 437 * alice :Unavailable"] {
        assert_eq!(sign_in.receive(refusal), ["> NICK rook1234"]);
    }
    assert!(sign_in.receive(":s 001 rook1234 :Welcome").is_empty());
    sign_in.receive(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    sign_in.receive("AUTHENTICATE +");
    sign_in.receive("AUTHENTICATE +");
    sign_in.answer("123456");
    assert!(sign_in.receive(":rook1234!r@h NICK alice").is_empty());
    assert_eq!(
        sign_in.receive(":s 903 alice :ok"),
        ["store alice rkd1_01", "done"]
    );
}

#[test]
fn a_correction_during_negotiation_registers_the_corrected_account() {
    let mut sign_in = Harness::start(Plan::MailedCode(alice()));
    let corrected = StoredAccount {
        email: Email::parse("alice@right.example").unwrap(),
        ..alice()
    };
    assert!(sign_in.0.restart(corrected).is_empty());
    let actions = sign_in.negotiate();
    assert_eq!(actions[0], "> CAP END");
    let registered = "> REGISTER alice alice@right.example ";
    assert!(actions[1].starts_with(registered), "{actions:?}");
}

#[test]
fn messages_about_something_else_are_not_handled() {
    let mut sign_in = Harness::mailed_code();
    let message = Message::parse(":bob!b@h PRIVMSG #lobby :VERIFY SUCCESS").unwrap();
    assert_eq!(sign_in.0.handle(&message), None);
    assert!(
        !format!("{:?}", sign_in.0).contains("0101"),
        "no secret in Debug output"
    );
}
