//! The commands that sign in or change an account. The accounts crate handles them before a message
//! reaches the core. They are declared here so that `HELP` and flood control know every command.

use rookery_protocol::Message;

use crate::command::{Command, Handler, Weight};

/// The commands of this module.
pub const COMMANDS: &[Command] = &[
    Command {
        names: &["AUTHENTICATE"],
        min_params: 0,
        help: &[
            "AUTHENTICATE mechanism, AUTHENTICATE base64",
            "Signs in with SASL. Your client does this: enter your account name and password",
            "there.",
        ],
        weight: authenticate_weight,
        handler: Handler::Accounts { max_params: 1 },
    },
    Command {
        names: &["REGISTER"],
        min_params: 0,
        help: &[
            "REGISTER account email :password",
            "Creates an account. You receive a code by mail; VERIFY account code completes the",
            "registration.",
            "REGISTER again requests another code.",
        ],
        weight: |_| Weight::PASSWORD,
        handler: Handler::Accounts { max_params: 3 },
    },
    Command {
        names: &["VERIFY"],
        min_params: 0,
        help: &[
            "VERIFY account code",
            "Confirms a REGISTER, SETPASS or SETEMAIL with the code from the mail.",
        ],
        weight: |_| Weight::PASSWORD,
        // A code may be typed with spaces in it.
        handler: Handler::Accounts {
            max_params: usize::MAX,
        },
    },
    Command {
        names: &["CREDENTIAL"],
        min_params: 0,
        help: &[
            "CREDENTIAL LIST, CREDENTIAL ADD, CREDENTIAL LABEL :text, CREDENTIAL REVOKE id",
            "Manages the devices and client certificates that can sign in to your account.",
            "ADD adds the certificate of this connection. LABEL describes the one that this session",
            "signed in with. REVOKE also ends the sessions that signed in with the device or",
            "certificate.",
        ],
        weight: |_| Weight::PASSWORD,
        handler: Handler::Accounts { max_params: 2 },
    },
    Command {
        names: &["SETPASS"],
        min_params: 0,
        help: &[
            "SETPASS current :new",
            "Changes your password. SETPASS * :new: you receive a code by mail; VERIFY account",
            "code completes the change.",
        ],
        weight: |_| Weight::PASSWORD,
        handler: Handler::Accounts { max_params: 2 },
    },
    Command {
        names: &["SETEMAIL"],
        min_params: 0,
        help: &[
            "SETEMAIL email :password",
            "Changes your account's email address. You receive a code at the new address; VERIFY",
            "account code completes the change. Without the password, you first receive one at the",
            "present address.",
        ],
        weight: |_| Weight::PASSWORD,
        handler: Handler::Accounts { max_params: 2 },
    },
];

/// The length of the longest name of a mechanism. The response with an account's name and password
/// is longer.
const MAX_MECHANISM: usize = "SCRAM-SHA-256".len();

/// Returns the weight of an `AUTHENTICATE`: a response may have a password hashed, the name of a
/// mechanism does not.
fn authenticate_weight(message: &Message) -> Weight {
    match message.param(0) {
        Some(response) if response.len() > MAX_MECHANISM => Weight::PASSWORD,
        _ => Weight::MESSAGE,
    }
}
