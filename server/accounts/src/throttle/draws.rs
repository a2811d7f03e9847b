//! Attempts to sign in to an account from a network in which its owner has signed in before, where
//! too many have failed.
//!
//! Those who guess there look the same as the owner, and the client that tries most often would be
//! the first to try again. So one attempt in a [`PAUSE`] is made, and of those that have come by
//! the time when the pause ends, it is drawn by lot. The others are refused, and may try again. So
//! an owner waits for one more pause, on average, for each attempt of others that waits at a time.

use std::collections::HashMap;
use std::mem;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use rookery_base::random::random;
use rookery_record::{AccountId, Network};

/// The time from one attempt to the next, as long as the longest pause at a name elsewhere. No
/// attempt waits for longer, because clients give up soon (`WeeChat` after 15 seconds).
pub const PAUSE: Duration = Duration::from_secs(10);
/// How many attempts at one account from one network take part in a draw. If there are more, those
/// that do are themselves drawn by lot.
const MAX_WAITING: usize = 256;
/// The number of remembered draws from which on those that are over are forgotten.
const REMEMBERED: usize = 64;

/// Where draws are made.
type Place = (AccountId, Network);

/// Returns a number below the one that it is given.
type Choose = Box<dyn FnMut(usize) -> usize + Send>;

/// The draws of all accounts and networks.
pub struct Draws {
    at: HashMap<Place, Draw>,
    /// The size of `at` at which it is cleaned up.
    clean_at: usize,
    choose: Choose,
}

/// The next draw of one account and network.
struct Draw {
    /// When the pause after the last attempt ends.
    pause_ends: Instant,
    waiting: Vec<oneshot::Sender<()>>,
    /// How many attempts have come since the last draw.
    arrived: usize,
}

/// An attempt that takes part in a draw until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Ticket {
    /// When [`Draws::draw`] makes the draw.
    pub until: Instant,
    /// Receives that the attempt is drawn, or is closed if it is not.
    pub drawn: oneshot::Receiver<()>,
}

impl Default for Draws {
    fn default() -> Self {
        Self::new(Box::new(|count| {
            let number = u64::from_ne_bytes(random()) % count as u64;
            usize::try_from(number).expect("it is below the count")
        }))
    }
}

impl Draws {
    pub fn new(choose: Choose) -> Self {
        Self {
            at: HashMap::new(),
            clean_at: REMEMBERED,
            choose,
        }
    }

    /// Adds an attempt. Returns nothing if it may be made at once, because no pause runs.
    pub fn enter(&mut self, now: Instant, place: Place) -> Option<Ticket> {
        self.draw(now, place);
        self.forget(now);
        let draw = self.at.entry(place).or_insert_with(|| Draw {
            pause_ends: now,
            waiting: Vec::new(),
            arrived: 0,
        });
        if draw.pause_ends <= now {
            draw.pause_ends = now + PAUSE;
            return None;
        }
        let (sender, drawn) = oneshot::channel();
        draw.arrived += 1;
        if draw.waiting.len() < MAX_WAITING {
            draw.waiting.push(sender);
        } else if let Some(other) = draw.waiting.get_mut((self.choose)(draw.arrived)) {
            *other = sender;
        }
        Some(Ticket {
            until: draw.pause_ends,
            drawn,
        })
    }

    /// Draws one of the attempts that wait there, if the pause has ended, and refuses the others.
    pub fn draw(&mut self, now: Instant, place: Place) {
        let draw = self.at.get_mut(&place);
        let Some(draw) = draw.filter(|draw| draw.pause_ends <= now) else {
            return;
        };
        draw.arrived = 0;
        let mut waiting = mem::take(&mut draw.waiting);
        while !waiting.is_empty() {
            let drawn = waiting.swap_remove((self.choose)(waiting.len()));
            // Otherwise, its client has left.
            if drawn.send(()).is_ok() {
                draw.pause_ends = now + PAUSE;
                return;
            }
        }
    }

    /// Ends the pause: an attempt there has led to a sign-in.
    pub fn end_pause(&mut self, now: Instant, place: Place) {
        if let Some(draw) = self.at.get_mut(&place) {
            draw.pause_ends = now;
        }
        self.draw(now, place);
    }

    /// Returns the number of attempts that wait.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        let waiting = self.at.values().flat_map(|draw| &draw.waiting);
        waiting.filter(|waiting| !waiting.is_closed()).count()
    }

    fn forget(&mut self, now: Instant) {
        if self.at.len() >= self.clean_at {
            self.at
                .retain(|_, draw| draw.pause_ends > now || !draw.waiting.is_empty());
            self.clean_at = REMEMBERED.max(2 * self.at.len());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
