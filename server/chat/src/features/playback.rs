//! Playback as ZNC has it (znc.in/playback): what was said since a time is asked for by a message
//! to `*playback`.

use jiff::{SignedDuration, Timestamp, Unit};
use rookery_protocol::ChannelName;
use rookery_record::HistoryEntry;
use rookery_record::SeveralQuery;

use crate::context::{Caller, Context};
use crate::event::{Delivery, Fetch, HistoryQuery, Output, Purpose};
use crate::features::{history, replay};
use crate::line::mark;
use crate::params::split_list;

/// Whom the client writes to. Nobody can be called that.
const NAME: &str = "*playback";

const USAGE: &str = "PLAY <channels and nicks, or *> [<from> [<to>]], times in seconds since 1970";

/// Whether a message to that target asks for playback.
pub fn is_meant(target: &str) -> bool {
    target.eq_ignore_ascii_case(NAME)
}

/// `PLAY <targets or *> [<from> [<to>]]`.
pub fn ask(ctx: &mut Context<'_>, caller: Caller, text: &str) {
    let Some(query) = read(ctx, caller, text) else {
        return ctx.notice(caller, USAGE);
    };
    ctx.out.push(Output::Fetch(Box::new(Fetch {
        session: caller.session,
        ticket: None,
        label: None,
        purpose: Purpose::Playback,
        query: HistoryQuery::Several(query),
    })));
}

fn read(ctx: &Context<'_>, caller: Caller, text: &str) -> Option<SeveralQuery> {
    let mut words = text.split_ascii_whitespace();
    let play = words
        .next()
        .filter(|word| word.eq_ignore_ascii_case("PLAY"));
    let (_, targets) = play.zip(words.next())?;
    let [from, to] = [words.next(), words.next()].map(|word| word.map(seconds));
    if words.next().is_some() || from == Some(None) || to == Some(None) {
        return None;
    }
    let user = ctx.state.user(caller.user);
    let all = targets == "*";
    let names: Vec<&str> = if all {
        user.channels().iter().map(ChannelName::as_str).collect()
    } else {
        split_list(targets)
    };
    Some(SeveralQuery {
        readings: names
            .into_iter()
            .filter_map(|name| history::readable(ctx, caller, name))
            .collect(),
        account: user
            .identity
            .as_ref()
            .filter(|_| all)
            .map(|own| own.name.to_nick()),
        // That moment counts.
        after: from
            .flatten()
            .and_then(|from| from.checked_sub(SignedDuration::from_millis(1)).ok())
            .unwrap_or(Timestamp::MIN),
        before: to.flatten().unwrap_or(Timestamp::MAX),
        limit: match ctx.settings.history_page {
            0 => usize::MAX,
            bound => bound,
        },
    })
}

/// Seconds since 1970, with a fraction; to the millisecond, as the times that clients know.
fn seconds(text: &str) -> Option<Timestamp> {
    let seconds: f64 = text.parse().ok()?;
    let duration = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(duration)
        .ok()?
        .round(Unit::Millisecond)
        .ok()
}

/// Shows what was asked for with `PLAY`; with a label, in one answer.
pub fn found_playback(
    ctx: &mut Context<'_>,
    caller: Caller,
    label: Option<&str>,
    found: Option<Vec<(String, Vec<HistoryEntry>)>>,
) {
    let start = ctx.out.len();
    let parts = if let Some(found) = found {
        replay::send_several(ctx, caller, found)
    } else {
        ctx.notice(
            caller,
            "What was said could not be read; please try again later",
        );
        vec![start..=start]
    };
    let Some(label) = label.map(|label| format!("label={label}")) else {
        return;
    };
    match &parts[..] {
        [] => {
            let line = ctx
                .server_line("ACK")
                .render(&ctx.server_tags(), caller.capabilities);
            ctx.out.push(Output::Deliver(Delivery {
                to: vec![caller.session],
                line: mark(&line, &label),
            }));
        }
        [part] => replay::mark_line(ctx, *part.start(), &label),
        parts => {
            let outer = ctx.state.next_batch();
            let tag = format!("batch={outer}");
            for part in parts {
                replay::mark_line(ctx, *part.start(), &tag);
                if part.start() != part.end() {
                    replay::mark_line(ctx, *part.end(), &tag);
                }
            }
            let open = ctx
                .server_line("BATCH")
                .word(&format!("+{outer}"))
                .word("labeled-response");
            let line = mark(
                &open.render(&ctx.server_tags(), caller.capabilities),
                &label,
            );
            ctx.out.insert(
                start,
                Output::Deliver(Delivery {
                    to: vec![caller.session],
                    line,
                }),
            );
            let close = ctx.server_line("BATCH").word(&format!("-{outer}"));
            ctx.send(caller, &close);
        }
    }
}
