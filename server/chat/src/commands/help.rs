//! `HELP`: what there is, and how it is used.

use rookery_protocol::Message;
use rookery_protocol::numeric::{ERR_HELPNOTFOUND, RPL_ENDOFHELP, RPL_HELPSTART, RPL_HELPTXT};

use crate::turn::{Caller, Turn};

/// `HELP [<subject>]`.
pub fn help(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let asked = message.param(0).filter(|asked| !asked.is_empty());
    let Some(asked) = asked else {
        let mut lines =
            vec!["Everything one can send, by its name; HELP and a name tells more:".to_owned()];
        let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
        lines.extend(names.chunks(8).map(|names| names.join(" ")));
        return tell(turn, caller, "*", "Help", lines.iter().map(String::as_str));
    };
    let subject = asked.to_ascii_uppercase();
    match TOPICS.iter().find(|(name, _)| *name == subject) {
        Some((name, text)) => tell(turn, caller, name, "Help", text.lines()),
        None => turn.reply(
            caller,
            ERR_HELPNOTFOUND,
            &[asked],
            "There is no help on that; HELP lists what there is",
        ),
    }
}

fn tell<'t>(
    turn: &mut Turn<'_>,
    caller: Caller,
    subject: &str,
    title: &str,
    lines: impl Iterator<Item = &'t str>,
) {
    turn.reply(caller, RPL_HELPSTART, &[subject], title);
    for line in lines {
        turn.reply(caller, RPL_HELPTXT, &[subject], line);
    }
    turn.reply(caller, RPL_ENDOFHELP, &[subject], "End of the help");
}

/// By name.
const TOPICS: &[(&str, &str)] = &[
    (
        "ACCESS",
        "ACCESS #channel [LIST]\nTells who is somebody in the channel whenever they come; for those who run it.\nACCESS #channel ADD account op|voice, ACCESS #channel DEL account\nChange that; for the founder, whose MODE #channel +q nick hands the channel on.",
    ),
    (
        "ADMIN",
        "Operators use the control plane, with admin-cli, on a port of its own.\nNothing typed here can kick, ban or change the server.",
    ),
    (
        "AUTHENTICATE",
        "AUTHENTICATE mechanism, AUTHENTICATE base64\nSigns in (SASL). Your client does that for you: give it your account's name and your password.",
    ),
    (
        "AWAY",
        "AWAY [:message]\nMarks you as away, with a message for those who write to you; without one, you are back.",
    ),
    (
        "BATCH",
        "BATCH +name draft/multiline target, lines with the tag batch=name, BATCH -name\nSays something in several lines that are one message. Clients do this by themselves.",
    ),
    (
        "CAP",
        "CAP LS 302, CAP LIST, CAP REQ :names, CAP END\nWhat your client asks the server to do differently.",
    ),
    (
        "CHANNELS",
        "A channel that you make while signed in is yours, and lasts: topic, modes, lists and history stay when nobody is in it.\nMODE #channel +q nick hands it on, MODE #channel -q and your own nick gives it up.\nACCESS makes accounts operators whenever they come, or gives them a voice.\nA channel that nobody owns is gone when the last has left; until then an operator may give it away with +q.",
    ),
    (
        "CHATHISTORY",
        "CHATHISTORY LATEST target *|point limit, BEFORE, AFTER or AROUND target point limit, BETWEEN target point point limit,\nTARGETS timestamp=... timestamp=... limit. A point is msgid=... or timestamp=YYYY-MM-DDThh:mm:ss.sssZ.\nReads back what was said in a channel you are in or between you and somebody.",
    ),
    (
        "CREDENTIAL",
        "CREDENTIAL LIST, CREDENTIAL ADD, CREDENTIAL REVOKE number\nWhat opens your account beside its password: devices, and client certificates.\nADD takes the certificate of this connection.",
    ),
    ("HELP", "HELP [name]\nThis."),
    ("HELPOP", "HELPOP [name]\nThe same as HELP."),
    (
        "HISTORY",
        "What is said is kept, and read back with CHATHISTORY: in channels that you are in, from when they were made\nor got their name, and your own conversations when you are signed in.\nClients that cannot ask are shown what they missed when they come back.",
    ),
    ("INFO", "INFO\nAbout this server."),
    (
        "INVITE",
        "INVITE nick #channel\nInvites someone to a channel you are in. Alone, it lists your own invitations.",
    ),
    ("ISON", "ISON nick nick ...\nTells which of them are here."),
    (
        "ISUPPORT",
        "ISUPPORT\nWhat this server supports, for your client.",
    ),
    (
        "JOIN",
        "JOIN #channel[,#channel] [key[,key]]\nBrings you into channels; whoever makes one is its operator. JOIN 0 leaves all.",
    ),
    (
        "KICK",
        "KICK #channel nick[,nick] [:reason]\nRemoves someone from a channel that you are an operator of.",
    ),
    (
        "LIST",
        "LIST [conditions]\nLists the channels. Conditions: a name or mask, !mask, <users, >users, C<minutes, C>minutes, T<minutes, T>minutes.",
    ),
    ("LINKS", "LINKS\nThis server is linked to no other."),
    ("LUSERS", "LUSERS\nHow many are here."),
    (
        "MARKREAD",
        "MARKREAD target [timestamp=YYYY-MM-DDThh:mm:ss.sssZ]\nUp to where you have read a channel or a conversation, told to your other clients.",
    ),
    (
        "METADATA",
        "METADATA *|nick|#channel GET key ..., LIST, SYNC\nTells what somebody, or a channel, says of itself; * is you.\nMETADATA *|#channel SET key [:value], CLEAR\nSays that of yourself, or of a channel that you are an operator of; without a value, it is taken back.\nMETADATA * SUB key ..., UNSUB key ..., SUBS\nWhich keys you want to hear of when they change.",
    ),
    (
        "MODE",
        "MODE #channel [changes], MODE nick [changes]\nChannels: C no CTCP, b ban, e exception, I invite exception, i invite only, k key, l limit,\nm moderated, n no messages from outside, o operator, q founder (+q hands the channel on,\n-q gives it up), s secret, t topic locked, v voice.\nMasks: nick!user@host, ~a:account, and ~m: before either to silence only.\nUsers: B bot, i invisible.",
    ),
    (
        "MONITOR",
        "MONITOR + nick[,nick], MONITOR - nick[,nick], MONITOR C, MONITOR L, MONITOR S\nTells you when they come and go.",
    ),
    ("MOTD", "MOTD\nThe message of the day."),
    ("NAMES", "NAMES #channel[,#channel]\nWho is in a channel."),
    (
        "NICK",
        "NICK nick\nChanges your nick. Unless the server leaves nicks free, only a guest's: whoever is signed in is shown under\nthe name of the account.",
    ),
    (
        "NOTICE",
        "NOTICE target[,target] :text\nA message that nothing answers by itself.",
    ),
    (
        "PART",
        "PART #channel[,#channel] [:reason]\nLeaves channels.",
    ),
    (
        "PASS",
        "PASS anything\nBelongs before your session is admitted, and is ignored there: sign in with SASL.",
    ),
    (
        "PING",
        "PING token\nThe server answers with PONG and the token.",
    ),
    (
        "PONG",
        "PONG token\nYour client's answer to a PING of the server.",
    ),
    (
        "PRIVMSG",
        "PRIVMSG target[,target] :text\nSays something in a channel, or to someone alone. @#channel reaches its operators only.",
    ),
    ("QUIT", "QUIT [:reason]\nEnds this session."),
    (
        "REDACT",
        "REDACT target msgid [:reason]\nTakes a message of your own back, or anyone's in a channel that you are an operator of.",
    ),
    (
        "REGISTER",
        "REGISTER account email password\nMakes an account; a code is mailed to you. VERIFY account code completes it, REGISTER again mails another code.",
    ),
    (
        "RENAME",
        "RENAME #channel #new [:reason]\nGives a channel that you are an operator of another name. One that somebody owns, only its founder renames.",
    ),
    (
        "SET",
        "SET, SET always-on on|off|default\nWhether you stay in your channels, marked as away, while no client of yours is connected.",
    ),
    (
        "SETEMAIL",
        "SETEMAIL email\nChanges your account's email: a code is mailed to the new one, and VERIFY account code completes it.",
    ),
    ("SETNAME", "SETNAME :real name\nChanges your real name."),
    (
        "SETPASS",
        "SETPASS present new\nChanges your account's password. SETPASS * new: a code is mailed to you, and VERIFY account code completes it.",
    ),
    (
        "TAGMSG",
        "TAGMSG target[,target]\nSends tags without a text.",
    ),
    ("TIME", "TIME\nThe server's time."),
    (
        "TOPIC",
        "TOPIC #channel [:topic]\nShows or sets what a channel is about.",
    ),
    (
        "USER",
        "USER name 0 * :real name\nBelongs before your session is admitted; SETNAME changes the real name later.",
    ),
    ("USERHOST", "USERHOST nick nick ...\nWho they are, shortly."),
    (
        "VERIFY",
        "VERIFY account code\nCompletes what a code was mailed for: REGISTER, most of all.",
    ),
    (
        "VERSION",
        "VERSION\nThe server's version and what it supports.",
    ),
    (
        "WHO",
        "WHO #channel, WHO nick, WHO mask [%fields[,token]]\nWho is there. Fields: t token, c channel, u user name, h host, s server, n nick, f flags,\nl seconds idle, a account, r real name.",
    ),
    ("WHOIS", "WHOIS nick\nWho that is."),
    ("WHOWAS", "WHOWAS nick [count]\nWho that was."),
];
