//! The four lists: their columns and rows, and who is affected by a kick or ban.

use std::net::SocketAddr;

use jiff::tz::TimeZone;
use rookery_control_api::{BusyChannel, BusyUser, Port, RefusedSignIn, Top, WaitingSendq};

use crate::render::{Clock, bytes, printable};

/// One of the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    Channels,
    Users,
    Sendqs,
    Refused,
}

/// The width and alignment of a column.
#[derive(Clone, Copy)]
pub enum Width {
    /// So many characters, right-aligned.
    Number(u16),
    /// So many characters, left-aligned.
    Fixed(u16),
    /// This share of the remaining width, left-aligned.
    Part(u16),
}

impl Pane {
    /// All panes, in the order of Tab.
    pub const ALL: [Self; 4] = [Self::Channels, Self::Users, Self::Sendqs, Self::Refused];

    /// Returns the title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Channels => "busiest channels",
            Self::Users => "busiest users",
            Self::Sendqs => "largest sendqs",
            Self::Refused => "refused sign-ins",
        }
    }

    /// Returns the text for an empty list.
    pub fn empty_text(self) -> &'static str {
        match self {
            Self::Channels | Self::Users => "No messages in the last minute.",
            Self::Sendqs => "Nothing is queued.",
            Self::Refused => "No sign-in was refused.",
        }
    }

    /// Returns the names and widths of the columns.
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
                ("QUEUED", Width::Number(9)),
            ],
            Self::Refused => &[
                ("TIME", Width::Fixed(8)),
                ("NAME", Width::Part(2)),
                ("ADDRESS", Width::Part(3)),
                ("REASON", Width::Part(3)),
            ],
        }
    }

    /// Returns the rows of a snapshot.
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

    /// Returns the index in [`Pane::ALL`].
    pub fn index(self) -> usize {
        Self::ALL
            .iter()
            .position(|pane| *pane == self)
            .expect("ALL lists every pane")
    }
}

/// A row of a list. Its texts are safe for the terminal.
#[derive(Debug, PartialEq, Eq)]
pub struct Row {
    /// Identifies the row across snapshots.
    pub key: String,
    pub cells: Vec<String>,
    /// Shown in full while the row is selected.
    pub detail: String,
    pub subject: Subject,
}

/// Who is affected by a kick or ban of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Nobody: the row is a channel.
    Channel,
    /// A user who is online.
    User {
        nick: String,
        /// The target of a ban: the account, or the IP address of a guest.
        target: Option<String>,
    },
    /// An IP address from which a sign-in to the chat was refused.
    Address(String),
    /// Nobody: the sign-in was refused by the control plane, to which bans do not apply.
    ControlPlane,
}

fn channel(channel: &BusyChannel) -> Row {
    let name = printable(&channel.name);
    Row {
        cells: vec![
            name.clone(),
            channel.members.to_string(),
            channel.messages.to_string(),
        ],
        detail: name,
        key: channel.name.clone(),
        subject: Subject::Channel,
    }
}

fn user(user: &BusyUser) -> Row {
    let account = user
        .account
        .as_deref()
        .map_or_else(|| "(guest)".to_owned(), printable);
    let address = user
        .address
        .as_deref()
        .map_or_else(|| "not connected".to_owned(), printable);
    let sessions = match user.sessions {
        1 => String::new(),
        sessions => format!(", {sessions} sessions"),
    };
    Row {
        detail: format!(
            "{}, from {address}{sessions}",
            nick_and_account(&user.nick, user.account.as_deref())
        ),
        cells: vec![printable(&user.nick), account, user.messages.to_string()],
        key: user.nick.clone(),
        subject: subject(&user.nick, user.account.as_deref(), user.address.as_deref()),
    }
}

fn sendq(sendq: &WaitingSendq) -> Row {
    Row {
        detail: format!(
            "{}, session {} from {}",
            nick_and_account(&sendq.nick, sendq.account.as_deref()),
            sendq.session,
            printable(&sendq.address)
        ),
        cells: vec![
            printable(&sendq.nick),
            sendq.session.to_string(),
            bytes(sendq.bytes as u64),
        ],
        key: sendq.session.to_string(),
        subject: subject(&sendq.nick, sendq.account.as_deref(), Some(&sendq.address)),
    }
}

fn refused(refused: &RefusedSignIn, zone: &TimeZone) -> Row {
    let clock = Clock {
        now: refused.at,
        zone: zone.clone(),
    };
    let time = clock.time_of_day(refused.at);
    let name = if refused.name.is_empty() {
        "(no name)".to_owned()
    } else {
        printable(&refused.name)
    };
    let (address, reason) = (
        ip(&refused.address).unwrap_or_else(|| printable(&refused.address)),
        printable(&refused.reason),
    );
    let port = match refused.port {
        Port::Chat => "chat",
        Port::Control => "control plane",
    };
    Row {
        detail: format!("{port}: {name} from {address}: {reason}"),
        key: format!(
            "{} {} {} {}",
            refused.at, refused.address, refused.name, refused.reason
        ),
        subject: match (refused.port, ip(&refused.address)) {
            (Port::Chat, Some(ip)) => Subject::Address(ip),
            _ => Subject::ControlPlane,
        },
        cells: vec![time, name, address, reason],
    }
}

/// Returns the nick, and the account if its name differs.
fn nick_and_account(nick: &str, account: Option<&str>) -> String {
    match account {
        None => format!("{} (guest)", printable(nick)),
        Some(account) if account == nick => printable(nick),
        Some(account) => printable(&format!("{nick}, account {account}")),
    }
}

fn subject(nick: &str, account: Option<&str>, address: Option<&str>) -> Subject {
    let target = account.map(str::to_owned).or_else(|| ip(address?));
    Subject::User {
        nick: nick.to_owned(),
        target,
    }
}

/// Returns the IP address without its port, the form that bans use.
fn ip(address: &str) -> Option<String> {
    address
        .parse()
        .ok()
        .map(|address: SocketAddr| address.ip().to_canonical().to_string())
}
