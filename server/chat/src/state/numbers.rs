//! Unique ids of messages, batches and catch-ups.
//!
//! The number of a message is the time of the message clock, in milliseconds, followed by bits that
//! distinguish the messages of one millisecond. Each is higher than the one before it, also over
//! restarts, because the message clock begins after what is stored. So an id does not show how many
//! messages other users have sent in the meantime.

use jiff::Timestamp;
use rookery_record::{Device, Mark};

use crate::state::State;

/// The number of bits of a message's number that follow the time. With the 48 bits that the last
/// possible time has, a number fits into an `i64`.
const BITS_AFTER_TIME: u32 = 15;

impl State {
    /// Returns a unique id for a message that is sent now, by the message clock.
    pub fn next_msgid(&mut self, now: Timestamp) -> String {
        self.last_message = first_number(now).max(self.last_message + 1);
        format!("{}-{}", self.run, base36(self.last_message))
    }

    /// Restores the marks of devices, and begins with numbers that are higher than those and than
    /// the numbers of all stored messages, whose times are earlier than `now`.
    pub fn restore_devices(&mut self, devices: Vec<(Device, Mark)>, now: Timestamp) {
        self.devices = devices.into_iter().collect();
        let received = self.devices.values().map(|mark| mark.message);
        self.last_message = received.fold(first_number(now), u64::max);
    }

    /// Returns the mark of a device that has received everything up to `now`.
    pub fn mark(&self, now: Timestamp) -> Mark {
        Mark {
            message: self.last_message,
            at: now,
        }
    }

    /// Returns a mark after all messages so far, with a number that no message has.
    pub fn next_mark(&mut self, now: Timestamp) -> Mark {
        self.last_message += 1;
        self.mark(now)
    }

    /// Returns a unique number for a catch-up.
    pub fn next_catch_up(&mut self) -> u64 {
        self.last_catch_up += 1;
        self.last_catch_up
    }

    /// Returns a unique name for a batch.
    pub fn next_batch(&mut self) -> String {
        self.last_batch += 1;
        base36(self.last_batch)
    }
}

/// Returns the lowest number of a message that is sent at that time.
fn first_number(now: Timestamp) -> u64 {
    u64::try_from(now.as_millisecond()).unwrap_or(0) << BITS_AFTER_TIME
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
