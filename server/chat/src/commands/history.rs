//! Reading back what was said: `CHATHISTORY`. What the core allows is read outside of it; the reply
//! follows then.

use jiff::Timestamp;
use rookery_protocol::{Capability, Message};

use crate::commands::unknown;
use crate::event::{Fetch, HistoryQuery, Output, Purpose};
use crate::turn::{Caller, Turn};
use rookery_record::{PageQuery, Point, Selection, TargetsQuery};

/// `CHATHISTORY <subcommand> <target> <point> [<point>] <limit>`, `CHATHISTORY TARGETS <time>
/// <time> <limit>`.
pub fn chathistory(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    if !caller.has(Capability::Chathistory) {
        let text = "CHATHISTORY needs the capability draft/chathistory";
        return unknown(turn, caller, &message.command, text);
    }
    let params: Vec<&str> = message.params.iter().map(String::as_str).collect();
    let Some((&subcommand, params)) = params.split_first() else {
        return;
    };
    let asked = match subcommand.to_ascii_uppercase().as_str() {
        "TARGETS" => targets(turn, caller, params),
        name => page(turn, caller, name, params),
    };
    match asked {
        Ok((target, query)) => turn.out.push(Output::Fetch(Box::new(Fetch {
            session: caller.session,
            ticket: None,
            label: None,
            purpose: Purpose::Chathistory {
                subcommand: subcommand.to_owned(),
                target: target.to_owned(),
            },
            query,
        }))),
        Err(Refusal {
            code,
            context,
            text,
        }) => {
            let context: Vec<&str> = [subcommand].into_iter().chain(context).collect();
            turn.fail(caller, "CHATHISTORY", code, &context, text);
        }
    }
}

/// Why nothing is read.
struct Refusal<'m> {
    code: &'static str,
    /// What stands after the subcommand.
    context: Vec<&'m str>,
    text: &'static str,
}

fn invalid<'m>(context: &[&'m str], text: &'static str) -> Refusal<'m> {
    Refusal {
        code: "INVALID_PARAMS",
        context: context.to_vec(),
        text,
    }
}

fn page<'m>(
    turn: &Turn<'_>,
    caller: Caller,
    subcommand: &str,
    params: &[&'m str],
) -> Result<(&'m str, HistoryQuery), Refusal<'m>> {
    let points = match subcommand {
        "LATEST" | "BEFORE" | "AFTER" | "AROUND" => 1,
        "BETWEEN" => 2,
        _ => return Err(invalid(&[], "Unknown command")),
    };
    count(params, points + 2)?;
    let (target, limit) = (params[0], limit(turn, params[points + 1])?);
    let point = |index: usize| point(target, params[index]);
    let selection = match subcommand {
        "LATEST" if params[1] == "*" => Selection::Latest(None),
        "LATEST" => Selection::Latest(Some(point(1)?)),
        "BEFORE" => Selection::Before(point(1)?),
        "AFTER" => Selection::After(point(1)?),
        "AROUND" => Selection::Around(point(1)?),
        _ => Selection::Between(point(1)?, point(2)?),
    };
    let readable = turn.readable(caller, target).ok_or(Refusal {
        code: "INVALID_TARGET",
        context: vec![target],
        text: "Messages could not be retrieved: you are not in that channel, or nobody is called that",
    })?;
    let query = PageQuery {
        places: readable.places,
        selection,
        events: caller.has(Capability::EventPlayback),
        redactions: caller.has(Capability::MessageRedaction),
        since: readable.since,
        limit,
    };
    Ok((target, HistoryQuery::Page(query)))
}

fn targets<'m>(
    turn: &Turn<'_>,
    caller: Caller,
    params: &[&'m str],
) -> Result<(&'m str, HistoryQuery), Refusal<'m>> {
    count(params, 3)?;
    let time = |text: &'m str| {
        text.strip_prefix("timestamp=")
            .and_then(timestamp)
            .ok_or_else(|| invalid(&[text], INVALID_TIME))
    };
    let (from, to, limit) = (time(params[0])?, time(params[1])?, limit(turn, params[2])?);
    let user = turn.state.user(caller.user);
    let channels = user.channels().iter();
    let channels = channels
        .filter_map(|name| Some((name.clone(), turn.channel_since(caller, name)?)))
        .collect();
    let account = user
        .identity
        .as_ref()
        .map(|identity| identity.name.to_nick());
    Ok((
        "*",
        HistoryQuery::Targets(TargetsQuery {
            channels,
            account,
            from,
            to,
            limit,
        }),
    ))
}

fn count<'m>(params: &[&'m str], due: usize) -> Result<(), Refusal<'m>> {
    match params.len().cmp(&due) {
        std::cmp::Ordering::Less => Err(invalid(&[], "Insufficient parameters")),
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(invalid(&[], "Too many parameters")),
    }
}

/// What is above the bound is cut to it.
fn limit<'m>(turn: &Turn<'_>, text: &'m str) -> Result<usize, Refusal<'m>> {
    let asked: Option<u32> = text.parse().ok().filter(|&limit| limit > 0);
    let asked = asked.ok_or_else(|| invalid(&[text], "Invalid limit"))?;
    let asked = usize::try_from(asked).unwrap_or(usize::MAX);
    Ok(match turn.settings.history_page {
        0 => asked,
        bound => asked.min(bound),
    })
}

const INVALID_TIME: &str = "Invalid timestamp";

fn point<'m>(target: &'m str, text: &'m str) -> Result<Point, Refusal<'m>> {
    match text.split_once('=') {
        Some(("msgid", msgid)) if !msgid.is_empty() => Ok(Point::Message(msgid.to_owned())),
        Some(("timestamp", time)) => timestamp(time)
            .map(Point::At)
            .ok_or_else(|| invalid(&[text], INVALID_TIME)),
        None | Some(("msgid", _)) => {
            Err(invalid(&[text], "Neither a msgid=... nor a timestamp=..."))
        }
        Some(_) => Err(Refusal {
            code: "INVALID_MSGREFTYPE",
            context: vec![target, text],
            text: "Messages are referred to by msgid=... or timestamp=...",
        }),
    }
}

/// As in the `time` tag: `YYYY-MM-DDThh:mm:ss.sssZ`.
pub fn timestamp(text: &str) -> Option<Timestamp> {
    let form = text.ends_with('Z') && text.as_bytes().get(10) == Some(&b'T');
    form.then(|| text.parse().ok()).flatten()
}
