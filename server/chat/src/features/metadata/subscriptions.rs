//! The metadata keys that a session has subscribed to, before and after its admission.

use std::collections::BTreeSet;

use rookery_protocol::{Capabilities, Capability};

use crate::features::metadata::values::is_key;
use crate::lengths;

/// Whether a session with those capabilities is notified of metadata.
pub fn is_notified(capabilities: Capabilities) -> bool {
    capabilities.has(Capability::Metadata) || capabilities.has(Capability::Metadata2)
}

/// The result of a request about several keys.
#[derive(Debug, Default)]
pub struct Outcome<'a> {
    /// The keys for which it was done.
    pub done: Vec<String>,
    /// The others: the code of the `FAIL`, the key and a text.
    pub refused: Vec<(&'static str, &'a str, &'static str)>,
}

/// Subscribes to the keys, until there are too many.
pub fn subscribe<'a>(subscriptions: &mut BTreeSet<String>, keys: &'a [String]) -> Outcome<'a> {
    let mut outcome = Outcome::default();
    for key in keys {
        if !is_key(key) {
            outcome.refused.push(("KEY_INVALID", key, "Invalid key"));
        } else if subscriptions.len() >= lengths::METADATA_SUBSCRIPTIONS
            && !subscriptions.contains(key)
        {
            let text = "You have subscribed to too many keys";
            outcome.refused.push(("TOO_MANY_SUBS", key, text));
            break;
        } else {
            subscriptions.insert(key.clone());
            outcome.done.push(key.clone());
        }
    }
    outcome
}

/// Cancels the subscriptions to the keys.
pub fn unsubscribe<'a>(subscriptions: &mut BTreeSet<String>, keys: &'a [String]) -> Outcome<'a> {
    let mut outcome = Outcome::default();
    for key in keys {
        if is_key(key) {
            subscriptions.remove(key);
            outcome.done.push(key.clone());
        } else {
            outcome.refused.push(("KEY_INVALID", key, "Invalid key"));
        }
    }
    outcome
}
