//! Moments and keys in, whole screens and wishes out.

use std::collections::BTreeSet;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use rookery_control_api::{
    BusyChannel, BusyUser, Counters, Port, RefusedSignIn, Role, Top, WaitingSendq,
};

use super::asking::{Deed, Kind};
use super::draw::{Look, draw};
use super::model::{Model, Wish};
use super::pace::Measure;
use super::panes::Pane;
use crate::failure::Failure;

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn user(nick: &str, account: Option<&str>, messages: u32) -> BusyUser {
    BusyUser {
        nick: nick.to_owned(),
        account: account.map(str::to_owned),
        address: Some("198.51.100.7:6000".to_owned()),
        sessions: 1,
        messages,
    }
}

fn refused(port: Port, name: &str, address: &str, reason: &str) -> RefusedSignIn {
    let (name, address, reason) = (name.to_owned(), address.to_owned(), reason.to_owned());
    RefusedSignIn {
        at: START,
        port,
        name,
        address,
        reason,
    }
}

/// A server on which something of everything happens.
fn moment(second: i64) -> Top {
    let gone = second.unsigned_abs();
    Top {
        at: START + SignedDuration::from_secs(second),
        started_at: START - SignedDuration::from_hours(80),
        role: Role::Owner,
        users: 12,
        guests: 1,
        sessions: 14,
        connections: 15,
        channels: 3,
        counters: Counters {
            messages_received: 1000 + gone * gone,
            messages_stored: 900,
            deliveries: 5000 + 40 * gone,
            delivered_bytes: (1 << 20) + gone * 3000,
            connections_accepted: 40 + gone / 3,
            sign_ins: 9,
            sign_ins_refused: gone / 10,
        },
        core_queue_events: 1,
        commit_queue_batches: 0,
        busiest_channels: [("#lobby", 12, 80), ("#ops", 3, 7)]
            .map(|(name, members, messages)| BusyChannel {
                name: name.to_owned(),
                members,
                messages,
            })
            .into(),
        busiest_users: vec![
            user("alice", Some("alice"), 60),
            user("bobby", Some("bob"), 20),
            user("gast", None, 7),
        ],
        largest_sendqs: vec![WaitingSendq {
            nick: "carol".to_owned(),
            account: Some("carol".to_owned()),
            session: 17,
            address: "[2001:db8::1]:6000".to_owned(),
            bytes: 70_000,
        }],
        refused_sign_ins: vec![
            refused(Port::Control, "root", "203.0.113.9:700", "wrong password"),
            refused(Port::Chat, "alice", "192.0.2.66:700", "wrong password"),
            refused(
                Port::Chat,
                "",
                "[2001:db8::66]:700",
                "203.0.113.0/24 is banned: spam",
            ),
        ],
    }
}

fn model() -> Model {
    Model::new("localhost:6698".to_owned(), TimeZone::UTC, moment(0))
}

/// After so many seconds.
fn model_after(seconds: i64) -> Model {
    let mut model = model();
    for second in 1..=seconds {
        model.take(moment(second));
    }
    model
}

fn press(model: &mut Model, code: KeyCode) -> Option<Wish> {
    model.key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn types(model: &mut Model, text: &str) {
    for letter in text.chars() {
        assert_eq!(
            press(model, KeyCode::Char(letter)),
            None,
            "{letter:?} of {text:?}"
        );
    }
}

fn drawn(model: &Model, width: u16, height: u16, colour: bool) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal
        .draw(|frame| draw(frame, model, Look { colour }))
        .unwrap();
    terminal
}

fn screen(model: &Model, width: u16, height: u16) -> String {
    drawn(model, width, height, false).backend().to_string()
}

fn told(model: &Model) -> String {
    model.told().map(|told| told.text).unwrap_or_default()
}

fn refusal(kind: &str, detail: &str) -> Failure {
    let document =
        format!(r#"{{"type":"/problems/{kind}","title":"T","status":409,"detail":"{detail}"}}"#);
    Failure::Failed {
        message: detail.to_owned(),
        document: Some(document),
    }
}

#[test]
fn all_of_it_on_a_terminal_of_the_usual_size() {
    let mut model = model_after(25);
    press(&mut model, KeyCode::Down);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn one_list_at_a_time_on_a_small_terminal() {
    let mut model = model_after(25);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::End);
    insta::assert_snapshot!(screen(&model, 40, 10));
}

#[test]
fn more_on_a_wide_terminal() {
    insta::assert_snapshot!(screen(&model_after(120), 140, 30));
}

#[test]
fn a_quiet_server() {
    let quiet = Top {
        users: 0,
        guests: 0,
        busiest_channels: Vec::new(),
        busiest_users: Vec::new(),
        largest_sendqs: Vec::new(),
        refused_sign_ins: Vec::new(),
        ..moment(0)
    };
    let model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, quiet);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn a_ban_is_asked_about_with_its_reason() {
    let mut model = model_after(3);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('b'));
    types(&mut model, "keeps on selling quilts");
    insta::assert_snapshot!(screen(&model, 80, 24));
    assert!(screen(&model, 40, 10).contains("Reason: keeps on selling quilts"));
}

#[test]
fn any_size_will_do() {
    let mut model = model_after(3);
    for asking in [false, true] {
        for (width, height) in [
            (1, 1),
            (2, 3),
            (5, 40),
            (200, 2),
            (39, 9),
            (70, 16),
            (69, 15),
            (300, 100),
        ] {
            screen(&model, width, height);
        }
        if !asking {
            press(&mut model, KeyCode::Down);
            press(&mut model, KeyCode::Char('k'));
            types(&mut model, &"wörtlich ".repeat(30));
        }
    }
}

#[test]
fn nothing_but_weight_without_colour() {
    let mut model = model_after(20);
    press(&mut model, KeyCode::Down);
    let colours = |colour| -> BTreeSet<String> {
        let terminal = drawn(&model, 80, 24, colour);
        let cells = terminal.backend().buffer().content.iter();
        cells
            .flat_map(|cell| [cell.fg, cell.bg])
            .filter(|it| *it != Color::Reset)
            .map(|it| it.to_string())
            .collect()
    };
    assert!(colours(false).is_empty());
    assert!(colours(true).len() >= 2, "{:?}", colours(true));
}

#[test]
fn nothing_from_the_wire_steers_the_terminal() {
    let mut top = moment(0);
    top.busiest_users[0].nick = "a\u{1b}[2J\u{202e}b".to_owned();
    top.busiest_channels[0].name = "#\u{7}".to_owned();
    top.refused_sign_ins[1].name = "\u{9b}31m".to_owned();
    let mut model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, top);
    model.no_answer(&Failure::new("no\u{1b}route"));
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    let text = screen(&model, 120, 30);
    assert!(text.contains("a\u{fffd}[2J\u{fffd}b"), "{text}");
    assert!(
        !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}']),
        "{text:?}"
    );
}

#[test]
fn rates_are_what_was_gained_by_the_time_it_took() {
    let mut model = model();
    assert_eq!(
        model.pace.now(Measure::Messages),
        None,
        "one moment tells no rate"
    );
    let mut next = moment(0);
    next.at += SignedDuration::from_secs(4);
    next.counters.messages_received += 10;
    model.take(next.clone());
    assert_eq!(model.pace.now(Measure::Messages), Some(2.5));

    // The server starts anew: its counters are small again.
    next.at += SignedDuration::from_secs(1);
    next.started_at = next.at;
    next.counters = Counters::default();
    model.take(next.clone());
    assert_eq!(
        model.pace.past(Measure::Messages).collect::<Vec<_>>(),
        [250],
        "that tells nothing"
    );
    model.take(next);
    assert_eq!(
        model.pace.past(Measure::Messages).count(),
        1,
        "and neither does the same moment again"
    );
}

#[test]
fn the_choice_goes_with_its_row_and_is_gone_when_that_is() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.chosen_row().unwrap().key, "bobby");
    let mut next = moment(1);
    next.busiest_users.reverse();
    next.busiest_users.push(user("dora", Some("dora"), 1));
    model.take(next.clone());
    assert_eq!(
        model.chosen_row().unwrap().key,
        "bobby",
        "wherever it stands now"
    );
    next.busiest_users.retain(|user| user.nick != "bobby");
    model.take(next);
    assert_eq!(
        model.chosen_row(),
        None,
        "and never somebody else in its place"
    );
    press(&mut model, KeyCode::Char('k'));
    assert!(
        told(&model).starts_with("Choose somebody first"),
        "{}",
        told(&model)
    );
    assert!(model.asking.is_none());
}

#[test]
fn the_arrow_keys_stay_within_the_list() {
    let mut model = model();
    for (key, expected) in [
        (KeyCode::Up, "alice"),
        (KeyCode::Up, "alice"),
        (KeyCode::Down, "bobby"),
        (KeyCode::PageDown, "gast"),
        (KeyCode::Down, "gast"),
        (KeyCode::Home, "alice"),
        (KeyCode::End, "gast"),
        (KeyCode::PageUp, "alice"),
    ] {
        press(&mut model, key);
        assert_eq!(model.chosen_row().unwrap().key, expected, "{key:?}");
    }
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.chosen_row(), None);
    for (key, expected) in [
        (KeyCode::Tab, Pane::Sendqs),
        (KeyCode::Right, Pane::Refused),
        (KeyCode::Tab, Pane::Channels),
        (KeyCode::BackTab, Pane::Refused),
        (KeyCode::Left, Pane::Sendqs),
    ] {
        press(&mut model, key);
        assert_eq!(model.focus, expected);
    }
}

#[test]
fn a_kick_is_done_when_its_question_is_answered() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    types(&mut model, "too louD");
    press(&mut model, KeyCode::Backspace);
    types(&mut model, "d");
    // Meanwhile all goes on.
    let mut next = moment(1);
    next.busiest_users.clear();
    model.take(next);
    let kick = Deed {
        kind: Kind::Kick {
            nick: "alice".to_owned(),
        },
        reason: "too loud".to_owned(),
        confirmed: false,
    };
    assert_eq!(press(&mut model, KeyCode::Enter), Some(Wish::Do(kick)));
    assert_eq!(told(&model), "Kicking alice …");
    model.done(Ok("alice is kicked; 1 session of alice ended.".to_owned()));
    assert_eq!(told(&model), "alice is kicked; 1 session of alice ended.");
    press(&mut model, KeyCode::Down);
    assert_eq!(told(&model), "", "until the next key");
}

#[test]
fn escape_does_nothing_and_says_so() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    for key in ['k', 'b'] {
        press(&mut model, KeyCode::Char(key));
        types(&mut model, "q");
        assert_eq!(press(&mut model, KeyCode::Esc), None);
        assert_eq!(told(&model), "Nothing was done.");
        assert!(model.asking.is_none());
    }
    press(&mut model, KeyCode::Char('k'));
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(
        model.key(interrupt),
        Some(Wish::Leave),
        "from wherever one is"
    );
}

#[test]
fn a_ban_is_of_the_account_or_of_where_someone_comes_from() {
    let target = |pane: Pane, row: usize| {
        let mut model = model();
        model.focus = pane;
        for _ in 0..=row {
            press(&mut model, KeyCode::Down);
        }
        press(&mut model, KeyCode::Char('b'));
        let told = told(&model);
        match press(&mut model, KeyCode::Enter) {
            Some(Wish::Do(Deed {
                kind: Kind::Ban { target },
                ..
            })) => target,
            _ => told,
        }
    };
    assert_eq!(target(Pane::Users, 1), "bob", "the account, not the nick");
    assert_eq!(
        target(Pane::Users, 2),
        "198.51.100.7",
        "a guest has no account"
    );
    assert_eq!(target(Pane::Sendqs, 0), "carol");
    assert_eq!(target(Pane::Refused, 1), "192.0.2.66");
    assert_eq!(target(Pane::Refused, 2), "2001:db8::66");
    assert!(target(Pane::Refused, 0).starts_with("A ban keeps nobody from the control plane"));
    assert!(target(Pane::Channels, 0).starts_with("That is a channel"));
}

#[test]
fn whoever_was_refused_cannot_be_kicked() {
    let mut model = model();
    model.focus = Pane::Refused;
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    assert!(
        told(&model).contains("not here to be kicked"),
        "{}",
        told(&model)
    );
}

#[test]
fn what_the_server_doubts_is_asked_once_more() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    for (answer, is_done) in [('n', false), ('y', true)] {
        press(&mut model, KeyCode::Char('b'));
        types(&mut model, "spam");
        press(&mut model, KeyCode::Enter);
        model.done(Err(refusal(
            "confirmation-required",
            "alice covers your own account.",
        )));
        assert!(screen(&model, 80, 24).contains("alice covers your own account."));
        let wish = press(&mut model, KeyCode::Char(answer));
        let ban = Deed {
            kind: Kind::Ban {
                target: "alice".to_owned(),
            },
            reason: "spam".to_owned(),
            confirmed: true,
        };
        assert_eq!(wish, is_done.then_some(Wish::Do(ban)));
    }
    model.done(Err(refusal("not-online", "Nobody is online as alice.")));
    assert!(model.told().unwrap().is_alarming);
    assert_eq!(told(&model), "Nobody is online as alice.");
}

#[test]
fn an_auditor_is_told_that_it_may_only_read() {
    let top = Top {
        role: Role::Auditor,
        ..moment(0)
    };
    let mut model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, top);
    press(&mut model, KeyCode::Down);
    for key in ['k', 'b'] {
        press(&mut model, KeyCode::Char(key));
        assert!(model.asking.is_none());
        assert!(told(&model).contains("may only read"), "{}", told(&model));
    }
}

#[test]
fn a_reason_is_no_longer_than_the_server_takes() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    types(&mut model, &"ä".repeat(200));
    let Some(Wish::Do(deed)) = press(&mut model, KeyCode::Enter) else {
        panic!("it is done")
    };
    assert_eq!(deed.reason.len(), 300);
}

#[test]
fn a_server_that_does_not_answer_is_told_and_what_was_seen_stays() {
    let mut model = model_after(5);
    model.no_answer(&Failure::new("localhost:6698 cannot be reached"));
    model.no_answer(&Failure::new("localhost:6698 cannot be reached"));
    let text = screen(&model, 80, 24);
    for part in [
        "no answer since 08:00:05",
        "localhost:6698 cannot be reached",
        "bobby",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    model.take(moment(9));
    assert!(!screen(&model, 80, 24).contains("no answer"));
}
