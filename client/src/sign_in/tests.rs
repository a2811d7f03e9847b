use rookery_protocol::AccountName;

use super::*;

const OFFER: &str = ":s CAP * LS :message-tags server-time echo-message batch labeled-response multi-prefix \
                     standard-replies sasl=PLAIN,EXTERNAL,X-EMAIL-CODE draft/account-registration=before-connect \
                     away-notify draft/read-marker draft/multiline";

fn credential(byte: u8) -> DeviceCredential {
    DeviceCredential::from_random([byte; 32])
}

fn alice() -> KeptAccount {
    KeptAccount {
        name: AccountName::parse("alice").unwrap(),
        email: Email::parse("alice@example.org").unwrap(),
        credential: credential(1),
    }
}

/// A sign-in under test, its steps as short texts.
struct Play(SignIn);

impl Play {
    fn start(plan: Plan) -> Self {
        let (sign_in, steps) = SignIn::start(plan, Nick::parse("rook1234").unwrap());
        assert_eq!(
            show(steps),
            ["> CAP LS 302", "> NICK alice", "> USER rook 0 * alice"]
        );
        Self(sign_in)
    }

    fn first_time() -> Self {
        let mut play = Self::start(Plan::Mail(alice()));
        play.negotiate();
        play
    }

    fn negotiate(&mut self) -> Vec<String> {
        let request = self.hear(OFFER);
        assert_eq!(request.len(), 1);
        assert!(request[0].starts_with("> CAP REQ :"), "{request:?}");
        for unused in ["away-notify", "draft/multiline"] {
            assert!(
                !request[0].contains(unused),
                "asks only for what it uses: {request:?}"
            );
        }
        assert!(request[0].contains("draft/read-marker"), "{request:?}");
        self.hear(&format!(
            ":s CAP * ACK :{}",
            &request[0]["> CAP REQ :".len()..]
        ))
    }

    fn hear(&mut self, line: &str) -> Vec<String> {
        self.0
            .take(&Message::parse(line).unwrap())
            .map(show)
            .unwrap_or_default()
    }

    fn answer(&mut self, code: &str) -> Vec<String> {
        show(self.0.answer(code))
    }
}

fn show(steps: Vec<Step>) -> Vec<String> {
    let show = |step| match step {
        Step::Send(message) => format!("> {message}"),
        Step::AskCode {
            email,
            known_to: None,
        } => format!("? {email}"),
        Step::AskCode {
            email,
            known_to: Some(name),
        } => format!("? {email} if of {name}"),
        Step::Tell(words) => format!("- {words}"),
        Step::Keep(account) => format!(
            "keep {} {}",
            account.name,
            &account.credential.expose()[..7]
        ),
        Step::Done => "done".to_owned(),
        Step::Fail(why) => format!("fail {why}"),
    };
    steps.into_iter().map(show).collect()
}

fn base64(text: &str) -> String {
    BASE64.encode(text)
}

#[test]
fn a_kept_credential_signs_in_without_questions() {
    let mut play = Play::start(Plan::Kept {
        account: alice(),
        otherwise: None,
    });
    assert_eq!(play.negotiate(), ["> AUTHENTICATE PLAIN"]);
    let response = base64(&format!("\0alice\0{}", credential(1).expose()));
    assert_eq!(
        play.hear("AUTHENTICATE +"),
        [format!("> AUTHENTICATE {response}")]
    );
    assert!(
        play.hear(":s 900 alice alice!a@h alice :You are now signed in")
            .is_empty()
    );
    assert_eq!(
        play.hear(":s 903 alice :SASL authentication successful"),
        ["> CAP END"]
    );
    assert_eq!(play.hear(":s 001 Alice :Welcome"), ["done"]);
}

#[test]
fn a_new_account_is_registered_and_its_code_asked_for_after_negotiation() {
    let mut play = Play::start(Plan::Mail(alice()));
    let registered = format!(
        "> REGISTER alice alice@example.org {}",
        credential(1).expose()
    );
    assert_eq!(play.negotiate(), ["> CAP END".to_owned(), registered]);
    assert!(
        play.hear(":s NOTICE * :Sign in with SASL or REGISTER")
            .is_empty(),
        "for people who type commands"
    );
    let asked = play.hear(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    assert_eq!(asked, ["? alice@example.org"]);
    assert_eq!(
        play.hear(":s NOTICE * :The mail is delayed"),
        ["- The mail is delayed"]
    );
    assert_eq!(
        play.hear(":s NOTE REGISTER MAIL_DELAYED alice :Trying again"),
        ["- Trying again"]
    );
    assert_eq!(play.answer("  123456 "), ["> VERIFY alice 123456"]);
    assert_eq!(
        play.hear(":s VERIFY SUCCESS alice :Verified"),
        ["keep alice rkd1_01"]
    );
    assert_eq!(
        play.hear(":s 001 alice :Welcome, alice. You are new here."),
        ["done"]
    );
}

#[test]
fn without_verification_there_is_no_question() {
    let mut play = Play::first_time();
    assert_eq!(
        play.hear(":s REGISTER SUCCESS alice :Done"),
        ["keep alice rkd1_01"]
    );
    assert_eq!(play.hear(":s 001 alice :Welcome"), ["done"]);
}

#[test]
fn a_wrong_code_is_asked_for_again_and_what_is_none_is_not_sent() {
    let mut play = Play::first_time();
    play.hear(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    for no_code in ["", "12 34", "12345", "abcdef"] {
        let asked_again = [
            "- The code is the 6 digits in the mail.",
            "? alice@example.org",
        ];
        assert_eq!(play.answer(no_code), asked_again);
    }
    let wrong = ":s FAIL VERIFY INVALID_CODE alice :That code is not right";
    for _ in 1..TRIES {
        play.answer("000000");
        assert_eq!(
            play.hear(wrong),
            ["- That code is not right", "? alice@example.org"]
        );
    }
    assert_eq!(play.hear(wrong), ["fail That code is not right"]);
}

#[test]
fn an_existing_account_gets_a_new_device_by_mail() {
    let mut play = Play::first_time();
    let steps = play.hear(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    assert_eq!(steps, ["> AUTHENTICATE X-EMAIL-CODE"]);
    let who = base64("alice\0alice@example.org");
    assert_eq!(
        play.hear("AUTHENTICATE +"),
        [format!("> AUTHENTICATE {who}")]
    );
    let taken = "- alice is taken. If the account is yours, this device is new to it.";
    assert_eq!(
        play.hear("AUTHENTICATE +"),
        [taken, "? alice@example.org if of alice"]
    );
    let proof = base64(&format!("123456\0{}", credential(1).expose()));
    assert_eq!(play.answer("123456"), [format!("> AUTHENTICATE {proof}")]);
    assert_eq!(play.hear(":s 903 * :ok"), ["keep alice rkd1_01"]);
    assert_eq!(play.hear(":s 001 alice :Welcome back, alice."), ["done"]);
}

#[test]
fn a_name_that_is_being_registered_by_someone_else_is_told_as_such() {
    let mut play = Play::first_time();
    play.hear(
        ":s FAIL REGISTER ACCOUNT_EXISTS alice :Someone is registering that name; choose another",
    );
    play.hear("AUTHENTICATE +");
    let refused =
        play.hear(":s 904 * :SASL authentication failed: no account has exactly that name");
    let words =
        "fail Someone is registering that name; choose another (no account has exactly that name)";
    assert_eq!(refused, [words]);
}

#[test]
fn whoever_has_mistyped_their_email_starts_over_on_the_same_connection() {
    let registered = |email: &str| format!("> REGISTER alice {email} {}", credential(1).expose());
    let mended = KeptAccount {
        email: Email::parse("alice@right.example").unwrap(),
        ..alice()
    };
    let mut play = Play::first_time();
    play.hear(":s REGISTER VERIFICATION_REQUIRED alice :Mailed");
    assert_eq!(
        show(play.0.start_over(mended.clone())),
        [registered("alice@right.example")]
    );
    assert_eq!(
        play.hear(":s REGISTER VERIFICATION_REQUIRED alice :Mailed"),
        ["? alice@right.example"]
    );
    // In the middle of the exchange for a new device, that one is broken off.
    let mut play = Play::first_time();
    play.hear(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    play.hear("AUTHENTICATE +");
    play.hear("AUTHENTICATE +");
    let other = KeptAccount {
        name: AccountName::parse("alicia").unwrap(),
        ..alice()
    };
    let steps = show(play.0.start_over(other));
    assert_eq!(
        steps[..2],
        ["> AUTHENTICATE *", "> NICK alicia"],
        "{steps:?}"
    );
    assert!(
        steps[2].starts_with("> REGISTER alicia alice@example.org "),
        "{steps:?}"
    );
    assert!(
        play.hear(":s 906 alice :SASL authentication aborted")
            .is_empty()
    );
    assert_eq!(
        play.hear(":s REGISTER VERIFICATION_REQUIRED alicia :Mailed"),
        ["? alice@example.org"]
    );
    assert_eq!(play.answer("123456"), ["> VERIFY alicia 123456"]);
}

#[test]
fn a_wrong_code_for_a_new_device_starts_the_exchange_again() {
    let mut play = Play::first_time();
    play.hear(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    for attempt in 1..=TRIES {
        play.hear("AUTHENTICATE +");
        let asked = play.hear("AUTHENTICATE +");
        assert_eq!(asked.last().unwrap(), "? alice@example.org if of alice");
        assert_eq!(
            asked.len() == 2,
            attempt == 1,
            "that the name is taken is told once: {asked:?}"
        );
        play.answer("000000");
        let steps = play.hear(":s 904 * :Wrong code");
        if attempt < TRIES {
            assert_eq!(steps, ["- Wrong code", "> AUTHENTICATE X-EMAIL-CODE"]);
        } else {
            assert_eq!(steps, ["fail Wrong code"]);
        }
    }
}

#[test]
fn a_refused_credential_goes_through_the_mail_with_a_fresh_one_or_fails() {
    let mut play = Play::start(Plan::Kept {
        account: alice(),
        otherwise: Some(credential(2)),
    });
    play.negotiate();
    play.hear("AUTHENTICATE +");
    let steps = play.hear(":s 904 * :Unknown credential");
    assert!(steps[0].contains("Unknown credential"), "{steps:?}");
    assert_eq!(steps[1], "> CAP END");
    assert!(
        steps[2].starts_with("> REGISTER alice alice@example.org rkd1_02"),
        "{steps:?}"
    );

    let mut play = Play::start(Plan::Kept {
        account: alice(),
        otherwise: None,
    });
    play.negotiate();
    play.hear("AUTHENTICATE +");
    let steps = play.hear(":s 904 * :Unknown credential");
    assert!(
        matches!(&steps[..], [fail] if fail.starts_with("fail ")),
        "{steps:?}"
    );
}

#[test]
fn other_refusals_end_it_in_the_servers_words() {
    let mut play = Play::first_time();
    let refusal = ":s FAIL REGISTER UNACCEPTABLE_EMAIL alice :That email has an account";
    assert_eq!(play.hear(refusal), ["fail That email has an account"]);
    let mut play = Play::first_time();
    play.hear(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    play.hear("AUTHENTICATE +");
    assert_eq!(
        play.hear(":s 904 * :Too many mails"),
        ["fail Taken (Too many mails)"]
    );
}

#[test]
fn where_registration_is_closed_the_mail_still_signs_in() {
    let mut play = Play::start(Plan::Mail(alice()));
    play.hear(":s CAP * LS * :message-tags echo-message");
    play.hear(":s CAP * LS :batch labeled-response sasl=PLAIN,X-EMAIL-CODE");
    assert_eq!(
        play.hear(":s CAP * ACK :batch"),
        ["> CAP END", "> AUTHENTICATE X-EMAIL-CODE"]
    );
}

#[test]
fn a_server_that_lacks_what_rook_needs_is_told_apart() {
    let mut play = Play::start(Plan::Mail(alice()));
    let steps = play.hear(":s CAP * LS :message-tags batch sasl");
    assert_eq!(
        steps,
        ["fail rook cannot talk to this server: it lacks echo-message, labeled-response"]
    );
}

#[test]
fn a_server_that_takes_guests_admits_first_and_is_signed_in_to_later() {
    let mut play = Play::first_time();
    assert_eq!(play.hear(":s 433 * alice :In use"), ["> NICK rook1234"]);
    assert!(play.hear(":s 001 rook1234 :Welcome").is_empty());
    play.hear(":s FAIL REGISTER ACCOUNT_EXISTS alice :Taken");
    play.hear("AUTHENTICATE +");
    play.hear("AUTHENTICATE +");
    play.answer("123456");
    assert!(play.hear(":rook1234!r@h NICK alice").is_empty());
    assert_eq!(
        play.hear(":s 903 alice :ok"),
        ["keep alice rkd1_01", "done"]
    );
}

#[test]
fn what_is_not_about_signing_in_is_left_to_others() {
    let mut play = Play::first_time();
    let message = Message::parse(":bob!b@h PRIVMSG #lobby :VERIFY SUCCESS").unwrap();
    assert_eq!(play.0.take(&message), None);
    assert!(
        !format!("{:?}", play.0).contains("0101"),
        "no secret in Debug output"
    );
}
