//! The IRCv3 capabilities, and sets of them as the bits of one integer.

use std::fmt;

macro_rules! capabilities {
    ($($variant:ident = $name:literal, $doc:literal;)+) => {
        /// A capability that a client may request (IRCv3 capability negotiation).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Capability { $(#[doc = $doc] $variant,)+ }

        impl Capability {
            /// Every capability, in the order in which `CAP LS` lists them.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Returns the name used on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

capabilities! {
    AccountNotify = "account-notify", "`ACCOUNT` when a user signs in or out.";
    AccountRegistration = "draft/account-registration", "`REGISTER` and `VERIFY`.";
    AccountTag = "account-tag", "The sender's account as a tag on each message.";
    AwayNotify = "away-notify", "`AWAY` when a user goes away or returns.";
    Batch = "batch", "`BATCH` around messages that belong together.";
    CapNotify = "cap-notify", "`CAP NEW` and `CAP DEL` when capabilities change.";
    ChannelRename = "draft/channel-rename", "`RENAME` when a channel gets another name.";
    Chghost = "chghost", "`CHGHOST` when the user name or host of a user changes.";
    Chathistory = "draft/chathistory", "`CHATHISTORY` reads stored messages.";
    EchoMessage = "echo-message",
        "The client's own messages are sent back to it once they are stored.";
    EventPlayback = "draft/event-playback",
        "Joins, topics and other events in the history, not only messages.";
    ExtendedIsupport = "draft/extended-isupport",
        "The command `ISUPPORT`, also before admission, answered as a batch.";
    ExtendedJoin = "extended-join", "Account and real name on each `JOIN`.";
    ExtendedMonitor = "extended-monitor", "Away, account and other changes of monitored nicks.";
    InviteNotify = "invite-notify",
        "`INVITE` to the operators of a channel when someone is invited to it.";
    LabeledResponse = "labeled-response", "A label on each response that names its command.";
    MessageRedaction = "draft/message-redaction", "`REDACT` deletes a message.";
    MessageTags = "message-tags", "Tags in both directions, and `TAGMSG`.";
    Metadata = "draft/metadata-3", "Keys and values that describe users and channels.";
    Metadata2 = "draft/metadata-2",
        "The same as `draft/metadata-3`, except that values are sent unasked by `METADATA`.";
    MultiPrefix = "multi-prefix", "All prefixes of a member, not only the highest.";
    Multiline = "draft/multiline", "Messages of several lines.";
    NoImplicitNames = "no-implicit-names", "No `NAMES` after each `JOIN`.";
    Playback = "znc.in/playback",
        "Earlier messages are sent on request, by `PLAY` to `*playback`.";
    PreAway = "draft/pre-away",
        "`AWAY` before admission, and `AWAY *` for a client without a person at it.";
    ReadMarker = "draft/read-marker",
        "`MARKREAD` shares the last message read with the user's other sessions.";
    Sasl = "sasl", "`AUTHENTICATE` signs in before admission.";
    ServerTime = "server-time", "The time as a tag on each message.";
    Setname = "setname", "`SETNAME` changes the real name.";
    StandardReplies = "standard-replies", "`FAIL`, `WARN` and `NOTE`.";
    UserhostInNames = "userhost-in-names", "`nick!user@host` in `NAMES`.";
    Visitor = "rookery/visitor",
        "For short-lived scripts: does not join the lobby, yet may send to it.";
}

impl Capability {
    /// Returns the capability with this name. Names are case-sensitive.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|capability| capability.name() == name)
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// The configurable parts of the values that `CAP LS` lists.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapabilityValues {
    /// Whether registration requires an email.
    pub email_required: bool,
    /// Whether a client may register an account before admission.
    pub register_before_connect: bool,
    /// For how many seconds clients should remember to use TLS only (IRCv3 sts); 0 leaves the
    /// policy out.
    pub sts_seconds: u64,
}

impl CapabilityValues {
    /// Returns `sts=…` (IRCv3 sts) for `CAP LS`. It is informative: clients cannot request it.
    pub fn sts(&self) -> Option<String> {
        (self.sts_seconds > 0).then(|| format!("sts=duration={}", self.sts_seconds))
    }
}

/// A set of capabilities.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Capabilities(u64);

impl Capabilities {
    /// The empty set.
    pub const NONE: Self = Self(0);

    /// Returns the set of `items`.
    pub const fn of(items: &[Capability]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < items.len() {
            bits |= 1 << items[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// Whether the set contains `capability`.
    pub const fn has(self, capability: Capability) -> bool {
        self.0 & (1 << capability as u8) != 0
    }

    /// Adds `capability`.
    pub fn insert(&mut self, capability: Capability) {
        self.0 |= 1 << capability as u8;
    }

    /// Removes `capability`.
    pub fn remove(&mut self, capability: Capability) {
        self.0 &= !(1 << capability as u8);
    }

    /// Returns the capabilities that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Iterates over the members in the order of [`Capability::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Capability> {
        Capability::ALL
            .iter()
            .copied()
            .filter(move |capability| self.has(*capability))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_capability_is_found_by_its_name() {
        for &capability in Capability::ALL {
            assert_eq!(Capability::from_name(capability.name()), Some(capability));
        }
        assert_eq!(Capability::from_name("SASL"), None);
    }

    #[test]
    fn a_set_contains_what_was_inserted_and_not_removed() {
        let mut set = Capabilities::of(&[Capability::Batch, Capability::Sasl]);
        assert!(set.has(Capability::Sasl));
        set.remove(Capability::Sasl);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Capability::Batch]);
    }
}
