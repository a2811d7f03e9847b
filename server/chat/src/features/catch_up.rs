//! Sends a device the messages that it missed when it connects again, unless its client reads
//! history itself. A client with `znc.in/playback` may request messages or not: it is sent what it
//! missed, and what it requests soon after is not sent twice.
//!
//! A device is an account together with the credential that it signs in with, or the name that it
//! gives itself when it signs in with the password. Of clients without a name, those with
//! `znc.in/playback` and those without are two devices, because they are certainly two programs. A
//! device's mark is the last message that it has certainly received, as it has everything before.
//! What was only sent does not count, however the session ends: the client is asked from time to
//! time, and its answer says that it has received what was sent before the question.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rookery_protocol::{Capability, ChannelName, DeviceName};
use rookery_record::{
    AccountId, Change, CredentialId, Device, DeviceKey, DeviceMark, HistoryEntry, Mark,
    NewestOfSeveral, SeveralQuery, message_number,
};

use crate::context::{Caller, Context};
use crate::event::{Fetch, HistoryQuery, Output, Purpose};
use crate::features::history;
use crate::features::replay::Replay;
use crate::ids::{SessionId, SignedInWith, UserId};
use crate::state::ClosingDevice;
use crate::state::catch_up::CatchUp;

/// The time after admission within which the client joins the channels that it was in before.
const REJOIN_WINDOW: SignedDuration = SignedDuration::from_secs(60);

/// How long after the mark of a connected device was persisted it is persisted again.
const PERSIST_INTERVAL: SignedDuration = SignedDuration::from_mins(1);

/// The most named devices of an account whose marks are stored.
const MAX_NAMED_DEVICES: usize = 16;

/// Starts the catch-up of a session that has signed in in this way, by requesting the messages that
/// its device missed.
pub fn start(ctx: &mut Context<'_>, caller: Caller, signed_in_with: SignedInWith) {
    let reads_history = caller.has(Capability::Chathistory) || caller.has(Capability::Visitor);
    let replays = ctx.settings.history && ctx.settings.replay_lines > 0 && !reads_history;
    let user = ctx.state.user(caller.user);
    let Some(identity) = user.identity.as_ref().filter(|_| replays) else {
        return;
    };
    let account = identity.id;
    let (key, other) = match signed_in_with {
        SignedInWith::Credential(credential) => (DeviceKey::Credential(credential), None),
        SignedInWith::Password {
            device: Some(name), ..
        } => (DeviceKey::Named(name), None),
        SignedInWith::Password { device: None, .. } if caller.has(Capability::Playback) => {
            (DeviceKey::PasswordWithPlayback, Some(DeviceKey::Password))
        }
        SignedInWith::Password { device: None, .. } => {
            (DeviceKey::Password, Some(DeviceKey::PasswordWithPlayback))
        }
    };
    let device = Device { account, key };
    // A device whose connection was lost may be connected twice for a while.
    let mark = |device: &Device| {
        let sessions = user.sessions().iter();
        sessions
            .filter(|session| session.device.as_ref() == Some(device))
            .map(|session| session.received)
            .chain(ctx.state.devices.get(device).copied())
            .max()
    };
    // A client without a name may have gained or lost `znc.in/playback`.
    let before = mark(&device).or_else(|| other.and_then(|key| mark(&Device { account, key })));
    let is_new_name = before.is_none() && matches!(device.key, DeviceKey::Named(_));
    if is_new_name && !make_room(ctx, caller, account) {
        return;
    }
    let until = ctx.now() + REJOIN_WINDOW;
    let received = before.unwrap_or_else(|| ctx.state.mark(ctx.clock.now()));
    raise_mark(ctx, device.clone(), received);
    let number = ctx.state.next_catch_up();
    ctx.out.push(Output::AskReceipts(caller.session));
    let Some(session) = ctx.state.session_mut(caller.session) else {
        return;
    };
    session.device = Some(device);
    // A device that was never connected has missed nothing.
    let Some(after) = before else { return };
    session.received = after;
    session.catch_up = Some(CatchUp {
        number,
        after,
        until,
        channels: Vec::new(),
        pending: 0,
        end: 0,
        sent: BTreeSet::new(),
    });
    request_missed(ctx, caller, true);
}

/// Makes room for the mark of another named device of the account: forgets the one that was last
/// connected the longest time ago, if there are as many as may be. Returns `false` if all of them
/// are connected.
fn make_room(ctx: &mut Context<'_>, caller: Caller, account: AccountId) -> bool {
    let name_of = |device: &Device| match &device.key {
        DeviceKey::Named(name) if device.account == account => Some(name.clone()),
        _ => None,
    };
    let sessions = ctx.state.user(caller.user).sessions().iter();
    let connected: BTreeSet<DeviceName> = sessions
        .filter_map(|session| session.device.as_ref().and_then(name_of))
        .collect();
    let first = Device {
        account,
        key: DeviceKey::Credential(CredentialId(i64::MIN)),
    };
    let known = ctx.state.devices.range(first..);
    let others: Vec<(DeviceName, Mark)> = known
        .take_while(|(device, _)| device.account == account)
        .filter_map(|(device, mark)| Some((name_of(device)?, *mark)))
        .filter(|(name, _)| !connected.contains(name))
        .collect();
    if connected.len() + others.len() < MAX_NAMED_DEVICES {
        return true;
    }
    let Some((oldest, _)) = others.into_iter().min_by_key(|(_, mark)| *mark) else {
        return false;
    };
    ctx.state.devices.remove(&Device {
        account,
        key: DeviceKey::Named(oldest.clone()),
    });
    let change = Change::DeviceForgotten(account, oldest);
    ctx.out.push(Output::Persist(Box::new(change)));
    true
}

/// Requests the missed messages of the channels that the client has joined since its catch-up
/// started.
pub fn resume(ctx: &mut Context<'_>, session: SessionId) {
    let Some(caller) = ctx.caller(session) else {
        return;
    };
    let now = ctx.now();
    let Some(session) = ctx.state.session_mut(session) else {
        return;
    };
    let is_caught_up = session.is_caught_up(session.received);
    let Some(catch_up) = &mut session.catch_up else {
        return;
    };
    if catch_up.is_open(now) {
        request_missed(ctx, caller, false);
    } else if is_caught_up {
        session.catch_up = None;
    } else {
        // The client may never answer what it has received.
        catch_up.sent.clear();
    }
}

/// Records that the session's device has received everything up to a mark. Persists that from time
/// to time, so that a crash of the server has it sent again little more than it must.
pub fn record_received(ctx: &mut Context<'_>, session: SessionId, until: Mark) {
    let now = ctx.now();
    let Some(session) = ctx.state.session_mut(session) else {
        return;
    };
    session.record_received(until);
    let received = session.received;
    let catch_up = session.catch_up.as_ref();
    if catch_up.is_some_and(|catch_up| catch_up.is_open(now)) {
        // The mark becomes lower again if the client joins another channel.
        return;
    }
    let Some(device) = session.device.clone() else {
        return;
    };
    let is_due = ctx.state.devices.get(&device).is_none_or(|persisted| {
        persisted.message < received.message
            && received.at.duration_since(persisted.at) >= PERSIST_INTERVAL
    });
    if is_due {
        raise_mark(ctx, device, received);
    }
}

/// Detaches the device from the session, and persists its mark: that up to which it has received
/// everything according to the end of its connection, or what it has answered before.
pub fn detach_device(ctx: &mut Context<'_>, session: SessionId, received: Option<Mark>) {
    let Some(session) = ctx.state.session_mut(session) else {
        return;
    };
    let Some(device) = session.device.take() else {
        return;
    };
    if let Some(received) = received {
        session.record_received(received);
    }
    session.catch_up = None;
    let received = session.received;
    raise_mark(ctx, device, received);
}

/// Detaches the device from a session that the core ends, as [`detach_device`] does. Returns it,
/// for [`device_closed`]; `None` if the session has none.
pub fn close_device(ctx: &mut Context<'_>, session: SessionId) -> Option<Box<ClosingDevice>> {
    let until = ctx.state.mark(ctx.clock.now());
    let session = ctx.state.session_mut(session)?;
    let device = session.device.take()?;
    let (received, catch_up) = (session.received, session.catch_up.take());
    raise_mark(ctx, device.clone(), received);
    // Without all results of its catch-up, the device does not count as having received more.
    let catch_up_end = match catch_up {
        None => 0,
        Some(catch_up) if catch_up.pending == 0 => catch_up.end,
        Some(_) => return None,
    };
    Some(Box::new(ClosingDevice {
        device,
        received,
        catch_up_end,
        until,
    }))
}

/// Handles the end of the connection of a session that the core has ended, and whose client has
/// received everything up to a mark, if that is known.
pub fn device_closed(ctx: &mut Context<'_>, closing: ClosingDevice, received: Option<Mark>) {
    let received = received
        .filter(|received| closing.catch_up_end <= received.message)
        .map(|received| received.min(closing.until));
    if let Some(received) = received.filter(|received| *received > closing.received) {
        raise_mark(ctx, closing.device, received);
    }
}

/// Persists the mark of a device, unless it is lower than the persisted one.
fn raise_mark(ctx: &mut Context<'_>, device: Device, received: Mark) {
    let mark = ctx.state.devices.entry(device.clone()).or_insert(received);
    *mark = received.max(*mark);
    let received = *mark;
    let change = Change::Device(DeviceMark { device, received });
    ctx.out.push(Output::Persist(Box::new(change)));
}

/// Notes that the user's sessions have a message that the user has sent to a channel. The user may
/// not have joined it yet, and a catch-up with it is not to send the message again.
pub fn note_sent(ctx: &mut Context<'_>, user: UserId, channel: &ChannelName, msgid: &str) {
    let now = ctx.now();
    let user = ctx.state.user(user);
    let catching_up = user.sessions().iter().filter(|one| {
        let catch_up = one.catch_up.as_ref();
        catch_up.is_some_and(|catch_up| catch_up.is_open(now))
    });
    let sessions: Vec<SessionId> = catching_up.map(|session| session.id).collect();
    if sessions.is_empty() || user.channels().contains(channel) {
        return;
    }
    for session in sessions {
        let session = ctx.state.session_mut(session);
        if let Some(catch_up) = session.and_then(|session| session.catch_up.as_mut()) {
            catch_up.sent.insert(msgid.to_owned());
        }
    }
}

/// Whether the message is to be sent to the caller, because the other of catch-up and playback has
/// not sent it.
pub fn is_first(ctx: &mut Context<'_>, caller: Caller, entry: &HistoryEntry) -> bool {
    let session = ctx.state.session_mut(caller.session);
    let catch_up = session.and_then(|session| session.catch_up.as_mut());
    catch_up.is_none_or(|catch_up| catch_up.is_first(&entry.msgid))
}

/// Whether the message is not to be sent to the caller, because the other of catch-up and playback
/// has sent it. Only for the first request: the next one sends it again.
pub fn take_sent(ctx: &mut Context<'_>, caller: Caller, entry: &HistoryEntry) -> bool {
    let session = ctx.state.session_mut(caller.session);
    let catch_up = session.and_then(|session| session.catch_up.as_mut());
    catch_up.is_some_and(|catch_up| catch_up.sent.remove(&entry.msgid))
}

/// Requests the missed messages of channels that were not requested yet and, if `conversations` is
/// true, of conversations.
fn request_missed(ctx: &mut Context<'_>, caller: Caller, conversations: bool) {
    let Some(session) = ctx.state.session(caller.session) else {
        return;
    };
    let Some(catch_up) = &session.catch_up else {
        return;
    };
    let (number, after) = (catch_up.number, catch_up.after);
    let user = ctx.state.user(caller.user);
    let channels: Vec<ChannelName> = user
        .channels()
        .iter()
        .filter(|name| !catch_up.channels.contains(name))
        .cloned()
        .collect();
    if channels.is_empty() && !conversations {
        return;
    }
    let targets = channels
        .iter()
        .filter_map(|name| history::readable(ctx, caller, name.as_str()))
        .collect();
    let query = SeveralQuery {
        targets,
        account: user
            .identity
            .as_ref()
            .filter(|_| conversations)
            .map(|own| own.name.to_nick()),
        // Several messages may have the same millisecond; the exact ones are filtered by their
        // number.
        after: after
            .at
            .checked_sub(SignedDuration::from_millis(1))
            .unwrap_or(after.at),
        before: Timestamp::MAX,
        // One more shows whether there are as many as may be sent or more.
        limit: ctx.settings.replay_lines.saturating_add(1),
        bytes: Replay::bytes_to_read(ctx.settings),
    };
    let until = ctx.state.mark(ctx.clock.now());
    if let Some(session) = ctx.state.session_mut(caller.session) {
        // If the connection breaks before these are received, they are requested again.
        session.received = after;
        if let Some(catch_up) = &mut session.catch_up {
            catch_up.channels.extend(channels);
            catch_up.pending += 1;
        }
    }
    ctx.out.push(Output::Fetch(Box::new(Fetch {
        session: caller.session,
        payer: ctx.state.payer(caller.user),
        ticket: None,
        label: None,
        purpose: Purpose::CatchUp {
            number,
            after,
            until,
        },
        query: HistoryQuery::Several(query),
    })));
}

/// Sends the messages that were read for the catch-up with that number, unless it has been
/// replaced. `found` is `None` if the store failed.
pub fn found(
    ctx: &mut Context<'_>,
    caller: Caller,
    number: u64,
    [after, until]: [Mark; 2],
    found: Option<NewestOfSeveral>,
) {
    let session = ctx.state.session(caller.session);
    let current = session.and_then(|session| session.catch_up.as_ref());
    if current.is_none_or(|catch_up| catch_up.number != number) {
        return;
    }
    let Some(mut found) = found else {
        // The mark does not advance, so the messages are requested again on the next connection.
        return ctx.notice(
            caller,
            "The messages you missed could not be read; connect again to receive them",
        );
    };
    let limit = ctx.settings.replay_lines;
    for newest in &mut found.targets {
        let oldest = newest.entries.front();
        if oldest.is_some_and(|oldest| !is_after(oldest, after)) {
            // Nor has the device missed what was sent before that.
            newest.is_cut = false;
        }
        newest
            .entries
            .retain(|entry| is_after(entry, after) && !is_later(entry, until));
        if let Some(surplus) = newest
            .entries
            .len()
            .checked_sub(limit)
            .filter(|&one| one > 0)
        {
            newest.entries.drain(..surplus);
            newest.is_cut = true;
        }
    }
    let replay = Replay::new(ctx, caller, found, Some(number));
    ctx.reply_long(caller, replay);
}

/// Handles the end of one replay of the catch-up with that number, unless it has been replaced.
/// Only then may the mark advance: if the connection ends before, what was not sent is sent again.
pub fn is_sent(ctx: &mut Context<'_>, caller: Caller, number: u64) {
    let end = ctx.state.next_mark(ctx.clock.now());
    let session = ctx.state.session_mut(caller.session);
    let catch_up = session.and_then(|session| session.catch_up.as_mut());
    if let Some(catch_up) = catch_up.filter(|catch_up| catch_up.number == number) {
        catch_up.pending -= 1;
        catch_up.end = end.message;
        ctx.out.push(Output::Delivered(end));
    }
}

/// Whether the message was sent after the mark, up to which a device has received everything.
fn is_after(entry: &HistoryEntry, mark: Mark) -> bool {
    match message_number(&entry.msgid) {
        Some(number) => mark.message < number,
        // From an earlier version of the server.
        None => entry.at.as_millisecond() >= mark.at.as_millisecond(),
    }
}

/// Whether the message was sent after the mark at which it was read, so that it is received live.
fn is_later(entry: &HistoryEntry, mark: Mark) -> bool {
    message_number(&entry.msgid).is_some_and(|number| mark.message < number)
}
