//! What changes are written down where, in which words, and whom they call.

use jiff::Timestamp;

use super::{Body, Buffers, Change, Manner, Model, Move, Place, What};

/// Something that calls for attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Where.
    pub place: Place,
    /// Who calls.
    pub nick: String,
    /// What was said.
    pub text: String,
    /// It is not in view: the place is another one.
    pub elsewhere: bool,
}

impl Buffers {
    /// Writes a change where it belongs. `model` has taken it already.
    pub fn take(&mut self, change: &Change, model: &Model) -> Option<Call> {
        let at = change.at;
        let who = |nick: &str| if model.is_me(nick) { "you".to_owned() } else { nick.to_owned() };
        let because =
            |reason: &Option<String>| reason.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        let info = |words: String| Body::Info(words.into());
        match &change.what {
            What::Said { channel, nick, manner, text } => {
                let mine = model.is_me(nick);
                let called = !mine && *manner != Manner::Notice && model.is_called(text);
                return self.say(Place::channel(channel)?, at, nick, *manner, text, called, mine);
            }
            What::Heard { from, manner, text } => {
                let place = Place::person(from).unwrap_or(Place::Server);
                return self.say(place, at, from, *manner, text, *manner != Manner::Notice, false);
            }
            What::Whispered { to, manner, text } => {
                let place = Place::person(to).unwrap_or(Place::Server);
                return self.say(place, at, model.nick(), *manner, text, false, true);
            }
            What::Notice { from, text } => {
                // An announcement is for everyone, wherever they look.
                let body = Body::Said {
                    nick: from.as_str().into(),
                    manner: Manner::Notice,
                    text: text.as_str().into(),
                    called: true,
                };
                if self.current != 0 {
                    self.push(0, at, body.clone());
                }
                self.push(self.current, at, body);
            }
            What::Joined { channel, nick } if model.is_me(nick) => {
                let place = Place::channel(channel)?;
                let wanted = model.current().is_some_and(|current| Place::Channel(current.clone()) == place);
                // After a reconnection the person stays where they were.
                let is_new = !self.list.iter().any(|buffer| buffer.place == place);
                let index = self.at(place);
                self.push(index, at, info(format!("you joined {channel}")));
                if wanted && is_new {
                    self.show(index);
                }
            }
            What::Joined { channel, nick } => self.fold(&Place::channel(channel)?, at, nick, true, None),
            What::Parted { channel, nick, .. } if model.is_me(nick) => {
                self.close(&Place::channel(channel)?);
            }
            What::Parted { channel, nick, reason } => {
                self.fold(&Place::channel(channel)?, at, nick, false, reason.as_deref());
            }
            What::Left { nick, reason, channels } => {
                for channel in channels {
                    self.fold(&Place::Channel(channel.clone()), at, nick, false, reason.as_deref());
                }
                self.fold(&Place::person(nick)?, at, nick, false, reason.as_deref());
            }
            What::Removed { channel, nick, by, reason } => {
                let words = format!("{} removed {} from {channel}{}", who(by), who(nick), because(reason));
                let index = self.at(Place::channel(channel)?);
                let body =
                    if model.is_me(nick) { Body::Refused(words.into()) } else { Body::Info(words.into()) };
                self.push(index, at, body);
            }
            What::Renamed { old, new, channels } => {
                let words = if model.is_me(new) {
                    format!("you are now {new} (were {old})")
                } else {
                    format!("{old} is now {new}")
                };
                for channel in channels {
                    self.push_if_open(&Place::Channel(channel.clone()), at, info(words.clone()));
                }
                self.follow_nick(old, new);
                self.push_if_open(&Place::person(new)?, at, info(words));
            }
            What::Topic { channel, by: None, text } => {
                self.push_if_open(&Place::channel(channel)?, at, info(format!("the topic is: {text}")));
            }
            What::Topic { channel, by: Some(nick), text } => {
                let words = if text.is_empty() {
                    format!("{} took away the topic", who(nick))
                } else {
                    format!("{} set the topic: {text}", who(nick))
                };
                self.push_if_open(&Place::channel(channel)?, at, info(words));
            }
            What::Mode { channel, by, modes } => {
                let words = format!("{} set mode {modes}", who(by));
                match Place::channel(channel) {
                    Some(place) => self.push_if_open(&place, at, info(words)),
                    None => self.push(0, at, info(words)),
                }
            }
            What::Invited { channel, by, nick } if model.is_me(nick) => {
                self.push(self.current, at, info(format!("{by} invites you to {channel}: /join {channel}")));
            }
            What::Invited { channel, by, nick } => {
                self.push(self.current, at, info(format!("{} invited {nick} to {channel}", who(by))));
            }
            // Who is there is shown beside the conversation; the command /names has its own answer.
            What::Members { .. } => {}
            What::Info(words) => self.tell(at, words),
            What::Refused(words) => self.refuse(at, words),
        }
        None
    }

    #[allow(clippy::too_many_arguments, reason = "the parts of one line")]
    fn say(
        &mut self,
        place: Place,
        at: Timestamp,
        nick: &str,
        manner: Manner,
        text: &str,
        called: bool,
        mine: bool,
    ) -> Option<Call> {
        let index = self.at(place.clone());
        let body = Body::Said { nick: nick.into(), manner, text: text.into(), called };
        self.push(index, at, body);
        let in_view = index == self.current;
        if mine {
            return None;
        }
        if self.is_muted(&place) {
            return None;
        }
        if !self.is_seen(index) {
            let buffer = &mut self.list[index];
            buffer.unread += 1;
            buffer.calls += usize::from(called);
        }
        called.then(|| Call { place, nick: nick.to_owned(), text: text.to_owned(), elsewhere: !in_view })
    }

    /// Adds to the line of comings and goings, or begins one.
    fn fold(&mut self, place: &Place, at: Timestamp, nick: &str, came: bool, reason: Option<&str>) {
        let Some(index) = self.position(place) else { return };
        // What came while nobody looked is not added to what was seen.
        let begins_new = !self.is_seen(index) && self.list[index].new_from.is_none();
        let moved = Move { nick: nick.into(), came, reason: reason.map(Into::into) };
        let folded = if begins_new { Err(moved) } else { self.list[index].fold(at, moved) };
        if let Err(moved) = folded {
            self.push(index, at, Body::Moves(vec![moved]));
        }
    }

    fn push_if_open(&mut self, place: &Place, at: Timestamp, body: Body) {
        if let Some(index) = self.position(place) {
            self.push(index, at, body);
        }
    }
}
