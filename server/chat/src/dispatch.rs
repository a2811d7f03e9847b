//! Dispatches each message to its command's handler, and each page of history to the feature that
//! requested it.

use rookery_protocol::Message;
use rookery_protocol::numeric::ERR_INPUTTOOLONG;
use rookery_record::HistoryEntry;

use crate::command::Handler;
use crate::context::{Caller, Context, UNKNOWN_COMMAND};
use crate::event::{Fetch, HistoryQuery, HistoryResult, LineFault, Purpose};
use crate::features::redact::Redaction;
use crate::features::{batch, catch_up, history, playback, redact, server};
use crate::ids::SessionId;
use crate::request::Replied;
use crate::ticket::Ticket;
use crate::{features, labels};

/// The number of bytes that a row of the history counts for beside its texts, and that a place
/// counts for.
const READ_ROW: usize = 64;

/// Runs a command whose reply may be long, or may have to wait for a page of history. `ticket` is
/// answered after the reply.
pub fn awaited_command(
    ctx: &mut Context<'_>,
    ticket: Ticket<Replied>,
    session: SessionId,
    message: &Message,
) {
    ctx.ticket = Some(ticket);
    command(ctx, session, message);
    if let Some(ticket) = ctx.ticket.take() {
        let replied = Replied {
            shown_joins: ctx.shown_joins,
            ..Replied::default()
        };
        ctx.answer_after_reply(session, ticket, replied);
    }
}

/// Passes a result of the history reader to the feature that requested it, unless the session has
/// ended.
pub fn fetched(ctx: &mut Context<'_>, fetch: Fetch, found: HistoryResult) {
    let Fetch {
        session,
        payer: _,
        ticket,
        label,
        purpose,
        query,
    } = fetch;
    let read_bytes = read_bytes(&query, &found);
    if let Some(caller) = ctx.caller(session) {
        labels::labelled(ctx, caller, label, |ctx| {
            dispatch_result(ctx, caller, purpose, &query, found);
        });
    }
    if let Some(ticket) = ticket {
        let replied = Replied {
            read_bytes,
            ..Replied::default()
        };
        ctx.answer_after_reply(session, ticket, replied);
    }
}

/// Returns roughly how many bytes were read for the query, of which a client may not be sent any.
fn read_bytes(query: &HistoryQuery, found: &HistoryResult) -> u64 {
    let place_count = match query {
        HistoryQuery::Several(query) => query.targets.len(),
        HistoryQuery::Targets(query) => query.channels.len(),
        HistoryQuery::Page(_) | HistoryQuery::Message(_) => 1,
    };
    let of_row =
        |entry: &HistoryEntry| READ_ROW + entry.source.len() + entry.text.len() + entry.tags.len();
    let bytes: usize = match found {
        HistoryResult::Page(page) => page.iter().map(of_row).sum(),
        HistoryResult::Several(found) => {
            let entries = found.targets.iter().flat_map(|newest| &newest.entries);
            entries.map(of_row).sum()
        }
        HistoryResult::Targets(_)
        | HistoryResult::Message(_)
        | HistoryResult::NoSuchMessage
        | HistoryResult::Failed => 0,
    };
    (place_count * READ_ROW + bytes) as u64
}

fn dispatch_result(
    ctx: &mut Context<'_>,
    caller: Caller,
    purpose: Purpose,
    query: &HistoryQuery,
    found: HistoryResult,
) {
    match purpose {
        Purpose::CatchUp {
            number,
            after,
            until,
        } => catch_up::found(ctx, caller, number, [after, until], found.several()),
        Purpose::Playback => playback::found(ctx, caller, found.several()),
        Purpose::Chathistory { subcommand, target } => {
            history::found(ctx, caller, &subcommand, &target, query, found);
        }
        Purpose::Redaction {
            target,
            msgid,
            reason,
        } => {
            let redaction = Redaction {
                target: &target,
                msgid: &msgid,
                reason: reason.as_deref(),
            };
            redact::found(ctx, caller, &redaction, found);
        }
    }
}

/// Handles a message of an admitted session. Messages of a session that the core has ended are
/// ignored.
pub fn command(ctx: &mut Context<'_>, session: SessionId, message: &Message) {
    let Some(caller) = ctx.caller(session) else {
        return;
    };
    let label = labels::escaped(caller, message);
    if batch::is_part(caller, message) {
        // The reply follows when the batch is closed.
        return batch::handle(ctx, caller, message, label);
    }
    labels::labelled(ctx, caller, label, |ctx| run(ctx, caller, message));
}

/// Handles a line that is not a message. If it may have been part of an open multi-line message,
/// that message fails.
pub fn bad_line(ctx: &mut Context<'_>, session: SessionId, fault: LineFault) {
    let Some(caller) = ctx.caller(session) else {
        return;
    };
    let label = match fault.message() {
        Some(message) if !batch::is_part(caller, message) => labels::escaped(caller, message),
        _ => batch::fail(ctx, caller),
    };
    labels::labelled(ctx, caller, label, |ctx| match fault {
        LineFault::TooLong(_) => {
            ctx.reply(caller, ERR_INPUTTOOLONG, &[], "Input line was too long");
        }
        // The specification of utf8-only sends this code to clients without `standard-replies` too.
        LineFault::NotUtf8(message) => ctx.fail(
            caller,
            message
                .as_ref()
                .map_or("*", |message| message.command.as_str()),
            "INVALID_UTF8",
            &[],
            "Message rejected: it was not valid UTF-8. Set your client to UTF-8",
        ),
        LineFault::Malformed(_) => ctx.unknown_command(caller, "*", "Not a command"),
    });
}

/// Runs the handler of the message's command.
fn run(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let name = message.command.as_str();
    if !matches!(name, "PING" | "PONG") {
        ctx.state.user_mut(caller.user).active_at = ctx.stamp.at;
    }
    match features::find(name).map(|command| (command.handler, command.min_params)) {
        Some((Handler::Core(handle) | Handler::CoreLongReply(handle), min_params)) => {
            if message.params.len() >= min_params {
                handle(ctx, caller, message);
            } else {
                ctx.need_more_params(caller, name);
            }
        }
        Some((Handler::ControlPlane, _)) => server::refuse_operator_command(ctx, caller, name),
        Some((Handler::Accounts { .. }, _)) | None => {
            ctx.unknown_command(caller, name, UNKNOWN_COMMAND);
        }
    }
}
