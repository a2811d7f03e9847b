//! The outputs of an event, and the label on the replies to a command.
//!
//! Without a label, outputs are appended to the vector of the core's caller at once. While a
//! command with a label runs, [`Outputs`] collects them and distinguishes replies to its client
//! from other outputs. [`Outputs::finish`] then adds the label as IRCv3 labeled-response requires:
//! to a single reply, to a batch around several, or to an `ACK` if there is no reply.

use bytes::Bytes;
use jiff::Timestamp;
use rookery_record::HistoryEntry;

use crate::event::{Delivery, Output};
use crate::ids::SessionId;
use crate::line::{mark, within};

/// The outputs of one event.
pub struct Outputs<'a> {
    out: &'a mut Vec<Output>,
    /// The outputs of the command with a label that is running, if any.
    labelled: Option<Labelled>,
    /// The batch of the label of the reply that is continued, if any. All lines belong to it.
    batch: Option<String>,
}

/// The outputs of a command with a label.
struct Labelled {
    session: SessionId,
    /// The label, escaped. `None` if the reply will be sent later, with the label.
    label: Option<String>,
    items: Vec<Item>,
    /// The batch of the reply, if a part of the reply is sent later.
    batch: Option<String>,
}

/// One output of a command with a label.
enum Item {
    /// Not a reply.
    Other(Output),
    /// One reply: a line, or the lines of a batch.
    Reply(Vec<Bytes>),
    /// A message that is delivered once it is stored. The reply is its receipt or its refusal.
    Stored {
        entry: Box<HistoryEntry>,
        now: Timestamp,
        deliveries: Vec<Delivery>,
        receipt: Option<Bytes>,
        refusal: Bytes,
    },
}

impl<'a> Outputs<'a> {
    /// Creates outputs that are appended to `out`.
    pub fn new(out: &'a mut Vec<Output>) -> Self {
        Self {
            out,
            labelled: None,
            batch: None,
        }
    }

    /// Adds an output.
    pub fn push(&mut self, output: Output) {
        match (&mut self.labelled, &self.batch, output) {
            (Some(labelled), _, output) => labelled.push(output),
            (None, Some(batch), Output::Deliver(Delivery { to, line })) => {
                let line = within(batch, &line);
                self.out.push(Output::Deliver(Delivery { to, line }));
            }
            (None, _, output) => self.out.push(output),
        }
    }

    /// Sets the batch that the following lines belong to. Returns the previous one.
    pub fn set_batch(&mut self, batch: Option<String>) -> Option<String> {
        std::mem::replace(&mut self.batch, batch)
    }

    /// Adds deliveries.
    pub fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.push(Output::Deliver(delivery));
        }
    }

    /// Adds a delivery that is not a reply, even if the caller is one of its receivers: a message
    /// that the caller sent to itself.
    pub fn deliver_copy(&mut self, delivery: Delivery) {
        match &mut self.labelled {
            Some(labelled) => labelled.items.push(Item::Other(Output::Deliver(delivery))),
            None => self.out.push(Output::Deliver(delivery)),
        }
    }

    /// Adds the lines of a batch to one session. They are one reply.
    pub fn deliver_batch(&mut self, session: SessionId, lines: Vec<Bytes>) {
        match &mut self.labelled {
            Some(labelled) if labelled.session == session => {
                labelled.items.push(Item::Reply(lines));
            }
            _ => {
                for line in lines {
                    self.push(to_session(session, line));
                }
            }
        }
    }

    /// Adds a message that is delivered once it is stored: by `deliveries` to its receivers, and by
    /// `receipt` to the session that sent it. That session receives `refusal` if the message cannot
    /// be stored. `now` is the time of the message clock.
    pub fn store(
        &mut self,
        entry: Box<HistoryEntry>,
        now: Timestamp,
        mut deliveries: Vec<Delivery>,
        receipt: Option<Delivery>,
        refusal: Delivery,
    ) {
        if let Some(labelled) = &mut self.labelled {
            labelled.items.push(Item::Stored {
                entry,
                now,
                deliveries,
                receipt: receipt.map(|receipt| receipt.line),
                refusal: refusal.line,
            });
        } else {
            deliveries.extend(receipt);
            self.out.push(Output::Store {
                entry,
                now,
                deliveries,
                on_failure: Some(refusal),
            });
        }
    }

    /// Starts to collect outputs. Deliveries to `session` are replies to a command with that label.
    pub fn begin(&mut self, session: SessionId, label: String) {
        self.labelled = Some(Labelled {
            session,
            label: Some(label),
            items: Vec::new(),
            batch: None,
        });
    }

    /// Returns the batch of the reply to the command that is running, for a part of the reply that
    /// is sent later; `None` if the command has no label, or is not from that session. `next_batch`
    /// returns a new name for a batch.
    pub fn open_batch(
        &mut self,
        session: SessionId,
        next_batch: impl FnOnce() -> String,
    ) -> Option<String> {
        let labelled = self.labelled.as_mut()?;
        let is_reply = labelled.session == session && labelled.label.is_some();
        is_reply.then(|| labelled.batch.get_or_insert_with(next_batch).clone())
    }

    /// Whether the command that is running has a label.
    pub fn is_labelled(&self) -> bool {
        self.labelled.is_some()
    }

    /// Removes and returns the label, for a reply that is sent later.
    pub fn take_label(&mut self) -> Option<String> {
        self.labelled.as_mut()?.label.take()
    }

    /// Adds the label to the replies collected since [`Self::begin`], and appends everything that
    /// was collected. `server` is the server's name; `next_batch` returns a new name for a batch.
    /// Returns the batch of the reply if a part of the reply is still to be sent, in that batch.
    pub fn finish(&mut self, server: &str, next_batch: impl FnOnce() -> String) -> Option<String> {
        let Labelled {
            session,
            label,
            mut items,
            batch: open_batch,
        } = self.labelled.take()?;
        let mut ack = None;
        let mut batch_end = None;
        if let Some(label) = label {
            let label = format!("label={label}");
            let replies = items.iter().filter(|item| item.is_reply()).count();
            if replies > 1 || open_batch.is_some() {
                let batch = open_batch.clone().unwrap_or_else(next_batch);
                for item in &mut items {
                    item.map_lines(|line| within(&batch, line));
                }
                let open = format!(":{server} BATCH +{batch} labeled-response\r\n");
                let open = mark(open.as_bytes(), &label);
                self.out.push(to_session(session, open));
                if open_batch.is_none() {
                    batch_end = Some(format!(":{server} BATCH -{batch}\r\n"));
                }
            } else {
                if !items.iter().any(Item::has_line) {
                    ack = Some(mark(format!(":{server} ACK\r\n").as_bytes(), &label));
                }
                for item in &mut items {
                    item.map_first_line(|line| mark(line, &label));
                }
            }
        }
        let start = self.out.len();
        self.out
            .extend(items.into_iter().flat_map(|item| item.outputs(session)));
        if let Some(line) = ack {
            // An acknowledgement is delivered once the last message is stored.
            let last = self.out.iter_mut().skip(start).rev();
            let stored = last.filter_map(|output| match output {
                Output::Store { deliveries, .. } => Some(deliveries),
                _ => None,
            });
            let to = vec![session];
            match stored.into_iter().next() {
                Some(deliveries) => deliveries.push(Delivery { to, line }),
                None => self.out.push(to_session(session, line)),
            }
        }
        if let Some(line) = batch_end {
            self.out.push(to_session(session, line.into()));
        }
        open_batch
    }
}

impl Labelled {
    /// Adds an output. A delivery to the caller becomes a reply, apart from its other receivers.
    fn push(&mut self, output: Output) {
        match output {
            Output::Deliver(mut delivery) if delivery.to.contains(&self.session) => {
                let line = delivery.line.clone();
                delivery.to.retain(|to| *to != self.session);
                if !delivery.to.is_empty() {
                    self.items.push(Item::Other(Output::Deliver(delivery)));
                }
                self.items.push(Item::Reply(vec![line]));
            }
            output => self.items.push(Item::Other(output)),
        }
    }
}

impl Item {
    fn is_reply(&self) -> bool {
        !matches!(self, Self::Other(_))
    }

    /// Whether the caller receives a line of it as a reply, provided that the message is stored.
    fn has_line(&self) -> bool {
        match self {
            Self::Other(_) => false,
            Self::Reply(_) => true,
            Self::Stored { receipt, .. } => receipt.is_some(),
        }
    }

    /// Replaces every line of the reply.
    fn map_lines(&mut self, change: impl Fn(&[u8]) -> Bytes) {
        match self {
            Self::Other(_) => {}
            Self::Reply(lines) => lines.iter_mut().for_each(|line| *line = change(line)),
            Self::Stored {
                receipt, refusal, ..
            } => {
                for line in receipt.iter_mut().chain([refusal]) {
                    *line = change(line);
                }
            }
        }
    }

    /// Replaces the first line of the reply; of a batch, the line that opens it.
    fn map_first_line(&mut self, change: impl Fn(&[u8]) -> Bytes) {
        match self {
            Self::Reply(lines) => {
                if let Some(line) = lines.first_mut() {
                    *line = change(line);
                }
            }
            item => item.map_lines(change),
        }
    }

    fn outputs(self, session: SessionId) -> Vec<Output> {
        match self {
            Self::Other(output) => vec![output],
            Self::Reply(lines) => lines
                .into_iter()
                .map(|line| to_session(session, line))
                .collect(),
            Self::Stored {
                entry,
                now,
                mut deliveries,
                receipt,
                refusal,
            } => {
                let to = vec![session];
                deliveries.extend(receipt.map(|line| Delivery {
                    to: to.clone(),
                    line,
                }));
                let on_failure = Some(Delivery { to, line: refusal });
                vec![Output::Store {
                    entry,
                    now,
                    deliveries,
                    on_failure,
                }]
            }
        }
    }
}

fn to_session(session: SessionId, line: Bytes) -> Output {
    Output::Deliver(Delivery {
        to: vec![session],
        line,
    })
}
