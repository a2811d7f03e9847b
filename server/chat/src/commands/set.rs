//! What the owner of an account has chosen: `SET`.

use rookery_protocol::Message;

use crate::event::Output;
use crate::turn::{Caller, Turn};
use rookery_record::{AccountId, Change};

const ALWAYS_ON: &str = "always-on";

/// `SET`, `SET <setting>`, `SET <setting> <value>`. There is one setting, `always-on`: `on`, `off`
/// or `default`.
pub fn set(turn: &mut Turn<'_>, caller: Caller, message: &Message) {
    let Some(account) = turn
        .state
        .user(caller.user)
        .identity
        .as_ref()
        .map(|identity| identity.id)
    else {
        return turn.fail(
            caller,
            "SET",
            "ACCOUNT_REQUIRED",
            &[],
            "Settings belong to an account; sign in first",
        );
    };
    let setting = message
        .param(0)
        .filter(|setting| !setting.is_empty())
        .unwrap_or(ALWAYS_ON);
    if !setting.eq_ignore_ascii_case(ALWAYS_ON) {
        let text = "There is no such setting; there is one, always-on";
        return turn.fail(caller, "SET", "UNKNOWN_SETTING", &[setting], text);
    }
    if let Some(value) = message.param(1) {
        let choice = match value.to_ascii_lowercase().as_str() {
            "on" => Some(true),
            "off" => Some(false),
            "default" => None,
            _ => {
                let text = "Set it to on, off or default";
                return turn.fail(caller, "SET", "INVALID_VALUE", &[ALWAYS_ON, value], text);
            }
        };
        choose(turn, caller, account, choice);
    }
    tell(turn, caller, account);
}

fn choose(turn: &mut Turn<'_>, caller: Caller, account: AccountId, choice: Option<bool>) {
    let before = match choice {
        Some(choice) => turn.state.always_on.insert(account, choice),
        None => turn.state.always_on.remove(&account),
    };
    if before != choice {
        turn.out
            .push(Output::Persist(Box::new(Change::AlwaysOn(account, choice))));
        turn.state.touch(caller.user);
    }
}

fn tell(turn: &mut Turn<'_>, caller: Caller, account: AccountId) {
    let choice = turn.state.always_on.get(&account);
    let on = turn.is_always_on(turn.state.user(caller.user));
    let (value, meaning) = if on {
        (
            "on",
            "you stay in your channels while no client of yours is connected",
        )
    } else {
        ("off", "you leave when the last of your clients does")
    };
    let whose = if choice.is_some() {
        "your choice"
    } else {
        "the server's default"
    };
    turn.notice(
        caller,
        &format!("{ALWAYS_ON} is {value} ({whose}): {meaning}."),
    );
}
