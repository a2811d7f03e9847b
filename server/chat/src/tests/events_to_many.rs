//! Events that reach many sessions: apart from adding a line to each send queue, their cost does
//! not grow with the number of members.

use rookery_protocol::Message;

use super::harness::*;
use crate::event::{Output, SessionId, Settings};
use crate::state::LOOKUPS;

const CAPABILITIES: &str = "away-notify setname account-tag message-tags server-time extended-join \
                            invite-notify";

/// Returns, for each event, the number of its outputs, of the users that were looked up, and of the
/// sessions that are sent something.
fn costs(members: usize) -> Vec<(&'static str, usize, usize, usize)> {
    let mut costs = Vec::new();
    for line in [
        "AWAY :gone",
        "NICK other",
        "SETNAME :Other Name",
        "PRIVMSG #x :text",
        "@+typing=active TAGMSG #x",
        "TOPIC #x :topic",
        "MODE #x +m",
        "KICK #x member0",
        "PART #x",
        "QUIT",
    ] {
        let mut harness = Harness::new();
        let alice = harness.guest("alice", CAPABILITIES);
        let mut sessions = vec![alice];
        for number in 0..members {
            let capabilities = if number % 2 == 0 { CAPABILITIES } else { "" };
            sessions.push(harness.guest(&format!("member{number}"), capabilities));
        }
        for channel in ["#x", "#y", "#z"] {
            harness.channel(channel, &sessions);
        }
        while harness.chat.has_incomplete_replies() {
            harness.continue_replies();
        }
        LOOKUPS.set(0);
        let outputs = harness.outputs_of(alice, line);
        let lookups = LOOKUPS.get();
        costs.push((line, outputs.len(), lookups, receivers(&outputs)));
    }
    costs
}

#[test]
fn an_event_to_many_looks_up_nobody_and_is_rendered_once_for_each_set_of_capabilities() {
    let (few, many) = (costs(10), costs(40));
    for ((line, outputs, lookups, receivers), more) in few.into_iter().zip(many) {
        assert_eq!((line, outputs, lookups), (line, more.1, more.2));
        assert!(more.3 >= receivers + 15, "{line}: {}", more.3);
    }
}

/// Returns the number of sessions that the outputs are delivered to.
fn receivers(outputs: &[Output]) -> usize {
    let receivers = outputs.iter().map(|output| match output {
        Output::Deliver(delivery) => delivery.to.len(),
        Output::Store { deliveries, .. } => {
            deliveries.iter().map(|delivery| delivery.to.len()).sum()
        }
        _ => 0,
    });
    receivers.sum()
}

/// The weight of an event to followers is a constant, however many they are. It is enough, because
/// each of them is sent the event once: at most as much as by one message to everyone, for which
/// the event pays several times.
#[test]
fn events_of_a_hundred_users_to_their_followers_reach_fewer_than_the_messages_that_they_count_for()
{
    const SENDERS: usize = 100;
    let mut harness = Harness::with(Settings {
        free_nicks: true,
        channels_per_user: 0,
        ..settings()
    });
    let user = |number| harness.guest(&format!("user{number}"), CAPABILITIES);
    let everyone: Vec<SessionId> = (0..3 * SENDERS).map(user).collect();
    harness.channel("#everyone", &everyone);
    // The senders share further channels with everyone, and others with few.
    for (number, some) in [&everyone[..], &everyone[..], &everyone[..SENDERS]]
        .into_iter()
        .chain(everyone.chunks(SENDERS))
        .enumerate()
    {
        let some: Vec<SessionId> = everyone[..SENDERS].iter().chain(some).copied().collect();
        harness.channel(&format!("#x{number}"), &some);
    }
    let mut reached_by = |line: &str| -> usize {
        let numbered = (0..SENDERS).map(|number| line.replace("{}", &number.to_string()));
        let sent = everyone.iter().zip(numbered);
        sent.map(|(sender, line)| receivers(&harness.outputs_of(*sender, &line)))
            .sum()
    };
    let message = "PRIVMSG #everyone :text";
    let by_messages = reached_by(message);
    assert_eq!(by_messages, SENDERS * (3 * SENDERS - 1));
    let weight = |line: &str| crate::weight(&Message::parse(line).unwrap()).tenths() as usize;
    for line in ["AWAY :gone", "AWAY", "NICK other{}", "SETNAME :Other Name"] {
        let paid = by_messages * weight(line) / weight(message);
        let reached = reached_by(line);
        assert!(reached >= by_messages, "{line}: it reaches everyone");
        assert!(reached * 3 <= paid, "{line}: {reached} of {paid}");
    }
}

#[test]
fn a_session_that_shares_several_channels_is_sent_an_event_once() {
    let mut harness = Harness::new();
    let [a, b] = ["alice", "bob"].map(|nick| harness.guest(nick, CAPABILITIES));
    for channel in ["#x", "#y", "#z"] {
        harness.channel(channel, &[a, b]);
    }
    for line in ["AWAY :gone", "SETNAME :Other Name", "NICK carol", "QUIT"] {
        harness.clear_received();
        harness.send(a, line);
        assert_eq!(harness.received(b).len(), 1, "{line}");
    }
}

#[test]
fn the_receivers_of_a_channel_are_its_members_sessions_with_their_present_capabilities() {
    let mut harness = Harness::new();
    let a = harness.user("alice", "");
    let phone = harness.user("bob", "");
    harness.channel("#x", &[a, phone]);
    let laptop = harness.user("bob", "away-notify");
    let is_notified = |harness: &mut Harness, session| {
        harness.clear_received();
        harness.send(a, "AWAY :gone");
        harness.send(a, "AWAY");
        harness.received(session).len() == 2
    };
    assert!(!is_notified(&mut harness, phone));
    assert!(is_notified(&mut harness, laptop));
    harness.send(phone, "CAP REQ away-notify");
    harness.send(laptop, "CAP REQ -away-notify");
    assert!(is_notified(&mut harness, phone));
    assert!(!is_notified(&mut harness, laptop));
    harness.disconnect(phone);
    harness.send(laptop, "CAP REQ away-notify");
    assert!(is_notified(&mut harness, laptop));
    harness.send(laptop, "PART #x");
    assert!(!is_notified(&mut harness, laptop));
}
