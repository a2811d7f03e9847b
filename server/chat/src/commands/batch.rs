//! Messages of several lines, as clients send them: `BATCH +name draft/multiline target`, the lines
//! with the tag `batch=name`, `BATCH -name`. The lines are collected, and are said when the batch
//! is closed.

use rookery_protocol::Message;

use crate::commands::messages;
use crate::event::{Delivery, Output};
use crate::labels::mark;
use crate::multiline;
use crate::state::open_batch::{Fault, OpenBatch, invalid};
use crate::turn::{Caller, Turn};

/// Whether the message is about a batch, or part of one.
pub fn is_part(caller: Caller, message: &Message) -> bool {
    multiline::knows(caller.capabilities)
        && (message.command == "BATCH" || message.tags.get("batch").is_some())
}

/// Takes a message that [`is_part`]. `label` is what the answer is to be marked with, escaped.
pub fn take(turn: &mut Turn<'_>, caller: Caller, message: &Message, label: Option<String>) {
    let Some(session) = turn.state.session_mut(caller.session) else {
        return;
    };
    let open = session.batch.take();
    let name = message.param(0).unwrap_or_default();
    if message.command == "BATCH"
        && let Some(name) = name.strip_prefix('-')
    {
        return end(turn, caller, open, name);
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
            Some(invalid("BATCH takes +name to begin and -name to end")),
        ),
    };
    if let Some(fault) = fault {
        tell(
            turn,
            caller,
            open.as_ref().and_then(|batch| batch.label.as_deref()),
            &fault,
        );
    }
    if let Some(session) = turn.state.session_mut(caller.session) {
        session.batch = open;
    }
}

/// A line that may have been part of a batch could not be read: if one is open, what is left of it
/// is passed over. Gives its label, if it has one and the answer to it is still due.
pub fn fail(turn: &mut Turn<'_>, caller: Caller) -> Option<String> {
    let session = turn.state.session_mut(caller.session)?;
    let batch = session.batch.as_mut().filter(|batch| !batch.failed)?;
    batch.failed = true;
    batch.label.clone()
}

fn add(open: Option<Box<OpenBatch>>, message: &Message) -> (Option<Box<OpenBatch>>, Option<Fault>) {
    let Some(mut batch) = open else {
        return (
            None,
            Some(invalid("There is no batch that this is a line of")),
        );
    };
    let fault = if batch.failed {
        None
    } else {
        batch.push(message).err()
    };
    batch.failed |= fault.is_some();
    (Some(batch), fault)
}

fn end(turn: &mut Turn<'_>, caller: Caller, open: Option<Box<OpenBatch>>, name: &str) {
    let Some(batch) = open else {
        return tell(turn, caller, None, &invalid("There is no batch to end"));
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
        tell(
            turn,
            caller,
            label.as_deref(),
            &invalid("That is not the batch that is open; it is left out"),
        );
    } else if multiline::lines(&text).all(|line| line.text.is_empty()) {
        tell(
            turn,
            caller,
            label.as_deref(),
            &invalid("A message of blank lines only says nothing"),
        );
    } else {
        turn.labelled(caller, label, |turn| {
            messages::say_lines(turn, caller, &command, &target, &text, client_tags);
        });
    }
}

fn tell(turn: &mut Turn<'_>, caller: Caller, label: Option<&str>, (code, context, text): &Fault) {
    let line = turn.server_line("FAIL").word("BATCH").word(code);
    let line = context
        .iter()
        .fold(line, |line, word| line.word(word))
        .text(text);
    let mut line = line.render(&turn.server_tags(), caller.capabilities);
    if let Some(label) = label {
        line = mark(&line, &format!("label={label}"));
    }
    turn.out.push(Output::Deliver(Delivery {
        to: vec![caller.session],
        line,
    }));
}
