use jiff::SignedDuration;
use rookery_protocol::Message;

use super::super::{Highlight, LineId, Model};
use super::*;

/// Buffers and the model that they follow.
struct Chat {
    model: Model,
    buffers: Buffers,
    now: Timestamp,
}

impl Chat {
    /// Creates a client with the nick `me` in `#lobby` and `#ops`; `#lobby` is current.
    fn new() -> Self {
        let mut chat = Self {
            model: Model::default(),
            buffers: Buffers::default(),
            now: Timestamp::UNIX_EPOCH,
        };
        chat.receive(":s 001 me :Welcome");
        chat.receive(":me!m@h JOIN #lobby");
        chat.receive(":me!m@h JOIN #ops");
        chat
    }

    fn receive(&mut self, line: &str) -> Option<Highlight> {
        let message = Message::parse(line).unwrap();
        self.now += SignedDuration::from_secs(1);
        let events = self.model.handle(&message, self.now);
        events
            .iter()
            .filter_map(|event| self.buffers.apply(event, &self.model))
            .last()
    }

    fn buffer(&self, name: &str) -> &Buffer {
        self.buffers
            .list
            .iter()
            .find(|buffer| buffer.conversation.name() == name)
            .expect("the conversation is open")
    }

    fn unread(&self, name: &str) -> (usize, usize) {
        self.buffers.unread(self.buffer(name))
    }

    fn names(&self) -> Vec<&str> {
        self.buffers
            .list()
            .iter()
            .map(|buffer| buffer.conversation.name())
            .collect()
    }
}

#[test]
fn conversations_are_listed_server_first_then_channels_then_people() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG me :psst");
    chat.receive(":me!m@h PRIVMSG alice :psst");
    chat.receive(":me!m@h JOIN #aaa");
    assert_eq!(
        chat.names(),
        ["*server*", "#aaa", "#lobby", "#ops", "alice", "bob"]
    );
    assert_eq!(
        chat.buffers.current().conversation.name(),
        "#lobby",
        "opening other conversations does not change the current one"
    );
}

#[test]
fn unread_messages_are_counted_until_their_conversation_is_current() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG #lobby :in view");
    chat.receive(":bob!b@h PRIVMSG #ops :one");
    let highlight = chat.receive(":bob!b@h PRIVMSG #ops :me: two").unwrap();
    assert!(highlight.elsewhere && highlight.nick == "bob");
    assert_eq!(
        chat.receive(":me!m@h PRIVMSG #ops :my own, from another device"),
        None
    );
    assert_eq!(
        (
            chat.unread("#lobby").0,
            chat.unread("#ops").0,
            chat.unread("#ops").1
        ),
        (0, 2, 1)
    );
    chat.receive(":bob!b@h PRIVMSG me :for you alone");
    assert_eq!((chat.unread("bob").0, chat.unread("bob").1), (1, 1));
    chat.buffers.switch_to_unread();
    assert_eq!(
        chat.buffers.current().conversation.name(),
        "#ops",
        "the first with a highlight"
    );
    chat.buffers.switch_to_unread();
    assert_eq!(chat.buffers.current().conversation.name(), "bob");
    assert_eq!((chat.unread("#ops").0, chat.unread("bob").1), (0, 0));
}

#[test]
fn new_messages_are_marked_until_the_next_switch() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG #lobby :seen");
    chat.buffers.switch_to_neighbour(true);
    chat.buffers.switch_to_neighbour(false);
    assert_eq!(chat.buffer("#lobby").first_new(), None);
    chat.buffers.set_watched(false);
    chat.receive(":bob!b@h PRIVMSG #lobby :unseen");
    chat.receive(":bob!b@h PRIVMSG #lobby :unseen");
    assert_eq!(chat.unread("#lobby").0, 2);
    chat.buffers.set_watched(true);
    assert_eq!(
        (chat.unread("#lobby").0, chat.buffer("#lobby").first_new()),
        (0, Some(LineId(3)))
    );
    chat.receive(":bob!b@h PRIVMSG #lobby :seen");
    assert_eq!(chat.buffer("#lobby").first_new(), Some(LineId(3)));
    chat.buffers.switch_to_neighbour(true);
    assert_eq!(chat.buffer("#lobby").first_new(), None);
}

#[test]
fn a_line_of_parts_holds_few_of_them_and_no_reason_that_is_not_shown() {
    let mut chat = Chat::new();
    for number in 0..41 {
        chat.receive(&format!(":n{number}!n@h PART #lobby :gone"));
    }
    let held: Vec<_> = chat
        .buffer("#lobby")
        .lines()
        .iter()
        .filter_map(|line| match &line.body {
            Body::Membership(changes) => Some((
                changes.len(),
                changes.iter().filter(|one| one.reason.is_some()).count(),
            )),
            _ => None,
        })
        .collect();
    assert_eq!(held, [(20, 0), (20, 0), (1, 1)]);
}

#[test]
fn joins_and_parts_are_combined_in_one_line() {
    let mut chat = Chat::new();
    chat.receive(":a!a@h JOIN #lobby");
    chat.receive(":b!b@h JOIN #lobby");
    chat.receive(":a!a@h QUIT :gone");
    chat.receive(":c!c@h PART #lobby");
    let Body::Membership(changes) = &chat.buffer("#lobby").lines().back().unwrap().body else {
        panic!()
    };
    let combined: Vec<_> = changes
        .iter()
        .map(|change| (&*change.nick, change.joined))
        .collect();
    assert_eq!(combined, [("b", true), ("a", false), ("c", false)]);
    assert_eq!(chat.buffer("#lobby").lines().len(), 2, "with our own join");
    chat.receive(":b!b@h PRIVMSG #lobby :hi");
    chat.receive(":d!d@h JOIN #lobby");
    assert_eq!(
        chat.buffer("#lobby").lines().len(),
        4,
        "after a message, a new line begins"
    );
}

#[test]
fn muted_conversations_have_no_counts_and_no_highlights() {
    let mut chat = Chat::new();
    chat.buffers.mute(Conversation::named("#ops").unwrap());
    assert_eq!(chat.receive(":bob!b@h PRIVMSG #ops :me: hi"), None);
    assert_eq!(chat.unread("#ops").0, 0);
    assert_eq!(chat.buffer("#ops").lines().len(), 2, "the message is there");
    chat.buffers.unmute(&Conversation::named("#ops").unwrap());
    assert!(chat.receive(":bob!b@h PRIVMSG #ops :me: hi").is_some());
}

#[test]
fn an_announcement_is_shown_in_the_current_conversation_too() {
    let mut chat = Chat::new();
    chat.receive(":s.example NOTICE me :Welcome back, me.");
    let last = |chat: &Chat| chat.buffer("#lobby").lines().back().unwrap().body.clone();
    assert!(
        !matches!(last(&chat), Body::Message { .. }),
        "the greeting is no announcement"
    );
    chat.buffers.catch_up(&chat.model);
    chat.receive(":s.example NOTICE me :restart in five minutes");
    for conversation in ["*server*", "#lobby"] {
        let last = &chat.buffer(conversation).lines().back().unwrap().body;
        assert!(
            matches!(last, Body::Message { nick, text, .. } if &**nick == "*server*" && &**text == "restart in five minutes"),
            "{conversation}"
        );
    }
}

#[test]
fn a_conversation_is_closed_by_a_part_unless_it_is_in_view_and_a_kick_leaves_it_open() {
    let mut chat = Chat::new();
    chat.receive(":boss!b@h KICK #ops me :too loud");
    let text = "boss kicked you from #ops (“too loud”); /join #ops to rejoin";
    assert_eq!(
        chat.buffer("#ops").lines().back().unwrap().body,
        Body::Refused(text.into())
    );
    chat.receive(":me!m@h PART #lobby");
    assert_eq!(chat.names(), ["*server*", "#lobby", "#ops"]);
    chat.buffers.switch_to(0);
    chat.receive(":me!m@h JOIN #lobby");
    chat.receive(":me!m@h PART #lobby");
    assert_eq!(chat.names(), ["*server*", "#ops"]);
    chat.buffers.close(&Conversation::Server);
    chat.buffers.close(&Conversation::named("#ops").unwrap());
    assert_eq!(chat.names(), ["*server*"], "the server's cannot be closed");
}

#[test]
fn a_private_conversation_is_renamed_with_a_nick_change() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG me :hi");
    chat.receive(":zoe!z@h PRIVMSG me :hi");
    chat.buffers.switch_to(3);
    assert_eq!(chat.buffers.current().conversation.name(), "bob");
    chat.buffers.mute(Conversation::person("bob").unwrap());
    chat.receive(":bob!b@h NICK zz");
    assert!(chat.buffers.is_muted(&Conversation::person("zz").unwrap()));
    assert_eq!(chat.names(), ["*server*", "#lobby", "#ops", "zoe", "zz"]);
    assert_eq!(chat.buffers.current().conversation.name(), "zz");
}

#[test]
fn the_longest_buffer_is_shortened_first() {
    let mut chat = Chat::new();
    chat.buffers.max_lines = 100;
    for number in 0..110 {
        chat.receive(&format!(":bob!b@h PRIVMSG #lobby :{number}"));
    }
    let lobby = chat.buffer("#lobby");
    assert_eq!(
        lobby.index_of(LineId(1)),
        None,
        "the oldest line was dropped"
    );
    chat.receive(":bob!b@h PRIVMSG #ops :hi");
    assert_eq!(chat.buffer("#ops").lines().len(), 2);
    assert_eq!(
        chat.buffers
            .list()
            .iter()
            .map(|buffer| buffer.lines().len())
            .sum::<usize>(),
        99
    );
}

#[test]
fn the_number_of_conversations_is_limited() {
    let mut chat = Chat::new();
    for number in 0..MAX_BUFFERS + 10 {
        chat.receive(&format!(":n{number}!b@h PRIVMSG me :hi"));
    }
    assert_eq!(chat.buffers.list().len(), MAX_BUFFERS);
    assert_eq!(chat.buffers.current().conversation.name(), "#lobby");
    let last = format!("n{}", MAX_BUFFERS + 9);
    assert!(chat.names().contains(&last.as_str()), "the newest is there");
}

#[test]
fn an_unread_conversation_is_closed_only_if_all_are_unread() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG me :please read this");
    for number in 0..MAX_BUFFERS {
        let nick = format!("n{number}");
        chat.receive(&format!(":{nick}!b@h PRIVMSG me :hi"));
        for name in [nick.as_str(), "#lobby"] {
            let conversation = Conversation::named(name).unwrap();
            chat.buffers.open(conversation, &chat.model);
        }
    }
    assert_eq!(chat.buffers.list().len(), MAX_BUFFERS);
    assert_eq!(chat.unread("bob"), (1, 1));
}

#[test]
fn common_modes_are_described_and_others_are_shown_unchanged() {
    let mut chat = Chat::new();
    for (modes, text) in [
        ("+o bob", "boss made bob an operator"),
        ("+o me", "boss made you an operator"),
        ("-v bob", "boss removed the voice of bob"),
        ("+b eve!*@*", "boss banned eve"),
        ("-b *!*@1.2.3.4", "boss unbanned *!*@1.2.3.4"),
        ("+i", "boss made the channel invite-only"),
        ("+im", "boss set mode +im"),
        ("+ov bob eve", "boss set mode +ov bob eve"),
        ("+o", "boss set mode +o"),
        ("+k sesame", "boss set mode +k sesame"),
    ] {
        chat.receive(&format!(":boss!b@h MODE #lobby {modes}"));
        assert_eq!(
            chat.buffer("#lobby").lines().back().unwrap().body,
            Body::Info(text.into()),
            "{modes}"
        );
    }
}

#[test]
fn invitations_are_messages_from_the_server_of_which_one_person_gets_few() {
    let invitations = |chat: &Chat| {
        let lines = chat.buffer("*server*").lines().iter();
        let texts = lines.filter_map(|line| match &line.body {
            Body::Info(text) if text.contains("invited") => Some(text.to_string()),
            _ => None,
        });
        texts.collect::<Vec<_>>()
    };
    let mut chat = Chat::new();
    let shown = chat.buffer("#lobby").lines().len();
    for _ in 0..20 {
        chat.receive(":bob!b@h INVITE me #nest");
    }
    chat.receive(":carol!c@h INVITE me #nest");
    assert_eq!(chat.buffer("#lobby").lines().len(), shown);
    assert_eq!(chat.unread("*server*"), (2, 0));
    let nest = [
        "bob invited you: /join #nest",
        "carol invited you: /join #nest",
    ];
    assert_eq!(invitations(&chat), nest);
    let server = chat.buffer("*server*");
    let first_new = server.first_new().and_then(|line| server.index_of(line));
    let first = first_new.map(|index| &server.lines()[index].body);
    assert_eq!(first, Some(&Body::Info(nest[0].into())), "it is marked");

    chat.buffers.switch_to(0);
    chat.buffers.switch_to(1);
    chat.receive(":bob!b@h INVITE me #nest");
    assert_eq!(chat.unread("*server*"), (1, 0), "it is a new one");
    for number in 0..20 {
        chat.receive(&format!(":bob!b@h INVITE me #n{number}"));
    }
    let last = [17, 18, 19].map(|number| format!("bob invited you: /join #n{number}"));
    assert_eq!(invitations(&chat)[1..], last);
    assert_eq!(invitations(&chat)[0], nest[1]);

    // Those of others concern the channel.
    chat.receive(":bob!b@h INVITE dave #ops");
    let last = chat.buffer("#ops").lines().back().unwrap();
    assert_eq!(last.body, Body::Info("bob invited dave to #ops".into()));
}
