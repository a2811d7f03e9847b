//! Security notices: mails to an admin about events that may be the work of someone else.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::http::extract::RequestOrigin;
use rookery_base::mail::Mail;
use rookery_record::Admin;

/// The number of wrong passwords and codes in one [`WINDOW`] that causes a mail.
const FAILURES: u32 = 5;
/// The time over which failures are counted, and the minimum time between two mails about them.
const WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// For how long the delivery of a notice is attempted.
const USEFUL_FOR: Duration = Duration::from_hours(1);

/// The event that an admin is notified of.
pub enum Notice {
    /// A sign-in from a network that the admin has not used before.
    NewAddress,
    /// A change of the password by the admin.
    PasswordChanged,
    /// A change of a factor or the role, or the admin's removal, described by a clause.
    Changed(&'static str),
    /// A sign-in with a recovery code.
    RecoveryCodeUsed {
        /// The number of codes that are left.
        left: u32,
    },
    /// A wrong code after the right password.
    WrongCode,
    /// Many wrong passwords or codes.
    RepeatedFailures,
}

/// The failed sign-ins of each admin. Unknown names are not counted, so there are at most as many
/// counts as admins.
#[derive(Default)]
pub struct Failures {
    counts: HashMap<String, Count>,
    /// When each admin was last notified of a wrong code.
    wrong_codes: HashMap<String, Timestamp>,
}

struct Count {
    since: Timestamp,
    failures: u32,
}

impl Failures {
    /// Counts a failure. Returns whether the admin is to be notified, at most once an hour.
    pub fn add(&mut self, now: Timestamp, admin: &str) -> bool {
        let count = self.counts.entry(admin.to_owned()).or_insert(Count {
            since: now,
            failures: 0,
        });
        if now.duration_since(count.since).abs() >= WINDOW {
            *count = Count {
                since: now,
                failures: 0,
            };
        }
        count.failures = count.failures.saturating_add(1);
        if count.failures == FAILURES {
            // The hour without another mail begins with this one.
            count.since = now;
        }
        count.failures == FAILURES
    }

    /// Notes a wrong code after the right password. Returns whether the admin is to be notified, at
    /// most once an hour.
    pub fn add_wrong_code(&mut self, now: Timestamp, admin: &str) -> bool {
        let is_recent = |notified: &Timestamp| now.duration_since(*notified).abs() < WINDOW;
        if self.wrong_codes.get(admin).is_some_and(is_recent) {
            return false;
        }
        self.wrong_codes.insert(admin.to_owned(), now);
        true
    }
}

impl Notice {
    /// Returns the mail to the admin.
    pub fn to_mail(&self, server: &str, admin: &Admin, origin: RequestOrigin) -> Mail {
        let name = &admin.name;
        let from = origin.address.ip().to_canonical();
        let (subject, event) = match self {
            Self::NewAddress => (
                "A sign-in from a new address",
                format!("Someone signed in as {name} from {from}, an address not used before."),
            ),
            Self::PasswordChanged => (
                "Your password was changed",
                format!("The password of {name} was changed from {from}."),
            ),
            Self::Changed(change) => (
                "Your access was changed",
                format!("For {name}, {change}. The change was made from {from}."),
            ),
            Self::RecoveryCodeUsed { left } => (
                "A recovery code was used",
                format!(
                    "Someone signed in as {name} from {from} with a recovery code.\n{}",
                    match left {
                        0 => "No codes are left.".to_owned(),
                        1 => "One code is left.".to_owned(),
                        more => format!("{more} codes are left."),
                    }
                ),
            ),
            Self::WrongCode => (
                "A wrong code after the right password",
                format!(
                    "Someone sent the password of {name} from {from}, and then a wrong code. If \
                     it was not you who mistyped it, someone else knows your password."
                ),
            ),
            Self::RepeatedFailures => (
                "Failed sign-ins",
                format!(
                    "Someone tried to sign in as {name} with wrong passwords or codes, \
                     {FAILURES} times or more, most recently from {from}. The attempts were \
                     refused."
                ),
            ),
        };
        let at = origin.at.strftime("%Y-%m-%d %H:%M UTC");
        Mail {
            to: admin.email.clone(),
            subject: format!("{subject}: {server}"),
            text: format!(
                "On the control plane of {server}, at {at}:\n\n\
                 {event}\n\n\
                 If this was you, there is nothing to do. If not, inform an owner of the\n\
                 server, end all your sessions with `admin-cli sessions revoke all`, and\n\
                 change your password with `admin-cli passwd`.\n"
            ),
            useful_for: USEFUL_FOR,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    #[test]
    fn notices_from_a_clock_that_was_ahead_delay_none() {
        let mut failures = Failures::default();
        for start in [10_000, 0] {
            let notified = (0..5).map(|minute| failures.add(at(start + minute), "root"));
            assert_eq!(notified.filter(|notifies| *notifies).count(), 1);
            assert!(failures.add_wrong_code(at(start), "root"));
        }
    }

    #[test]
    fn the_fifth_failure_of_an_hour_causes_one_mail_an_hour() {
        let mut failures = Failures::default();
        let mut notifies = |minute| failures.add(at(minute), "root");
        assert_eq!(
            (0..10).map(&mut notifies).collect::<Vec<_>>(),
            [
                false, false, false, false, true, false, false, false, false, false
            ]
        );
        // Ten more a minute, for three hours: three mails.
        let mails = (10..190)
            .flat_map(|minute| [minute; 10])
            .filter(|minute| notifies(*minute))
            .count();
        assert_eq!(mails, 3);
        assert!(!failures.add(at(190), "other"));
    }

    #[test]
    fn a_wrong_code_causes_one_mail_an_hour() {
        let mut failures = Failures::default();
        let mails = (0..180)
            .filter(|minute| failures.add_wrong_code(at(*minute), "root"))
            .count();
        assert_eq!(mails, 3);
        assert!(failures.add_wrong_code(at(180), "other"));
    }

    #[test]
    fn occasional_failures_cause_no_mail() {
        let mut failures = Failures::default();
        assert!(!(0..48).any(|half_hour| failures.add(at(30 * half_hour), "root")));
    }
}
