//! `MODE`: the modes of channels, of their members, and of users.

use std::collections::BTreeSet;
use std::sync::Arc;

use rookery_protocol::numeric::{
    ERR_BANLISTFULL, ERR_CHANOPRIVSNEEDED, ERR_INVALIDMODEPARAM, ERR_NOSUCHNICK,
    ERR_UMODEUNKNOWNFLAG, ERR_UNKNOWNMODE, ERR_USERNOTINCHANNEL, ERR_USERSDONTMATCH, RPL_BANLIST,
    RPL_CHANNELMODEIS, RPL_CREATIONTIME, RPL_ENDOFBANLIST, RPL_ENDOFEXCEPTLIST, RPL_ENDOFINVEXLIST,
    RPL_EXCEPTLIST, RPL_INVEXLIST, RPL_UMODEIS,
};
use rookery_protocol::{ChannelName, Message, Nick};

use crate::channel_quota;
use crate::command::{Command, Handler, Weight};
use crate::context::{Caller, Context};
use crate::features::channels::{existing, needs_operator, not_on_channel, outranked};
use crate::features::mode_changes::ModeChange;
use crate::features::{access, mode_changes, persistence};
use crate::ids::UserId;
use crate::lengths;
use crate::state::channel::{Channel, Entry, Flag, List, Member, MemberModes};
use crate::state::mask::Mask;
use crate::state::user::host;

/// The commands of this module.
pub const COMMANDS: &[Command] = &[Command {
    names: &["MODE"],
    min_params: 1,
    help: &[
        "MODE #channel [changes], MODE nick [changes]",
        "Channel modes: C no CTCP, b ban, e ban exception, I invite exception, i invite only,",
        "k key, l user limit, m moderated, n no messages from outside, o operator, q founder",
        "(+q transfers the channel, -q renounces it), s secret, t only operators set the topic,",
        "v voice.",
        "Masks: nick!user@host or ~a:account; ~m: before either only mutes.",
        "User modes: B bot, R direct messages only from users with an account, i invisible.",
    ],
    // As a list of channels does, many changes reach and store more.
    weight: |message| Weight::of_channels(message.params.len().saturating_sub(2)),
    handler: Handler::CoreLongReply(mode),
}];

/// Handles `MODE <target> [<changes> [<parameters>]]`.
pub fn mode(ctx: &mut Context<'_>, caller: Caller, message: &Message) {
    let target = message.param(0).unwrap_or_default();
    if !target.starts_with('#') {
        return user_mode(ctx, caller, target, message.param(1));
    }
    let Some(name) = existing(ctx, caller, "MODE", target) else {
        return;
    };
    match message.params.get(1) {
        None => show(ctx, caller, &name),
        Some(changes) => ModeCommand::new(ctx, caller, name).run(changes, &message.params[2..]),
    }
}

fn user_mode(ctx: &mut Context<'_>, caller: Caller, target: &str, changes: Option<&str>) {
    let Ok(nick) = Nick::parse(target) else {
        return ctx.reply(caller, ERR_NOSUCHNICK, &[target], "No such nick");
    };
    if ctx.state.by_nick(&nick).is_none() {
        return ctx.reply(caller, ERR_NOSUCHNICK, &[target], "No such nick");
    }
    let user = ctx.state.user(caller.user);
    if user.nick != nick {
        return ctx.reply(
            caller,
            ERR_USERSDONTMATCH,
            &[],
            "You can only see and change your own modes",
        );
    }
    let own = user.nick.to_string();
    let before = [
        ('B', user.is_bot),
        ('R', user.only_accounts),
        ('i', user.is_invisible()),
    ];
    let Some(changes) = changes else {
        let modes: String = before
            .iter()
            .filter(|(_, on)| *on)
            .map(|(letter, _)| letter)
            .collect();
        return ctx.reply_words(caller, RPL_UMODEIS, &[&format!("+{modes}")]);
    };
    let (mut on, mut after, mut unknown) = (true, before, false);
    for letter in changes.chars() {
        match letter {
            '+' => on = true,
            '-' => on = false,
            _ => match after.iter_mut().find(|(mode, _)| *mode == letter) {
                Some((_, mode)) => *mode = on,
                None => unknown = true,
            },
        }
    }
    if unknown {
        ctx.reply(
            caller,
            ERR_UMODEUNKNOWNFLAG,
            &[],
            "Unknown user mode; the modes are B (bot), R (direct messages only from accounts) and i \
             (invisible)",
        );
    }
    let [(_, is_bot), (_, only_accounts), (_, invisible)] = after;
    let user = ctx.state.user_mut(caller.user);
    (user.is_bot, user.only_accounts) = (is_bot, only_accounts);
    ctx.state.set_invisible(caller.user, invisible);
    let mut modes = String::new();
    for sign in ['+', '-'] {
        let pairs = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before != after);
        let letters: String = pairs
            .filter(|(_, (_, on))| *on == (sign == '+'))
            .map(|((letter, _), _)| letter)
            .collect();
        if !letters.is_empty() {
            modes.push(sign);
            modes.push_str(&letters);
        }
    }
    if !modes.is_empty() {
        let line = ctx.user_line(caller.user, "MODE").word(&own).word(&modes);
        ctx.send_to_users(caller.user, &[caller.user], &line, |_| true);
    }
}

/// Replies with the modes of the channel. The key is sent to members only.
fn show(ctx: &mut Context<'_>, caller: Caller, name: &ChannelName) {
    let Some(channel) = ctx.state.channel(name) else {
        return;
    };
    if !channel.is_visible_to(caller.user) {
        return not_on_channel(ctx, caller, name);
    }
    let inside = channel.has(caller.user);
    let mut modes = String::from("+");
    modes.extend(
        Flag::ALL
            .into_iter()
            .filter(|flag| channel.flags.has(*flag))
            .map(Flag::letter),
    );
    let mut words = vec![name.to_string()];
    let mut parameters = Vec::new();
    if let Some(key) = &channel.key {
        modes.push('k');
        parameters.push(if inside {
            key.to_string()
        } else {
            "*".to_owned()
        });
    }
    if let Some(limit) = channel.limit {
        modes.push('l');
        parameters.push(limit.to_string());
    }
    let created = channel.created_at.as_second().to_string();
    words.push(modes);
    words.append(&mut parameters);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    ctx.reply_words(caller, RPL_CHANNELMODEIS, &words);
    ctx.reply_words(caller, RPL_CREATIONTIME, &[name.as_str(), &created]);
}

/// Returns the numerics of an entry of the list and of its end.
fn numerics(list: List) -> (&'static str, &'static str) {
    match list {
        List::Bans => (RPL_BANLIST, RPL_ENDOFBANLIST),
        List::Exceptions => (RPL_EXCEPTLIST, RPL_ENDOFEXCEPTLIST),
        List::InviteExceptions => (RPL_INVEXLIST, RPL_ENDOFINVEXLIST),
    }
}

/// The processing of one `MODE` on a channel.
struct ModeCommand<'t, 'a> {
    ctx: &'t mut Context<'a>,
    caller: Caller,
    name: ChannelName,
    /// What has changed.
    done: Vec<ModeChange>,
    /// The warnings about masks, which are sent after the change.
    warnings: Vec<String>,
    /// Whether the reply that the caller lacks permission was sent.
    refused: bool,
    /// The letters of lists that were sent, and unknown letters. Each is answered once per command.
    answered: BTreeSet<char>,
}

impl<'t, 'a> ModeCommand<'t, 'a> {
    fn new(ctx: &'t mut Context<'a>, caller: Caller, name: ChannelName) -> Self {
        Self {
            ctx,
            caller,
            name,
            done: Vec::new(),
            warnings: Vec::new(),
            refused: false,
            answered: BTreeSet::new(),
        }
    }

    fn run(mut self, changes: &str, parameters: &[String]) {
        let mut parameters = parameters.iter().map(String::as_str);
        let mut on = true;
        for letter in changes.chars() {
            match letter {
                '+' => on = true,
                '-' => on = false,
                'b' | 'e' | 'I' => {
                    if let Some(list) = List::from_letter(letter) {
                        match parameters.next() {
                            Some(mask) => self.change_list(on, list, mask),
                            None if self.is_first(letter) => self.show_list(list),
                            None => {}
                        }
                    }
                }
                'q' => {
                    if let Some(nick) = self.parameter(letter, parameters.next()) {
                        self.change_founder(on, nick);
                    }
                }
                'o' | 'v' => {
                    if let Some(nick) = self.parameter(letter, parameters.next()) {
                        self.change_member(on, letter, nick);
                    }
                }
                'k' if on => {
                    if let Some(key) = self.parameter(letter, parameters.next()) {
                        self.set_key(key);
                    }
                }
                // The key may be removed without a parameter.
                'k' => {
                    let _ = parameters.next();
                    self.change(|channel| {
                        channel
                            .key
                            .take()
                            .map(|_| (false, 'k', Some("*".to_owned())))
                    });
                }
                'l' if on => {
                    if let Some(limit) = self.parameter(letter, parameters.next()) {
                        self.set_limit(limit);
                    }
                }
                'l' => self.change(|channel| channel.limit.take().map(|_| (false, 'l', None))),
                _ => {
                    if let Some(flag) = Flag::from_letter(letter) {
                        self.change(|channel| {
                            channel.flags.set(flag, on).then_some((on, letter, None))
                        });
                    } else if self.is_first(letter) {
                        let text = "Unknown channel mode";
                        self.ctx
                            .reply(self.caller, ERR_UNKNOWNMODE, &[&letter.to_string()], text);
                    }
                }
            }
        }
        let Self {
            ctx,
            caller,
            name,
            done,
            warnings,
            ..
        } = self;
        mode_changes::notify_modes(ctx, caller.user, &name, &done);
        for text in warnings {
            ctx.warn(caller, "MODE", "MASK_COVERS_MANY", &text);
        }
    }

    /// Whether the letter has not been answered before.
    fn is_first(&mut self, letter: char) -> bool {
        self.answered.insert(letter)
    }

    /// Returns the parameter, or replies that the mode needs one.
    fn parameter<'p>(&mut self, letter: char, given: Option<&'p str>) -> Option<&'p str> {
        if given.is_none() && self.may_change() && self.is_first(letter) {
            self.invalid(letter, "*", "That mode needs a parameter");
        }
        given
    }

    /// Returns whether the caller may change the channel's modes. If not, replies so, once.
    fn may_change(&mut self) -> bool {
        let Some(channel) = self.ctx.state.channel(&self.name) else {
            return false;
        };
        let allowed = channel.is_operator(self.caller.user);
        if !allowed && !self.refused {
            self.refused = true;
            if channel.has(self.caller.user) {
                needs_operator(self.ctx, self.caller, &self.name);
            } else {
                not_on_channel(self.ctx, self.caller, &self.name);
            }
        }
        allowed
    }

    /// Applies a change if the caller may change modes. `change` returns the mode change if the
    /// state has changed.
    fn change(&mut self, change: impl FnOnce(&mut Channel) -> Option<ModeChange>) {
        if self.may_change()
            && let Some(channel) = self.ctx.state.channel_mut(&self.name)
            && let Some(done) = change(channel)
        {
            self.done.push(done);
        }
    }

    fn invalid(&mut self, letter: char, given: &str, text: &str) {
        let words = [self.name.as_str(), &letter.to_string(), given];
        self.ctx
            .reply(self.caller, ERR_INVALIDMODEPARAM, &words, text);
    }

    fn set_key(&mut self, key: &str) {
        let valid = (1..=lengths::KEY).contains(&key.len())
            && key
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b',')
            && !key.starts_with(':');
        if valid {
            self.change(|channel| {
                let same = channel.key.as_deref() == Some(key);
                channel.key = Some(key.into());
                (!same).then(|| (true, 'k', Some(key.to_owned())))
            });
        } else if self.may_change() {
            let text = format!(
                "A key has 1 to {} printable ASCII characters and no comma",
                lengths::KEY
            );
            self.invalid('k', "*", &text);
        }
    }

    fn set_limit(&mut self, given: &str) {
        match given.parse::<u32>() {
            Ok(limit) if limit > 0 => self.change(|channel| {
                let same = channel.limit == Some(limit);
                channel.limit = Some(limit);
                (!same).then(|| (true, 'l', Some(limit.to_string())))
            }),
            _ if self.may_change() => {
                self.invalid('l', given, "The limit must be a positive whole number");
            }
            _ => {}
        }
    }

    fn change_member(&mut self, on: bool, letter: char, nick: &str) {
        if !self.may_change() {
            return;
        }
        let Some((id, nick, member)) = self.member(nick) else {
            return;
        };
        if member.modes.founder && id != self.caller.user {
            return outranked(self.ctx, self.caller, &self.name);
        }
        let mut modes = member.modes;
        let part = if letter == 'o' {
            &mut modes.operator
        } else {
            &mut modes.voice
        };
        if std::mem::replace(part, on) != on {
            mode_changes::set_member_modes(self.ctx, id, &self.name, modes);
            self.done.push((on, letter, Some(nick)));
        }
    }

    /// Returns the member of that nick, or replies that there is none.
    fn member(&mut self, nick: &str) -> Option<(UserId, String, Member)> {
        let Some(user) = self.ctx.state.named(nick) else {
            self.ctx
                .reply(self.caller, ERR_NOSUCHNICK, &[nick], "No such nick");
            return None;
        };
        let (id, nick) = (user.id, user.nick.to_string());
        let member = self
            .ctx
            .state
            .channel(&self.name)
            .and_then(|channel| channel.member(id));
        let Some(member) = member else {
            let words = [nick.as_str(), self.name.as_str()];
            self.ctx.reply(
                self.caller,
                ERR_USERNOTINCHANNEL,
                &words,
                "They are not in that channel",
            );
            return None;
        };
        Some((id, nick, member))
    }

    /// Transfers the channel (`+q` with a member) or removes its owner (`-q` with the founder). An
    /// operator may make any member the owner of a channel that has none.
    fn change_founder(&mut self, on: bool, nick: &str) {
        if !self.may_change() {
            return;
        }
        let Some(channel) = self.ctx.state.channel(&self.name) else {
            return;
        };
        if self.ctx.settings.lobby.contains(&self.name) {
            return self.invalid('q', nick, "A lobby cannot have an owner");
        }
        let caller = self.ctx.state.user(self.caller.user);
        if channel.founder().is_some() && !channel.is_founded_by(caller) {
            let text = "Only the founder can transfer the channel";
            return self.ctx.reply(
                self.caller,
                ERR_CHANOPRIVSNEEDED,
                &[self.name.as_str()],
                text,
            );
        }
        let Some((id, nick, member)) = self.member(nick) else {
            return;
        };
        if member.modes.founder == on {
            return;
        }
        let account = self
            .ctx
            .state
            .user(id)
            .identity
            .as_ref()
            .map(|identity| identity.name.clone());
        let Some(account) = account else {
            return self.invalid('q', &nick, "The new owner must be signed in");
        };
        if on && access::channels_left(self.ctx, &account) == Some(0) {
            return self.invalid('q', &nick, "They own too many channels");
        }
        let new = on.then_some(&account);
        if let Some(text) = self.ctx.refusal_to_transfer(&self.name, new) {
            return self.invalid('q', &nick, text);
        }
        let old: Vec<UserId> =
            self.ctx
                .state
                .channel(&self.name)
                .map_or_else(Vec::new, |channel| {
                    channel
                        .members()
                        .iter()
                        .filter(|member| member.modes.founder)
                        .map(|member| member.user)
                        .collect()
                });
        for old in old {
            let nick = self.ctx.state.user(old).nick.to_string();
            self.set_member(old, |modes| modes.founder = false);
            self.done.push((false, 'q', Some(nick)));
        }
        if !on {
            self.ctx.state.set_founder(&self.name, None);
            return persistence::forget_channel(self.ctx, &self.name);
        }
        self.ctx.state.set_founder(&self.name, Some(account));
        self.set_member(id, |modes| (modes.founder, modes.operator) = (true, true));
        self.done.push((true, 'q', Some(nick.clone())));
        if !member.modes.operator {
            self.done.push((true, 'o', Some(nick)));
        }
    }

    fn set_member(&mut self, user: UserId, change: impl FnOnce(&mut MemberModes)) {
        self.ctx.state.touch(user);
        if let Some(member) = self
            .ctx
            .state
            .channel_mut(&self.name)
            .and_then(|channel| channel.member_mut(user))
        {
            change(&mut member.modes);
        }
    }

    fn change_list(&mut self, on: bool, list: List, given: &str) {
        if !self.may_change() {
            return;
        }
        if given.is_empty() || given.contains(' ') {
            return self.invalid(list.letter(), given, "Invalid mask");
        }
        let Some(mask) = Mask::new(given) else {
            return self.invalid(list.letter(), given, "Unknown kind of mask");
        };
        // A mask that was set by an earlier version may have to be removed.
        if let Some(reason) = mask.refusal().filter(|_| on) {
            return self.invalid(list.letter(), given, &reason);
        }
        let limit = self.ctx.settings.channel_list_entries;
        let by = Arc::clone(&self.ctx.state.user(self.caller.user).source);
        let at = self.ctx.now();
        let bytes = channel_quota::entry_bytes(&mask, &by);
        let refusal = self.ctx.refusal_to_hold(&self.name, bytes);
        self.warn_of_shared_host(on, list, &mask);
        let Some(channel) = self.ctx.state.channel_mut(&self.name) else {
            return;
        };
        let entries = list.of_mut(channel);
        let known = entries.iter().position(|entry| entry.mask.is_same(&mask));
        match (on, known) {
            (true, None) => {
                let is_full = limit > 0 && entries.len() >= limit;
                if let Some(text) = is_full.then_some("That list is full").or(refusal) {
                    let words = [self.name.as_str(), mask.as_str()];
                    return self.ctx.reply(self.caller, ERR_BANLISTFULL, &words, text);
                }
                let mask = mask.clone();
                entries.push(Entry { mask, by, at });
            }
            (false, Some(known)) => {
                entries.remove(known);
            }
            _ => return,
        }
        if on && matches!(list, List::Bans) {
            self.ctx.state.withdraw_invitations(&self.name, &mask);
        }
        self.done
            .push((on, list.letter(), Some(mask.as_str().to_owned())));
    }

    /// Adds a warning of a ban that covers all users with an account, or all guests: the host does
    /// not tell them apart. No warning is needed for a mask of any host, which obviously covers
    /// everyone.
    fn warn_of_shared_host(&mut self, on: bool, list: List, mask: &Mask) {
        let covers_any_host = mask.covers_host("");
        if !on || !matches!(list, List::Bans) || covers_any_host {
            return;
        }
        let server = &self.ctx.settings.server_name;
        let users = match [true, false].map(|kind| mask.covers_host(&host(server, kind))) {
            [true, false] => "everyone who has an account",
            [false, true] => "all guests",
            [true, true] => "everyone",
            [false, false] => return,
        };
        let text = format!(
            "{} covers {users}, since they share one host. To ban one user, use nick!*@* or \
             ~a:account",
            mask.as_str()
        );
        self.warnings.push(text);
    }

    fn show_list(&mut self, list: List) {
        let Some(channel) = self.ctx.state.channel(&self.name) else {
            return;
        };
        if !channel.is_visible_to(self.caller.user) {
            return not_on_channel(self.ctx, self.caller, &self.name);
        }
        let (one, end) = numerics(list);
        let line = |code| self.ctx.numeric(self.caller, code).word(self.name.as_str());
        let entries = list.of(channel).iter().map(|entry| {
            let at = entry.at.as_second().to_string();
            line(one)
                .word(entry.mask.as_str())
                .word(&entry.by)
                .word(&at)
        });
        let lines = entries.chain([line(end).text("End of the list")]).collect();
        self.ctx.send_rows(self.caller, lines);
    }
}
