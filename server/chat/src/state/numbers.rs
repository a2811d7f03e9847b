//! Names for messages and batches, unlike any other.

use jiff::Timestamp;

use crate::state::State;
use crate::state::catch_up::Mark;

impl State {
    /// An id for a message, unlike any other.
    pub fn next_msgid(&mut self) -> String {
        self.last_message += 1;
        format!("{}-{}", self.run, base36(self.last_message))
    }

    /// Everything that was said by `now`.
    pub fn mark(&self, now: Timestamp) -> Mark {
        Mark {
            at: now,
            message: self.last_message,
        }
    }

    /// The number of a message of this run of the server.
    pub fn message_number(&self, msgid: &str) -> Option<u64> {
        let digits = msgid.strip_prefix(&*self.run)?.strip_prefix('-')?;
        u64::from_str_radix(digits, 36).ok()
    }

    /// A number for what a session is yet to be shown.
    pub fn next_catch_up(&mut self) -> u64 {
        self.last_catch_up += 1;
        self.last_catch_up
    }

    /// A name for a batch.
    pub fn next_batch(&mut self) -> String {
        self.last_batch += 1;
        base36(self.last_batch)
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::with_capacity(13);
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits
        .iter()
        .rev()
        .map(|&digit| char::from(digit))
        .collect()
}
