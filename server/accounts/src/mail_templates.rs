//! The mails to users about their accounts.
//!
//! The texts are plain and short. A mailed code is alone on a line, and no other line could be
//! mistaken for one, so that scripts and mail programs find the code.

use std::time::Duration;

use rookery_protocol::{AccountName, Email};

use super::codes::{LIFETIME_MINUTES, LIFETIME_SECONDS};
use super::invitations::LIFETIME;
use rookery_base::mail::Mail;
use rookery_record::Account;

/// How long the delivery of a notice is attempted: it is still useful a day later.
const NOTICE_USEFUL_FOR: Duration = Duration::from_hours(24);
/// How long the delivery of a code is attempted.
const CODE_USEFUL_FOR: Duration = Duration::from_secs(LIFETIME_SECONDS.unsigned_abs());

/// Returns the mail with the code of a registration.
pub fn registration(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let text = format!(
        "Hello,

someone, probably you, is registering the account {name}
on {network} with this address. The code is:

{code}

It is valid for {LIFETIME_MINUTES} minutes and can be used once. rook asks for it; in any
other client, type

    /quote VERIFY {name} CODE

with the code as the last word. If this was not you, ignore this mail:
no account is created without the code.
"
    );
    code_mail(network, email, text)
}

/// Returns the mail to the owner of `account`, whose email was given for another account.
pub fn already_registered(network: &str, account: &Account, email: &Email) -> Mail {
    let name = &account.name;
    let other_clients = match account.password_hash {
        Some(_) => format!("In any other client,\nsign in by SASL PLAIN as {name} with your password."),
        None => "Your account has no\npassword yet, which other clients need: `/password` in rook sets one.".to_owned(),
    };
    let text = format!(
        "Hello,

someone, probably you, gave this address for another account on
{network}. This mailbox already belongs to the account {name}, and a
mailbox can belong to only one account, however its address is spelled.

To sign in, start rook with

    rook --name {name} --email {email}

and it asks for a code that is mailed to this address. {other_clients}
If this was not you, ignore this mail.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("You have an account on {network}"),
        text,
        useful_for: CODE_USEFUL_FOR,
    }
}

/// Returns the mail with the code of an invitation.
pub fn invitation(network: &str, email: &Email, code: &str) -> Mail {
    let days = LIFETIME.as_hours() / 24;
    let text = format!(
        "Hello,

you are invited to {network}. Your code is:

{code}

It is valid for {days} days, once, and only for this address. Choose a name,
and start rook with the address of the server:

    rook --server HOST --name NAME --email {email}

It asks for the code. In any other client, also choose a password, and type

    /quote REGISTER NAME {email} PASSWORD
    /quote VERIFY NAME CODE

with the code as the last word. If you were not expecting this, ignore this
mail.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("You are invited to {network}"),
        text,
        useful_for: LIFETIME.unsigned_abs(),
    }
}

/// Returns the mail with the code that signs a new device in.
pub fn sign_in(network: &str, account: &Account, email: &Email, code: &str) -> Mail {
    let name = &account.name;
    let text = format!(
        "Hello {name},

someone, probably you, is signing in to {network} on a new device.
The code is:

{code}

It is valid for {LIFETIME_MINUTES} minutes and can be used once. If this was not you, ignore
this mail, and give the code to nobody: anyone who has it can sign in to your
account.
"
    );
    code_mail(network, email, text)
}

/// Returns the mail in place of one with a code, for an account for which too many were tried, in
/// networks in which its owner has signed in before (`is_known`), or elsewhere.
pub fn codes_stopped(network: &str, account: &Account, email: &Email, is_known: bool) -> Mail {
    let name = &account.name;
    let (here, elsewhere) = if is_known { ("", "not ") } else { ("not ", "") };
    let (as_always, by_password) = match account.password_hash {
        Some(_) => (
            "Your devices and your password",
            "\n- signed in with your password;",
        ),
        None => ("Your devices", ""),
    };
    let text = format!(
        "Hello {name},

someone, perhaps you, is signing in to {network} on a new device.
So many wrong codes were entered for your account in networks in which
you have {here}signed in before that none is accepted there any longer.
{as_always} work as always.

Codes are accepted again once you have done one of these:{by_password}
- signed in with a code in a network in which you have {elsewhere}signed in
  before;
- set a password with a mailed code, in a client that is signed in
  (`/password` in rook, `/quote SETPASS * :PASSWORD` in others).

If you can do none of them, ask an operator of {network}
(`admin-cli account enable {name}`).
"
    );
    Mail {
        subject: format!("No codes for {network} at the moment"),
        ..code_mail(network, email, text)
    }
}

/// Returns the mail with the code that makes `email` the email of the account.
pub fn new_email(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let text = format!(
        "Hello,

someone, probably you, is making this the address of the account {name}
on {network}. The code is:

{code}

It is valid for {LIFETIME_MINUTES} minutes and can be used once. In the client that you
are signed in with, type

    /quote VERIFY {name} CODE

with the code as the last word. If this was not you, ignore this mail.
"
    );
    code_mail(network, email, text)
}

/// Returns the mail to the present address with the code that approves a new one.
pub fn approve_email(network: &str, name: &AccountName, present: &Email, code: &str) -> Mail {
    let minutes = LIFETIME_SECONDS / 60;
    let text = format!(
        "Hello {name},

someone, probably you, is changing the address of your account on
{network}. The code that allows it is:

{code}

It is valid for {minutes} minutes and can be used once. In the client that you
are signed in with, type

    /quote VERIFY {name} CODE

with the code as the last word. If this was not you, someone else is signed in
to your account: give the code to nobody, and tell the operators of the server.
"
    );
    code_mail(network, present, text)
}

/// Returns the mail with the code that sets a new password.
pub fn new_password(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let text = format!(
        "Hello {name},

someone, probably you, is changing the password of your account on
{network}. The code is:

{code}

It is valid for {LIFETIME_MINUTES} minutes and can be used once. In the client that you
are signed in with, type

    /quote VERIFY {name} CODE

with the code as the last word. If this was not you, someone else is signed in
to your account: give the code to nobody, and tell the operators of the server.
"
    );
    code_mail(network, email, text)
}

/// Returns the notice that the password of the account was changed.
pub fn password_changed(network: &str, name: &AccountName, email: &Email) -> Mail {
    let text = format!(
        "Hello {name},

the password of your account on {network} has just been changed.
If this was not you, tell the operators of the server.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your password for {network} was changed"),
        text,
        useful_for: NOTICE_USEFUL_FOR,
    }
}

/// Returns the notice to the account's former email.
pub fn email_changed(network: &str, name: &AccountName, old: &Email) -> Mail {
    let text = format!(
        "Hello {name},

the address of your account on {network} has just been changed, and is
no longer this one. If this was not you, tell the operators of the server.
"
    );
    Mail {
        to: old.clone(),
        subject: format!("Your address for {network} was changed"),
        text,
        useful_for: NOTICE_USEFUL_FOR,
    }
}

fn code_mail(network: &str, email: &Email, text: String) -> Mail {
    Mail {
        to: email.clone(),
        subject: format!("Your code for {network}"),
        text,
        useful_for: CODE_USEFUL_FOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_name_of_digits_is_not_mistaken_for_the_code() {
        let name = AccountName::parse("alice").expect("a name");
        let email = Email::parse("alice@example.org").expect("an email");
        for mail in [
            registration("123456", &name, &email, "654321"),
            invitation("123456", &email, "654321"),
        ] {
            let alone = mail.text.lines().filter(|line| line.parse::<u32>().is_ok());
            assert_eq!(alone.collect::<Vec<_>>(), ["654321"]);
        }
    }
}
