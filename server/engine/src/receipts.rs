//! Finds out what a client has received.
//!
//! What the kernel accepts for a client may never arrive, since the connection may break before. So
//! the client is asked, by a `PING` that follows what it was sent: its answer says that it has
//! received everything before the question.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rookery_protocol::Message;
use rookery_record::Mark;

/// How long after something was sent the client is asked, so that one question is about all that is
/// sent together.
pub const DELAY: Duration = Duration::from_secs(1);
/// The shortest time between two questions.
const INTERVAL: Duration = Duration::from_secs(3);

/// The questions to one client.
#[derive(Debug, Default)]
pub struct Receipts {
    state: State,
    /// The mark up to which it has received everything.
    answered: Option<Mark>,
    last_token: u64,
    last_asked_at: Option<Instant>,
}

#[derive(Debug, Default)]
enum State {
    /// The client has answered for everything that it was sent.
    #[default]
    Answered,
    /// Something was sent since, and the client is asked at this time.
    Due(Instant),
    /// The client was asked, and has not answered.
    Asked {
        /// The mark up to which it has received everything when it answers.
        until: Mark,
        /// The number of bytes that were queued for it in total, up to the question.
        queued: u64,
        /// The mark of the question before, if that is not answered either.
        earlier: Option<Mark>,
    },
}

impl Receipts {
    /// Records that something was sent.
    pub fn sent(&mut self, now: impl FnOnce() -> Instant) {
        if matches!(self.state, State::Answered) {
            let now = now();
            let earliest = self.last_asked_at.map(|asked| asked + INTERVAL);
            self.state = State::Due((now + DELAY).max(earliest.unwrap_or(now)));
        }
    }

    /// Leaves out a question about everything up to `until`, if the client has answered for that:
    /// what was sent since contains no message.
    pub fn skip_if_answered(&mut self, until: Mark) {
        if self.answered == Some(until) && matches!(self.state, State::Due(_)) {
            self.state = State::Answered;
        }
    }

    /// Returns when the client is to be asked next.
    pub fn ask_at(&self) -> Option<Instant> {
        match self.state {
            State::Due(at) => Some(at),
            State::Answered | State::Asked { .. } => None,
        }
    }

    /// Returns the question whether the client has received everything up to the mark, for which
    /// `queued` bytes were queued in total before.
    pub fn ask(&mut self, now: Instant, until: Mark, queued: u64) -> Bytes {
        self.last_token += 1;
        let line = format!("PING {}\r\n", self.last_token);
        let queued = queued + line.len() as u64;
        let earlier = match self.state {
            State::Asked { until, .. } => Some(until),
            State::Answered | State::Due(_) => None,
        };
        self.state = State::Asked {
            until,
            queued,
            earlier,
        };
        self.last_asked_at = Some(now);
        line.into()
    }

    /// Adds a question before the last of the lines that are to be sent before the session ends,
    /// after `written` bytes in total, unless the client was asked about all others or has answered
    /// for everything up to `until`. Returns the number of bytes that are added.
    pub fn ask_before_last(
        &mut self,
        now: Instant,
        until: Mark,
        written: u64,
        lines: &mut VecDeque<Bytes>,
    ) -> usize {
        let Some(last) = lines.pop_back() else {
            return 0;
        };
        let waiting: usize = lines.iter().map(Bytes::len).sum();
        let queued_before = written + waiting as u64;
        let (is_left, asked) = match self.state {
            State::Answered => (waiting > 0, self.answered),
            State::Due(_) => (true, self.answered),
            State::Asked { until, queued, .. } => (queued_before > queued, Some(until)),
        };
        let mut added = 0;
        if is_left && asked != Some(until) {
            let question = self.ask(now, until, queued_before);
            added = question.len();
            lines.push_back(question);
        }
        lines.push_back(last);
        added
    }

    /// Handles a message of the client, after `written` bytes were sent in total. If it is the
    /// answer, returns the mark up to which the client has received everything. Some clients answer
    /// every `PING` with the same text; another number is an answer to something else.
    pub fn answer(&mut self, now: Instant, message: &Message, written: u64) -> Option<Mark> {
        let State::Asked {
            until,
            queued,
            earlier,
        } = &mut self.state
        else {
            return None;
        };
        if message.command != "PONG" {
            return None;
        }
        let token = message.params.last().map(|token| token.parse::<u64>());
        // Answers arrive in the order of the questions.
        let is_last = match token {
            Some(Ok(number)) if number == self.last_token => true,
            Some(Ok(number)) if number == self.last_token - 1 => false,
            Some(Ok(_)) => return None,
            Some(Err(_)) | None => earlier.is_none(),
        };
        if !is_last {
            self.answered = Some(earlier.take()?);
            return self.answered;
        }
        let (until, queued) = (*until, *queued);
        self.state = State::Answered;
        self.answered = Some(until);
        if written > queued {
            self.sent(|| now);
        }
        self.answered
    }

    /// Returns the mark up to which the client has answered that it has received everything.
    pub fn answered(&self) -> Option<Mark> {
        self.answered
    }

    /// Whether the client has left a question unanswered.
    pub fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn mark(message: u64) -> Mark {
        let at = Timestamp::UNIX_EPOCH;
        Mark { message, at }
    }

    fn pong(params: &[&str]) -> Message {
        Message::new("PONG", params.iter().copied())
    }

    #[test]
    fn a_client_is_asked_once_for_all_that_was_sent_together() {
        let mut receipts = Receipts::default();
        let start = Instant::now();
        assert_eq!(receipts.ask_at(), None, "nothing was sent");
        receipts.sent(|| start);
        receipts.sent(|| start + DELAY / 2);
        assert_eq!(receipts.ask_at(), Some(start + DELAY));
        let now = start + DELAY;
        let line = receipts.ask(now, mark(7), 1000);
        assert_eq!(line, "PING 1\r\n");
        assert_eq!(receipts.ask_at(), None, "it has not answered");
        let written = 1000 + line.len() as u64;
        receipts.sent(|| now);
        assert_eq!(receipts.answer(now, &pong(&["1"]), written), Some(mark(7)));
        assert_eq!(receipts.ask_at(), None, "nothing was sent since");
        assert_eq!(receipts.answer(now, &pong(&["1"]), written), None, "twice");
    }

    #[test]
    fn what_is_sent_after_the_question_is_asked_for_later() {
        let mut receipts = Receipts::default();
        let start = Instant::now();
        receipts.sent(|| start);
        receipts.ask(start + DELAY, mark(7), 1000);
        let now = start + 2 * DELAY;
        receipts.sent(|| now);
        assert_eq!(
            receipts.answer(now, &pong(&["x", "1"]), 1500),
            Some(mark(7))
        );
        let at = receipts.ask_at().expect("another question");
        assert_eq!(at, start + DELAY + INTERVAL);
        assert_eq!(receipts.ask(at, mark(9), 1500), "PING 2\r\n");
        assert!(receipts.is_unanswered());
    }

    #[test]
    fn before_the_end_a_client_is_asked_for_what_it_was_not_asked_for_yet() {
        let now = Instant::now();
        let last = Bytes::from_static(b"ERROR :bye\r\n");
        let ask = |receipts: &mut Receipts, until, written, waiting: &[Bytes]| {
            let mut lines: VecDeque<Bytes> = waiting.iter().cloned().collect();
            lines.push_back(last.clone());
            let before: usize = lines.iter().map(Bytes::len).sum();
            let added = receipts.ask_before_last(now, until, written, &mut lines);
            let after: usize = lines.iter().map(Bytes::len).sum();
            assert_eq!(
                (after - before, lines.pop_back()),
                (added, Some(last.clone()))
            );
            lines.drain(..waiting.len());
            lines.pop_front()
        };
        let asked = |number: u8| Some(Bytes::from(format!("PING {number}\r\n")));
        let message = Bytes::from_static(b"a message\r\n");
        let waiting = std::slice::from_ref(&message);

        let mut receipts = Receipts::default();
        assert_eq!(
            ask(&mut receipts, mark(7), 0, &[]),
            None,
            "nothing was sent"
        );
        receipts.sent(|| now);
        assert_eq!(ask(&mut receipts, mark(7), 10, &[]), asked(1), "it is due");
        assert_eq!(ask(&mut receipts, mark(8), 18, &[]), None, "it is asked");
        receipts.answer(now, &pong(&["1"]), 18);
        assert_eq!(
            ask(&mut receipts, mark(9), 18, &[]),
            None,
            "it has answered"
        );
        assert_eq!(ask(&mut receipts, mark(7), 18, waiting), None, "no message");
        assert_eq!(ask(&mut receipts, mark(9), 18, waiting), asked(2));
        receipts.answer(now, &pong(&["2"]), 50);
        assert_eq!(ask(&mut receipts, mark(9), 50, &[]), None, "no message");
    }

    #[test]
    fn of_two_questions_each_may_be_answered() {
        let now = Instant::now();
        let answers = |texts: &[&str]| {
            let mut receipts = Receipts::default();
            receipts.ask(now, mark(7), 10);
            receipts.ask(now, mark(9), 30);
            let answered = texts.iter().map(|text| {
                let mark = receipts.answer(now, &pong(&[text]), 38);
                mark.map(|mark| mark.message)
            });
            let answered: Vec<_> = answered.collect();
            (answered, receipts.is_unanswered())
        };
        assert_eq!(
            answers(&["1", "1", "2"]),
            (vec![Some(7), None, Some(9)], false)
        );
        assert_eq!(answers(&["2", "1"]), (vec![Some(9), None], false));
        assert_eq!(answers(&["irc", "irc"]), (vec![Some(7), Some(9)], false));
        assert_eq!(
            answers(&["irc", "3", "0"]),
            (vec![Some(7), None, None], true)
        );
    }

    #[test]
    fn another_number_is_no_answer() {
        let mut receipts = Receipts::default();
        let now = Instant::now();
        assert_eq!(receipts.answer(now, &pong(&["0"]), 0), None, "not asked");
        receipts.sent(|| now);
        receipts.ask(now, mark(7), 10);
        for other in ["0", "2"] {
            assert_eq!(receipts.answer(now, &pong(&[other]), 20), None, "{other}");
        }
        let ping = Message::new("PING", ["1"]);
        assert_eq!(receipts.answer(now, &ping, 20), None);
        assert!(receipts.is_unanswered());
        for same in [&[][..], &["irc.test"]] {
            receipts.ask(now, mark(7), 10);
            assert_eq!(receipts.answer(now, &pong(same), 20), Some(mark(7)));
        }
    }

    #[test]
    fn a_client_that_was_sent_no_message_since_its_answer_is_not_asked() {
        let mut receipts = Receipts::default();
        let now = Instant::now();
        receipts.ask(now, mark(7), 0);
        receipts.answer(now, &pong(&["1"]), 100);
        assert!(receipts.ask_at().is_some(), "something was sent");
        receipts.skip_if_answered(mark(7));
        assert_eq!(receipts.ask_at(), None, "but it was no message");
        receipts.sent(|| now);
        receipts.skip_if_answered(mark(8));
        assert!(receipts.ask_at().is_some());
    }
}
