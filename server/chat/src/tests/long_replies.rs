//! Replies that are sent in slices.

use std::collections::BTreeSet;

use rookery_protocol::Message;

use super::harness::*;
use super::playback::{CAPS, connect, device, texts};
use super::reference::commands_by_name;
use crate::event::{HistoryQuery, HistoryResult, SessionId, Settings};
use rookery_record::{HistoryEntry, NewestMessages, NewestOfSeveral, Place, TargetKind};

const CAPABILITIES: &str = "draft/message-redaction draft/chathistory draft/read-marker draft/metadata-3 \
                            draft/extended-isupport standard-replies echo-message setname batch labeled-response";

/// The number of rows in a slice, and of lines around them that are no rows, such as the end of a
/// list.
const SLICE: usize = 50;
const AROUND: usize = 8;
/// The number of members of the large channel, and the length of all lists.
const MANY: usize = 200;

/// Parameters that are right for some command or other, and make its reply as long as it can be.
pub(super) const PARAMS: &[&str] = &[
    "",
    "*",
    "#",
    "alice",
    "member7",
    "gone",
    "#big",
    "#big,#big,#big,#big",
    "#big b",
    "#big beI",
    "#big LIST",
    "#big SYNC",
    "* SYNC",
    "* LIST",
    "* SUB url color",
    "* SUBS",
    "#big :text",
    "#big member8",
    "member8 :text",
    "member8 #big",
    "#big #renamed",
    "L",
    "S",
    "+ member1,member2,member3",
    "LATEST #big * 500",
    "TARGETS timestamp=2020-01-01T00:00:00.000Z timestamp=2030-01-01T00:00:00.000Z 500",
    "*playback PLAY *",
    "*playback :PLAY *",
    "LS 302",
    "always-on on",
    "LIST",
    "0",
];

/// Returns a chat with alice, who sends all lines and may do everything in a large channel.
fn scene() -> (Harness, SessionId) {
    let mut harness = Harness::with(Settings {
        slice_rows: SLICE,
        channel_list_entries: 0,
        monitor_entries: 0,
        history_page: 0,
        channels_per_user: 0,
        owned_channels: 0,
        stored_bytes_per_day: 0,
        sendq_bytes: 0,
        ..settings()
    });
    let alice = harness.user("alice", CAPABILITIES);
    harness.channel("#big", &[alice]);
    harness.send(alice, "METADATA * SUB url");
    for number in 0..MANY {
        let member = harness.guest(&format!("member{number}"), "draft/metadata-3");
        harness.channel(&format!("#channel{number}"), &[member]);
        harness.send(member, "JOIN #big");
        harness.send(member, "METADATA * SET url :https://example.org");
        harness.send(alice, &format!("MODE #big +b *!*@{number}"));
        harness.send(alice, &format!("ACCESS #big ADD member{number} voice"));
        harness.send(alice, &format!("MONITOR + member{number}"));
        let departed = harness.guest("gone", "");
        harness.disconnect(departed);
        harness.clear_received();
    }
    (harness, alice)
}

/// Whether the scene is as at first, in what makes replies long.
fn is_intact(harness: &Harness, alice: SessionId) -> bool {
    let state = &harness.chat.state;
    let Some(user) = state.user_of(alice) else {
        return false;
    };
    state.session(alice).unwrap().monitors.len() >= MANY
        && state.channel(&"#big".parse().unwrap()).is_some_and(|big| {
            big.is_operator(user)
                && big.members().len() > MANY
                && big.bans.len() >= MANY
                && big.access.len() >= MANY
        })
}

fn entries() -> Vec<HistoryEntry> {
    let entry = |number| HistoryEntry {
        at: START,
        place: Place::Channel("#big".parse().unwrap()),
        source: "bob!~bob@guests.irc.test".to_owned(),
        account: None,
        command: "PRIVMSG".to_owned(),
        text: format!("text {number}"),
        tags: String::new(),
        msgid: format!("id-{number}"),
    };
    (0..MANY).map(entry).collect()
}

/// Returns what is read for several channels.
pub(super) fn several<'e>(entries: impl Iterator<Item = &'e [HistoryEntry]>) -> NewestOfSeveral {
    let targets = entries.map(|entries| NewestMessages {
        kind: TargetKind::Channel,
        name: "#big".to_owned(),
        entries: entries.to_vec().into(),
        is_cut: false,
    });
    NewestOfSeveral {
        targets: targets.collect(),
        further_conversations: 0,
    }
}

/// Answers what is to be read from the history with as much as there may be.
fn answer_fetches(harness: &mut Harness) {
    if harness.fetches.is_empty() {
        return;
    }
    let found = match &harness.fetches[0].query {
        HistoryQuery::Page(_) => HistoryResult::Page(entries()),
        HistoryQuery::Targets(_) => HistoryResult::Targets(Vec::new()),
        HistoryQuery::Several(_) => {
            let entries = entries();
            HistoryResult::Several(several(entries.chunks(SLICE)))
        }
        HistoryQuery::Message(_) => HistoryResult::Message(None),
    };
    harness.answer_fetch(found);
}

/// Sends a line. Returns what alice receives after each input of the core.
pub(super) fn slices(harness: &mut Harness, alice: SessionId, line: &str) -> Vec<Vec<String>> {
    harness.clear_received();
    harness.send(alice, line);
    let mut slices = vec![harness.received(alice)];
    answer_fetches(harness);
    slices.push(harness.received(alice));
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
        slices.push(harness.received(alice));
    }
    slices
}

/// Every command of the table is tried, so a new one whose reply is long is found without a change
/// here.
#[test]
fn no_reply_is_longer_than_a_slice_at_once_and_only_those_of_marked_commands_are_in_total() {
    let (own, _) = commands_by_name();
    let (mut wrong, mut long) = (Vec::new(), BTreeSet::new());
    let (mut harness, mut alice) = scene();
    for command in own.into_iter().filter(|command| *command != "QUIT") {
        for params in PARAMS {
            if !is_intact(&harness, alice) {
                (harness, alice) = scene();
            }
            let line = format!("{command} {params}");
            let slices = slices(&mut harness, alice, &line);
            let largest = slices.iter().map(Vec::len).max().unwrap();
            let total: usize = slices.iter().map(Vec::len).sum();
            if largest > SLICE + AROUND {
                wrong.push(format!("{line}: {largest} lines at once"));
            }
            if total > SLICE + AROUND {
                long.insert(command);
                if !crate::has_long_reply(&Message::parse(&line).unwrap()) {
                    wrong.push(format!(
                        "{line}: {total} lines, and the row does not say so"
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let expected = [
        "ACCESS",
        "CHATHISTORY",
        "LIST",
        "METADATA",
        "MODE",
        "PRIVMSG",
        "WHO",
        "WHOWAS",
        "ZNC",
    ];
    assert_eq!(
        long.into_iter().collect::<Vec<_>>(),
        expected,
        "the scene makes them long"
    );
}

/// The rows of the command table say what their commands reach, too: no event sends more lines than
/// a few for each member of a channel and each message that the command counts for.
#[test]
fn what_a_command_sends_to_everyone_is_paid_for_by_its_weight() {
    const LINES: usize = 5;
    let (own, _) = commands_by_name();
    let mut wrong = Vec::new();
    let (mut harness, mut alice) = reach_scene();
    let all = (0..SHARED)
        .map(|number| format!("#large{number}"))
        .collect::<Vec<_>>()
        .join(",");
    let params = PARAMS.iter().map(|params| (*params).to_owned());
    let reaching = [
        all.clone(),
        format!("{all} :text"),
        format!("{all} member1"),
        "#large0 member1,member2,member3,member4,member5".to_owned(),
        "#large0 #larger".to_owned(),
        "alicia".to_owned(),
        "#large0 +b-b+b-b+b-b+b-b a a b b c c d d".to_owned(),
        "* CLEAR".to_owned(),
        "* SET url :x".to_owned(),
        "#large0 SET url :x".to_owned(),
    ];
    let params: Vec<String> = params.chain(reaching).collect();
    for command in own {
        for params in &params {
            let state = &harness.chat.state;
            let is_intact = state
                .user_of(alice)
                .is_some_and(|user| state.user(user).channels().len() == SHARED)
                && state.channel(&"#large0".parse().unwrap()).is_some();
            if !is_intact {
                (harness, alice) = reach_scene();
            }
            let line = format!("{command} {params}");
            let weight = crate::weight(&Message::parse(&line).unwrap());
            harness.clear_received();
            harness.send(alice, &line);
            let lines = harness.received_in_total();
            let messages = weight.tenths() as usize * REACHED / 10;
            if lines > SLICE + AROUND + LINES * messages {
                wrong.push(format!("{line}: {lines} lines"));
            }
            harness.fetches.clear();
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The number of users that alice shares her channels with in [`reach_scene`].
const REACHED: usize = 24;
/// The number of channels.
const SHARED: usize = 5;

/// Returns a chat with alice and other users who are together in many channels, and are notified of
/// all that she does.
fn reach_scene() -> (Harness, SessionId) {
    let mut harness = Harness::with(Settings {
        slice_rows: SLICE,
        monitor_entries: 0,
        channels_per_user: 0,
        free_nicks: true,
        ..settings()
    });
    let capabilities = format!("{CAPABILITIES} away-notify extended-monitor");
    let alice = harness.user("alice", &capabilities);
    let mut members = vec![alice];
    for number in 0..REACHED {
        let member = harness.guest(
            &format!("member{number}"),
            "draft/metadata-3 away-notify setname",
        );
        harness.send(member, "METADATA * SUB url color k1 k2 k3 k4 k5 k6 k7 k8");
        harness.send(member, "METADATA * SUB k9 k10 k11 k12 k13 k14 k15 k16");
        harness.send(member, "MONITOR + alice,alicia");
        members.push(member);
    }
    for number in 0..SHARED {
        harness.channel(&format!("#large{number}"), &members);
    }
    for number in 1..17 {
        harness.send(alice, &format!("METADATA * SET k{number} :x"));
        harness.send(alice, &format!("METADATA #large0 SET k{number} :x"));
    }
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    (harness, alice)
}

#[test]
fn the_events_of_a_batch_send_one_slice_together() {
    let (mut harness, alice, bob) = small_scene("");
    harness.send_together(&[(alice, "WHO #x"), (bob, "WHO #x"), (bob, "PING x")]);
    assert_eq!(nicks(&harness.received(alice)).len(), 3);
    assert_eq!(commands(&harness.received(bob)), ["PONG"]);
    harness.send(bob, "NAMES #x");
    let last = rest(&mut harness, bob);
    assert_eq!(nicks(&last).len(), 8, "{last:#?}");
    let ends: Vec<String> = commands(&last)
        .into_iter()
        .filter(|code| !code.starts_with("35"))
        .collect();
    assert_eq!(ends, ["315", "366"]);
}

#[test]
fn conditions_and_comparisons_count_as_rows() {
    let (mut harness, alice) = scene();
    let masks = (0..100).map(|number| format!("*{number}*a"));
    let masks = masks.collect::<Vec<_>>().join(",");
    for (line, least) in [
        ("WHO *nobody*".to_owned(), MANY / SLICE * 2),
        (format!("LIST {}", &masks[..400]), MANY / 2),
    ] {
        let count = slices(&mut harness, alice, &line).len();
        assert!(count > least, "{count} slices: {line}");
    }
}

/// Returns a chat with small slices and a channel of alice, bob and six others.
fn small_scene(capabilities: &str) -> (Harness, SessionId, SessionId) {
    let mut harness = Harness::with(Settings {
        slice_rows: 3,
        ..settings()
    });
    let alice = harness.user("alice", capabilities);
    let bob = harness.user("bob", capabilities);
    let mut members = vec![alice, bob];
    members.extend((0..6).map(|number| harness.guest(&format!("member{number}"), "")));
    harness.channel("#x", &members);
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    harness.clear_received();
    (harness, alice, bob)
}

/// Returns the nicks in the replies to a `WHO`.
fn nicks(lines: &[String]) -> Vec<String> {
    let rows = lines.iter().map(|line| Message::parse(line).unwrap());
    let rows = rows.filter(|row| row.command == "352");
    rows.map(|row| row.params[5].clone()).collect()
}

/// Continues all replies. Returns what the session receives.
fn rest(harness: &mut Harness, session: SessionId) -> Vec<String> {
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    harness.received(session)
}

#[test]
fn sessions_take_turns_and_messages_pass_between_the_slices() {
    let (mut harness, alice, bob) = small_scene("");
    harness.send(alice, "WHO #x");
    harness.send(bob, "WHO #x");
    for session in [alice, bob] {
        let first = harness.received(session);
        assert_eq!(nicks(&first), ["alice", "bob", "member0"]);
    }
    harness.send(bob, "PRIVMSG alice :hi");
    assert_eq!(commands(&harness.received(alice)), ["PRIVMSG"]);
    // A turn is a row, too.
    harness.continue_replies();
    assert_eq!(nicks(&harness.received(alice)), ["member1", "member2"]);
    assert!(harness.received(bob).is_empty());
    harness.continue_replies();
    assert!(harness.received(alice).is_empty());
    assert_eq!(nicks(&harness.received(bob)), ["member1", "member2"]);
    let last = rest(&mut harness, alice);
    assert_eq!(commands(&last), ["352", "352", "352", "315"], "{last:#?}");
    assert_eq!(nicks(&last), ["member3", "member4", "member5"]);
}

#[test]
fn the_replies_to_one_session_are_sent_in_order() {
    let (mut harness, alice, _) = small_scene("");
    harness.send(alice, "WHO #x");
    harness.send(alice, "NAMES #x");
    harness.send(alice, "WHO bob");
    let all = commands(&rest(&mut harness, alice));
    let ends: Vec<&String> = all.iter().filter(|code| !code.starts_with("35")).collect();
    assert_eq!(ends, ["315", "366", "315"]);
    assert_eq!(all.iter().filter(|code| *code == "352").count(), 9);
}

#[test]
fn a_reply_has_what_is_there_and_visible_when_it_is_sent() {
    let (mut harness, alice, bob) = small_scene("");
    harness.send(bob, "WHO #x");
    let member = harness.chat.state.named("member3").unwrap().sessions()[0].id;
    harness.disconnect(member);
    harness.clear_received();
    harness.continue_replies();
    assert_eq!(nicks(&harness.received(bob)), ["member1", "member2"]);
    harness.send(alice, "MODE #x +s");
    harness.send(alice, "KICK #x bob");
    harness.clear_received();
    let last = rest(&mut harness, bob);
    assert_eq!(commands(&last), ["315"], "a secret channel: {last:#?}");
}

#[test]
fn a_long_reply_with_a_label_is_one_batch_and_its_ticket_is_answered_last() {
    let (mut harness, alice, _) = small_scene("labeled-response batch message-tags");
    let key = harness.awaited_command(alice, "@label=a WHO #x");
    let mut lines = harness.received(alice);
    while harness.chat.has_incomplete_replies() {
        assert!(harness.answer(key).is_none());
        harness.continue_replies();
        lines.extend(harness.received(alice));
    }
    assert!(harness.answer(key).is_some());
    let (open, lines) = lines.split_first().unwrap();
    let (close, lines) = lines.split_last().unwrap();
    assert!(open.starts_with("@label=a :irc.test BATCH +"), "{open}");
    let batch = open.split(['+', ' ']).nth(4).unwrap();
    assert!(open.ends_with(&format!("+{batch} labeled-response")));
    assert!(close.ends_with(&format!(" BATCH -{batch}")), "{close}");
    assert_eq!(lines.len(), 9);
    let is_inside = |line: &&String| line.starts_with(&format!("@batch={batch} "));
    assert!(lines.iter().all(|line| is_inside(&line)), "{lines:#?}");
}

#[test]
fn a_long_page_of_history_is_one_batch() {
    let (mut harness, alice, _) =
        small_scene("labeled-response batch message-tags draft/chathistory");
    for number in 0..7 {
        harness.send(alice, &format!("PRIVMSG #x :text {number}"));
    }
    let entries: Vec<HistoryEntry> = harness.entries.iter().rev().take(7).cloned().collect();
    for label in ["", "@label=a "] {
        harness.clear_received();
        harness.send(alice, &format!("{label}CHATHISTORY LATEST #x * 7"));
        harness.answer_fetch(HistoryResult::Page(entries.clone()));
        assert!(harness.chat.has_incomplete_replies());
        let lines = rest(&mut harness, alice);
        let around = if label.is_empty() { 1 } else { 2 };
        let mut expected = vec!["BATCH"; around];
        expected.extend(["PRIVMSG"; 7]);
        expected.extend(vec!["BATCH"; around]);
        assert_eq!(commands(&lines), expected, "{lines:#?}");
        let tag = lines[around].split(' ').next().unwrap();
        let inner = tag.split(';').next().unwrap();
        let is_inside = |line: &String| line.starts_with(inner);
        assert!(
            lines[around..around + 7].iter().all(is_inside),
            "{lines:#?}"
        );
    }
}

#[test]
fn a_reply_to_a_session_that_has_ended_is_dropped_and_its_ticket_answered() {
    for is_kicked in [false, true] {
        let (mut harness, alice, _) = small_scene("");
        let key = harness.awaited_command(alice, "WHO #x");
        assert!(harness.answer(key).is_none());
        if is_kicked {
            harness.act(kick("alice", "enough"));
        } else {
            harness.disconnect(alice);
        }
        harness.clear_received();
        assert!(rest(&mut harness, alice).is_empty());
        assert!(harness.answer(key).is_some());
    }
}

#[test]
fn slices_change_nothing_in_a_reply() {
    let replies = |slice_rows| {
        let (mut harness, alice, _) = small_scene(CAPABILITIES);
        harness.chat.settings.slice_rows = slice_rows;
        harness.send(alice, "METADATA * SUB url");
        for number in 0..5 {
            harness.send(alice, &format!("MODE #x +b *!*@{number}"));
            harness.send(alice, &format!("ACCESS #x ADD bob{number} op"));
        }
        for number in 0..6 {
            let nick = format!("member{number}");
            let member = harness.chat.state.named(&nick).unwrap().sessions()[0].id;
            harness.channel(&format!("#y{number}"), &[member]);
            harness.send(member, "METADATA * SET url :x");
        }
        rest(&mut harness, alice);
        let lines = [
            "WHO #x",
            "WHO #x %tn,5",
            "WHO *",
            "WHO member*",
            "WHO bob",
            "WHO nobody",
            "LIST",
            "LIST #y*",
            "NAMES nothing",
            "MODE #x b",
            "ACCESS #x",
            "METADATA #x SYNC",
            "METADATA * SUB url",
            "WHOWAS nobody",
        ];
        lines.map(|line| {
            let lines = harness.request(alice, line);
            // The names of batches are numbers.
            let lines = lines.iter().map(|line| line.replace(char::is_numeric, "0"));
            (line, lines.collect::<Vec<_>>())
        })
    };
    let whole = replies(crate::SLICE_ROWS);
    for slice_rows in 2..12 {
        assert_eq!(replies(slice_rows), whole, "{slice_rows}");
    }
}

#[test]
fn names_in_slices_are_the_same_names() {
    let (mut harness, alice, _) = small_scene("");
    harness.channel("#y", &[alice]);
    let received = harness.request(alice, "NAMES #x,#nothing,#y");
    let rows = received.iter().filter(|line| line.contains(" 353 "));
    let names: Vec<&str> = rows
        .flat_map(|line| line.rsplit_once(':').unwrap().1.split(' '))
        .collect();
    let expected = [
        "~alice", "bob", "member0", "member1", "member2", "member3", "member4", "member5", "~alice",
    ];
    assert_eq!(names, expected, "{received:#?}");
    assert_eq!(
        received.last().unwrap(),
        ":irc.test 366 alice #x,#nothing,#y :End of /NAMES list"
    );
}

#[test]
fn what_was_not_replayed_before_the_connection_ended_is_replayed_on_the_next() {
    let channels = ["#x", "#y", "#z"];
    let mut harness = Harness::with(Settings {
        lobby: channels.iter().map(|name| name.parse().unwrap()).collect(),
        replay_lines: 50,
        ..settings_with_lobby("#x")
    });
    let bob = harness.user("bob", "");
    let (alice, _) = connect(&mut harness, device("alice", 1), CAPS);
    harness.disconnect(alice);
    harness.advance(60);
    let mut said = Vec::new();
    for channel in channels {
        for number in 0..50 {
            said.push(format!("{channel}-{number}"));
            harness.send(bob, &format!("PRIVMSG {channel} :{channel}-{number}"));
        }
    }
    // The replay is too long for one slice.
    let (alice, first) = connect(&mut harness, device("alice", 1), CAPS);
    let first = texts(&first);
    assert!((1..said.len()).contains(&first.len()), "{}", first.len());
    harness.send(alice, "PONG x");
    harness.send(alice, "QUIT");
    let (alice, mut second) = connect(&mut harness, device("alice", 1), CAPS);
    while harness.chat.has_incomplete_replies() {
        harness.continue_replies();
    }
    second.extend(harness.received(alice));
    let mut received = first;
    received.extend(texts(&second));
    for text in &said {
        assert!(received.contains(&text.as_str()), "{text} of {received:?}");
    }
    // Now it has received everything.
    harness.send(alice, "PONG x");
    harness.disconnect(alice);
    let (_, third) = connect(&mut harness, device("alice", 1), CAPS);
    assert!(texts(&third).is_empty(), "{third:?}");
}
