//! The metadata of users and channels: where it is stored, who may see it, and who is notified of
//! changes (IRCv3 `draft/metadata-3`).

use std::collections::VecDeque;

use rookery_protocol::numeric::{RPL_KEYNOTSET, RPL_KEYVALUE, RPL_METADATASYNCLATER};
use rookery_protocol::{AccountName, Capability, ChannelName};
use rookery_record::{Change, Metadata};

use crate::context::{Caller, Context};
use crate::event::Output;
use crate::features::metadata::subscriptions::is_notified;
use crate::features::persistence;
use crate::ids::{SessionId, UserId};
use crate::lengths;
use crate::line::Line;
use crate::long_reply::{LineBatch, LongReply};
use crate::state::Receiver;
use crate::state::channel::Channel;

/// The maximum number of values in one sync; a client can request the others individually.
const SYNC_LIMIT: usize = 1000;

/// The maximum number of members of a channel whose metadata is sent to a client that joins. In a
/// larger channel, the client has to request it with `SYNC`.
const SYNC_MEMBERS: usize = 100;

/// A user or channel, which has metadata.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MetadataTarget {
    User(UserId),
    Channel(ChannelName),
}

/// Whether the text is a valid key: lower-case letters, digits, `_`, `.`, `/` and `-`.
pub fn is_key(text: &str) -> bool {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_./-".contains(&byte);
    (1..=lengths::METADATA_KEY).contains(&text.len()) && text.bytes().all(allowed)
}

/// Returns the metadata of the target. An account's persists when its user quits, a guest's does
/// not.
pub fn of<'c>(ctx: &'c Context<'_>, subject: &MetadataTarget) -> Option<&'c Metadata> {
    match subject {
        MetadataTarget::User(user) => {
            let user = ctx.state.user(*user);
            match &user.identity {
                Some(identity) => ctx.state.account_metadata.get(&identity.name),
                None => Some(&user.metadata),
            }
        }
        MetadataTarget::Channel(name) => ctx.state.channel(name).map(|channel| &channel.metadata),
    }
}

/// Returns the name of the target on the wire.
pub fn target_name(ctx: &Context<'_>, subject: &MetadataTarget) -> String {
    match subject {
        MetadataTarget::User(user) => ctx.state.user(*user).nick.to_string(),
        MetadataTarget::Channel(name) => name.to_string(),
    }
}

/// Replaces the metadata of the target, and persists it for accounts and owned channels.
pub fn set(ctx: &mut Context<'_>, subject: &MetadataTarget, metadata: Metadata) {
    match subject {
        MetadataTarget::User(user) => {
            let user = ctx.state.user_mut(*user);
            let Some(identity) = &user.identity else {
                user.metadata = metadata;
                return;
            };
            let account = identity.name.clone();
            set_for_account(ctx, account, metadata);
        }
        MetadataTarget::Channel(name) => {
            if let Some(channel) = ctx.state.channel_mut(name) {
                channel.metadata = metadata;
            }
            persistence::persist_channel(ctx, name);
        }
    }
}

fn set_for_account(ctx: &mut Context<'_>, account: AccountName, metadata: Metadata) {
    if metadata.is_empty() {
        ctx.state.account_metadata.remove(&account);
    } else {
        ctx.state
            .account_metadata
            .insert(account.clone(), metadata.clone());
    }
    ctx.out
        .push(Output::Persist(Box::new(Change::AccountMetadata {
            account,
            metadata,
        })));
}

/// Returns the numeric about one value, or about its absence.
pub fn line(
    ctx: &Context<'_>,
    caller: Caller,
    target: &str,
    key: &str,
    value: Option<&str>,
) -> Line {
    let line = |code: &str| ctx.numeric(caller, code).word(target).word(key);
    match value {
        Some(value) => line(RPL_KEYVALUE).word("*").text(value),
        None => line(RPL_KEYNOTSET).text("key not set"),
    }
}

/// Returns the line that notifies the caller of one value, or of its absence: the numeric, or a
/// `METADATA` for clients that only know `draft/metadata-2`.
pub fn notification(
    ctx: &Context<'_>,
    caller: Caller,
    target: &str,
    key: &str,
    value: Option<&str>,
) -> Line {
    if caller.has(Capability::Metadata) {
        return line(ctx, caller, target, key, value);
    }
    ctx.server_line("METADATA")
        .word(target)
        .word(key)
        .word("*")
        .text(value.unwrap_or_default())
}

/// Notifies the sessions that follow the target of each key that they have subscribed to and whose
/// value differs from `before`. `by`, the session that made the change, is excluded.
pub fn notify_change(
    ctx: &mut Context<'_>,
    subject: &MetadataTarget,
    before: &Metadata,
    by: Option<SessionId>,
) {
    let now = of(ctx, subject).cloned().unwrap_or_default();
    let mut changed: Vec<(&String, Option<&str>)> = now
        .iter()
        .filter(|(key, value)| before.get(*key) != Some(value))
        .map(|(key, value)| (key, Some(value.as_str())))
        .collect();
    changed.extend(
        before
            .keys()
            .filter(|key| !now.contains_key(*key))
            .map(|key| (key, None)),
    );
    if changed.is_empty() {
        return;
    }
    let target = target_name(ctx, subject);
    for caller in followers(ctx, subject).into_iter().map(Caller::from) {
        let session = ctx.state.session(caller.session);
        let Some(session) = session.filter(|session| Some(session.id) != by) else {
            continue;
        };
        let subscribed = changed
            .iter()
            .filter(|(key, _)| session.subscriptions.contains(*key));
        let lines: Vec<Line> = subscribed
            .map(|(key, value)| notification(ctx, caller, &target, key, *value))
            .collect();
        for line in &lines {
            ctx.send(caller, line);
        }
    }
}

/// Returns the sessions with metadata that follow the target. Those of a channel are its members'
/// sessions; those of a user are its own, those of users who share a channel with it, and those
/// that monitor it.
fn followers(ctx: &Context<'_>, subject: &MetadataTarget) -> Vec<Receiver> {
    let is_notified = |receiver: &Receiver| is_notified(receiver.capabilities);
    match subject {
        MetadataTarget::User(user) => {
            let mut followers = ctx.state.peers(*user, is_notified);
            let watchers = ctx.state.watchers(&ctx.state.user(*user).nick);
            followers.extend(watchers.filter(is_notified));
            followers.sort_by_key(|follower| follower.session);
            followers.dedup_by_key(|follower| follower.session);
            followers
        }
        MetadataTarget::Channel(name) => {
            let channel = ctx.state.channel(name);
            let receivers = channel.map_or(&[][..], Channel::receivers);
            receivers.iter().copied().filter(is_notified).collect()
        }
    }
}

fn is_subscribed(ctx: &Context<'_>, caller: Caller, key: &str) -> bool {
    ctx.state
        .session(caller.session)
        .is_some_and(|session| session.subscriptions.contains(key))
}

/// Returns the values of the target under keys that the caller has subscribed to.
fn subscribed_lines(
    ctx: &Context<'_>,
    caller: Caller,
    subject: MetadataTarget,
) -> impl Iterator<Item = Line> {
    let values = of(ctx, &subject).into_iter().flatten();
    let values = values.filter(move |(key, _)| is_subscribed(ctx, caller, key));
    values.map(move |(key, value)| {
        notification(ctx, caller, &target_name(ctx, &subject), key, Some(value))
    })
}

/// A target and, after it, the members of a channel, one at a time.
struct Cursor {
    target: MetadataTarget,
    is_started: bool,
    /// The last member that was returned.
    after: Option<UserId>,
}

impl Cursor {
    fn new(target: MetadataTarget) -> Self {
        Self {
            target,
            is_started: false,
            after: None,
        }
    }

    /// Returns the next target. There is none if the first no longer exists or is hidden from the
    /// caller.
    fn next(&mut self, ctx: &Context<'_>, caller: Caller) -> Option<MetadataTarget> {
        let is_first = !std::mem::replace(&mut self.is_started, true);
        let channel = match &self.target {
            MetadataTarget::User(user) => {
                return (is_first && ctx.state.exists(*user)).then(|| self.target.clone());
            }
            MetadataTarget::Channel(name) => ctx.state.channel(name)?,
        };
        if !channel.shows_metadata_to(caller.user) {
            return None;
        }
        if is_first {
            return Some(self.target.clone());
        }
        self.after = Some(channel.members_after(self.after).first()?.user);
        self.after.map(MetadataTarget::User)
    }
}

/// The values of a target under keys that the caller has subscribed to and, for a channel, those of
/// its members.
pub struct Sync {
    cursor: Cursor,
    /// The number of values that may still be sent.
    limit: usize,
    batch: Option<LineBatch>,
}

impl Sync {
    /// Creates the sync of a target.
    pub fn new(target: MetadataTarget) -> Self {
        Self {
            cursor: Cursor::new(target),
            limit: SYNC_LIMIT,
            batch: None,
        }
    }

    /// Creates the sync of a target with that name, in a batch.
    pub fn in_batch(target: MetadataTarget, name: &str) -> Self {
        Self {
            batch: Some(LineBatch::new(&["metadata", name])),
            ..Self::new(target)
        }
    }
}

impl LongReply for Sync {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        if let Some(batch) = &mut self.batch {
            batch.open(ctx, caller);
        }
        while self.limit > 0 {
            if !ctx.take_row() {
                return false;
            }
            let Some(target) = self.cursor.next(ctx, caller) else {
                break;
            };
            let lines = subscribed_lines(ctx, caller, target).take(self.limit);
            let lines: Vec<Line> = lines.collect();
            self.limit -= lines.len();
            ctx.take_rows(lines.len());
            for line in lines {
                match &self.batch {
                    Some(batch) => batch.send(ctx, caller, &line),
                    None => ctx.send(caller, &line),
                }
            }
        }
        if let Some(batch) = &self.batch {
            batch.close(ctx, caller);
        }
        true
    }

    fn synced(&self) -> Option<&MetadataTarget> {
        let is_whole = !self.cursor.is_started && self.batch.is_none();
        is_whole.then_some(&self.cursor.target)
    }
}

/// The announcement of which channels have values that the caller has subscribed to. The client
/// requests the values itself, one channel at a time.
pub struct ChannelsWithValues {
    /// The channels that are left.
    channels: VecDeque<ChannelName>,
    /// The position in the first of them.
    cursor: Option<Cursor>,
}

impl ChannelsWithValues {
    /// Creates the announcement about those channels.
    pub fn new(channels: &[ChannelName]) -> Self {
        Self {
            channels: channels.iter().cloned().collect(),
            cursor: None,
        }
    }
}

impl LongReply for ChannelsWithValues {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        while let Some(name) = self.channels.front() {
            if !ctx.take_row() {
                return false;
            }
            let cursor = self
                .cursor
                .get_or_insert_with(|| Cursor::new(MetadataTarget::Channel(name.clone())));
            if let Some(target) = cursor.next(ctx, caller) {
                if subscribed_lines(ctx, caller, target).next().is_none() {
                    continue;
                }
                ctx.reply_words(caller, RPL_METADATASYNCLATER, &[name.as_str(), "1"]);
            }
            self.channels.pop_front();
            self.cursor = None;
        }
        true
    }
}

/// Sends the caller the values of the target that it has subscribed to, if it has the capability.
pub fn sync(ctx: &mut Context<'_>, caller: Caller, subject: &MetadataTarget) {
    if !is_notified(caller.capabilities) {
        return;
    }
    let members = match subject {
        MetadataTarget::User(_) => 1,
        MetadataTarget::Channel(name) => ctx
            .state
            .channel(name)
            .map_or(0, |channel| channel.members().len()),
    };
    if members > SYNC_MEMBERS {
        let target = target_name(ctx, subject);
        return ctx.reply_words(caller, RPL_METADATASYNCLATER, &[&target, "5"]);
    }
    if subscribes(ctx, caller.session) {
        ctx.reply_long(caller, Sync::new(subject.clone()));
    }
}

/// Whether the session has subscribed to any key.
fn subscribes(ctx: &Context<'_>, session: SessionId) -> bool {
    let session = ctx.state.session(session);
    session.is_some_and(|session| !session.subscriptions.is_empty())
}

/// Syncs metadata after a join: the user's sessions receive that of the channel and its members,
/// and the members that of the user.
pub fn sync_join(ctx: &mut Context<'_>, user: UserId, name: &ChannelName) {
    for own in ctx.callers(user) {
        sync(ctx, own, &MetadataTarget::Channel(name.clone()));
    }
    let new_user = MetadataTarget::User(user);
    let (Some(metadata), Some(channel)) = (of(ctx, &new_user), ctx.state.channel(name)) else {
        return;
    };
    if metadata.is_empty() {
        return;
    }
    let others = channel.receivers().iter().filter(|receiver| {
        let has_value = || {
            let session = ctx.state.session(receiver.session);
            session.is_some_and(|session| {
                let mut subscriptions = session.subscriptions.iter();
                subscriptions.any(|key| metadata.contains_key(key))
            })
        };
        receiver.user != user && is_notified(receiver.capabilities) && has_value()
    });
    let others: Vec<Receiver> = others.copied().collect();
    for other in others {
        sync(ctx, other.into(), &new_user);
    }
}
