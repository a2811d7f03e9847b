//! Multi-line messages from clients (IRCv3 `draft/multiline`): `BATCH +name draft/multiline
//! target`, lines with the tag `batch=name`, `BATCH -name`. The lines are collected, and sent as
//! one message when the batch is closed.

use rookery_protocol::Message;

use crate::command::{Command, Handler};
use crate::context::{Caller, Context, UNKNOWN_COMMAND};
use crate::features::messages;
use crate::state::open_batch::{Fault, OpenBatch, invalid};
use crate::{labels, multiline};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["BATCH"],
    min_params: 0,
    help: &[
        "BATCH +name draft/multiline target, lines with the tag batch=name, BATCH -name",
        "Sends several lines as one message. Clients do this automatically.",
    ],
    weight: |message| messages::weight_to(1, message),
    handler: Handler::Core(batch),
}];

/// Handles `BATCH` from a client without `draft/multiline`. A `BATCH` from other clients is handled
/// by [`handle`] instead.
fn batch(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    ctx.unknown_command(caller, &message.command, UNKNOWN_COMMAND);
}

/// Whether the message opens, closes or is part of a batch.
pub fn is_part(caller: Caller, message: &Message) -> bool {
    multiline::understands(caller.capabilities)
        && (message.command == "BATCH" || message.tags.get("batch").is_some())
}

/// Handles a message for which [`is_part`] is true. `label` is its label, escaped.
pub fn handle(ctx: &mut Context<'_>, caller: Caller, message: &Message, label: Option<String>) {
    let Some(session) = ctx.state.session_mut(caller.session) else {
        return;
    };
    let open = session.batch.take();
    let name = message.param(0).unwrap_or_default();
    if message.command == "BATCH"
        && let Some(name) = name.strip_prefix('-')
    {
        return end(ctx, caller, open, name);
    }
    let (open, fault) = match name.strip_prefix('+') {
        _ if message.command != "BATCH" => add(open, message),
        Some(name) => {
            let batch = OpenBatch {
                name: name.to_owned(),
                target: message.param(2).unwrap_or_default().to_owned(),
                label,
                client_tags: messages::client_tags(caller, message),
                ..OpenBatch::default()
            };
            let fault = batch.fault(open.as_deref(), message);
            (
                Some(Box::new(OpenBatch {
                    failed: fault.is_some(),
                    ..batch
                })),
                fault,
            )
        }
        None => (
            open,
            Some(invalid(
                "Use BATCH +name to open and BATCH -name to close a batch",
            )),
        ),
    };
    if let Some(fault) = fault {
        refuse(
            ctx,
            caller,
            open.as_ref().and_then(|batch| batch.label.clone()),
            &fault,
        );
    }
    if let Some(session) = ctx.state.session_mut(caller.session) {
        session.batch = open;
    }
}

/// Marks the open batch as failed because a line that may belong to it could not be read. The rest
/// of the batch is ignored. Returns the batch's label if no reply has been sent yet.
pub fn fail(ctx: &mut Context<'_>, caller: Caller) -> Option<String> {
    let session = ctx.state.session_mut(caller.session)?;
    let batch = session.batch.as_mut().filter(|batch| !batch.failed)?;
    batch.failed = true;
    batch.label.clone()
}

fn add(open: Option<Box<OpenBatch>>, message: &Message) -> (Option<Box<OpenBatch>>, Option<Fault>) {
    let Some(mut batch) = open else {
        return (None, Some(invalid("No such batch is open")));
    };
    let fault = if batch.failed {
        None
    } else {
        batch.push(message).err()
    };
    batch.failed |= fault.is_some();
    (Some(batch), fault)
}

fn end(ctx: &mut Context<'_>, caller: Caller, open: Option<Box<OpenBatch>>, name: &str) {
    let Some(batch) = open else {
        return refuse(ctx, caller, None, &invalid("No batch is open"));
    };
    if batch.failed {
        return;
    }
    let OpenBatch {
        target,
        label,
        client_tags,
        command,
        text,
        ..
    } = *batch;
    if batch.name != name {
        refuse(
            ctx,
            caller,
            label,
            &invalid("That batch is not open; the open one was discarded"),
        );
    } else if multiline::lines(&text).all(|line| line.text.is_empty()) {
        refuse(
            ctx,
            caller,
            label,
            &invalid("A message cannot consist of blank lines only"),
        );
    } else {
        labels::labelled(ctx, caller, label, |ctx| {
            messages::send_multiline(ctx, caller, &command, &target, &text, client_tags);
        });
    }
}

/// Replies that the batch failed, with the label of the command that opened it.
fn refuse(
    ctx: &mut Context<'_>,
    caller: Caller,
    label: Option<String>,
    (code, context, text): &Fault,
) {
    labels::labelled(ctx, caller, label, |ctx| {
        let context: Vec<&str> = context.iter().map(String::as_str).collect();
        ctx.fail(caller, "BATCH", code, &context, text);
    });
}
