//! A mail as it goes out: its headers and its text.

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message};
use rookery_protocol::Email;

use super::{Fault, Mail};

/// The whole mail. Lettre encodes the headers, so that nothing in a subject can begin another one.
pub fn message(mail: &Mail, from: &Email) -> Result<Message, Fault> {
    let domain = ascii(from)?.domain().to_owned();
    Message::builder()
        .from(Mailbox::new(Some("Rookery".to_owned()), ascii(from)?))
        .to(Mailbox::new(None, ascii(&mail.to)?))
        .subject(mail.subject.as_str())
        .date_now()
        .message_id(Some(format!(
            "<{}@{domain}>",
            super::directory::unique_name()
        )))
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .header(ContentType::TEXT_PLAIN)
        .body(body(&mail.text))
        .map_err(|error| Fault::Refused(format!("the mail cannot be written: {error}")))
}

/// Plain where the text allows it, else quoted-printable, and never base64: a person or a script
/// finds the code in the file, on a line of its own.
fn body(text: &str) -> Body {
    Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::SevenBit)
        .or_else(|_| {
            Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable)
        })
        .unwrap_or_else(Body::new)
}

/// The address with its domain in ASCII, as every mail server takes it.
fn ascii(email: &Email) -> Result<Address, Fault> {
    let user = email.as_str().rsplit_once('@').map_or("", |(user, _)| user);
    let domain = email
        .folded()
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain);
    Address::new(user, domain)
        .map_err(|_| Fault::Refused(format!("{email} is no address that mail can go to")))
}
