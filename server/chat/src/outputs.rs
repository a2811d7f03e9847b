//! Where the handling of an event puts its outputs, and how a label gets on the replies to a
//! command.
//!
//! Without a label, outputs go straight to the vector of the caller of the core. While a command
//! with a label runs, [`Outputs`] collects them and knows which are replies to its client;
//! [`Outputs::finish`] then puts the label where IRCv3 labeled-response wants it: on the one reply,
//! on a batch around several, or on an `ACK` in place of none.

use bytes::Bytes;
use rookery_record::HistoryEntry;

use crate::event::{Delivery, Output};
use crate::ids::SessionId;
use crate::line::{mark, within};

/// The outputs of one event.
pub struct Outputs<'a> {
    out: &'a mut Vec<Output>,
    /// While a command with a label runs.
    labelled: Option<Labelled>,
}

/// The outputs of a command with a label.
struct Labelled {
    session: SessionId,
    /// Escaped. `None` once the reply has been put off, with its label.
    label: Option<String>,
    items: Vec<Item>,
}

/// One output of a command with a label.
enum Item {
    /// Not a reply.
    Other(Output),
    /// One reply: a line, or the lines of a batch.
    Reply(Vec<Bytes>),
    /// A message that waits for the store; the reply is its receipt or its refusal.
    Stored {
        entry: Box<HistoryEntry>,
        then: Vec<Delivery>,
        receipt: Option<Bytes>,
        refusal: Bytes,
    },
}

impl<'a> Outputs<'a> {
    /// Creates a sink that appends to `out`.
    pub fn new(out: &'a mut Vec<Output>) -> Self {
        Self {
            out,
            labelled: None,
        }
    }

    /// Adds an output.
    pub fn push(&mut self, output: Output) {
        match &mut self.labelled {
            Some(labelled) => labelled.push(output),
            None => self.out.push(output),
        }
    }

    /// Adds deliveries.
    pub fn deliver(&mut self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.push(Output::Deliver(delivery));
        }
    }

    /// Adds a delivery that may reach the caller, but not as a reply: its own message, as any
    /// receiver gets it.
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

    /// Adds a message that is delivered once it is stored: `then` to its receivers, and `receipt`
    /// to the session that sent it. That session gets `refusal` if the message cannot be stored.
    pub fn store(
        &mut self,
        entry: Box<HistoryEntry>,
        mut then: Vec<Delivery>,
        receipt: Option<Delivery>,
        refusal: Delivery,
    ) {
        if let Some(labelled) = &mut self.labelled {
            labelled.items.push(Item::Stored {
                entry,
                then,
                receipt: receipt.map(|receipt| receipt.line),
                refusal: refusal.line,
            });
        } else {
            then.extend(receipt);
            self.out.push(Output::Store {
                entry,
                then,
                otherwise: Some(refusal),
            });
        }
    }

    /// Collects outputs from here on: those for `session` are replies to a command with that label.
    pub fn begin(&mut self, session: SessionId, label: String) {
        self.labelled = Some(Labelled {
            session,
            label: Some(label),
            items: Vec::new(),
        });
    }

    /// Takes the label for a reply that comes later, after a page of history was read.
    pub fn take_label(&mut self) -> Option<String> {
        self.labelled.as_mut()?.label.take()
    }

    /// Puts the label on what was collected since [`Self::begin`], and adds it to the outputs.
    /// `server` is the server's name; `next_batch` returns a new name for a batch.
    pub fn finish(&mut self, server: &str, next_batch: impl FnOnce() -> String) {
        let Some(labelled) = self.labelled.take() else {
            return;
        };
        let Labelled {
            session,
            label,
            mut items,
        } = labelled;
        let mut ack = None;
        let mut batch_end = None;
        if let Some(label) = label {
            let label = format!("label={label}");
            let replies = items.iter().filter(|item| item.is_reply()).count();
            if replies > 1 {
                let batch = next_batch();
                for item in &mut items {
                    item.change(|line| within(&batch, line));
                }
                let open = format!(":{server} BATCH +{batch} labeled-response\r\n");
                let open = mark(open.as_bytes(), &label);
                self.out.push(to_session(session, open));
                batch_end = Some(format!(":{server} BATCH -{batch}\r\n"));
            } else {
                if !items.iter().any(Item::has_line) {
                    ack = Some(mark(format!(":{server} ACK\r\n").as_bytes(), &label));
                }
                for item in &mut items {
                    item.change_first(|line| mark(line, &label));
                }
            }
        }
        let start = self.out.len();
        self.out
            .extend(items.into_iter().flat_map(|item| item.outputs(session)));
        if let Some(line) = ack {
            // An acknowledgement waits for the last message to be stored.
            let last = self.out.iter_mut().skip(start).rev();
            let stored = last.filter_map(|output| match output {
                Output::Store { then, .. } => Some(then),
                _ => None,
            });
            let to = vec![session];
            match stored.into_iter().next() {
                Some(then) => then.push(Delivery { to, line }),
                None => self.out.push(to_session(session, line)),
            }
        }
        if let Some(line) = batch_end {
            self.out.push(to_session(session, line.into()));
        }
    }
}

impl Labelled {
    /// Adds an output; the caller's part of a delivery becomes a reply.
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

    /// Whether the caller receives a line of it as a reply, if all goes well.
    fn has_line(&self) -> bool {
        match self {
            Self::Other(_) => false,
            Self::Reply(_) => true,
            Self::Stored { receipt, .. } => receipt.is_some(),
        }
    }

    /// Changes every line of the reply.
    fn change(&mut self, change: impl Fn(&[u8]) -> Bytes) {
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

    /// Changes the first line of the reply: of a batch, the line that opens it.
    fn change_first(&mut self, change: impl Fn(&[u8]) -> Bytes) {
        match self {
            Self::Reply(lines) => {
                if let Some(line) = lines.first_mut() {
                    *line = change(line);
                }
            }
            item => item.change(change),
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
                mut then,
                receipt,
                refusal,
            } => {
                let to = vec![session];
                then.extend(receipt.map(|line| Delivery {
                    to: to.clone(),
                    line,
                }));
                let otherwise = Some(Delivery { to, line: refusal });
                vec![Output::Store {
                    entry,
                    then,
                    otherwise,
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
