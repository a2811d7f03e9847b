//! Leads each message of a session to the code of its command.

use crate::features;
use rookery_protocol::Message;
use rookery_protocol::numeric::ERR_INPUTTOOLONG;

use crate::command::Handler;
use crate::context::{Caller, Context, UNKNOWN_COMMAND};
use crate::event::{Answer, Fetch, Found, LineFault, Output, Purpose};
use crate::features::redact::Redaction;
use crate::features::{batch, catch_up, history, playback, redact, server};
use crate::ids::{SessionId, Ticket};
use crate::labels;
use crate::line::mark;

/// A command whose answer may have to wait for the record.
pub fn ask_history(ctx: &mut Context<'_>, ticket: Ticket, session: SessionId, message: &Message) {
    let start = ctx.out.len();
    command(ctx, session, message);
    match ctx.out[start..].last_mut() {
        Some(Output::Fetch(fetch)) => fetch.ticket = Some(ticket),
        _ => ctx.answer(ticket, Answer::Done),
    }
}

/// Shows what was found to the session it was read for, if it is still here.
pub fn fetched(ctx: &mut Context<'_>, fetch: Fetch, found: Found) {
    let Fetch {
        session,
        ticket,
        label,
        purpose,
        query,
    } = fetch;
    if let Some(caller) = ctx.caller(session) {
        let several = match found {
            Found::Several(several) => Ok(several),
            found => Err(found),
        };
        match (purpose, several) {
            (
                Purpose::Missed {
                    number,
                    after,
                    until,
                },
                several,
            ) => {
                catch_up::found_missed(ctx, caller, number, [after, until], several.ok());
            }
            (Purpose::Playback, several) => {
                playback::found_playback(ctx, caller, label.as_deref(), several.ok())
            }
            (Purpose::Chathistory { subcommand, target }, Err(found)) => {
                let start = ctx.out.len();
                history::found(ctx, caller, &subcommand, &target, &query, found);
                if let (Some(label), Some(Output::Deliver(first))) =
                    (&label, ctx.out.get_mut(start))
                {
                    first.line = mark(&first.line, &format!("label={label}"));
                }
            }
            (
                Purpose::Redaction {
                    target,
                    msgid,
                    reason,
                },
                Err(found),
            ) => {
                let (reason, label) = (reason.as_deref(), label.as_deref());
                redact::found(
                    ctx,
                    caller,
                    &Redaction {
                        target: &target,
                        msgid: &msgid,
                        reason,
                        label,
                    },
                    found,
                );
            }
            (Purpose::Chathistory { .. } | Purpose::Redaction { .. }, Ok(_)) => {}
        }
    }
    if let Some(ticket) = ticket {
        ctx.answer(ticket, Answer::Done);
    }
}

/// A session that the core has ended may still have commands on their way: they are left alone.
pub fn command(ctx: &mut Context<'_>, session: SessionId, message: &Message) {
    let Some(caller) = ctx.caller(session) else {
        return;
    };
    catch_up::record_heard(ctx, session);
    let label = label_of(caller, message);
    if batch::is_part(caller, message) {
        // What follows is an answer to all of the batch.
        return batch::take(ctx, caller, message, label);
    }
    labels::labelled(ctx, caller, label, |ctx| run(ctx, caller, message));
}

/// A line that could not be taken. If it was to be part of a message of several lines, that is
/// left out too.
pub fn bad_line(ctx: &mut Context<'_>, session: SessionId, fault: LineFault) {
    let Some(caller) = ctx.caller(session) else {
        return;
    };
    let label = match &fault {
        LineFault::NotUtf8(Some(message)) if !batch::is_part(caller, message) => {
            label_of(caller, message)
        }
        _ => batch::fail(ctx, caller),
    };
    labels::labelled(ctx, caller, label, |ctx| match fault {
        LineFault::TooLong => {
            ctx.reply(
                caller,
                ERR_INPUTTOOLONG,
                &[],
                "Input line was too long, and was left out",
            );
        }
        // The utf8-only specification gives this code to clients of any capability.
        LineFault::NotUtf8(message) => ctx.fail(
            caller,
            message
                .as_ref()
                .map_or("*", |message| message.command.as_str()),
            "INVALID_UTF8",
            &[],
            "That line was not UTF-8, and was left out; please set your client to UTF-8",
        ),
        LineFault::Malformed => ctx.unknown_command(caller, "*", "That line is not a command"),
    });
}

/// What the answer to the message is to be marked with, escaped.
fn label_of(caller: Caller, message: &Message) -> Option<String> {
    let label = labels::of(message, caller.capabilities)?;
    let mut escaped = String::new();
    // Writing to a String cannot fail.
    let _ = rookery_protocol::message::write_escaped(&mut escaped, label);
    Some(escaped)
}

/// Runs the handler of the message's command.
fn run(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let name = message.command.as_str();
    if !matches!(name, "PING" | "PONG") {
        ctx.state.user_mut(caller.user).active_at = ctx.stamp.at;
    }
    match features::find(name).map(|command| (command.handler, command.min_params)) {
        Some((Handler::Core(handle), min_params)) if message.params.len() >= min_params => {
            handle(ctx, caller, message);
        }
        Some((Handler::Core(_), _)) => ctx.need_more_params(caller, name),
        Some((Handler::ControlPlane, _)) => server::refuse_operator_command(ctx, caller, name),
        Some((Handler::Accounts, _)) | None => {
            ctx.unknown_command(caller, name, UNKNOWN_COMMAND);
        }
    }
}
