//! The `ISUPPORT` tokens, before and after admission.

use crate::lengths;
use crate::settings::Settings;
use crate::state::channel::MemberModes;
use crate::state::mask;

/// The maximum number of tokens in one line.
const TOKENS: usize = 12;
/// The last parameter of each line.
pub const END: &str = "are supported by this server";

/// Returns the tokens of each line.
pub fn lines(settings: &Settings) -> impl Iterator<Item = Vec<String>> {
    let mut tokens = tokens(settings).into_iter();
    std::iter::from_fn(move || {
        let line: Vec<String> = tokens.by_ref().take(TOKENS).collect();
        (!line.is_empty()).then_some(line)
    })
}

/// Returns all tokens.
fn tokens(settings: &Settings) -> Vec<String> {
    // An empty value means that there is no limit.
    let shown_limit = |limit: usize| {
        if limit == 0 {
            String::new()
        } else {
            limit.to_string()
        }
    };
    let targets = lengths::TARGETS;
    let mut tokens = vec![
        format!("NETWORK={}", settings.network.replace(' ', "\\x20")),
        "CASEMAPPING=ascii".to_owned(),
        "UTF8ONLY".to_owned(),
        "CHANTYPES=#".to_owned(),
        {
            let (letters, prefixes): (String, String) = MemberModes::MODES.into_iter().unzip();
            format!("PREFIX=({letters}){prefixes}")
        },
        "STATUSMSG=@+".to_owned(),
        "CHANMODES=beI,k,l,Cimnst".to_owned(),
        format!("MODES={}", lengths::MODES),
        format!("EXTBAN={},{}{}", mask::EXTENDED, mask::ACCOUNT, mask::MUTE),
        format!("ACCOUNTEXTBAN={}", mask::ACCOUNT),
        "EXCEPTS=e".to_owned(),
        "INVEX=I".to_owned(),
        format!("CHANLIMIT=#:{}", shown_limit(settings.channels_per_user)),
        format!("NICKLEN={}", rookery_protocol::names::MAX_NICK),
        format!("CHANNELLEN={}", rookery_protocol::names::MAX_CHANNEL),
        format!("TOPICLEN={}", lengths::TOPIC),
        format!("KICKLEN={}", lengths::KICK),
        format!("AWAYLEN={}", lengths::AWAY),
        format!("NAMELEN={}", lengths::REALNAME),
        format!("KEYLEN={}", lengths::KEY),
        format!("MAXTARGETS={targets}"),
        format!(
            "TARGMAX=PRIVMSG:{targets},NOTICE:{targets},TAGMSG:{targets},KICK:{targets},NAMES:{targets},JOIN:,PART:,\
             WHOIS:1,MONITOR:"
        ),
        match settings.monitor_entries {
            0 => "MONITOR".to_owned(),
            limit => format!("MONITOR={limit}"),
        },
        format!("SILENCE={}", lengths::SILENCES),
        "ELIST=CMNTU".to_owned(),
        // A list that is too long is split between its entries.
        "SAFELIST".to_owned(),
        "WHOX".to_owned(),
        "BOT=B".to_owned(),
    ];
    if settings.history {
        tokens.push(format!("CHATHISTORY={}", settings.history_page));
        tokens.push("MSGREFTYPES=msgid,timestamp".to_owned());
    }
    if settings.channel_list_entries > 0 {
        let limits =
            ["b", "e", "I"].map(|list| format!("{list}:{}", settings.channel_list_entries));
        tokens.push(format!("MAXLIST={}", limits.join(",")));
    }
    tokens
}
