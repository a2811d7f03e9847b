//! Requests of the control plane other than kicks and bans.

use jiff::SignedDuration;
use rookery_record::CredentialId;

use super::harness::*;
use crate::event::{Event, Identity, Revoked, SessionId, SignedInWith};
use crate::request::{
    Admission, Announce, Announced, Audience, ClosedChannel, Ended, FindChannel, FindUser,
    ListChannels, ListUsers, SetMaintenance,
};

#[test]
fn operators_list_the_connected_users() {
    let mut harness = Harness::new();
    let zoe = harness.user("zoe", "");
    harness.advance(5);
    let ann = harness.guest("ann", "");
    harness.channel("#x,#a", &[zoe]);
    harness.advance(5);
    harness.send(ann, "PING x");
    harness.send(zoe, "PRIVMSG ann :hi");
    let users = harness.reply_to(ListUsers);
    let [first, second] = users.as_slice() else {
        panic!()
    };
    assert_eq!(
        (first.nick.as_str(), second.nick.as_str()),
        ("ann", "zoe"),
        "sorted by nick"
    );
    assert!(first.identity.is_none());
    assert_eq!(
        second.identity.as_ref().unwrap().email,
        "zoe@example.org".parse().ok()
    );
    let channels: Vec<&str> = second
        .channels
        .iter()
        .map(rookery_protocol::ChannelName::as_str)
        .collect();
    assert_eq!(channels, ["#x", "#a"]);
    assert_eq!(
        (second.since, second.active_at),
        (START, START + SignedDuration::from_secs(10))
    );
    assert_eq!(
        first.active_at,
        START + SignedDuration::from_secs(5),
        "a PING is not activity"
    );
    assert_eq!(second.sessions[0].address.to_string(), "192.0.2.1:50000");
    assert_eq!(second.sessions[0].tls, "TLSv1.3");

    assert!(harness.reply_to(FindUser(nick("ZOE"))).is_some());
    assert!(harness.reply_to(FindUser(nick("nobody"))).is_none());
}

#[test]
fn maintenance_refuses_new_sessions_and_leaves_admitted_ones() {
    let mut harness = Harness::new();
    let alice = harness.user("alice", "");
    let guest = harness.guest("gast", "");
    harness.act(SetMaintenance(Some("upgrade".into())));
    assert_eq!(harness.policy.maintenance.as_deref(), Some("upgrade"));
    for identity in [None, Some(identity("bob")), Some(identity("alice"))] {
        let Admission::Closed { reason } =
            harness.try_admit(Harness::candidate("bob", identity, "")).1
        else {
            panic!("admitted")
        };
        assert_eq!(reason, "upgrade");
    }
    assert!(!harness.request(alice, "PING x").is_empty());
    assert!(
        matches!(
            harness.sign_in(guest, identity("gast")),
            Admission::Admitted
        ),
        "it is admitted already"
    );
    let counts = harness.counts();
    assert_eq!((counts.maintenance, counts.users), (true, 2));
    harness.act(SetMaintenance(None));
    assert!(harness.policy.maintenance.is_none());
    harness.user("bob", "");
}

#[test]
fn an_ended_account_is_admitted_only_after_it_has_authenticated_again() {
    let mut harness = Harness::new();
    let sessions = [harness.user("alice", ""), harness.user("alice", "")];
    let bob = harness.user("bob", "");
    let authenticated_before = Harness::candidate("alice", Some(identity("alice")), "");
    harness.advance(1);
    let ticket = harness.act(end_account("alice", "Disabled"));
    assert_eq!(
        harness.ended,
        sessions.map(|session| (session, "ERROR :Disabled".to_owned()))
    );
    for session in sessions {
        assert!(harness.answer(ticket).is_none());
        harness.disconnect(session);
    }
    assert!(matches!(
        harness.answer(ticket),
        Some(Ended { sessions: 2, .. })
    ));
    assert!(
        !harness.request(bob, "PING x").is_empty(),
        "no one else is affected"
    );

    let Admission::Stale { reason } = harness.try_admit(authenticated_before).1 else {
        panic!("it authenticated before the account was ended")
    };
    // The account may have been enabled again.
    assert_eq!(reason, "Your sign-in is no longer valid; sign in again");
    let guest = harness.guest("gast", "");
    assert!(matches!(
        harness.sign_in(guest, identity("alice")),
        Admission::Stale { .. }
    ));
    harness.advance(1);
    let signed_in_again = Identity {
        authenticated_at: harness.now,
        ..identity("alice")
    };
    assert!(matches!(
        harness
            .try_admit(Harness::candidate("alice", Some(signed_in_again), ""))
            .1,
        Admission::Admitted
    ));
}

#[test]
fn the_sessions_of_a_revoked_credential_end_and_the_others_of_the_account_stay() {
    let mut harness = Harness::new();
    let device = |number: i64| Identity {
        signed_in_with: SignedInWith::Credential(CredentialId(number)),
        ..identity("alice")
    };
    let connect = |harness: &mut Harness, number| {
        let candidate = Harness::candidate("alice", Some(device(number)), "");
        harness.admit(candidate).0
    };
    let phones = [connect(&mut harness, 1), connect(&mut harness, 1)];
    let (desktop, other) = (connect(&mut harness, 2), harness.user("alice", ""));
    // A guest who signs in has the credential from then on.
    let guest = harness.guest("gast", "");
    harness.sign_in(guest, device(1));
    let bob = harness.user("bob", "");
    harness.channel("#X", &[desktop, bob]);
    let in_handshake = Harness::candidate("alice", Some(device(1)), "");
    harness.advance(1);
    harness.event(Event::AccessRevoked {
        revoked: Revoked::Credential(CredentialId(1)),
        by: None,
    });
    assert_eq!(harness.ended_sessions(), [phones[0], phones[1], guest]);
    assert!(harness.received(bob).is_empty(), "alice is still here");
    for session in [desktop, other] {
        assert!(!harness.request(session, "PING x").is_empty());
    }
    let Admission::Stale { reason } = harness.try_admit(in_handshake).1 else {
        panic!("it authenticated before the credential was revoked")
    };
    assert!(reason.contains("revoked"), "{reason}");
}

#[test]
fn a_changed_password_ends_the_other_sessions_that_signed_in_with_the_old_one() {
    let mut harness = Harness::new();
    let device = Identity {
        signed_in_with: SignedInWith::Credential(CredentialId(1)),
        ..identity("alice")
    };
    let changing = harness.user("alice", "");
    let other = harness.user("alice", "");
    let phone = harness
        .admit(Harness::candidate("alice", Some(device), ""))
        .0;
    let bob = harness.user("bob", "");
    let in_handshake = Harness::candidate("alice", Some(identity("alice")), "");
    harness.advance(1);
    harness.event(Event::AccessRevoked {
        revoked: Revoked::Password(identity("alice").id),
        by: Some(changing),
    });
    assert_eq!(harness.ended_sessions(), [other]);
    for session in [changing, phone, bob] {
        assert!(!harness.request(session, "PING x").is_empty());
    }
    let Admission::Stale { reason } = harness.try_admit(in_handshake).1 else {
        panic!("it proved the old password")
    };
    assert!(reason.contains("password"), "{reason}");
    harness.advance(1);
    let in_handshake = Identity {
        signed_in_with: SignedInWith::Credential(CredentialId(1)),
        authenticated_at: harness.now,
        ..identity("alice")
    };
    let in_handshake = Harness::candidate("alice", Some(in_handshake), "");
    harness.advance(1);
    let moved = Identity {
        email: rookery_protocol::Email::parse("new@example.org").ok(),
        ..identity("alice")
    };
    harness.sign_in(changing, moved);
    assert_eq!(harness.ended_sessions(), [other, phone], "the old email");
    let (SessionId(last), answer) = harness.try_admit(in_handshake);
    let Admission::Stale { reason } = answer else {
        panic!("it signed in while the account had the old email")
    };
    assert!(reason.contains("email"), "{reason}");
    // The session that made the change can make another.
    let again = Identity {
        email: rookery_protocol::Email::parse("newer@example.org").ok(),
        ..identity("alice")
    };
    let admission = harness.sign_in(changing, again);
    assert!(matches!(admission, Admission::Admitted), "{admission:?}");
    // So can one that is not admitted yet, and it is admitted then.
    for (next, revoked) in (last + 1..).zip([Revoked::Email, Revoked::Password]) {
        harness.advance(1);
        let in_handshake = Identity {
            authenticated_at: harness.now,
            ..identity("alice")
        };
        harness.advance(1);
        harness.event(Event::AccessRevoked {
            revoked: revoked(in_handshake.id),
            by: Some(SessionId(next)),
        });
        let candidate = Harness::candidate("alice", Some(in_handshake), "");
        let (session, admission) = harness.try_admit(candidate);
        assert_eq!(session, SessionId(next));
        assert!(matches!(admission, Admission::Admitted), "{admission:?}");
        harness.disconnect(session);
    }
}

#[test]
fn closing_a_channel_removes_it_and_notifies_each_member_once() {
    let mut harness = Harness::new();
    let (first, second, bob) = (
        harness.user("alice", ""),
        harness.user("alice", ""),
        harness.user("bob", ""),
    );
    let outside = harness.user("carol", "");
    harness.channel("#X", &[first, bob]);
    harness.send(first, "TOPIC #x :Old");
    harness.send(first, "MODE #x +v bob");
    harness.clear_received();
    let channel = harness
        .reply_to(FindChannel("#x".parse().unwrap()))
        .unwrap();
    assert_eq!(
        (channel.topic.as_deref(), channel.modes.as_str()),
        (Some("Old"), "nt")
    );
    let members: Vec<_> = channel
        .members
        .iter()
        .map(|member| (member.operator, member.voice))
        .collect();
    assert_eq!(members, [(true, false), (false, true)]);

    let ClosedChannel { members } = harness.reply_to(close_channel("#x", "off topic"));
    assert_eq!(members, [nick("alice"), nick("bob")]);
    for (session, name) in [(first, "alice"), (second, "alice"), (bob, "bob")] {
        assert_eq!(
            harness.received(session),
            [format!(":irc.test KICK #X {name} :Closed: off topic")]
        );
    }
    assert!(harness.received(outside).is_empty());
    assert!(harness.ended.is_empty(), "no session ends");
    assert!(harness.reply_to(ListChannels).is_empty());
    assert_eq!(
        harness.request(bob, "PRIVMSG #x :hi").len(),
        1,
        "there is no such channel"
    );
    harness.send(bob, "JOIN #x");
    assert!(
        !harness.request(bob, "TOPIC #x").concat().contains("Old"),
        "it is a new channel"
    );
    let ClosedChannel { members } = harness.reply_to(close_channel("#none", ""));
    assert!(members.is_empty());
}

#[test]
fn an_announcement_reaches_only_its_audience() {
    let mut harness = Harness::new();
    let (first, second) = (
        harness.user("alice", ""),
        harness.user("alice", "server-time"),
    );
    let (bob, gast) = (harness.user("bob", ""), harness.guest("gast", ""));
    harness.channel("#X", &[bob, gast]);
    let mut announce = |to: Audience| {
        let text = "tea\r\ntime".to_owned();
        let answer = harness.reply_to(Announce { to, text });
        let received = [first, second, bob, gast].map(|session| harness.received(session));
        (answer, received)
    };
    let (answer, received) = announce(Audience::All);
    assert!(matches!(answer, Announced::Sent { sessions: 4 }));
    assert_eq!(received[0], [":irc.test NOTICE alice :tea  time"]);
    assert!(
        received[1][0].starts_with("@time=") && received[1].len() == 1,
        "{received:?}"
    );
    assert_eq!((received[2].len(), received[3].len()), (1, 1));

    let (answer, received) = announce(Audience::Channel("#x".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(
        received.map(|lines| lines.concat()),
        [
            "",
            "",
            ":irc.test NOTICE #X :tea  time",
            ":irc.test NOTICE #X :tea  time"
        ]
    );

    let (answer, received) = announce(Audience::Account("ALICE".parse().unwrap()));
    assert!(matches!(answer, Announced::Sent { sessions: 2 }));
    assert_eq!(received.map(|lines| lines.len()), [1, 1, 0, 0]);
    for no_recipient in [
        Audience::Channel("#none".parse().unwrap()),
        Audience::Account("gast".parse().unwrap()),
    ] {
        let (answer, received) = announce(no_recipient);
        assert!(matches!(answer, Announced::NoRecipient) && received.concat().is_empty());
    }
}
