//! Capability negotiation (`CAP`, version 302), before and after admission.

use rookery_protocol::numeric::{ERR_INVALIDCAPCMD, ERR_NEEDMOREPARAMS};
use rookery_protocol::{Capabilities, Capability, CapabilityValues, Message};

use crate::lengths;
use crate::line::fill;
use crate::line::{MAX_BODY, word};

/// Handles a `CAP` message; returns the replies and the client's new capabilities. `offered` are
/// the capabilities it may request, listed with `values`; `current` are those it has. `server` is
/// the server's name and `nick` the client's (`*` if it has none). `CAP END` has no reply.
pub fn negotiate(
    server: &str,
    nick: &str,
    offered: Capabilities,
    values: CapabilityValues,
    current: Capabilities,
    message: &Message,
) -> (Vec<Message>, Capabilities) {
    let reply = |params: &[&str]| {
        Message::new("CAP", [nick].iter().chain(params).copied()).from_source(server)
    };
    let numeric = |code: &str, param: &str, text: &str| {
        Message::new(code, [nick, param, text]).from_source(server)
    };
    let room = MAX_BODY.saturating_sub(format!(":{server} CAP {nick} LIST * :").len());
    let Some(subcommand) = message.param(0) else {
        return (
            vec![numeric(
                ERR_NEEDMOREPARAMS,
                "CAP",
                "Missing subcommand: LS, LIST, REQ or END",
            )],
            current,
        );
    };
    match subcommand.to_ascii_uppercase().as_str() {
        "LS" => {
            let version: u32 = message
                .param(1)
                .and_then(|version| version.parse().ok())
                .unwrap_or(0);
            let mut current = current;
            let is_new = version >= 302;
            if is_new && offered.has(Capability::CapNotify) {
                current.insert(Capability::CapNotify);
            }
            let values = is_new.then_some(values);
            let mut items: Vec<String> = offered
                .iter()
                .map(|capability| listed(capability, values))
                .collect();
            items.extend(values.and_then(|values| values.sts()));
            (
                list(&items, is_new, room, |params| {
                    reply(&[&["LS"], params].concat())
                }),
                current,
            )
        }
        "LIST" => {
            let items: Vec<String> = current
                .iter()
                .map(|capability| capability.name().to_owned())
                .collect();
            let lines = current.has(Capability::CapNotify);
            (
                list(&items, lines, room, |params| {
                    reply(&[&["LIST"], params].concat())
                }),
                current,
            )
        }
        "REQ" => {
            let requested = &*message.text(1).unwrap_or_default();
            let (answer, current) = match apply(offered, current, requested) {
                Some(changed) => ("ACK", changed),
                None => ("NAK", current),
            };
            let mut parts = vec![requested.to_owned()];
            if requested.len() > room {
                parts = fill(
                    requested.split_whitespace().map(|name| ["", name]),
                    ' ',
                    room,
                );
            }
            (
                parts.iter().map(|part| reply(&[answer, part])).collect(),
                current,
            )
        }
        "END" => (Vec::new(), current),
        _ => (
            vec![numeric(
                ERR_INVALIDCAPCMD,
                word(subcommand),
                "Invalid CAP subcommand",
            )],
            current,
        ),
    }
}

/// Returns how a capability is listed: with its value for clients of version 302 (`values`).
pub fn listed(capability: Capability, values: Option<CapabilityValues>) -> String {
    let Some(values) = values else {
        return capability.name().to_owned();
    };
    let value = match capability {
        Capability::Sasl => "PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE".to_owned(),
        Capability::AccountRegistration => {
            let before_connect = values.register_before_connect.then_some("before-connect");
            let email_required = values.email_required.then_some("email-required");
            let items = [before_connect, Some("custom-account-name"), email_required];
            items.into_iter().flatten().collect::<Vec<_>>().join(",")
        }
        Capability::Multiline => {
            let (bytes, lines) = (lengths::MULTILINE_BYTES, lengths::MULTILINE_LINES);
            format!("max-bytes={bytes},max-lines={lines}")
        }
        Capability::Metadata | Capability::Metadata2 => {
            let (subs, keys, bytes) = (
                lengths::METADATA_SUBSCRIPTIONS,
                lengths::METADATA_KEYS,
                lengths::METADATA_VALUE,
            );
            format!("max-subs={subs},max-keys={keys},max-value-bytes={bytes}")
        }
        _ => return capability.name().to_owned(),
    };
    format!("{}={value}", capability.name())
}

/// Applies the requested changes, or returns `None` if one of them is not possible.
fn apply(offered: Capabilities, current: Capabilities, requested: &str) -> Option<Capabilities> {
    let mut changed = current;
    for name in requested.split(' ').filter(|name| !name.is_empty()) {
        match name.strip_prefix('-') {
            // Version 302 implies cap-notify, which cannot be disabled.
            Some("cap-notify") if current.has(Capability::CapNotify) => return None,
            Some(name) => changed.remove(Capability::from_name(name)?),
            None => {
                let capability =
                    Capability::from_name(name).filter(|&capability| offered.has(capability))?;
                changed.insert(capability);
            }
        }
    }
    Some(changed)
}

/// Lists the items, in several messages if the client supports that. Otherwise, items that do not
/// fit into one message are omitted, vendor capabilities first.
fn list(
    items: &[String],
    several: bool,
    room: usize,
    reply: impl Fn(&[&str]) -> Message,
) -> Vec<Message> {
    let mut items: Vec<&str> = items.iter().map(String::as_str).collect();
    if !several {
        items.sort_by_key(|item| item.contains('/'));
    }
    let mut lists = fill(items.into_iter().map(|item| ["", item]), ' ', room);
    if !several {
        lists.truncate(1);
    }
    let last = lists.pop().unwrap_or_default();
    let mut messages: Vec<Message> = lists.iter().map(|list| reply(&["*", list])).collect();
    messages.push(reply(&[&last]));
    messages
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn all() -> Capabilities {
        Capabilities::of(Capability::ALL)
    }

    fn negotiated(
        offered: Capabilities,
        current: Capabilities,
        line: &str,
    ) -> (Vec<String>, Capabilities) {
        let values = CapabilityValues {
            email_required: true,
            register_before_connect: true,
            sts_seconds: 3600,
        };
        let message = Message::parse(line).unwrap();
        let (replies, changed) = negotiate("server", "*", offered, values, current, &message);
        (replies.iter().map(ToString::to_string).collect(), changed)
    }

    #[test]
    fn version_302_gets_values_and_cap_notify() {
        let (replies, changed) = negotiated(all(), Capabilities::NONE, "CAP LS 302");
        let text = replies.join("\n");
        assert!(
            text.contains("sasl=PLAIN,SCRAM-SHA-256,EXTERNAL,X-EMAIL-CODE"),
            "{text}"
        );
        assert!(text.contains(
            "draft/account-registration=before-connect,custom-account-name,email-required"
        ));
        assert!(
            text.contains("draft/multiline=max-bytes=4096,max-lines=32"),
            "{text}"
        );
        assert_eq!(changed, Capabilities::of(&[Capability::CapNotify]));
        assert!(replies.iter().all(|line| line.len() <= 510));
        let (last, others) = replies.split_last().unwrap();
        assert!(
            last.starts_with(":server CAP * LS ") && !last.contains(" LS * "),
            "{last}"
        );
        assert!(
            others
                .iter()
                .all(|line| line.starts_with(":server CAP * LS * :")),
            "{text}"
        );
    }

    #[test]
    fn the_value_of_registration_follows_the_settings() {
        let value = |email_required, register_before_connect| {
            let values = CapabilityValues {
                email_required,
                register_before_connect,
                sts_seconds: 0,
            };
            listed(Capability::AccountRegistration, Some(values))
        };
        assert_eq!(
            value(false, false),
            "draft/account-registration=custom-account-name"
        );
        assert_eq!(
            value(false, true),
            "draft/account-registration=before-connect,custom-account-name"
        );
        assert_eq!(
            value(true, false),
            "draft/account-registration=custom-account-name,email-required"
        );
    }

    #[test]
    fn older_versions_get_one_line_without_values() {
        for line in ["CAP LS", "CAP LS 301", "CAP LS x"] {
            let (replies, changed) = negotiated(all(), Capabilities::NONE, line);
            assert_eq!(replies.len(), 1);
            assert!(
                !replies[0].contains('=') && replies[0].len() <= 510,
                "{}",
                replies[0]
            );
            assert_eq!(changed, Capabilities::NONE);
        }
    }

    #[test]
    fn a_request_is_applied_completely_or_not_at_all() {
        let (replies, changed) = negotiated(all(), Capabilities::NONE, "CAP REQ :batch nonsense");
        assert_eq!(replies, [":server CAP * NAK :batch nonsense"]);
        assert_eq!(changed, Capabilities::NONE);
        let (replies, changed) =
            negotiated(all(), Capabilities::NONE, "CAP REQ :batch echo-message");
        assert_eq!(replies, [":server CAP * ACK :batch echo-message"]);
        assert_eq!(
            changed,
            Capabilities::of(&[Capability::Batch, Capability::EchoMessage])
        );
        let (replies, changed) = negotiated(all(), changed, "CAP REQ -batch");
        assert_eq!(replies, [":server CAP * ACK :-batch"]);
        assert_eq!(changed, Capabilities::of(&[Capability::EchoMessage]));
        let (_, changed) = negotiated(Capabilities::NONE, Capabilities::NONE, "CAP REQ batch");
        assert_eq!(changed, Capabilities::NONE, "not offered");
    }

    #[test]
    fn sts_is_listed_for_version_302_and_cannot_be_requested() {
        let (replies, _) = negotiated(all(), Capabilities::NONE, "CAP LS 302");
        assert!(
            replies.join(" ").contains(" sts=duration=3600"),
            "{replies:?}"
        );
        let (replies, _) = negotiated(all(), Capabilities::NONE, "CAP LS");
        assert!(!replies.join(" ").contains("sts"), "{replies:?}");
        let (replies, _) = negotiated(all(), Capabilities::NONE, "CAP REQ sts");
        assert_eq!(replies, [":server CAP * NAK :sts"]);
        let silent = CapabilityValues::default();
        let message = Message::parse("CAP LS 302").unwrap();
        let (replies, _) = negotiate("server", "*", all(), silent, Capabilities::NONE, &message);
        assert!(
            replies
                .iter()
                .all(|reply| !reply.to_string().contains("sts=")),
            "switched off"
        );
    }

    #[test]
    fn no_capability_name_is_cut() {
        let (server, nick) = ("irc.".repeat(15), "n".repeat(30));
        let replies_to = |line: &str| {
            let message = Message::parse(line).unwrap();
            let (replies, changed) = negotiate(
                &server,
                &nick,
                all(),
                CapabilityValues::default(),
                all(),
                &message,
            );
            let names: Vec<String> = replies
                .iter()
                .flat_map(|reply| {
                    reply
                        .params
                        .last()
                        .unwrap()
                        .split(' ')
                        .map(str::to_owned)
                        .collect::<Vec<_>>()
                })
                .collect();
            assert!(
                replies.iter().all(|reply| reply.to_string().len() <= 510),
                "{replies:?}"
            );
            (replies, names, changed)
        };
        let every: Vec<&str> = Capability::ALL
            .iter()
            .map(|capability| capability.name())
            .collect();
        let (replies, names, _) = replies_to("CAP LS 301");
        assert!(
            replies.len() == 1 && names.len() < every.len(),
            "not all of them fit"
        );
        assert!(
            names.iter().all(|name| every.contains(&name.as_str())),
            "{names:?}"
        );
        let standards = every.iter().filter(|name| !name.contains('/'));
        assert!(
            standards
                .clone()
                .all(|name| names.iter().any(|listed| listed == name)),
            "{names:?}"
        );
        let (replies, names, changed) = replies_to(&format!("CAP REQ :{}", every.join(" ")));
        assert!(
            replies.len() == 2 && replies.iter().all(|reply| reply.params[1] == "ACK"),
            "{replies:?}"
        );
        assert!(names == every && changed == all());
        let (replies, names, _) = replies_to(&format!("CAP REQ :{} x", every.join(" ")));
        assert!(
            replies.iter().all(|reply| reply.params[1] == "NAK") && names.last().unwrap() == "x"
        );
        assert_eq!(replies_to("CAP LIST").1.len(), every.len());
    }

    #[test]
    fn cap_notify_cannot_be_disabled_in_version_302() {
        let (_, current) = negotiated(all(), Capabilities::NONE, "CAP LS 302");
        let (replies, changed) = negotiated(all(), current, "CAP REQ -cap-notify");
        assert_eq!(replies, [":server CAP * NAK :-cap-notify"]);
        assert!(changed.has(Capability::CapNotify));
    }

    #[test]
    fn enabled_capabilities_are_listed_and_unknown_subcommands_refused() {
        assert_eq!(
            negotiated(all(), Capabilities::NONE, "CAP LIST").0,
            [":server CAP * LIST :"]
        );
        assert_eq!(
            negotiated(all(), Capabilities::of(&[Capability::Batch]), "CAP LIST").0,
            [":server CAP * LIST :batch"]
        );
        assert!(
            negotiated(all(), Capabilities::NONE, "CAP END")
                .0
                .is_empty()
        );
        assert!(
            negotiated(all(), Capabilities::NONE, "CAP FLY").0[0]
                .starts_with(":server 410 * FLY :")
        );
        assert!(
            negotiated(all(), Capabilities::NONE, "CAP :a b").0[0].starts_with(":server 410 * * :")
        );
        assert!(
            negotiated(all(), Capabilities::NONE, "CAP").0[0].starts_with(":server 461 * CAP :")
        );
    }
}
