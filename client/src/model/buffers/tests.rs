use jiff::SignedDuration;
use rookery_protocol::Message;

use super::super::{Highlight, LineId, Model};
use super::*;

/// Buffers and the model they follow.
struct Chat {
    model: Model,
    buffers: Buffers,
    now: Timestamp,
}

impl Chat {
    /// Someone called `me` in `#lobby` and `#ops`, looking at `#lobby`.
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
            .expect("the place is open")
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
fn places_are_the_server_then_channels_then_people() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG me :psst");
    chat.receive(":me!m@h PRIVMSG alice :psst");
    chat.receive(":me!m@h JOIN #aaa");
    assert_eq!(
        chat.names(),
        ["server", "#aaa", "#lobby", "#ops", "alice", "bob"]
    );
    assert_eq!(
        chat.buffers.current().conversation.name(),
        "#lobby",
        "what opens beside it events nothing"
    );
}

#[test]
fn what_nobody_looks_at_is_counted_until_it_is_looked_at() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG #lobby :in view");
    chat.receive(":bob!b@h PRIVMSG #ops :one");
    let call = chat.receive(":bob!b@h PRIVMSG #ops :me: two").unwrap();
    assert!(call.elsewhere && call.nick == "bob");
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
    chat.buffers.show_unread();
    assert_eq!(
        chat.buffers.current().conversation.name(),
        "#ops",
        "the first that calls"
    );
    chat.buffers.show_unread();
    assert_eq!(chat.buffers.current().conversation.name(), "bob");
    assert_eq!((chat.unread("#ops").0, chat.unread("bob").1), (0, 0));
}

#[test]
fn what_came_while_away_is_marked_until_one_leaves_again() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG #lobby :seen");
    chat.buffers.step(true);
    chat.buffers.step(false);
    assert_eq!(chat.buffer("#lobby").new_from(), None);
    chat.buffers.set_watched(false);
    chat.receive(":bob!b@h PRIVMSG #lobby :unseen");
    chat.receive(":bob!b@h PRIVMSG #lobby :unseen");
    assert_eq!(chat.unread("#lobby").0, 2);
    chat.buffers.set_watched(true);
    assert_eq!(
        (chat.unread("#lobby").0, chat.buffer("#lobby").new_from()),
        (0, Some(LineId(3)))
    );
    chat.receive(":bob!b@h PRIVMSG #lobby :seen");
    assert_eq!(chat.buffer("#lobby").new_from(), Some(LineId(3)));
    chat.buffers.step(true);
    assert_eq!(chat.buffer("#lobby").new_from(), None);
}

#[test]
fn comings_and_goings_fold_into_one_line() {
    let mut chat = Chat::new();
    chat.receive(":a!a@h JOIN #lobby");
    chat.receive(":b!b@h JOIN #lobby");
    chat.receive(":a!a@h QUIT :gone");
    chat.receive(":c!c@h PART #lobby");
    let Body::Membership(moves) = &chat.buffer("#lobby").lines().back().unwrap().body else {
        panic!()
    };
    let told: Vec<_> = moves.iter().map(|one| (&*one.nick, one.joined)).collect();
    assert_eq!(told, [("b", true), ("a", false), ("c", false)]);
    assert_eq!(
        chat.buffer("#lobby").lines().len(),
        2,
        "with our own joining"
    );
    chat.receive(":b!b@h PRIVMSG #lobby :hi");
    chat.receive(":d!d@h JOIN #lobby");
    assert_eq!(chat.buffer("#lobby").lines().len(), 4, "talk ends the fold");
}

#[test]
fn muted_places_count_and_call_nothing() {
    let mut chat = Chat::new();
    chat.buffers.mute(Conversation::named("#ops").unwrap());
    assert_eq!(chat.receive(":bob!b@h PRIVMSG #ops :me: hi"), None);
    assert_eq!(chat.unread("#ops").0, 0);
    assert_eq!(
        chat.buffer("#ops").lines().len(),
        2,
        "but it is written down"
    );
    chat.buffers.unmute(&Conversation::named("#ops").unwrap());
    assert!(chat.receive(":bob!b@h PRIVMSG #ops :me: hi").is_some());
}

#[test]
fn an_announcement_is_seen_wherever_one_looks() {
    let mut chat = Chat::new();
    chat.receive(":s.example NOTICE me :Welcome back, me.");
    let last = |chat: &Chat| chat.buffer("#lobby").lines().back().unwrap().body.clone();
    assert!(
        !matches!(last(&chat), Body::Said { .. }),
        "what each newcomer hears is none"
    );
    chat.buffers.catch_up(&chat.model);
    chat.receive(":s.example NOTICE me :restart in five minutes");
    for conversation in ["server", "#lobby"] {
        let last = &chat.buffer(conversation).lines().back().unwrap().body;
        assert!(
            matches!(last, Body::Said { nick, text, .. } if &**nick == "server" && &**text == "restart in five minutes"),
            "{conversation}"
        );
    }
}

#[test]
fn a_part_closes_the_place_and_a_kick_leaves_it_with_its_words() {
    let mut chat = Chat::new();
    chat.receive(":boss!b@h KICK #ops me :too loud");
    let words = "boss removed you from #ops (too loud); /join #ops to come back";
    assert_eq!(
        chat.buffer("#ops").lines().back().unwrap().body,
        Body::Refused(words.into())
    );
    chat.receive(":me!m@h PART #lobby");
    assert_eq!(chat.names(), ["server", "#ops"]);
    chat.buffers.close(&Conversation::Server);
    chat.buffers.close(&Conversation::named("#ops").unwrap());
    assert_eq!(chat.names(), ["server"], "that one stays");
}

#[test]
fn a_conversation_follows_a_new_nick() {
    let mut chat = Chat::new();
    chat.receive(":bob!b@h PRIVMSG me :hi");
    chat.receive(":zoe!z@h PRIVMSG me :hi");
    chat.buffers.show(3);
    assert_eq!(chat.buffers.current().conversation.name(), "bob");
    chat.receive(":bob!b@h NICK zz");
    assert_eq!(chat.names(), ["server", "#lobby", "#ops", "zoe", "zz"]);
    assert_eq!(chat.buffers.current().conversation.name(), "zz");
}

#[test]
fn the_longest_buffer_pays_for_all() {
    let mut chat = Chat::new();
    chat.buffers.max_lines = 100;
    for number in 0..110 {
        chat.receive(&format!(":bob!b@h PRIVMSG #lobby :{number}"));
    }
    let lobby = chat.buffer("#lobby");
    assert_eq!(lobby.index_of(LineId(0)), None, "the oldest is gone");
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
fn strangers_cannot_open_places_without_end() {
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
fn modes_of_every_day_are_told_in_words_and_others_as_they_are() {
    let mut chat = Chat::new();
    for (modes, words) in [
        ("+o bob", "boss made bob an operator"),
        ("+o me", "boss made you an operator"),
        ("-v bob", "boss took back the voice of bob"),
        ("+b eve!*@*", "boss shut eve out"),
        ("-b *!*@1.2.3.4", "boss let *!*@1.2.3.4 in again"),
        ("+i", "boss lets in only who is invited"),
        ("+im", "boss set mode +im"),
        ("+ov bob eve", "boss set mode +ov bob eve"),
        ("+o", "boss set mode +o"),
        ("+k sesame", "boss set mode +k sesame"),
    ] {
        chat.receive(&format!(":boss!b@h MODE #lobby {modes}"));
        assert_eq!(
            chat.buffer("#lobby").lines().back().unwrap().body,
            Body::Info(words.into()),
            "{modes}"
        );
    }
}
