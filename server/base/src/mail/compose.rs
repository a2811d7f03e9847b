//! Composes the message of a mail: its headers and its text.

use lettre::Address;
use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message};
use rookery_protocol::Email;

use super::{Mail, SendError};

/// Returns the message. Lettre encodes the headers, so a subject cannot start another header.
pub fn message(mail: &Mail, from: &Email) -> Result<Message, SendError> {
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
        .map_err(|error| SendError::Refused(format!("the mail cannot be composed: {error}")))
}

/// Encodes the text as 7bit if possible, otherwise as quoted-printable, but not as base64: people
/// and scripts must be able to find the code on a line of its own in an `.eml` file.
fn body(text: &str) -> Body {
    Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::SevenBit)
        .or_else(|_| {
            Body::new_with_encoding(text.to_owned(), ContentTransferEncoding::QuotedPrintable)
        })
        .unwrap_or_else(Body::new)
}

/// Returns the address with its domain in ASCII (Punycode), which every mail server accepts.
pub fn ascii(email: &Email) -> Result<Address, SendError> {
    let user = email.as_str().rsplit_once('@').map_or("", |(user, _)| user);
    let domain = email
        .folded()
        .rsplit_once('@')
        .map_or("", |(_, domain)| domain);
    Address::new(user, domain).map_err(|_| {
        SendError::Refused(format!(
            "{email} is not an address that mail can be sent to"
        ))
    })
}
