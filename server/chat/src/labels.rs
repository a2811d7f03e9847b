//! Labeled responses: the label goes on the one answer, on a batch around several, or on an `ACK`
//! in place of none.

use bytes::Bytes;
use rookery_protocol::{Capabilities, Capability, Message};

use crate::context::{Caller, Context};
use crate::event::{Delivery, Output};
use crate::ids::SessionId;
use crate::lengths;
use crate::line::{mark, within};

/// The label that the client of those capabilities wants on the answer to `message`.
pub fn of(message: &Message, capabilities: Capabilities) -> Option<&str> {
    // Several answers make a batch.
    let labels =
        capabilities.has(Capability::LabeledResponse) && capabilities.has(Capability::Batch);
    message
        .tags
        .get("label")
        .filter(|label| labels && (1..=lengths::LABEL).contains(&label.len()))
}

/// What an answer is marked with.
pub struct Labelling<'a> {
    pub server: &'a str,
    pub session: SessionId,
    /// As the client wrote it, escaped.
    pub label: &'a str,
    /// A name for the batch.
    pub batch: &'a str,
    /// The outputs that bring the caller its own message as any receiver gets it, by index: no
    /// answers.
    pub copies: &'a [usize],
    /// Whether the caller gets its own messages as receipts.
    pub echo: bool,
}

impl Labelling<'_> {
    /// Marks what the outputs from index `start` on answer. A receipt stays where it is: behind its
    /// message's commit.
    pub fn apply(&self, out: &mut Vec<Output>, start: usize) {
        let mut outputs = Vec::with_capacity(out.len() - start + 2);
        let mut copies = Vec::new();
        for (index, output) in out.drain(start..).enumerate() {
            match output {
                Output::Deliver(delivery) if self.copies.contains(&(start + index)) => {
                    copies.push(outputs.len());
                    outputs.push(Output::Deliver(delivery));
                }
                Output::Deliver(delivery) => {
                    outputs.extend(self.split(delivery).into_iter().map(Output::Deliver));
                }
                Output::Store {
                    entry,
                    then,
                    otherwise,
                } => {
                    let then = then
                        .into_iter()
                        .flat_map(|delivery| self.split(delivery))
                        .collect();
                    outputs.push(Output::Store {
                        entry,
                        then,
                        otherwise,
                    });
                }
                other => outputs.push(other),
            }
        }
        let mut answers = self.answers(&mut outputs, &copies);
        if answers.len() <= 1 {
            let tag = format!("label={}", self.label);
            let silent = answers.iter().all(|answer| answer.line.is_none());
            for answer in &mut answers {
                answer.change(|line| mark(line, &tag));
            }
            if silent {
                let line = mark(format!(":{} ACK\r\n", self.server).as_bytes(), &tag);
                self.acknowledge(&mut outputs, line);
            }
            out.append(&mut outputs);
        } else {
            for answer in &mut answers {
                answer.change(|line| within(self.batch, line));
            }
            let open = format!(
                ":{} BATCH +{} labeled-response\r\n",
                self.server, self.batch
            );
            let close = format!(":{} BATCH -{}\r\n", self.server, self.batch);
            out.push(self.to_caller(mark(open.as_bytes(), &format!("label={}", self.label))));
            out.append(&mut outputs);
            out.push(self.to_caller(close.into()));
        }
    }

    /// The caller's part of a delivery on its own.
    fn split(&self, mut delivery: Delivery) -> Vec<Delivery> {
        if delivery.to.len() < 2 || !delivery.to.contains(&self.session) {
            return vec![delivery];
        }
        delivery.to.retain(|to| *to != self.session);
        let own = Delivery {
            to: vec![self.session],
            line: delivery.line.clone(),
        };
        vec![delivery, own]
    }

    fn is_own(&self, delivery: &Delivery) -> bool {
        delivery.to == [self.session]
    }

    fn answers<'o>(&self, outputs: &'o mut [Output], copies: &[usize]) -> Vec<Answer<'o>> {
        let mut answers = Vec::new();
        for (index, output) in outputs.iter_mut().enumerate() {
            match output {
                Output::Deliver(delivery) if self.is_own(delivery) && !copies.contains(&index) => {
                    answers.push(Answer {
                        line: Some(&mut delivery.line),
                        refusal: None,
                    });
                }
                // An event that is kept answers nothing.
                Output::Store {
                    otherwise: None, ..
                } => {}
                Output::Store {
                    then, otherwise, ..
                } => {
                    // The echo is the last of them; an earlier one is the message as its receiver
                    // gets it.
                    let line = then
                        .last_mut()
                        .filter(|delivery| self.echo && self.is_own(delivery))
                        .map(|delivery| &mut delivery.line);
                    let refusal = otherwise.as_mut().map(|delivery| &mut delivery.line);
                    answers.push(Answer { line, refusal });
                }
                _ => {}
            }
        }
        answers
    }

    /// Says that it is done, once the last message is stored.
    fn acknowledge(&self, outputs: &mut Vec<Output>, line: Bytes) {
        let last = outputs.iter_mut().rev().find_map(|output| match output {
            Output::Store { then, .. } => Some(then),
            _ => None,
        });
        match last {
            Some(then) => then.push(Delivery {
                to: vec![self.session],
                line,
            }),
            None => outputs.push(self.to_caller(line)),
        }
    }

    fn to_caller(&self, line: Bytes) -> Output {
        Output::Deliver(Delivery {
            to: vec![self.session],
            line,
        })
    }
}

/// The line that the caller gets when all goes well, and the one it gets when its message cannot be
/// stored.
struct Answer<'o> {
    line: Option<&'o mut Bytes>,
    refusal: Option<&'o mut Bytes>,
}

impl Answer<'_> {
    fn change(&mut self, change: impl Fn(&[u8]) -> Bytes) {
        for line in [&mut self.line, &mut self.refusal].into_iter().flatten() {
            **line = change(line);
        }
    }
}

/// Marks what `run` answers the caller with its label, escaped.
pub fn labelled(
    ctx: &mut Context<'_>,
    caller: Caller,
    label: Option<String>,
    run: impl FnOnce(&mut Context<'_>),
) {
    let start = ctx.out.len();
    run(ctx);
    let Some(label) = label else { return };
    if ctx.state.user_of(caller.session).is_none() {
        // It has quit: nothing is said to it any more.
        return;
    }
    if let Some(Output::Fetch(fetch)) = ctx.out[start..].last_mut() {
        // The reply is still to come.
        fetch.label = Some(label);
        return;
    }
    Labelling {
        server: &ctx.settings.server_name,
        session: caller.session,
        label: &label,
        batch: &ctx.state.next_batch(),
        copies: &ctx.copies,
        echo: caller.has(Capability::EchoMessage),
    }
    .apply(ctx.out, start);
}
