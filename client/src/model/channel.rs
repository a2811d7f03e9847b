//! A channel: who is in it, what they may do, and what it is about.

use std::collections::BTreeMap;

use rookery_protocol::Nick;

/// A channel that we are in.
#[derive(Debug, Default)]
pub struct Channel {
    /// Who is in it.
    pub members: BTreeMap<Nick, Rank>,
    /// What it is about; empty when nobody said.
    pub topic: String,
}

/// What someone may do in a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rank {
    /// Run it.
    Operator,
    /// Speak where not everyone may.
    Voiced,
    /// What everyone may.
    #[default]
    Ordinary,
}

impl Rank {
    /// From what precedes a nick in `NAMES`. Other servers know ranks above operator; all of them
    /// run the channel.
    pub fn of(name: &str) -> Self {
        match name.chars().next() {
            Some('~' | '&' | '@' | '%') => Self::Operator,
            Some('+') => Self::Voiced,
            _ => Self::Ordinary,
        }
    }

    /// As it is shown before a nick.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Operator => "@",
            Self::Voiced => "+",
            Self::Ordinary => "",
        }
    }
}

impl Channel {
    /// Follows who becomes an operator or is voiced, among all that a `MODE` changes.
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
                // A founder runs the channel as operators do, and is one of them still when it has
                // handed it on.
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
