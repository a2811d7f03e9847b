//! The mails about accounts. Each code stands alone on its line.

use std::time::Duration;

use rookery_protocol::{AccountName, Email};

use super::codes::LIFETIME_SECONDS;
use super::invitations::LIFETIME;
use rookery_base::mail::Mail;
use rookery_record::Account;

/// A notice is worth reading a day later too.
const NOTICE_USEFUL_FOR: Duration = Duration::from_hours(24);
const USEFUL_FOR: Duration = Duration::from_secs(LIFETIME_SECONDS.unsigned_abs());

/// The code that makes an account.
pub fn registration(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let minutes = LIFETIME_SECONDS / 60;
    let text = format!(
        "Hello,

someone, most likely you, is making the account {name}
on {network} with this address. The code for it is:

{code}

It is good for {minutes} minutes and can be used once. rook asks for it; in any
other client, type

    /quote VERIFY {name} CODE

with the code in place of the last word. If it was not you, do nothing:
without the code there will be no account.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your code for {network}"),
        text,
        useful_for: USEFUL_FOR,
    }
}

/// Someone gives the email of an account that exists for another, new or old.
pub fn already_registered(network: &str, account: &Account, email: &Email) -> Mail {
    let name = &account.name;
    let text = format!(
        "Hello,

someone, most likely you, gave this address for another account on
{network}. It belongs to the account {name} already, and one
address has one account.

To sign in, start rook with

    rook --name {name} --email {email}

and it asks for a code that is mailed here. In any other client, sign in
by SASL PLAIN as {name} with your password. If it was not you, do nothing.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("You have an account on {network}"),
        text,
        useful_for: USEFUL_FOR,
    }
}

/// The code that makes an account for someone who was invited.
pub fn invitation(network: &str, email: &Email, code: &str) -> Mail {
    let days = LIFETIME.as_hours() / 24;
    let text = format!(
        "Hello,

you are invited to {network}. Your code is:

{code}

It is good for {days} days, once, and for this address only. Choose a name,
and start rook with the server that you were told of:

    rook --server HOST --name NAME --email {email}

It asks for the code. In any other client, choose a password too, and type

    /quote REGISTER NAME {email} PASSWORD
    /quote VERIFY NAME CODE

with the code in place of the last word. If you know of no such place, do
nothing.
"
    );
    let subject = format!("You are invited to {network}");
    Mail {
        to: email.clone(),
        subject,
        text,
        useful_for: LIFETIME.unsigned_abs(),
    }
}

/// The code that opens an account on a new device.
pub fn sign_in(network: &str, account: &Account, email: &Email, code: &str) -> Mail {
    let name = &account.name;
    let minutes = LIFETIME_SECONDS / 60;
    let text = format!(
        "Hello {name},

someone, most likely you, is signing in to {network} on a new device.
The code for it is:

{code}

It is good for {minutes} minutes and can be used once. If it was not you, do
nothing, and give the code to nobody: whoever has it has your account.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your code for {network}"),
        text,
        useful_for: USEFUL_FOR,
    }
}

/// The code that puts the email in the place of the account's old one.
pub fn new_email(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let minutes = LIFETIME_SECONDS / 60;
    let text = format!(
        "Hello,

someone, most likely you, wants this to be the address of the account
{name} on {network}. The code for it is:

{code}

It is good for {minutes} minutes and can be used once. In the client that you
are signed in with, type

    /quote VERIFY {name} CODE

with the code in place of the last word. If it was not you, do nothing.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your code for {network}"),
        text,
        useful_for: USEFUL_FOR,
    }
}

/// The code that sets another password.
pub fn new_password(network: &str, name: &AccountName, email: &Email, code: &str) -> Mail {
    let minutes = LIFETIME_SECONDS / 60;
    let text = format!(
        "Hello {name},

someone, most likely you, is setting another password for your account
on {network}. The code for it is:

{code}

It is good for {minutes} minutes and can be used once. In the client that you
are signed in with, type

    /quote VERIFY {name} CODE

with the code in place of the last word. If it was not you, somebody is
signed in to your account: give the code to nobody, and tell whoever runs
the server.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your code for {network}"),
        text,
        useful_for: USEFUL_FOR,
    }
}

/// To the account's email: its password is another.
pub fn password_changed(network: &str, name: &AccountName, email: &Email) -> Mail {
    let text = format!(
        "Hello {name},

the password of your account on {network} was changed just now.
If it was not you, tell whoever runs the server.
"
    );
    Mail {
        to: email.clone(),
        subject: format!("Your password for {network} was changed"),
        text,
        useful_for: NOTICE_USEFUL_FOR,
    }
}

/// To the old email: the account has another, or none, from now on.
pub fn email_changed(network: &str, name: &AccountName, old: &Email) -> Mail {
    let text = format!(
        "Hello {name},

this is not the address of your account on {network} any more:
it was changed just now. If it was not you, tell whoever runs the server.
"
    );
    Mail {
        to: old.clone(),
        subject: format!("Your address for {network} was changed"),
        text,
        useful_for: NOTICE_USEFUL_FOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_digits_is_not_taken_for_the_code() {
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
