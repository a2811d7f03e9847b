//! The four lists: what stands in them, and who is meant by a row.

use std::net::SocketAddr;

use jiff::tz::TimeZone;
use rookery_control_api::{Port, Top};

use crate::output::{bytes, plain};

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Channels,
    Users,
    Sendqs,
    Refused,
}

/// How wide a column is.
#[derive(Clone, Copy)]
pub enum Width {
    /// As many characters, to the right.
    Number(u16),
    /// As many characters, to the left.
    Fixed(u16),
    /// Its part of what is left.
    Part(u16),
}

impl Pane {
    /// In the order that tab goes.
    pub const ALL: [Self; 4] = [Self::Channels, Self::Users, Self::Sendqs, Self::Refused];

    pub fn title(self) -> &'static str {
        match self {
            Self::Channels => "busiest channels",
            Self::Users => "busiest users",
            Self::Sendqs => "largest sendqs",
            Self::Refused => "refused sign-ins",
        }
    }

    /// What it says where there is nothing to list.
    pub fn nothing(self) -> &'static str {
        match self {
            Self::Channels | Self::Users => "Nothing was said in the last minute.",
            Self::Sendqs => "Nothing waits to be sent.",
            Self::Refused => "Nobody was refused.",
        }
    }

    /// The names and widths of its columns.
    pub fn columns(self) -> &'static [(&'static str, Width)] {
        match self {
            Self::Channels => &[
                ("CHANNEL", Width::Part(1)),
                ("MEMBERS", Width::Number(7)),
                ("MESSAGES", Width::Number(8)),
            ],
            Self::Users => &[
                ("NICK", Width::Part(1)),
                ("ACCOUNT", Width::Part(1)),
                ("MESSAGES", Width::Number(8)),
            ],
            Self::Sendqs => &[
                ("NICK", Width::Part(1)),
                ("SESSION", Width::Number(7)),
                ("WAITING", Width::Number(9)),
            ],
            Self::Refused => &[
                ("TIME", Width::Fixed(8)),
                ("NAME", Width::Part(2)),
                ("FROM", Width::Part(3)),
                ("WHY", Width::Part(3)),
            ],
        }
    }

    /// What the moment has for it.
    pub fn rows(self, top: &Top, zone: &TimeZone) -> Vec<Row> {
        match self {
            Self::Channels => top.busiest_channels.iter().map(channel).collect(),
            Self::Users => top.busiest_users.iter().map(user).collect(),
            Self::Sendqs => top.largest_sendqs.iter().map(sendq).collect(),
            Self::Refused => top
                .refused_sign_ins
                .iter()
                .map(|refused| self::refused(refused, zone))
                .collect(),
        }
    }

    /// Which of all it is.
    pub fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|pane| *pane == self)
            .expect("all are in the list of all")
    }
}

/// A row of a list; its texts are harmless for a terminal.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// What it is known by from one moment to the next.
    pub key: String,
    pub cells: Vec<String>,
    /// All about it, for whoever has chosen it.
    pub detail: String,
    pub whom: Whom,
}

/// Who can be kicked or banned by a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// A channel.
    Nobody,
    User {
        nick: String,
        /// What a ban is of: the account, or where a guest comes from.
        target: Option<String>,
    },
    /// Someone who is not here, but comes from there.
    Address(String),
    /// Someone who knocked at the control plane, which bans keep nobody out of.
    Stranger,
}

fn channel(channel: &rookery_control_api::BusyChannel) -> Row {
    let name = plain(&channel.name);
    Row {
        cells: vec![
            name.clone(),
            channel.members.to_string(),
            channel.messages.to_string(),
        ],
        detail: name,
        key: channel.name.clone(),
        whom: Whom::Nobody,
    }
}

fn user(user: &rookery_control_api::BusyUser) -> Row {
    let account = user
        .account
        .as_deref()
        .map_or_else(|| "(guest)".to_owned(), plain);
    let from = user
        .address
        .as_deref()
        .map_or_else(|| "not connected".to_owned(), plain);
    let sessions = match user.sessions {
        1 => String::new(),
        sessions => format!(", {sessions} sessions"),
    };
    Row {
        detail: format!(
            "{}, from {from}{sessions}",
            known_as(&user.nick, user.account.as_deref())
        ),
        cells: vec![plain(&user.nick), account, user.messages.to_string()],
        key: user.nick.clone(),
        whom: whom(&user.nick, user.account.as_deref(), user.address.as_deref()),
    }
}

fn sendq(sendq: &rookery_control_api::WaitingSendq) -> Row {
    Row {
        detail: format!(
            "{}, session {} from {}",
            known_as(&sendq.nick, sendq.account.as_deref()),
            sendq.session,
            plain(&sendq.address)
        ),
        cells: vec![
            plain(&sendq.nick),
            sendq.session.to_string(),
            bytes(sendq.bytes as u64),
        ],
        key: sendq.session.to_string(),
        whom: whom(&sendq.nick, sendq.account.as_deref(), Some(&sendq.address)),
    }
}

fn refused(refused: &rookery_control_api::RefusedSignIn, zone: &TimeZone) -> Row {
    let time = refused
        .at
        .to_zoned(zone.clone())
        .strftime("%H:%M:%S")
        .to_string();
    let name = if refused.name.is_empty() {
        "(no name)".to_owned()
    } else {
        plain(&refused.name)
    };
    let (from, why) = (
        ip(&refused.address).unwrap_or_else(|| plain(&refused.address)),
        plain(&refused.reason),
    );
    let port = match refused.port {
        Port::Chat => "chat",
        Port::Control => "control plane",
    };
    Row {
        detail: format!("{port}: {name} from {from}: {why}"),
        key: format!(
            "{} {} {} {}",
            refused.at, refused.address, refused.name, refused.reason
        ),
        whom: match (refused.port, ip(&refused.address)) {
            (Port::Chat, Some(address)) => Whom::Address(address),
            _ => Whom::Stranger,
        },
        cells: vec![time, name, from, why],
    }
}

/// The nick, and the account if it has another name.
fn known_as(nick: &str, account: Option<&str>) -> String {
    match account {
        None => format!("{}, a guest", plain(nick)),
        Some(account) if account == nick => plain(nick),
        Some(account) => plain(&format!("{nick}, account {account}")),
    }
}

fn whom(nick: &str, account: Option<&str>, address: Option<&str>) -> Whom {
    let target = account.map(str::to_owned).or_else(|| ip(address?));
    Whom::User {
        nick: nick.to_owned(),
        target,
    }
}

/// The address without its port, as bans name it.
fn ip(address: &str) -> Option<String> {
    address
        .parse()
        .ok()
        .map(|address: SocketAddr| address.ip().to_canonical().to_string())
}
