//! The actions, and the strategy that generates them.

use proptest::prelude::*;

pub const ACCOUNTS: [&str; 4] = ["alice", "bob", "carl", "dora"];
/// Some look like one another, and some like the name of an account.
pub const GUESTS: [&str; 6] = ["gus", "Gus", "hal", "ha1", "a1ice", "Bob"];
pub const CHANNELS: [&str; 3] = ["#a", "#b", "#c"];
pub const CAPABILITIES: [&str; 4] = [
    "",
    "echo-message",
    "echo-message message-tags server-time account-tag extended-join away-notify",
    "labeled-response batch message-tags echo-message multi-prefix account-notify draft/pre-away",
];

/// What happens next. Accounts, guests, capabilities and channels are indices of the lists above; a
/// session is an index of the connected sessions, modulo their number.
#[derive(Clone, Debug)]
pub enum Action {
    Connect {
        account: Option<usize>,
        guest: usize,
        capabilities: usize,
    },
    SignIn {
        session: usize,
        account: usize,
    },
    Disconnect(usize),
    Kick(usize),
    Ban {
        account: usize,
        /// `false` removes the ban.
        banned: bool,
    },
    DeleteAccount(usize),
    CloseChannel(usize),
    /// Answers all pending history queries.
    AnswerQueries,
    /// Sends one slice of the replies that are not complete.
    ContinueReplies,
    /// Kills the server and starts it again.
    Restart,
    SendToChannel {
        session: usize,
        channel: usize,
        labelled: bool,
    },
    SendDirect {
        session: usize,
        other: usize,
    },
    Command {
        session: usize,
        line: String,
    },
}

pub fn action() -> impl Strategy<Value = Action> {
    let session = 0..12usize;
    let channel = || prop::sample::select(&CHANNELS[..]);
    let nick = || prop::sample::select([&ACCOUNTS[..], &GUESTS[..]].concat());
    let flags = prop::sample::select(&["-n", "+n", "+i", "-i", "+s", "+l 2", "-l", "+t"][..]);
    let line = prop_oneof![
        5 => channel().prop_map(|channel| format!("JOIN {channel}")),
        2 => channel().prop_map(|channel| format!("PART {channel} :bye")),
        1 => Just("JOIN 0".to_owned()),
        1 => Just("JOIN #a,#b,#c".to_owned()),
        2 => nick().prop_map(|nick| format!("NICK {nick}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("KICK {channel} {nick}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("INVITE {nick} {channel}")),
        1 => (channel(), flags).prop_map(|(channel, flags)| format!("MODE {channel} {flags}")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +o-v {nick} {nick}")),
        1 => channel().prop_map(|channel| format!("TOPIC {channel} :about")),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +b-b+k {nick} alice key")),
        1 => (channel(), channel()).prop_map(|(old, new)| format!("RENAME {old} {new}")),
        1 => channel().prop_map(|channel| format!("METADATA {channel} SET url :x")),
        1 => Just("METADATA * SET url :x".to_owned()),
        1 => Just("METADATA * CLEAR".to_owned()),
        1 => Just("METADATA * SUB url".to_owned()),
        1 => (channel(), nick()).prop_map(|(channel, nick)| format!("MODE {channel} +q {nick}")),
        1 => nick().prop_map(|nick| format!("ACCESS #b ADD {nick} op")),
        1 => prop::sample::select(&["AWAY :out", "AWAY", "AWAY *"][..]).prop_map(str::to_owned),
        2 => prop::sample::select(&["SET always-on on", "SET always-on off"][..])
            .prop_map(str::to_owned),
        1 => nick().prop_map(|nick| format!("MONITOR + {nick}")),
        1 => prop::sample::select(&["WHO *", "@label=w WHO #a", "LIST", "NAMES #a,#b"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["METADATA #a SYNC", "MODE #b b", "@label=a ACCESS #b"][..])
            .prop_map(str::to_owned),
        1 => prop::sample::select(&["SILENCE +bob", "SILENCE -bob", "SILENCE +~a:alice"][..])
            .prop_map(str::to_owned),
        1 => Just("QUIT".to_owned()),
    ];
    prop_oneof![
        6 => (prop::option::of(0..ACCOUNTS.len()), 0..GUESTS.len(), 0..CAPABILITIES.len())
            .prop_map(|(account, guest, capabilities)| Action::Connect {
                account,
                guest,
                capabilities,
            }),
        2 => (session.clone(), 0..ACCOUNTS.len())
            .prop_map(|(session, account)| Action::SignIn { session, account }),
        2 => session.clone().prop_map(Action::Disconnect),
        1 => session.clone().prop_map(Action::Kick),
        1 => (0..ACCOUNTS.len(), any::<bool>())
            .prop_map(|(account, banned)| Action::Ban { account, banned }),
        1 => prop::option::weighted(0.2, 0..ACCOUNTS.len())
            .prop_map(|account| account.map_or(Action::Restart, Action::DeleteAccount)),
        1 => (0..CHANNELS.len()).prop_map(Action::CloseChannel),
        3 => Just(Action::AnswerQueries),
        6 => Just(Action::ContinueReplies),
        8 => (session.clone(), 0..CHANNELS.len(), any::<bool>())
            .prop_map(|(session, channel, labelled)| Action::SendToChannel {
                session,
                channel,
                labelled,
            }),
        3 => (session.clone(), session.clone())
            .prop_map(|(session, other)| Action::SendDirect { session, other }),
        14 => (session, line).prop_map(|(session, line)| Action::Command { session, line }),
    ]
}
