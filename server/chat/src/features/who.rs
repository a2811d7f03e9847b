//! Information about users: `WHO`, `WHOIS`, `WHOWAS`, `ISON`, `USERHOST`.

use rookery_protocol::names::fold_text;
use rookery_protocol::numeric::{
    ERR_NONICKNAMEGIVEN, ERR_NOSUCHNICK, ERR_WASNOSUCHNICK, RPL_AWAY, RPL_ENDOFWHO, RPL_ENDOFWHOIS,
    RPL_ENDOFWHOWAS, RPL_ISON, RPL_USERHOST, RPL_WHOISACCOUNT, RPL_WHOISACTUALLY, RPL_WHOISBOT,
    RPL_WHOISCHANNELS, RPL_WHOISIDLE, RPL_WHOISKEYVALUE, RPL_WHOISSECURE, RPL_WHOISSERVER,
    RPL_WHOISUSER, RPL_WHOREPLY, RPL_WHOSPCRPL, RPL_WHOWASUSER,
};
use rookery_protocol::{Capability, ChannelName, Message, Nick};

use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::metadata::subscriptions::is_notified;
use crate::features::metadata::values;
use crate::features::metadata::values::MetadataTarget;
use crate::ids::UserId;
use crate::lengths;
use crate::line::Line;
use crate::long_reply::LongReply;
use crate::state::channel::Member;
use crate::state::{User, mask};

/// The number of rows that a user counts for whose texts are compared with a mask.
const ROWS_OF_COMPARISON: usize = 2;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["WHO"],
        min_params: 0,
        help: &[
            "WHO #channel|nick|mask [%fields[,token]]",
            "Lists users. Fields: t token, c channel, u user name, h host, s server, n nick, f",
            "flags, l idle seconds, a account, r real name.",
        ],
        weight: who_weight,
        handler: Handler::CoreLongReply(who),
    },
    Command {
        names: &["WHOIS"],
        min_params: 0,
        help: &["WHOIS nick", "Shows information about a user."],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(whois),
    },
    Command {
        names: &["WHOWAS"],
        min_params: 0,
        help: &[
            "WHOWAS nick [count]",
            "Shows information about users who have disconnected.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::CoreLongReply(whowas),
    },
    Command {
        names: &["ISON"],
        min_params: 1,
        help: &[
            "ISON nick nick ...",
            "Lists which of these nicks are online.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(ison),
    },
    Command {
        names: &["USERHOST"],
        min_params: 1,
        help: &[
            "USERHOST nick nick ...",
            "Shows brief information about these users.",
        ],
        weight: |_| Weight::MESSAGE,
        handler: Handler::Core(userhost),
    },
];

/// Returns the weight of a `WHO`. A search by mask visits all users.
fn who_weight(message: &Message) -> Weight {
    let mask = message.param(0).unwrap_or_default();
    let is_search = mask.is_empty() || !mask.starts_with('#') && mask::is_mask(mask);
    if is_search {
        Weight::messages(10)
    } else {
        Weight::MESSAGE
    }
}

/// Handles `WHO [<channel, nick or mask> [[o][%<fields>[,<token>]]]]`.
pub fn who(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let asked = message
        .param(0)
        .filter(|asked| !asked.is_empty())
        .unwrap_or("*");
    let (flags, fields) = message
        .param(1)
        .unwrap_or_default()
        .split_once('%')
        .map_or_else(
            || (message.param(1).unwrap_or_default(), None),
            |(flags, fields)| (flags, Some(Fields::new(fields))),
        );
    let scope = if flags.contains('o') {
        // Operators of the server are never on the chat port.
        Scope::User(None)
    } else if let Ok(name) = ChannelName::parse(asked) {
        Scope::Channel { name, after: None }
    } else if mask::is_mask(asked) {
        Scope::Mask {
            pattern: fold_text(asked),
            after: None,
            limit: lengths::WHO,
        }
    } else {
        Scope::User(Nick::parse(asked).ok())
    };
    let asked = asked.to_owned();
    ctx.reply_long(
        caller,
        Who {
            asked,
            fields,
            scope,
        },
    );
}

/// The reply to a `WHO`.
struct Who {
    asked: String,
    fields: Option<Fields>,
    scope: Scope,
}

/// The users that a `WHO` returns.
enum Scope {
    /// The user with that nick.
    User(Option<Nick>),
    /// The members of a channel after that one.
    Channel {
        name: ChannelName,
        after: Option<UserId>,
    },
    /// The users that match a mask and whose nicks are after that nick.
    Mask {
        pattern: String,
        after: Option<Nick>,
        limit: usize,
    },
}

impl LongReply for Who {
    fn send_rows(&mut self, ctx: &mut Context<'_>, caller: Caller) -> bool {
        let mut rows_left = *ctx.rows_left;
        let (entries, is_complete) = self.scope.next(ctx, caller, &mut rows_left);
        let lines: Vec<Line> = entries
            .iter()
            .map(|entry| match &self.fields {
                Some(fields) => fields.line(ctx, caller, entry),
                None => line(ctx, caller, entry),
            })
            .collect();
        *ctx.rows_left = rows_left;
        for line in lines {
            ctx.send(caller, &line);
        }
        if is_complete {
            ctx.reply(caller, RPL_ENDOFWHO, &[&self.asked], "End of /WHO list");
        }
        is_complete
    }
}

impl Scope {
    /// Returns the next users, after looking at `rows_left` at most, and whether they are the
    /// last.
    fn next<'t>(
        &mut self,
        ctx: &'t Context<'_>,
        caller: Caller,
        rows_left: &mut usize,
    ) -> (Vec<WhoEntry<'t>>, bool) {
        match self {
            Self::User(nick) => {
                let user = nick.as_ref().and_then(|nick| ctx.state.by_nick(nick));
                let entries = user.into_iter().map(WhoEntry::new).collect();
                (entries, true)
            }
            Self::Channel { name, after } => in_channel(ctx, caller, name, after, rows_left),
            Self::Mask {
                pattern,
                after,
                limit,
            } => {
                let users = ctx.state.users_after(after.as_ref());
                let look_at = rows_left.div_ceil(ROWS_OF_COMPARISON);
                let users: Vec<&User> = users.take(look_at).collect();
                if let Some(last) = users.last() {
                    *after = Some(last.nick.clone());
                }
                let is_last = users.len() < look_at;
                *rows_left = rows_left.saturating_sub(users.len() * ROWS_OF_COMPARISON);
                let entries: Vec<_> = users
                    .into_iter()
                    .filter(|user| is_visible(ctx, caller, user) && matches(pattern, user))
                    .take(*limit)
                    .map(WhoEntry::new)
                    .collect();
                *limit -= entries.len();
                (entries, is_last || *limit == 0)
            }
        }
    }
}

/// Returns the next members of the channel, and whether they are the last.
fn in_channel<'t>(
    ctx: &'t Context<'_>,
    caller: Caller,
    name: &ChannelName,
    after: &mut Option<UserId>,
    rows_left: &mut usize,
) -> (Vec<WhoEntry<'t>>, bool) {
    let channel = ctx.state.channel(name);
    let Some(channel) = channel.filter(|channel| channel.is_visible_to(caller.user)) else {
        return (Vec::new(), true);
    };
    let left = channel.members_after(*after);
    let members = &left[..left.len().min(*rows_left)];
    if let Some(last) = members.last() {
        *after = Some(last.user);
    }
    *rows_left -= members.len();
    let inside = channel.has(caller.user);
    let entries = members
        .iter()
        .map(|member| (member, ctx.state.user(member.user)))
        .filter(|(_, user)| inside || !user.is_invisible())
        .map(|(member, user)| WhoEntry {
            user,
            membership: Some((&channel.name, *member)),
        });
    (entries.collect(), members.len() == left.len())
}

/// Whether a search by mask may return the user.
fn is_visible(ctx: &Context<'_>, caller: Caller, user: &User) -> bool {
    !user.is_invisible() || ctx.state.share_channel(caller.user, user.id)
}

/// Whether the user matches the pattern, which is folded, as the patterns of bans are.
fn matches(pattern: &str, user: &User) -> bool {
    mask::matches(pattern, user.nick.folded())
        || [&*user.username, &*user.host, &*user.realname]
            .into_iter()
            .any(|text| mask::matches(pattern, &fold_text(text)))
}

/// A user that `WHO` returns, with the channel if one was requested.
pub struct WhoEntry<'s> {
    pub user: &'s User,
    membership: Option<(&'s ChannelName, Member)>,
}

impl<'s> WhoEntry<'s> {
    fn new(user: &'s User) -> Self {
        Self {
            user,
            membership: None,
        }
    }

    /// Returns the channel, or `*`.
    pub fn channel(&self) -> &str {
        self.membership.map_or("*", |(channel, _)| channel.as_str())
    }

    /// Returns the flags: `H` or `G` (away), `B` for a bot, and the prefixes in the channel.
    pub fn flags(&self, caller: Caller) -> String {
        let here = if self.user.away.is_some() { "G" } else { "H" };
        let bot = if self.user.is_bot { "B" } else { "" };
        let prefix = self.membership.map_or("", |(_, member)| {
            member.modes.prefix(caller.has(Capability::MultiPrefix))
        });
        format!("{here}{bot}{prefix}")
    }
}

fn line(ctx: &Context<'_>, caller: Caller, entry: &WhoEntry<'_>) -> Line {
    let user = entry.user;
    let words = [
        entry.channel(),
        &user.username,
        &user.host,
        &ctx.settings.server_name,
        user.nick.as_str(),
        &entry.flags(caller),
    ];
    let line = words
        .iter()
        .fold(ctx.numeric(caller, RPL_WHOREPLY), |line, word| {
            line.word(word)
        });
    line.text(&format!("0 {}", user.realname))
}

/// Handles `WHOIS [<server>] <nick>`.
pub fn whois(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let asked = message
        .params
        .last()
        .and_then(|nicks| nicks.split(',').next());
    let Some(asked) = asked.filter(|asked| !asked.is_empty()) else {
        return ctx.reply(caller, ERR_NONICKNAMEGIVEN, &[], "No nickname given");
    };
    match ctx.state.named(asked).map(|user| user.id) {
        Some(user) => describe(ctx, caller, user),
        None => ctx.reply(caller, ERR_NOSUCHNICK, &[asked], "No such nick"),
    }
    ctx.reply(caller, RPL_ENDOFWHOIS, &[asked], "End of /WHOIS list");
}

fn describe(ctx: &mut Context<'_>, caller: Caller, id: UserId) {
    let user = ctx.state.user(id);
    let nick = user.nick.to_string();
    let (username, host, realname) = (
        user.username.clone(),
        user.host.clone(),
        user.realname.clone(),
    );
    let account = user.account().map(str::to_owned);
    let away = user.away.clone();
    let is_bot = user.is_bot;
    let is_connected = !user.sessions().is_empty();
    let idle = (ctx.now().as_second() - user.active_at.as_second())
        .max(0)
        .to_string();
    let since = user.since.as_second().to_string();
    let addresses: Vec<String> = if id == caller.user {
        user.sessions()
            .iter()
            .map(|session| session.address.ip().to_string())
            .collect()
    } else {
        Vec::new()
    };
    let channels = shown_channels(ctx, caller, user);

    ctx.reply(
        caller,
        RPL_WHOISUSER,
        &[&nick, &username, &host, "*"],
        &realname,
    );
    ctx.reply_list(caller, RPL_WHOISCHANNELS, &[&nick], &channels, ' ');
    let (server, network) = (&ctx.settings.server_name, &ctx.settings.network);
    ctx.reply(caller, RPL_WHOISSERVER, &[&nick, server], network);
    if let Some(away) = away {
        ctx.reply(caller, RPL_AWAY, &[&nick], &away);
    }
    if is_notified(caller.capabilities) {
        for (key, value) in values::of(ctx, &MetadataTarget::User(id))
            .cloned()
            .unwrap_or_default()
        {
            ctx.reply(caller, RPL_WHOISKEYVALUE, &[&nick, &key, "*"], &value);
        }
    }
    if let Some(account) = account {
        ctx.reply(
            caller,
            RPL_WHOISACCOUNT,
            &[&nick, &account],
            "is logged in as",
        );
    }
    if is_bot {
        ctx.reply(caller, RPL_WHOISBOT, &[&nick], "is a bot");
    }
    if is_connected {
        ctx.reply(
            caller,
            RPL_WHOISSECURE,
            &[&nick],
            "is using a secure connection",
        );
    }
    for address in addresses {
        ctx.reply(
            caller,
            RPL_WHOISACTUALLY,
            &[&nick, &address],
            "Is actually using host",
        );
    }
    ctx.reply(
        caller,
        RPL_WHOISIDLE,
        &[&nick, &idle, &since],
        "seconds idle, signon time",
    );
}

/// Returns the channels of the user that the caller may know of. Of an invisible user, these are
/// the channels they share.
fn shown_channels(ctx: &Context<'_>, caller: Caller, user: &User) -> Vec<String> {
    user.channels()
        .iter()
        .filter_map(|name| ctx.state.channel(name))
        .filter(|channel| {
            channel.is_visible_to(caller.user)
                && (!user.is_invisible() || user.id == caller.user || channel.has(caller.user))
        })
        .map(|channel| {
            let all = caller.has(Capability::MultiPrefix);
            let prefix = channel
                .member(user.id)
                .map_or("", |member| member.modes.prefix(all));
            format!("{prefix}{}", channel.name)
        })
        .collect()
}

/// Handles `WHOWAS <nick> [<count>]`.
pub fn whowas(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let Some(asked) = message.param(0).filter(|asked| !asked.is_empty()) else {
        return ctx.reply(caller, ERR_NONICKNAMEGIVEN, &[], "No nickname given");
    };
    let count: i64 = message
        .param(1)
        .and_then(|count| count.parse().ok())
        .unwrap_or(0);
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count > 0)
        .unwrap_or(usize::MAX);
    let mut lines = Vec::new();
    if let Ok(nick) = Nick::parse(asked) {
        let server = &ctx.settings.server_name;
        for user in ctx.state.departed(&nick).take(count) {
            let nick = user.nick.as_str();
            let line = ctx.numeric(caller, RPL_WHOWASUSER).word(nick);
            let line = line.word(&user.username).word(&user.host).word("*");
            lines.push(line.text(&user.realname));
            let line = ctx.numeric(caller, RPL_WHOISSERVER).word(nick).word(server);
            lines.push(line.text(&user.at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()));
        }
    }
    if lines.is_empty() {
        let line = ctx.numeric(caller, ERR_WASNOSUCHNICK).word(asked);
        lines.push(line.text("There was no such nick"));
    }
    let end = ctx.numeric(caller, RPL_ENDOFWHOWAS).word(asked);
    lines.push(end.text("End of WHOWAS"));
    ctx.send_rows(caller, lines);
}

/// Handles `ISON <nicks>`.
pub fn ison(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let asked = message
        .params
        .iter()
        .flat_map(|nicks| nicks.split(' '))
        .filter(|nick| !nick.is_empty());
    let online: Vec<&str> = asked
        .filter_map(|nick| ctx.state.named(nick))
        .map(|user| user.nick.as_str())
        .collect();
    ctx.reply(caller, RPL_ISON, &[], &online.join(" "));
}

/// Handles `USERHOST <nicks>`.
pub fn userhost(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let users: Vec<String> = message
        .params
        .iter()
        .filter_map(|nick| ctx.state.named(nick))
        .map(|user| {
            let presence = if user.away.is_some() { '-' } else { '+' };
            format!("{}={presence}{}@{}", user.nick, user.username, user.host)
        })
        .collect();
    ctx.reply(caller, RPL_USERHOST, &[], &users.join(" "));
}

/// All fields, in the order in which they are sent.
const FIELDS: &str = "tcuihsnfdlaor";

/// The maximum length of a token.
const TOKEN: usize = 3;

/// Sent in place of an address: the addresses of users are private.
const HIDDEN_ADDRESS: &str = "255.255.255.255";

/// The fields that the caller has requested (WHOX).
pub struct Fields {
    requested: String,
    token: String,
}

impl Fields {
    /// Parses what follows the `%`: `<fields>[,<token>]`.
    pub fn new(text: &str) -> Self {
        let (letters, token) = text.split_once(',').unwrap_or((text, "0"));
        let requested = FIELDS.chars().filter(|field| letters.contains(*field));
        let is_token =
            (1..=TOKEN).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_digit());
        Self {
            requested: requested.collect(),
            token: if is_token { token } else { "0" }.to_owned(),
        }
    }

    /// Returns the reply about one user.
    pub fn line(&self, ctx: &Context<'_>, caller: Caller, entry: &WhoEntry<'_>) -> Line {
        let user = entry.user;
        let idle = (ctx.now().as_second() - user.active_at.as_second())
            .max(0)
            .to_string();
        let head = ctx.numeric(caller, RPL_WHOSPCRPL);
        self.requested
            .chars()
            .fold(head, |line, field| match field {
                't' => line.word(&self.token),
                'c' => line.word(entry.channel()),
                'u' => line.word(&user.username),
                'i' => line.word(HIDDEN_ADDRESS),
                'h' => line.word(&user.host),
                's' => line.word(&ctx.settings.server_name),
                'n' => line.word(user.nick.as_str()),
                'f' => line.word(&entry.flags(caller)),
                'd' => line.word("0"),
                'l' => line.word(&idle),
                'a' => line.word(user.account().unwrap_or("0")),
                'o' => line.word("n/a"),
                _ => line.text(&user.realname),
            })
    }
}
