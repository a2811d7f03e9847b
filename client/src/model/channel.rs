//! A channel that we are in: its members, their ranks, its topic.

use std::collections::BTreeMap;

use rookery_protocol::Nick;

/// A channel that we are in.
#[derive(Debug, Default)]
pub struct Channel {
    /// The members.
    pub members: BTreeMap<Nick, Rank>,
    /// The topic; empty if there is none.
    pub topic: String,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Everything: an operator of the channel, or a higher rank of other servers.
    Operator,
    /// Speak while the channel is moderated.
    Voiced,
    /// What everyone may.
    #[default]
    Ordinary,
}

impl Rank {
    /// Returns the rank that a prefix of a nick in `NAMES` stands for. Ranks above operator, which
    /// other servers have, count as operator.
    pub fn of(name: &str) -> Self {
        match name.chars().next() {
            Some('~' | '&' | '@' | '%') => Self::Operator,
            Some('+') => Self::Voiced,
            _ => Self::Ordinary,
        }
    }

    /// Returns the prefix that is shown before a nick.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Operator => "@",
            Self::Voiced => "+",
            Self::Ordinary => "",
        }
    }
}

impl Channel {
    /// Applies the changes of ranks in a `MODE`.
    pub fn set_ranks(&mut self, modes: &[String]) {
        let [letters, parameters @ ..] = modes else {
            return;
        };
        let mut parameters = parameters.iter();
        let mut given = true;
        for letter in letters.chars() {
            let rank = match letter {
                '+' | '-' => {
                    given = letter == '+';
                    continue;
                }
                // A founder counts as an operator, also after handing the channel over.
                'q' if !given => {
                    parameters.next();
                    continue;
                }
                'q' | 'o' => Rank::Operator,
                'v' => Rank::Voiced,
                'b' | 'e' | 'I' | 'k' => {
                    parameters.next();
                    continue;
                }
                'l' if given => {
                    parameters.next();
                    continue;
                }
                _ => continue,
            };
            let nick = parameters.next().and_then(|nick| Nick::parse(nick).ok());
            if let Some(held) = nick.and_then(|nick| self.members.get_mut(&nick)) {
                match (given, *held == rank) {
                    (true, _) => *held = rank.min(*held),
                    (false, true) => *held = Rank::Ordinary,
                    (false, false) => {}
                }
            }
        }
    }
}
