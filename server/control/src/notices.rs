//! Notices by mail: what an admin should hear of though it may have been someone else.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::extract::Arrival;
use super::{Plane, lock};
use rookery_base::mail::Mail;
use rookery_record::Admin;

/// So many wrong passwords and codes in one [`WINDOW`] are worth a mail.
const FAILURES: u32 = 5;
/// Over what failures are counted, and how long after a mail about them the next one may follow.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Mail gives up sooner by itself; a notice is worth reading for long.
const USEFUL_FOR: Duration = Duration::from_hours(1);

/// What an admin is told.
pub enum Notice {
    /// A sign-in from where the admin has not signed in before.
    NewAddress,
    PasswordChanged,
    /// A factor or the role has changed; how.
    Changed(&'static str),
    /// A recovery code was used; so many are left.
    RecoveryCodeUsed {
        left: u32,
    },
    RepeatedFailures,
}

/// The failed sign-ins of each admin; of names that are no admin's there is nothing here.
#[derive(Default)]
pub struct Failures(HashMap<String, Count>);

struct Count {
    since: Timestamp,
    failures: u32,
}

impl Failures {
    /// Counts one more. True if the admin should hear of it, which is at most once in an hour.
    pub fn add(&mut self, now: Timestamp, admin: &str) -> bool {
        let count = self.0.entry(admin.to_owned()).or_insert(Count {
            since: now,
            failures: 0,
        });
        if now.duration_since(count.since) >= WINDOW {
            *count = Count {
                since: now,
                failures: 0,
            };
        }
        count.failures = count.failures.saturating_add(1);
        if count.failures == FAILURES {
            // The hour of silence begins with the mail.
            count.since = now;
        }
        count.failures == FAILURES
    }
}

impl Plane {
    /// Mails a notice. Nobody waits for it: how mail fares is in the status.
    pub fn notify(&self, admin: &Admin, arrival: Arrival, notice: &Notice) {
        let server = &self.control.config.get().chat.server_name;
        drop(
            self.control
                .mailer
                .send(mail(server, admin, arrival, notice)),
        );
    }

    /// A wrong password or code of this admin.
    pub fn note_failure(&self, admin: &Admin, arrival: Arrival) {
        if lock(&self.failures).add(arrival.at, &admin.name) {
            self.notify(admin, arrival, &Notice::RepeatedFailures);
        }
    }
}

fn mail(server: &str, admin: &Admin, arrival: Arrival, notice: &Notice) -> Mail {
    let name = &admin.name;
    let from = arrival.from.ip().to_canonical();
    let (subject, what) = match notice {
        Notice::NewAddress => (
            "A sign-in from a new address",
            format!("someone signed in as {name} from {from}, where you have not signed in before"),
        ),
        Notice::PasswordChanged => (
            "Your password was changed",
            format!("the password of {name} was changed, from {from}"),
        ),
        Notice::Changed(what) => (
            "Your sign-in was changed",
            format!("for {name}, {what}. It was done from {from}"),
        ),
        Notice::RecoveryCodeUsed { left } => (
            "A recovery code was used",
            format!(
                "someone signed in as {name} from {from} with a recovery code; {left} are left"
            ),
        ),
        Notice::RepeatedFailures => (
            "Failed sign-ins",
            format!(
                "someone has tried to sign in as {name} with wrong passwords or codes, {FAILURES} times or more, \
                 the last from {from}. They were refused"
            ),
        ),
    };
    let at = arrival.at.strftime("%Y-%m-%d %H:%M UTC");
    Mail {
        to: admin.email.clone(),
        subject: format!("{subject}: {server}"),
        text: format!(
            "On the control plane of {server}, at {at}:\n\n\
             {what}.\n\n\
             If this was you, there is nothing to do. If not, tell an owner of the\n\
             server, end all sessions with `admin-cli sessions revoke all`, and change\n\
             your password with `admin-cli passwd`.\n"
        ),
        useful_for: USEFUL_FOR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    #[test]
    fn the_fifth_failure_of_an_hour_is_told_once_an_hour() {
        let mut failures = Failures::default();
        let mut told = |minute| failures.add(at(minute), "root");
        assert_eq!(
            (0..10).map(&mut told).collect::<Vec<_>>(),
            [
                false, false, false, false, true, false, false, false, false, false
            ]
        );
        // Ten more a minute, for three hours: three mails.
        let mails = (10..190)
            .flat_map(|minute| [minute; 10])
            .filter(|minute| told(*minute))
            .count();
        assert_eq!(mails, 3);
        assert!(!failures.add(at(190), "other"));
    }

    #[test]
    fn a_slip_now_and_then_is_no_news() {
        let mut failures = Failures::default();
        assert!(!(0..48).any(|half_hour| failures.add(at(30 * half_hour), "root")));
    }
}
