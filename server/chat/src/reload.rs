//! Applies a new configuration to users and sessions.

use std::sync::Arc;

use rookery_protocol::Capability;

use crate::capabilities::listed;
use crate::context::{Caller, Context};
use crate::control;
use crate::features::always_on;
use crate::ids::SessionId;
use crate::settings::Settings;

/// Applies changed email aliases and a changed default of always-on, and announces capabilities
/// that are new or withdrawn (cap-notify).
pub fn reload(ctx: &mut Context<'_>, old: &Settings) {
    if old.email_aliases != ctx.settings.email_aliases {
        let policy = Arc::make_mut(&mut ctx.state.policy);
        policy.bans.set_aliases(ctx.settings.email_aliases.clone());
        control::publish_policy(ctx);
        control::apply_bans(ctx);
    }
    if old.always_on != ctx.settings.always_on {
        always_on::review_presences(ctx);
    }
    let (before, after) = (old.capabilities, ctx.settings.capabilities);
    let (old, values) = (old.capability_values, ctx.settings.capability_values);
    if before == after && old == values {
        return;
    }
    let withdrawn: Vec<String> = before
        .iter()
        .filter(|item| !after.has(*item))
        .map(|item| listed(item, None))
        .collect();
    // A capability with a changed value is announced again.
    let is_new = |item: &Capability| {
        !before.has(*item) || listed(*item, Some(old)) != listed(*item, Some(values))
    };
    let new: Vec<String> = after
        .iter()
        .filter(is_new)
        .map(|item| listed(item, Some(values)))
        .collect();
    // A duration of zero ends the policy that clients have cached.
    let sts = if old.sts_seconds == values.sts_seconds {
        None
    } else {
        Some(format!("sts=duration={}", values.sts_seconds))
    };
    let (withdrawn, new) = (
        withdrawn.join(" "),
        new.into_iter().chain(sts).collect::<Vec<_>>().join(" "),
    );
    let mut sessions: Vec<SessionId> = ctx
        .state
        .users()
        .flat_map(crate::state::User::sessions)
        .map(|session| session.id)
        .collect();
    sessions.sort_unstable();
    for session in sessions {
        let Some(caller) = ctx.caller(session) else {
            continue;
        };
        let capabilities = caller.capabilities.and(after);
        ctx.state.set_capabilities(session, capabilities);
        let caller = Caller {
            capabilities,
            ..caller
        };
        if caller.has(Capability::CapNotify) {
            let nick = ctx.state.user(caller.user).nick.clone();
            for (subcommand, list) in [("DEL", &withdrawn), ("NEW", &new)] {
                if !list.is_empty() {
                    let line = ctx
                        .server_line("CAP")
                        .word(nick.as_str())
                        .word(subcommand)
                        .text(list);
                    ctx.send(caller, &line);
                }
            }
        }
    }
}
