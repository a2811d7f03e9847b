//! Who is invited, and who registers just now.

use rookery_control_api::{InvitationList, InvitationReply, RegistrationList, ResendReply};

use super::{Reader, plain, table, with_count};

impl Reader {
    /// An invitation that was made.
    pub fn invited(&self, reply: &InvitationReply) -> String {
        let InvitationReply { invitation, mail } = reply;
        let until = self.time(invitation.expires_at);
        plain(&format!(
            "{} is invited until {until}; the mail is {mail}.",
            invitation.email
        ))
    }

    /// One page of the invitations.
    pub fn invitations(&self, list: &InvitationList) -> String {
        let rows = list.invitations.iter().map(|invitation| {
            let code = match invitation.attempts_left {
                0 => "used up".to_owned(),
                tries => format!("{tries} tries"),
            };
            [
                invitation.id.to_string(),
                invitation.email.clone(),
                self.distance(invitation.expires_at),
                code,
                invitation.by.clone(),
                self.time(invitation.created_at),
            ]
        });
        let table = table(["ID", "EMAIL", "ENDS", "CODE", "BY", "SINCE"], rows);
        let page = with_count(&table, list.invitations.len(), "invitation", "invitations");
        list.next.map_or(page.clone(), |next| {
            format!("{page}; for more, --after {next}")
        })
    }

    /// One page of the registrations that wait for their codes.
    pub fn registrations(&self, list: &RegistrationList) -> String {
        let rows = list.registrations.iter().map(|waiting| {
            let note = if waiting.email_taken {
                "the email has an account"
            } else {
                ""
            };
            [
                waiting.id.to_string(),
                waiting.name.clone(),
                waiting.email.clone(),
                self.distance(waiting.expires_at),
                waiting.attempts_left.to_string(),
                note.to_owned(),
            ]
        });
        let table = table(["ID", "NAME", "EMAIL", "ENDS", "TRIES", ""], rows);
        let page = with_count(
            &table,
            list.registrations.len(),
            "registration",
            "registrations",
        );
        list.next.map_or(page.clone(), |next| {
            format!("{page}; for more, --after {next}")
        })
    }
}

/// A code that was mailed again.
pub fn resent(reply: &ResendReply) -> String {
    let ResendReply { registration, mail } = reply;
    plain(&format!(
        "Another code for {} to {}: {mail}.",
        registration.name, registration.email
    ))
}

#[cfg(test)]
mod tests {
    use rookery_control_api::{InvitationEntry, RegistrationEntry};

    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn invitations_tell_what_is_left_of_them() {
        let entry = |id, attempts_left| InvitationEntry {
            id,
            email: "dora@example.org".to_owned(),
            by: "root".to_owned(),
            created_at: ago(3_600),
            expires_at: ago(-604_800),
            attempts_left,
        };
        let list = InvitationList {
            invitations: vec![entry(3, 5), entry(4, 0)],
            next: Some(4),
        };
        let expected = "\
ID  EMAIL             ENDS   CODE     BY    SINCE
3   dora@example.org  in 7d  5 tries  root  2026-11-22 09:00:00 (1h ago)
4   dora@example.org  in 7d  used up  root  2026-11-22 09:00:00 (1h ago)

2 invitations; for more, --after 4";
        assert_eq!(reader().invitations(&list), expected);
        let reply = InvitationReply {
            invitation: entry(3, 5),
            mail: "sent".to_owned(),
        };
        let text =
            "dora@example.org is invited until 2026-11-29 10:00:00 (in 7d); the mail is sent.";
        assert_eq!(reader().invited(&reply), text);
    }

    #[test]
    fn registrations_tell_whose_email_is_taken() {
        let registration = RegistrationEntry {
            id: 9,
            name: "bo".to_owned(),
            email: "bo@example.org".to_owned(),
            email_taken: true,
            expires_at: ago(-120),
            attempts_left: 5,
        };
        let list = RegistrationList {
            registrations: vec![registration.clone()],
            next: None,
        };
        let expected = "\
ID  NAME  EMAIL           ENDS   TRIES
9   bo    bo@example.org  in 2m  5      the email has an account

1 registration";
        assert_eq!(reader().registrations(&list), expected);
        let reply = ResendReply {
            registration,
            mail: "waiting".to_owned(),
        };
        assert_eq!(
            resent(&reply),
            "Another code for bo to bo@example.org: waiting."
        );
    }
}
