//! Labels of commands (IRCv3 labeled-response).

use rookery_protocol::{Capabilities, Capability, Message};

use crate::context::{Caller, Context};
use crate::lengths;

/// Returns the label that a client with those capabilities expects on the reply to `message`.
pub fn of(message: &Message, capabilities: Capabilities) -> Option<&str> {
    // Several replies are sent as a batch.
    let is_supported =
        capabilities.has(Capability::LabeledResponse) && capabilities.has(Capability::Batch);
    message
        .tags
        .get("label")
        .filter(|label| is_supported && (1..=lengths::LABEL).contains(&label.len()))
}

/// Returns the label of the caller's message, escaped.
pub(crate) fn escaped(caller: Caller, message: &Message) -> Option<String> {
    let label = of(message, caller.capabilities)?;
    let mut escaped = String::new();
    // Writing to a String cannot fail.
    let _ = rookery_protocol::message::write_escaped(&mut escaped, label);
    Some(escaped)
}

/// Runs `run`, and adds the label, which is escaped, to its replies to the caller.
pub(crate) fn labelled(
    ctx: &mut Context<'_>,
    caller: Caller,
    label: Option<String>,
    run: impl FnOnce(&mut Context<'_>),
) {
    let Some(label) = label else {
        return run(ctx);
    };
    ctx.out.begin(caller.session, label);
    run(ctx);
    if ctx.state.user_of(caller.session).is_none() {
        // The session has quit, so it receives no reply.
        ctx.out.take_label();
    }
    let server = &ctx.settings.server_name;
    if let Some(batch) = ctx.out.finish(server, || ctx.state.next_batch()) {
        ctx.close_batch(caller.session, &batch);
    }
}
