//! Tests of the model and the drawing: snapshots and keys in, whole screens and commands out.

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

use super::confirm::{Action, ActionKind};
use super::draw::{Look, draw};
use super::model::{Command, Model};
use super::panes::Pane;
use super::rates::Measure;
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

/// Returns a snapshot of a busy server.
fn snapshot(second: i64) -> Top {
    let elapsed = second.unsigned_abs();
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
            messages_received: 1000 + elapsed * elapsed,
            messages_stored: 900,
            deliveries: 5000 + 40 * elapsed,
            delivered_bytes: (1 << 20) + elapsed * 3000,
            connections_accepted: 40 + elapsed / 3,
            sign_ins: 9,
            sign_ins_refused: elapsed / 10,
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
    Model::new("localhost:6698".to_owned(), TimeZone::UTC, snapshot(0))
}

/// Returns the model after so many seconds.
fn model_after(seconds: i64) -> Model {
    let mut model = model();
    for second in 1..=seconds {
        model.update(snapshot(second));
    }
    model
}

fn press(model: &mut Model, code: KeyCode) -> Option<Command> {
    model.handle_key(KeyEvent::new(code, KeyModifiers::NONE))
}

fn type_text(model: &mut Model, text: &str) {
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

fn notice(model: &Model) -> String {
    model.notice().map(|notice| notice.text).unwrap_or_default()
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
fn a_name_with_a_sign_does_not_look_like_the_name_without_it() {
    for (name, shown) in [
        ("\u{323}bob", "\u{25cc}\u{323}bob"),
        // A terminal may draw the sign in the blank column.
        ("b\u{9be}ob", "b\u{9be} ob"),
    ] {
        let mut top = snapshot(0);
        top.busiest_users = vec![user(name, Some(name), 60)];
        let model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, top);
        let screen = screen(&model, 130, 30);
        assert_eq!(screen.matches(shown).count(), 2, "{name:?}:\n{screen}");
    }
}

#[test]
fn everything_fits_a_terminal_of_the_usual_size() {
    let mut model = model_after(25);
    press(&mut model, KeyCode::Down);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn a_small_terminal_shows_one_list_at_a_time() {
    let mut model = model_after(25);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::Tab);
    press(&mut model, KeyCode::End);
    insta::assert_snapshot!(screen(&model, 40, 10));
}

#[test]
fn a_wide_terminal_shows_more() {
    insta::assert_snapshot!(screen(&model_after(120), 140, 30));
}

#[test]
fn a_quiet_server_has_empty_lists() {
    let quiet = Top {
        users: 0,
        guests: 0,
        busiest_channels: Vec::new(),
        busiest_users: Vec::new(),
        largest_sendqs: Vec::new(),
        refused_sign_ins: Vec::new(),
        ..snapshot(0)
    };
    let model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, quiet);
    insta::assert_snapshot!(screen(&model, 80, 24));
}

#[test]
fn the_dialog_of_a_ban_asks_for_a_reason() {
    let mut model = model_after(3);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('b'));
    type_text(&mut model, "keeps on selling quilts");
    insta::assert_snapshot!(screen(&model, 80, 24));
    assert!(screen(&model, 40, 10).contains("Reason: keeps on selling quilts"));
}

#[test]
fn every_size_can_be_drawn() {
    let mut model = model_after(3);
    for with_dialog in [false, true] {
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
        if !with_dialog {
            press(&mut model, KeyCode::Down);
            press(&mut model, KeyCode::Char('k'));
            type_text(&mut model, &"wörtlich ".repeat(30));
        }
    }
}

#[test]
fn without_colour_only_weight_is_used() {
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
fn nothing_from_the_network_controls_the_terminal() {
    let mut top = snapshot(0);
    top.busiest_users[0].nick = "a\u{1b}[2J\u{202e}b".to_owned();
    top.busiest_channels[0].name = "#\u{7}".to_owned();
    top.refused_sign_ins[1].name = "\u{9b}31m".to_owned();
    let mut model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, top);
    model.set_unreachable(&Failure::new("no\u{1b}route"));
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
fn a_rate_is_the_growth_of_a_counter_divided_by_the_time() {
    let mut model = model();
    assert_eq!(
        model.rates.now(Measure::Messages),
        None,
        "one snapshot has no rate"
    );
    let mut next = snapshot(0);
    next.at += SignedDuration::from_secs(4);
    next.counters.messages_received += 10;
    model.update(next.clone());
    assert_eq!(model.rates.now(Measure::Messages), Some(2.5));

    // The server has restarted: its counters are small again.
    next.at += SignedDuration::from_secs(1);
    next.started_at = next.at;
    next.counters = Counters::default();
    model.update(next.clone());
    assert_eq!(
        model.rates.past(Measure::Messages).collect::<Vec<_>>(),
        [250],
        "a restart has no rate"
    );
    model.update(next);
    assert_eq!(
        model.rates.past(Measure::Messages).count(),
        1,
        "nor does the same snapshot again"
    );
}

#[test]
fn the_selection_moves_with_its_row_and_ends_with_it() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Down);
    assert_eq!(model.selected_row().unwrap().key, "bobby");
    let mut next = snapshot(1);
    next.busiest_users.reverse();
    next.busiest_users.push(user("dora", Some("dora"), 1));
    model.update(next.clone());
    assert_eq!(
        model.selected_row().unwrap().key,
        "bobby",
        "at its new place"
    );
    next.busiest_users.retain(|user| user.nick != "bobby");
    model.update(next);
    assert_eq!(
        model.selected_row(),
        None,
        "and never another row in its place"
    );
    press(&mut model, KeyCode::Char('k'));
    assert!(
        notice(&model).starts_with("Select a user first"),
        "{}",
        notice(&model)
    );
    assert!(model.dialog.is_none());
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
        assert_eq!(model.selected_row().unwrap().key, expected, "{key:?}");
    }
    press(&mut model, KeyCode::Esc);
    assert_eq!(model.selected_row(), None);
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
fn a_kick_is_carried_out_after_its_confirmation() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    type_text(&mut model, "too louD");
    press(&mut model, KeyCode::Backspace);
    type_text(&mut model, "d");
    // Snapshots are shown meanwhile.
    let mut next = snapshot(1);
    next.busiest_users.clear();
    model.update(next);
    let kick = Action {
        kind: ActionKind::Kick {
            nick: "alice".to_owned(),
        },
        reason: "too loud".to_owned(),
        confirmed: false,
    };
    assert_eq!(
        press(&mut model, KeyCode::Enter),
        Some(Command::CarryOut(kick))
    );
    assert_eq!(notice(&model), "Kicking alice …");
    model.finish_action(Ok("Kicked alice; 1 session of alice ended.".to_owned()));
    assert_eq!(notice(&model), "Kicked alice; 1 session of alice ended.");
    press(&mut model, KeyCode::Down);
    assert_eq!(notice(&model), "", "until the next key");
}

#[test]
fn escape_cancels_and_says_so() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    for key in ['k', 'b'] {
        press(&mut model, KeyCode::Char(key));
        type_text(&mut model, "q");
        assert_eq!(press(&mut model, KeyCode::Esc), None);
        assert_eq!(notice(&model), "Cancelled; nothing was changed.");
        assert!(model.dialog.is_none());
    }
    press(&mut model, KeyCode::Char('k'));
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(
        model.handle_key(interrupt),
        Some(Command::Quit),
        "Ctrl-C quits from a dialog too"
    );
}

#[test]
fn a_ban_targets_the_account_or_the_address() {
    let target = |pane: Pane, row: usize| {
        let mut model = model();
        model.focus = pane;
        for _ in 0..=row {
            press(&mut model, KeyCode::Down);
        }
        press(&mut model, KeyCode::Char('b'));
        let notice = notice(&model);
        match press(&mut model, KeyCode::Enter) {
            Some(Command::CarryOut(Action {
                kind: ActionKind::Ban { target },
                ..
            })) => target,
            _ => notice,
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
    assert!(target(Pane::Refused, 0).starts_with("Bans do not apply to the control plane"));
    assert!(target(Pane::Channels, 0).starts_with("This is a channel"));
}

#[test]
fn a_refused_sign_in_cannot_be_kicked() {
    let mut model = model();
    model.focus = Pane::Refused;
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    assert!(
        notice(&model).contains("no session to kick"),
        "{}",
        notice(&model)
    );
}

#[test]
fn a_warning_of_the_server_needs_a_second_confirmation() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    for (answer, is_done) in [('n', false), ('y', true)] {
        press(&mut model, KeyCode::Char('b'));
        type_text(&mut model, "spam");
        press(&mut model, KeyCode::Enter);
        model.finish_action(Err(refusal(
            "confirmation-required",
            "alice covers your own account.",
        )));
        assert!(screen(&model, 80, 24).contains("alice covers your own account."));
        let command = press(&mut model, KeyCode::Char(answer));
        let ban = Action {
            kind: ActionKind::Ban {
                target: "alice".to_owned(),
            },
            reason: "spam".to_owned(),
            confirmed: true,
        };
        assert_eq!(command, is_done.then_some(Command::CarryOut(ban)));
    }
    model.finish_action(Err(refusal("not-online", "Nobody is online as alice.")));
    assert!(model.notice().unwrap().is_alarming);
    assert_eq!(notice(&model), "Nobody is online as alice.");
}

#[test]
fn an_auditor_may_only_read() {
    let top = Top {
        role: Role::Auditor,
        ..snapshot(0)
    };
    let mut model = Model::new("localhost:6698".to_owned(), TimeZone::UTC, top);
    press(&mut model, KeyCode::Down);
    for key in ['k', 'b'] {
        press(&mut model, KeyCode::Char(key));
        assert!(model.dialog.is_none());
        assert!(
            notice(&model).contains("may only read"),
            "{}",
            notice(&model)
        );
    }
}

#[test]
fn a_reason_is_limited_to_what_the_server_accepts() {
    let mut model = model();
    press(&mut model, KeyCode::Down);
    press(&mut model, KeyCode::Char('k'));
    type_text(&mut model, &"ä".repeat(200));
    let Some(Command::CarryOut(action)) = press(&mut model, KeyCode::Enter) else {
        panic!("it is carried out")
    };
    assert_eq!(action.reason.len(), 300);
}

#[test]
fn an_unreachable_server_is_reported_and_the_last_snapshot_stays() {
    let mut model = model_after(5);
    model.set_unreachable(&Failure::new("localhost:6698 cannot be reached"));
    model.set_unreachable(&Failure::new("localhost:6698 cannot be reached"));
    let text = screen(&model, 80, 24);
    for part in [
        "no reply since 08:00:05",
        "localhost:6698 cannot be reached",
        "bobby",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    model.update(snapshot(9));
    assert!(!screen(&model, 80, 24).contains("no reply"));
}
