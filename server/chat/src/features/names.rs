//! `NAMES`, and the description of a channel that a session receives after `JOIN`.

use std::collections::VecDeque;

use rookery_protocol::numeric::{RPL_ENDOFNAMES, RPL_NAMREPLY, RPL_TOPIC, RPL_TOPICWHOTIME};
use rookery_protocol::{Capability, ChannelName, Message};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::{channels, markread};
use crate::ids::UserId;
use crate::lengths;
use crate::line::fill;
use crate::long_reply::LongReply;
use crate::params::split_list;
use crate::state::channel::Flag;

/// The number of names that count as one row, as a line is full of them.
const NAMES_IN_ROW: usize = 8;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["NAMES"],
    min_params: 0,
    help: &[
        "NAMES #channel[,#channel]",
        "Lists the members of a channel.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(names),
}];

/// Handles `NAMES [<channels>]`.
pub fn names(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    // Without a channel, the reply is an empty list, because that of all channels would be too
    // long.
    let asked = message
        .param(0)
        .filter(|asked| !asked.is_empty())
        .unwrap_or("*");
    let channels = split_list(asked).into_iter().take(lengths::TARGETS);
    let channels = channels.filter_map(|name| ChannelName::parse(name).ok());
    ctx.reply_long(caller, Names::new(asked, channels));
}

/// Sends the session the topic, the read marker and the members of a channel that its user has
/// joined.
pub fn describe(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    let description = Description {
        name: name.clone(),
        names: None,
    };
    ctx.reply_long(caller, description);
}

/// What a session is sent about a channel that its user has joined.
struct Description {
    name: ChannelName,
    /// The members, once what precedes them is sent.
    names: Option<Names>,
}

impl LongReply for Description {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        if self.names.is_none() {
            if !ctx.take_row() {
                return false;
            }
            // It may have left in the meantime.
            if channels::is_in(ctx, caller, &self.name) {
                topic(ctx, caller, &self.name);
                markread::send_marker(ctx, caller, self.name.as_str());
            }
        }
        let new = || Names::new(self.name.as_str(), [self.name.clone()]);
        let names = self.names.get_or_insert_with(new);
        caller.has(Capability::NoImplicitNames) || names.send_rows(ctx, caller)
    }
}

/// Sends the topic; returns whether there is one.
pub fn topic(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) -> bool {
    let Some(topic) = ctx
        .state
        .channel(name)
        .and_then(|channel| channel.topic.as_ref())
    else {
        return false;
    };
    let (text, by, at) = (
        topic.text.clone(),
        topic.by.clone(),
        topic.at.as_second().to_string(),
    );
    ctx.reply(caller, RPL_TOPIC, &[name.as_str()], &text);
    ctx.reply_words(caller, RPL_TOPICWHOTIME, &[name.as_str(), &by, &at]);
    true
}

/// The members of channels, and the end of the reply.
struct Names {
    /// What the client asked for.
    asked: String,
    /// The channels that are left.
    channels: VecDeque<ChannelName>,
    /// The last member of the first channel that was sent.
    after: Option<UserId>,
}

impl Names {
    fn new(asked: &str, channels: impl IntoIterator<Item = ChannelName>) -> Self {
        Self {
            asked: asked.to_owned(),
            channels: channels.into_iter().collect(),
            after: None,
        }
    }

    /// Sends members of the channel, as many as the slice allows. Returns whether it was all that
    /// were left.
    fn send_members(&mut self, ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) -> bool {
        let Some(channel) = ctx
            .state
            .channel(name)
            .filter(|channel| channel.is_visible_to(caller.user))
        else {
            return true;
        };
        let symbol = if channel.flags.has(Flag::Secret) {
            "@"
        } else {
            "="
        };
        let (head, room) = ctx.list_head(caller, RPL_NAMREPLY, &[symbol, channel.name.as_str()]);
        let inside = channel.has(caller.user);
        let (prefixes, masks) = (
            caller.has(Capability::MultiPrefix),
            caller.has(Capability::UserhostInNames),
        );
        let left = channel.members_after(self.after);
        let members = &left[..left.len().min(*ctx.rows_left * NAMES_IN_ROW)];
        let rows = members.len().div_ceil(NAMES_IN_ROW);
        let is_complete = members.len() == left.len();
        if let Some(last) = members.last() {
            self.after = Some(last.user);
        }
        let names = members
            .iter()
            .map(|member| (member, ctx.state.user(member.user)))
            .filter(|(_, user)| inside || !user.is_invisible())
            .map(|(member, user)| {
                [
                    member.modes.prefix(prefixes),
                    if masks {
                        &user.source
                    } else {
                        user.nick.as_str()
                    },
                ]
            });
        let lists = fill(names, ' ', room);
        ctx.take_rows(rows);
        ctx.send_lists(caller, &head, &lists);
        is_complete
    }
}

impl LongReply for Names {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        while let Some(name) = self.channels.front().cloned() {
            if !self.send_members(ctx, caller, &name) {
                return false;
            }
            self.after = None;
            self.channels.pop_front();
        }
        let text = "End of /NAMES list";
        ctx.reply(caller, RPL_ENDOFNAMES, &[&self.asked], text);
        true
    }
}
