//! `LIST`: the channels, filtered by the conditions of `ELIST`.

use jiff::Timestamp;
use rookery_protocol::names::fold_text;
use rookery_protocol::numeric::{RPL_LIST, RPL_LISTEND, RPL_LISTSTART};
use rookery_protocol::{ChannelName, Message};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::line::Line;
use crate::long_reply::LongReply;
use crate::params::split_list;
use crate::state::channel::Channel;
use crate::state::mask;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["LIST"],
    min_params: 0,
    help: &[
        "LIST [conditions]",
        "Lists channels. Conditions: name or mask, !mask, <users, >users, C<minutes or C>minutes",
        "since creation, T<minutes or T>minutes since the topic was set.",
    ],
    weight: |_| Weight::messages(10),
    handler: Handler::CoreLongReply(list),
}];

/// Handles `LIST [<names, masks and conditions>]`: lists the channels that meet all conditions and,
/// if names or masks are given, match one of them.
pub fn list(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let items = split_list(message.param(0).unwrap_or_default());
    let (names, conditions) = items
        .into_iter()
        .map(Filter::new)
        .partition(|filter| matches!(filter, Filter::Name(_)));
    let listing = Listing {
        names,
        conditions,
        is_started: false,
        after: None,
    };
    ctx.reply_long(caller, listing);
}

/// The channels that are listed.
struct Listing {
    /// The names and masks.
    names: Vec<Filter>,
    conditions: Vec<Filter>,
    is_started: bool,
    /// The last channel that was looked at.
    after: Option<ChannelName>,
}

impl Listing {
    fn includes(&self, channel: &Channel, now: Timestamp) -> bool {
        let minutes_since = |at: Timestamp| (now.as_second() - at.as_second()).max(0) / 60;
        let passes = |filter: &Filter| filter.passes(channel, &minutes_since);
        (self.names.is_empty() || self.names.iter().any(passes))
            && self.conditions.iter().all(passes)
    }
}

impl LongReply for Listing {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        if !self.is_started {
            self.is_started = true;
            ctx.reply(caller, RPL_LISTSTART, &["Channel"], "Users  Topic");
        }
        let head = ctx.numeric(caller, RPL_LIST);
        let channels = ctx.state.channels_after(self.after.as_ref());
        // Each condition is a comparison with each channel.
        let rows_each = 1 + self.names.len() + self.conditions.len();
        let limit = ctx.rows_left.div_ceil(rows_each);
        let channels: Vec<&Channel> = channels.take(limit).collect();
        let is_complete = channels.len() < limit;
        let rows = channels.len() * rows_each;
        if let Some(last) = channels.last() {
            self.after = Some(last.name.clone());
        }
        let listed = channels.into_iter().filter(|channel| {
            channel.is_visible_to(caller.user) && self.includes(channel, ctx.now())
        });
        let line = |channel: &Channel| {
            let members = channel.members().len().to_string();
            let topic = channel.topic.as_ref().map_or("", |topic| &topic.text);
            let line = head.clone().word(channel.name.as_str());
            line.word(&members).text(topic)
        };
        let lines: Vec<Line> = listed.map(line).collect();
        ctx.take_rows(rows);
        for line in lines {
            ctx.send(caller, &line);
        }
        if is_complete {
            ctx.reply(caller, RPL_LISTEND, &[], "End of /LIST");
        }
        is_complete
    }
}

/// One condition of the client's list.
enum Filter {
    /// A name or mask, in lower case.
    Name(String),
    /// Excludes the mask.
    NotName(String),
    Users(Bound),
    /// Minutes since the channel was created.
    Created(Bound),
    /// Minutes since the topic was set.
    Topic(Bound),
}

/// A bound on a number, exclusive.
enum Bound {
    Below(i64),
    Above(i64),
}

impl Bound {
    fn new(text: &str) -> Option<Self> {
        if let Some(number) = text.strip_prefix('<') {
            return number.parse().ok().map(Self::Below);
        }
        text.strip_prefix('>')?.parse().ok().map(Self::Above)
    }

    fn includes(&self, value: i64) -> bool {
        match self {
            Self::Below(bound) => value < *bound,
            Self::Above(bound) => value > *bound,
        }
    }

    /// Like [`Self::includes`], for an age: an age equal to a lower bound is included.
    fn includes_age(&self, minutes: i64) -> bool {
        match self {
            Self::Below(bound) => minutes < *bound,
            Self::Above(bound) => minutes >= *bound,
        }
    }
}

impl Filter {
    fn new(item: &str) -> Self {
        if let Some(bound) = Bound::new(item) {
            return Self::Users(bound);
        }
        if let Some(bound) = item.strip_prefix('C').and_then(Bound::new) {
            return Self::Created(bound);
        }
        if let Some(bound) = item.strip_prefix('T').and_then(Bound::new) {
            return Self::Topic(bound);
        }
        match item.strip_prefix('!') {
            Some(mask) => Self::NotName(fold_text(mask)),
            None => Self::Name(fold_text(item)),
        }
    }

    fn passes(&self, channel: &Channel, minutes_since: &impl Fn(Timestamp) -> i64) -> bool {
        match self {
            Self::Name(mask) => mask::matches(mask, channel.name.folded()),
            Self::NotName(mask) => !mask::matches(mask, channel.name.folded()),
            Self::Users(bound) => {
                bound.includes(i64::try_from(channel.members().len()).unwrap_or(i64::MAX))
            }
            Self::Created(bound) => bound.includes_age(minutes_since(channel.created_at)),
            Self::Topic(bound) => channel
                .topic
                .as_ref()
                .is_some_and(|topic| bound.includes_age(minutes_since(topic.at))),
        }
    }
}
