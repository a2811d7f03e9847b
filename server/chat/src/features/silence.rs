//! `SILENCE`: who may not send a user direct messages and invitations. User mode `R` refuses those
//! of everyone who has no account.
//!
//! - `SILENCE`: one 271 for each mask, then 272.
//! - `SILENCE +<mask>`, `SILENCE -<mask>`: the same line to all sessions of the user.
//!
//! Errors are 511 and `FAIL SILENCE <code> <context> :text`.

use rookery_protocol::Message;
use rookery_protocol::numeric::{
    ERR_CANTSENDTOUSER, ERR_NONONREG, ERR_SILELISTFULL, RPL_ENDOFSILELIST, RPL_SILELIST,
};
use rookery_record::{Change, Participant};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::event::Output;
use crate::lengths;
use crate::state::User;
use crate::state::mask::{Mask, Subject};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["SILENCE"],
    min_params: 0,
    help: &[
        "SILENCE, SILENCE +mask, SILENCE -mask",
        "Lists, adds and removes those who cannot send you direct messages or invitations.",
        "Masks: nick!user@host or ~a:account. MODE yournick +R refuses everyone without an account.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(silence),
}];

/// Handles `SILENCE`, `SILENCE +<mask>` and `SILENCE -<mask>`.
pub fn silence(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(given) = message.param(0).filter(|given| !given.is_empty()) else {
        return list(ctx, caller);
    };
    let (on, text) = match (given.strip_prefix('+'), given.strip_prefix('-')) {
        (Some(text), _) => (true, text),
        (None, Some(text)) => (false, text),
        (None, None) => {
            let text = "Put + before a mask to add it, or - to remove it";
            return refuse(ctx, caller, "INVALID_MASK", given, text);
        }
    };
    let mask = match parse(text) {
        Ok(mask) => mask,
        Err(reason) => return refuse(ctx, caller, "INVALID_MASK", text, &reason),
    };
    let own = ctx.state.user(caller.user).participant();
    let mut masks = ctx.state.silences(&own).to_vec();
    let before = masks.len();
    masks.retain(|other| !other.is_same(&mask));
    match (on, masks.len() < before) {
        (true, false) if before >= lengths::SILENCES => {
            let text = "Your list is full; first remove a mask";
            return ctx.reply(caller, ERR_SILELISTFULL, &[mask.as_str()], text);
        }
        (true, _) => masks.push(mask.clone()),
        (false, true) => {}
        (false, false) => {
            let text = "That mask is not on your list";
            return refuse(ctx, caller, "NO_SUCH_ENTRY", mask.as_str(), text);
        }
    }
    set(ctx, caller, masks);
    let sign = if on { '+' } else { '-' };
    let line = ctx.user_line(caller.user, "SILENCE");
    let line = line.word(&format!("{sign}{}", mask.as_str()));
    ctx.send_to_users(caller.user, &[caller.user], &line, |_| true);
}

fn list(ctx: &mut Context<'_>, caller: Caller) {
    let user = ctx.state.user(caller.user);
    let entry = |mask: &Mask| {
        let line = ctx.numeric(caller, RPL_SILELIST).word(user.nick.as_str());
        line.word(mask.as_str())
    };
    let masks = ctx.state.silences(&user.participant());
    let mut lines: Vec<_> = masks.iter().map(entry).collect();
    lines.push(
        ctx.numeric(caller, RPL_ENDOFSILELIST)
            .text("End of the list"),
    );
    ctx.send_rows(caller, lines);
}

/// Parses a mask, or returns why it cannot be listed.
fn parse(text: &str) -> Result<Mask, String> {
    let mask = Mask::new(text).filter(|_| !text.is_empty());
    let mask = mask.ok_or_else(|| "Unknown kind of mask".to_owned())?;
    if mask.mutes() {
        return Err("~m: is for channels only".to_owned());
    }
    mask.refusal().map_or(Ok(mask), Err)
}

/// Replaces the list of the caller's user, and persists that of an account.
fn set(ctx: &mut Context<'_>, caller: Caller, masks: Vec<Mask>) {
    let user = ctx.state.user_mut(caller.user);
    let Some(identity) = &user.identity else {
        user.silences = masks;
        return;
    };
    let account = identity.name.clone();
    let texts = masks.iter().map(|mask| mask.as_str().to_owned()).collect();
    if masks.is_empty() {
        ctx.state.account_silences.remove(&account);
    } else {
        ctx.state.account_silences.insert(account.clone(), masks);
    }
    ctx.out.push(Output::Persist(Box::new(Change::Silences {
        account,
        masks: texts,
    })));
}

/// Returns why the user does not accept direct messages and invitations from the sender: a numeric
/// about the user, with its text. `None` if it does.
pub fn refusal(
    ctx: &Context<'_>,
    sender: &User,
    user: &User,
) -> Option<(&'static str, &'static str)> {
    if sender.id == user.id {
        return None;
    }
    if user.only_accounts && sender.identity.is_none() {
        let text = "This user accepts direct messages and invitations only from users with an account (+R)";
        return Some((ERR_NONONREG, text));
    }
    let text = "This user does not accept direct messages or invitations from you";
    is_covered(ctx, &user.participant(), sender).then_some((ERR_CANTSENDTOUSER, text))
}

/// Whether the other of the two participants of a conversation does not accept direct messages from
/// the sender.
pub fn is_silenced(ctx: &Context<'_>, sender: &User, participants: [&Participant; 2]) -> bool {
    let own = sender.participant();
    let mut others = participants.into_iter().filter(|other| **other != own);
    others.any(|other| is_covered(ctx, other, sender))
}

/// Whether a mask of the participant covers the sender.
fn is_covered(ctx: &Context<'_>, participant: &Participant, sender: &User) -> bool {
    let masks = ctx.state.silences(participant);
    if masks.is_empty() {
        return false;
    }
    let subject = Subject::new(sender);
    masks.iter().any(|mask| mask.covers(&subject))
}

fn refuse(ctx: &mut Context<'_>, caller: Caller, code: &str, context: &str, text: &str) {
    ctx.fail(caller, "SILENCE", code, &[context], text);
}
