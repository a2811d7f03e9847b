//! What changes are written down where, in which words, and whom they call.

use jiff::{SignedDuration, Timestamp};

use super::history::said;
use super::{Body, Buffers, Change, Filling, LineId, Manner, Model, Move, Place, What};

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
        let who = |nick: &str| {
            if model.is_me(nick) {
                "you".to_owned()
            } else {
                nick.to_owned()
            }
        };
        let because = |reason: &Option<String>| {
            reason
                .as_ref()
                .map_or(String::new(), |why| format!(" ({why})"))
        };
        let info = |words: String| Body::Info(words.into());
        if self.is_ignored(&change.what) {
            return None;
        }
        match &change.what {
            What::Said { channel, .. } => return self.say(Place::channel(channel)?, change, model),
            What::Heard { from, .. } => {
                return self.say(Place::person(from).unwrap_or(Place::Server), change, model);
            }
            What::Whispered { to, .. } => {
                return self.say(Place::person(to).unwrap_or(Place::Server), change, model);
            }
            // What a server says to each newcomer stays in the server's place.
            What::Notice { text, .. } if !self.settled => {
                self.push(0, at, None, notice_of_server(text, false));
            }
            What::Info(words) if !self.settled => {
                self.push(0, at, None, info(words.clone()));
            }
            What::Notice { text, .. } => {
                // An announcement is for everyone, wherever they look.
                let body = notice_of_server(text, true);
                if self.current != 0 {
                    self.push(0, at, None, body.clone());
                }
                let id = self.push(self.current, at, None, body);
                self.notice(self.current, id, at, true);
            }
            What::Joined { channel, nick } if model.is_me(nick) => {
                let place = Place::channel(channel)?;
                let wanted = model
                    .current()
                    .is_some_and(|current| Place::Channel(current.clone()) == place);
                // After a reconnection the person stays where they were.
                let is_new = !self.list.iter().any(|buffer| buffer.place == place);
                let index = self.at(place, at, model);
                if model.page().is_some() {
                    self.list[index].open_gap(at, Filling::Wanted);
                }
                self.push(index, at, None, info(format!("you joined {channel}")));
                if wanted && is_new {
                    self.show(index);
                }
            }
            What::Joined { channel, nick } => {
                self.fold(&Place::channel(channel)?, at, nick, true, None)
            }
            What::Parted { channel, nick, .. } if model.is_me(nick) => {
                self.close(&Place::channel(channel)?);
            }
            What::Parted {
                channel,
                nick,
                reason,
            } => {
                self.fold(
                    &Place::channel(channel)?,
                    at,
                    nick,
                    false,
                    reason.as_deref(),
                );
            }
            What::Left {
                nick,
                reason,
                channels,
            } => {
                for channel in channels {
                    self.fold(
                        &Place::Channel(channel.clone()),
                        at,
                        nick,
                        false,
                        reason.as_deref(),
                    );
                }
                self.fold(&Place::person(nick)?, at, nick, false, reason.as_deref());
            }
            What::Removed {
                channel,
                nick,
                by,
                reason,
            } => {
                let back = if model.is_me(nick) {
                    format!("; /join {channel} to come back")
                } else {
                    String::new()
                };
                let words = format!(
                    "{} removed {} from {channel}{}{back}",
                    who(by),
                    who(nick),
                    because(reason)
                );
                let index = self.at(Place::channel(channel)?, at, model);
                let body = if model.is_me(nick) {
                    Body::Refused(words.into())
                } else {
                    Body::Info(words.into())
                };
                self.push(index, at, None, body);
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
            What::Topic {
                channel,
                by: None,
                text,
            } => {
                self.push_if_open(
                    &Place::channel(channel)?,
                    at,
                    info(format!("the topic is: {text}")),
                );
            }
            What::Topic {
                channel,
                by: Some(nick),
                text,
            } => {
                let words = if text.is_empty() {
                    format!("{} took away the topic", who(nick))
                } else {
                    format!("{} set the topic: {text}", who(nick))
                };
                self.push_if_open(&Place::channel(channel)?, at, info(words));
            }
            What::Mode { channel, by, modes } => {
                let words = mode_words(modes, &who).unwrap_or_else(|| format!("set mode {modes}"));
                let words = format!("{} {words}", who(by));
                match Place::channel(channel) {
                    Some(place) => self.push_if_open(&place, at, info(words)),
                    None => {
                        self.push(0, at, None, info(words));
                    }
                }
            }
            What::Invited { channel, by, nick } if model.is_me(nick) => {
                self.push(
                    self.current,
                    at,
                    None,
                    info(format!("{by} invites you to {channel}: /join {channel}")),
                );
            }
            What::Invited { channel, by, nick } => {
                self.push(
                    self.current,
                    at,
                    None,
                    info(format!("{} invited {nick} to {channel}", who(by))),
                );
            }
            // Who is there is shown beside the conversation; the command /names has its own answer.
            What::Members { .. } => {}
            What::Page { target, changes } => self.take_page(target, changes, model)?,
            What::Conversations(found) => self.take_conversations(found, model),
            What::Read { target, until } => self.take_marker(target, *until, model)?,
            What::Redacted {
                target,
                msgid,
                by,
                reason,
            } => {
                let index = self.position(&Place::named(target)?)?;
                self.list[index].redact(msgid, by, reason.as_deref());
            }
            What::Info(words) => self.tell(at, words),
            What::Refused(words) => self.refuse(at, words),
        }
        None
    }

    /// Writes down what someone said.
    fn say(&mut self, place: Place, change: &Change, model: &Model) -> Option<Call> {
        let at = change.at;
        let body = said(&change.what, model)?;
        let Body::Said {
            nick,
            text,
            mine,
            called,
            ..
        } = &body
        else {
            return None;
        };
        let call = (!mine && *called).then(|| (nick.to_string(), text.to_string()));
        let mine = *mine;
        // What opens a conversation is new in it.
        let index = self.at(place.clone(), at - SignedDuration::from_millis(1), model);
        if change
            .msgid
            .as_ref()
            .is_some_and(|msgid| self.list[index].has_lately(msgid))
        {
            return None;
        }
        self.note_time(at);
        let id = self.push(index, at, change.msgid.as_deref(), body);
        let read = self.list[index].read() >= at;
        if !mine {
            self.notice(index, id, at, call.is_some());
        }
        let (nick, text) = call?;
        let counts = !read && !self.is_muted(&place);
        counts.then_some(Call {
            place,
            nick,
            text,
            elsewhere: index != self.current,
        })
    }

    /// Counts a line, unless it is seen.
    fn notice(&mut self, index: usize, id: LineId, at: Timestamp, called: bool) {
        if self.is_seen(index) {
            self.list[index].look();
        } else {
            self.list[index].miss(id, at, called);
        }
    }

    /// Adds to the line of comings and goings, or begins one.
    fn fold(&mut self, place: &Place, at: Timestamp, nick: &str, came: bool, reason: Option<&str>) {
        let Some(index) = self.position(place) else {
            return;
        };
        let one = Move {
            nick: nick.into(),
            came,
            reason: reason.map(Into::into),
        };
        if let Err(one) = self.list[index].fold(at, one) {
            self.push(index, at, None, Body::Moves(vec![one]));
        }
    }

    fn push_if_open(&mut self, place: &Place, at: Timestamp, body: Body) {
        if let Some(index) = self.position(place) {
            self.push(index, at, None, body);
        }
    }
}

/// The server is called so here as it is in the list of places: its own name has no room beside
/// what it says.
fn notice_of_server(text: &str, called: bool) -> Body {
    let nick = Place::Server.name().into();
    Body::Said {
        nick,
        manner: Manner::Notice,
        text: text.into(),
        mine: false,
        called,
    }
}

/// What someone did who changed one mode that people meet every day.
fn mode_words(modes: &str, who: &impl Fn(&str) -> String) -> Option<String> {
    let (mode, parameter) = modes.split_once(' ').unwrap_or((modes, ""));
    let (nick, mask) = (
        who(parameter),
        parameter.strip_suffix("!*@*").unwrap_or(parameter),
    );
    if parameter.contains(' ')
        || parameter.is_empty() != matches!(mode, "+i" | "-i" | "+m" | "-m" | "+t" | "-t")
    {
        return None;
    }
    Some(match mode {
        "+o" => format!("made {nick} an operator"),
        "-o" => format!("made {nick} an operator no more"),
        "+v" => format!("gave {nick} a voice"),
        "-v" => format!("took back the voice of {nick}"),
        "+b" => format!("shut {mask} out"),
        "-b" => format!("let {mask} in again"),
        "+i" => "lets in only who is invited".to_owned(),
        "-i" => "lets everyone in".to_owned(),
        "+m" => "lets only those speak who have a voice".to_owned(),
        "-m" => "lets everyone speak".to_owned(),
        "+t" => "lets only operators set the topic".to_owned(),
        "-t" => "lets everyone set the topic".to_owned(),
        _ => return None,
    })
}
