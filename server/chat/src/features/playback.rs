//! Playback as in ZNC (znc.in/playback): a client requests the messages since a point in time, by a
//! message to `*playback` or by the command `ZNC *playback`.

use jiff::{SignedDuration, Timestamp, Unit};
use rookery_protocol::numeric::ERR_NOSUCHNICK;
use rookery_protocol::{ChannelName, Message};
use rookery_record::{NewestOfSeveral, SeveralQuery};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context, UNKNOWN_COMMAND};
use crate::event::{HistoryQuery, Purpose};
use crate::features::history;
use crate::features::replay::Replay;
use crate::params::split_list;

/// The target of the requests. It is not a valid nick.
const NAME: &str = "*playback";

/// The notice about an invalid request.
const USAGE: &str = "PLAY <channels and nicks, or *> [<from> [<to>]], times in seconds since 1970";

/// The commands of this module.
pub(crate) const COMMANDS: &[Command] = &[Command {
    names: &["ZNC"],
    min_params: 0,
    help: &[
        "ZNC *playback PLAY targets|* [from [to]]",
        "Sends earlier messages of these channels and nicks, or of all. Times are seconds since",
        "1970. PRIVMSG *playback does the same.",
    ],
    weight: |_| Weight::MESSAGE,
    handler: Handler::CoreLongReply(znc),
}];

/// Whether the message requests playback.
pub fn is_request(message: &Message) -> bool {
    matches!(message.command.as_str(), "PRIVMSG" | "ZNC")
        && message
            .param(0)
            .is_some_and(|target| target.eq_ignore_ascii_case(NAME))
}

/// Handles `ZNC <module> <request>`, whose request has one or several parameters.
fn znc(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    if !ctx.settings.history {
        return ctx.unknown_command(caller, &message.command, UNKNOWN_COMMAND);
    }
    match message.params.as_slice() {
        [] => ctx.need_more_params(caller, &message.command),
        [_, text @ ..] if is_request(message) => request(ctx, caller, &text.join(" ")),
        [module, ..] => ctx.reply(
            caller,
            ERR_NOSUCHNICK,
            &[module],
            &format!("No such module; there is only {NAME}"),
        ),
    }
}

/// Handles `PLAY <targets or *> [<from> [<to>]]`.
pub(crate) fn request(ctx: &mut Context<'_>, caller: Caller, text: &str) {
    let Some(query) = parse(ctx, caller, text) else {
        return ctx.notice(caller, USAGE);
    };
    ctx.fetch(caller, Purpose::Playback, HistoryQuery::Several(query));
}

fn parse(ctx: &Context<'_>, caller: Caller, text: &str) -> Option<SeveralQuery> {
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
        targets: names
            .into_iter()
            .filter_map(|name| history::readable(ctx, caller, name))
            .collect(),
        account: user
            .identity
            .as_ref()
            .filter(|_| all)
            .map(|own| own.name.to_nick()),
        // The moment itself is included.
        after: from
            .flatten()
            .and_then(|from| from.checked_sub(SignedDuration::from_millis(1)).ok())
            .unwrap_or(Timestamp::MIN),
        before: to.flatten().unwrap_or(Timestamp::MAX),
        limit: match ctx.settings.history_page {
            0 => usize::MAX,
            bound => bound,
        },
        bytes: Replay::bytes_to_read(ctx.settings),
    })
}

/// Parses seconds since 1970, with a fraction; to the millisecond, the precision of the `time` tag.
fn seconds(text: &str) -> Option<Timestamp> {
    let seconds: f64 = text.parse().ok()?;
    let duration = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::from_duration(duration)
        .ok()?
        .round(Unit::Millisecond)
        .ok()
}

/// Sends the messages that were read for a `PLAY`. `found` is `None` if the store failed.
pub(crate) fn found(ctx: &mut Context<'_>, caller: Caller, found: Option<NewestOfSeveral>) {
    match found {
        Some(found) => {
            let replay = Replay::new(ctx, caller, found, None);
            ctx.reply_long(caller, replay);
        }
        None => ctx.notice(
            caller,
            "The history could not be read; please try again later",
        ),
    }
}
