use jiff::Timestamp;
use rookery_protocol::{ChannelName, Message, Nick};

use super::*;
use crate::front_end::FrontEnd;
use crate::model::{Conversation, MessageKind, Model};

/// A front end that records its calls.
#[derive(Default)]
struct Recorder {
    model: Model,
    conversation: Option<Conversation>,
    calls: Vec<String>,
}

impl Recorder {
    /// Runs a line in `#lobby`, and returns the calls.
    fn in_lobby(line: &str) -> Vec<String> {
        let mut recorder = Self {
            conversation: Conversation::named("#lobby"),
            ..Self::default()
        };
        for line in [
            ":s 001 me :Welcome",
            ":me!m@h JOIN #lobby",
            ":me!m@h JOIN #nest",
            ":x[y]!x@h JOIN #nest",
        ] {
            let message = Message::parse(line).unwrap();
            recorder.model.handle(&message, Timestamp::UNIX_EPOCH);
        }
        recorder.run(line)
    }

    fn run(mut self, line: &str) -> Vec<String> {
        match Typed::parse(line) {
            Typed::Nothing => {}
            Typed::Text(text) => send_text(&mut self, text),
            Typed::Command(name, arguments) => match find(name) {
                Some(command) => {
                    if let Err(refusal) = command.execute(&mut self, arguments) {
                        self.show_refusal(&refusal);
                    }
                }
                None => self.show_refusal(&unknown(name)),
            },
        }
        self.calls
    }
}

impl FrontEnd for Recorder {
    fn model(&self) -> &Model {
        &self.model
    }

    fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    fn conversation(&self) -> Option<Conversation> {
        self.conversation.clone()
    }

    fn show(&mut self, line: &str) {
        self.calls.push(format!("show {line}"));
    }

    fn show_refusal(&mut self, line: &str) {
        self.calls.push(format!("refuse {line}"));
    }

    fn show_help(&mut self) {
        self.calls.push("help".to_owned());
    }

    fn switch_to(&mut self, conversation: Conversation) {
        self.calls
            .push(format!("switch to {}", conversation.name()));
    }

    fn switch_to_requested(&mut self, channel: &ChannelName) {
        self.calls.push(format!("switch to {channel}, once joined"));
    }

    fn close(&mut self, conversation: &Conversation) {
        self.calls.push(format!("close {}", conversation.name()));
    }

    fn send_text(&mut self, target: &str, text: &str, kind: MessageKind) {
        let verb = match kind {
            MessageKind::Action => "act",
            _ => "say",
        };
        self.calls.push(format!("{verb} {target}: {text}"));
    }

    fn request(&mut self, message: Message) {
        self.calls.push(message.to_string());
    }

    fn quit(&mut self, reason: Option<String>) {
        self.calls
            .push(format!("quit {}", reason.unwrap_or_default()));
    }
}

#[test]
fn text_without_a_leading_slash_is_sent_unchanged() {
    assert_eq!(Typed::parse("  hi  there "), Typed::Text("  hi  there "));
    assert_eq!(Typed::parse("   "), Typed::Nothing);
    assert_eq!(Typed::parse("//etc/passwd"), Typed::Text("/etc/passwd"));
    assert_eq!(Typed::parse("a /msg b"), Typed::Text("a /msg b"));
    assert_eq!(Typed::parse(" /msg b x"), Typed::Command("msg", "b x"));
    assert_eq!(Typed::parse(" //etc"), Typed::Text("/etc"));
    assert_eq!(Typed::parse("／msg b x"), Typed::Command("msg", "b x"));
    assert_eq!(Typed::parse("／／etc"), Typed::Text("／etc"));
    let sent = Recorder::in_lobby("  hi  there ");
    assert_eq!(sent, ["say #lobby:   hi  there "]);
}

#[test]
fn commands_are_parsed_with_their_arguments() {
    for (line, call) in [
        ("/msg bob hi  you", "say bob: hi  you"),
        ("/MSG  bob  hi", "say bob: hi"),
        ("/msg #ops hi", "say #ops: hi"),
        ("/join #x", "JOIN #x; switch to #x, once joined"),
        ("/join x", "JOIN #x; switch to #x, once joined"),
        ("/join #x key", "JOIN #x key; switch to #x, once joined"),
        ("/join #Lobby", "switch to #Lobby"),
        ("/part", "PART #lobby; close #lobby"),
        ("/part so long", "PART #lobby :so long; close #lobby"),
        (
            "/part nest",
            "refuse to leave #nest, write /part #nest; this is #lobby",
        ),
        ("/part #x so long", "PART #x :so long"),
        ("/me waves", "act #lobby: waves"),
        ("/topic", "TOPIC #lobby"),
        ("/away lunch", "AWAY lunch"),
        ("/away", "AWAY"),
        ("/who #x", "WHO #x"),
        ("/who", "WHO #lobby"),
        ("/whois bob", "WHOIS bob"),
        ("/list", "LIST"),
        ("/quit", "quit "),
        ("/quit so long", "quit so long"),
        ("/help me", "help"),
        ("/nick rob", "NICK rob"),
    ] {
        assert_eq!(Recorder::in_lobby(line).join("; "), call, "{line}");
    }
}

#[test]
fn text_that_may_be_meant_for_one_person_is_shown_to_nobody() {
    for command in [
        "/topic",
        "/part",
        "/kick bob",
        "/away",
        "/quit",
        "/msg #ops",
    ] {
        for (text, reason) in [
            ("it is 42 /me", "refuse everyone would see that"),
            ("it is 42 /carol", "refuse carol is not here"),
            ("it is 42 /me.", "refuse nothing was sent"),
        ] {
            let calls = Recorder::in_lobby(&format!("{command} {text}"));
            assert!(
                matches!(&calls[..], [call] if call.starts_with(reason)),
                "{command} {text}: {calls:?}"
            );
        }
        let mut calls = Recorder::in_lobby(&format!("{command} look in //etc"));
        calls.retain(|call| call != "close #lobby");
        assert!(
            matches!(&calls[..], [call] if call.ends_with("look in /etc")),
            "{command}: {calls:?}"
        );
    }
}

#[test]
fn commands_without_a_channel_are_about_the_current_one() {
    for (line, call) in [
        ("/kick bob too loud", "KICK #lobby bob :too loud"),
        ("/ban", "MODE #lobby +b"),
        ("/ban bob", "MODE #lobby +b bob!*@*"),
        ("/unban *!*@1.2.3.4", "MODE #lobby -b *!*@1.2.3.4"),
        ("/invite bob", "INVITE bob #lobby"),
        ("/invite bob #ops", "INVITE bob #ops"),
        ("/mode +o bob", "MODE #lobby +o bob"),
        ("/mode", "MODE #lobby"),
        ("/mode #x +m", "MODE #x +m"),
        ("/mode #x", "MODE #x"),
        ("/names", "show in #lobby: me"),
        ("/names #ops", "NAMES #ops"),
        ("/devices", "CREDENTIAL LIST"),
        ("/devices revoke 7", "CREDENTIAL REVOKE 7"),
        ("/part #x", "PART #x"),
        ("/topic new plans", "TOPIC #lobby :new plans"),
        ("/topic -", "TOPIC #lobby :"),
        ("/topic #lobby", "TOPIC #lobby"),
        ("/topic #lobby -", "TOPIC #lobby :"),
        ("/topic #LOBBY new plans", "TOPIC #LOBBY :new plans"),
        (
            "/topic #lobby #1 rule: be kind",
            "TOPIC #lobby :#1 rule: be kind",
        ),
        ("/topic - -", "TOPIC #lobby :- -"),
        ("/raw VERSION", "VERSION"),
        ("/quote verify me 123456", "VERIFY me 123456"),
        ("/raw PRIVMSG #ops :a b", "PRIVMSG #ops :a b"),
        ("/raw QUIT :so long", "quit so long"),
    ] {
        assert_eq!(Recorder::in_lobby(line), [call], "{line}");
    }
    for line in ["/kick bob", "/who", "/me waves", "hello"] {
        let calls = Recorder::default().run(line);
        assert!(
            matches!(&calls[..], [call] if call.starts_with("refuse you are not in a channel")),
            "{line}: {calls:?}"
        );
    }
}

#[test]
fn a_channel_that_was_left_is_closed_by_part() {
    let recorder = Recorder {
        conversation: Conversation::named("#left"),
        ..Recorder::default()
    };
    assert_eq!(recorder.run("/part"), ["close #left"]);
}

#[test]
fn wrong_arguments_are_refused_and_nothing_is_sent() {
    for line in [
        "/mgs bob hi",
        "/",
        "/msg",
        "/msg bob",
        "/msg a!b hi",
        "/join",
        "/join #",
        "/join #a b c",
        "/nick",
        "/nick a b",
        "/me",
        "/part #",
        "/topic #elsewhere new plans",
        "/who a b",
        "/whois",
        "/kick",
        "/ban a b",
        "/unban",
        "/invite",
        "/invite bob ops",
        "/devices revoke",
        "/devices revoke x",
        "/devices x",
        "/raw",
        "/raw :me",
        "/raw a-b",
    ] {
        let calls = Recorder::in_lobby(line);
        assert!(
            matches!(&calls[..], [call] if call.starts_with("refuse ")),
            "{line}: {calls:?}"
        );
    }
    let calls = Recorder::in_lobby("/alice");
    assert!(calls[0].contains("TEXT /alice"), "{calls:?}");
    let usage = Recorder::in_lobby("/devices x");
    assert_eq!(usage, ["refuse usage: /devices or /devices revoke NUMBER"]);
}

#[test]
fn a_line_that_ends_in_a_nick_is_sent_to_that_person_if_present() {
    let alice = Nick::parse("alice").unwrap();
    assert_eq!(
        addressee("How are you? /alice"),
        Some(("How are you?", alice.clone()))
    );
    assert_eq!(addressee("hi /Alice  "), Some(("hi", alice.clone())));
    assert_eq!(addressee("hi ／Alice"), Some(("hi", alice)));
    for line in [
        "/alice",
        " /alice",
        "see http://x/alice",
        "hi alice",
        "hi /alice there",
        "hi/alice",
        "hi //alice",
    ] {
        assert_eq!(addressee(line), None, "{line}");
    }
    assert_eq!(Recorder::in_lobby("hi /me"), ["say me: hi"]);
    assert_eq!(Recorder::in_lobby("/me waves /me"), ["act me: waves"]);
}

#[test]
fn a_line_for_someone_who_is_not_present_is_sent_to_nobody() {
    for line in [
        "my secret is 42 /bob",
        "my secret is 42\u{a0}/bob ",
        "/me whispers 42 /bob",
        "my secret\nis 42 /bob",
        "my secret is 42\n/bob",
    ] {
        let calls = Recorder::in_lobby(line);
        assert!(
            matches!(&calls[..], [call] if call.starts_with("refuse bob is not here")),
            "{line}: {calls:?}"
        );
    }
    for (line, call) in [
        (
            "one\nlook in //tmp\n ls",
            "say #lobby: one\nlook in /tmp\n ls",
        ),
        ("one\ntwo /me", "say me: one\ntwo"),
        ("one\n/me", "say me: one"),
        ("look in //tmp", "say #lobby: look in /tmp"),
        ("// is a comment", "say #lobby: / is a comment"),
        ("see //tmp/x", "say #lobby: see //tmp/x"),
        ("see http://x", "say #lobby: see http://x"),
        ("/me is in //tmp ", "act #lobby: is in /tmp"),
        ("/msg #ops look in //tmp", "say #ops: look in /tmp"),
        ("/msg bob look in /tmp", "say bob: look in /tmp"),
    ] {
        assert_eq!(Recorder::in_lobby(line), [call], "{line}");
    }
}

#[test]
fn a_line_that_nearly_ends_in_a_nick_is_sent_to_nobody() {
    for line in [
        "my secret is 42 /bob.",
        "my secret is 42 /me!",
        "my secret is 42 /bob, ",
        "my secret is 42 / me",
        "my secret is 42 /me/",
        "my secret is 42 /me./",
        "my secret is 42 /me ／",
        "my secret is 42 ／me。",
        "my secret is 42 /me:",
        "my secret is 42 /me\"",
        "my secret is 42 /me”.",
        "my secret is 42 /me>",
        "my secret is 42 (/me)",
        "my secret is 42 (/me",
        "my secret is 42 “/me”",
        "my secret is 42 [ /me ].",
        "my secret is 42 /[me].",
        "my secret is 42 /bob].",
        "my secret is 42 /@me",
        "my secret is 42 /~me",
        "my secret is 42 */me*",
        "my secret is 42 /me \u{1f600}",
        "my secret is 42 (/x[y])",
        "my secret is 42 /@x[y]",
        "my secret is 42 \"/x[y]\"",
        "(my secret/me)",
        "what is 42?/me",
        "secret/me",
        "one\nmy secret is 42 /bob.\ntwo",
        "/me whispers 42 /bob.",
    ] {
        let calls = Recorder::in_lobby(line);
        assert!(
            matches!(&calls[..], [call] if call.starts_with("refuse nothing was sent: end with /")),
            "{line}: {calls:?}"
        );
    }
    for (line, call) in [
        ("look in //tmp.", "say #lobby: look in /tmp."),
        ("look in /tmp/", "say #lobby: look in /tmp/"),
        ("not to //me/", "say #lobby: not to /me/"),
        ("look in /tmp:", "say #lobby: look in /tmp:"),
        ("you//me", "say #lobby: you/me"),
        ("one\nyou // me!", "say #lobby: one\nyou / me!"),
        ("and/or", "say #lobby: and/or"),
        ("cats / dogs.", "say #lobby: cats / dogs."),
        ("temporary (/tmp)", "say #lobby: temporary (/tmp)"),
        ("see /@types", "say #lobby: see /@types"),
        ("not to (//me)", "say #lobby: not to (/me)"),
        ("see http://me", "say #lobby: see http://me"),
        (
            "see http://x.example/me.",
            "say #lobby: see http://x.example/me.",
        ),
        ("in /etc/me", "say #lobby: in /etc/me"),
        ("24/7, a./b.", "say #lobby: 24/7, a./b."),
    ] {
        assert_eq!(Recorder::in_lobby(line), [call], "{line}");
    }
}

#[test]
fn several_lines_have_one_recipient() {
    for text in ["my secret is 42 /me\nhello", "one\ntwo /bob\nthree /me"] {
        let calls = Recorder::in_lobby(text);
        assert!(
            matches!(&calls[..], [call] if call.starts_with("refuse one of the lines ends in /")),
            "{text}: {calls:?}"
        );
    }
}

#[test]
fn lines_with_a_password_are_recognised() {
    for line in [
        "/password hunter2",
        " /Password hunter2",
        "/email a@b.example hunter2",
        "/raw setpass * :hunter2",
        "/quote PASS alice:hunter2",
        "/QUOTE REGISTER * a@b.example hunter2",
    ] {
        assert!(may_contain_password(line), "{line}");
    }
    for line in [
        "/password",
        "/email a@b.example",
        "/raw WHOIS bob",
        "pass",
        "//password x",
    ] {
        assert!(!may_contain_password(line), "{line}");
    }
}

#[test]
fn every_usage_begins_with_the_name_of_its_command() {
    for command in FAMILIES.into_iter().flatten() {
        for (form, help) in command.usages {
            assert_eq!(split_word(form).0, format!("/{}", command.name));
            assert!(!help.is_empty(), "{form}");
        }
    }
}
