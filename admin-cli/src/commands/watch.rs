//! `watch`: what happens, as it happens.

use std::io::BufRead as _;

use rookery_control_api::{ServerEvent, TimedEvent};

use super::Show;
use crate::cli::WatchOptions;
use crate::client::{Client, segment};
use crate::failure::{Failure, while_doing};
use crate::output::{self, Reader};

/// Shows events until the sign-in, the server or its reader ends.
pub fn run(client: &Client, options: &WatchOptions, show: &Show) -> Result<(), Failure> {
    let kinds: Vec<&str> = options.kinds.iter().map(|kind| kind.name()).collect();
    let kinds = (!kinds.is_empty()).then(|| format!("kinds={}", kinds.join(",")));
    let user = options
        .user
        .as_deref()
        .map(|user| format!("user={}", segment(user)));
    let options: Vec<String> = [kinds, user].into_iter().flatten().collect();
    let stream = client.stream(&format!("/v1/events?{}", options.join("&")))?;
    for line in stream.lines() {
        let line = line.map_err(while_doing(format!(
            "{} says nothing more",
            client.server()
        )))?;
        // What is no data is the name of the event, which stands in the data too, or a comment.
        let Some(data) = line.strip_prefix("data: ") else {
            continue;
        };
        // A kind that this version does not know is left out.
        let Ok(event) = serde_json::from_str::<TimedEvent>(data) else {
            continue;
        };
        let text = if show.json {
            data.to_owned()
        } else {
            Reader::here().event(&event)
        };
        if !output::print_on(&text)? {
            return Ok(());
        }
        if let ServerEvent::Ended { reason } = event.what {
            return Err(Failure::NotSignedIn(format!(
                "The sign-in has ended: {reason}."
            )));
        }
    }
    Err(Failure::new(format!(
        "{} has ended the stream of events; it may be stopping",
        client.server()
    )))
}
