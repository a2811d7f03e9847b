//! The admins, their sign-ins and their factors.

use rookery_control_api::{AdminEntry, AdminList, AdminSessionList, InitialPassword, TotpStatus};

use super::{Reader, count, plain, table, with_count};

impl Reader {
    /// Who operates the server.
    pub fn admins(&self, list: &AdminList) -> String {
        let rows = list.admins.iter().map(|admin| {
            let factors = if admin.totp { "mail, totp" } else { "mail" };
            let password = match admin.initial_password_expires_at {
                None => "own".to_owned(),
                Some(end) if end > self.now => format!("initial, ends {}", self.distance(end)),
                Some(_) => "initial, has ended".to_owned(),
            };
            [
                admin.name.clone(),
                admin.role.to_string(),
                admin.email.clone(),
                factors.to_owned(),
                password,
                self.time(admin.created_at),
            ]
        });
        let table = table(
            ["NAME", "ROLE", "EMAIL", "FACTORS", "PASSWORD", "SINCE"],
            rows,
        );
        with_count(&table, list.admins.len(), "admin", "admins")
    }

    /// An admin who was added.
    pub fn admin_added(&self, added: &InitialPassword) -> String {
        let AdminEntry { name, role, .. } = &added.admin;
        format!(
            "{} is {role} now. {}",
            plain(name),
            self.initial_password(added)
        )
    }

    /// An admin whose password was reset.
    pub fn password_reset(&self, reset: &InitialPassword) -> String {
        let name = plain(&reset.admin.name);
        format!(
            "The password of {name} opens nothing any more. {}",
            self.initial_password(reset)
        )
    }

    fn initial_password(&self, given: &InitialPassword) -> String {
        format!(
            "The initial password, good until {}, is\n\n{}\n\n\
             Give it to them, but not by mail: the codes go there. They sign in with it, and choose another with \
             `admin-cli passwd`.",
            self.time(given.initial_password_expires_at),
            plain(&given.initial_password)
        )
    }

    /// The sign-ins that stand.
    pub fn sessions(&self, list: &AdminSessionList) -> String {
        let rows = list.sessions.iter().map(|session| {
            let this = if session.current { " (this one)" } else { "" };
            [
                format!("{}{this}", session.id),
                session.admin.clone(),
                session.from.clone(),
                self.time(session.since),
                self.distance(session.used_at),
                self.distance(session.expires_at),
            ]
        });
        let table = table(["ID", "ADMIN", "FROM", "SINCE", "USED", "ENDS"], rows);
        with_count(&table, list.sessions.len(), "session", "sessions")
    }

    /// One's own factors.
    pub fn totp(&self, status: &TotpStatus) -> String {
        let Some(enrolled_at) = status.enrolled_at else {
            return "No authenticator app is enrolled: codes come by mail.".to_owned();
        };
        let mail = if status.required {
            "no longer suffices"
        } else {
            "suffices as well"
        };
        let codes = count(
            status.recovery_codes as usize,
            "recovery code",
            "recovery codes",
        );
        format!(
            "Enrolled {}; a mailed code {mail}; {codes} left.",
            self.time(enrolled_at)
        )
    }
}

#[cfg(test)]
mod tests {
    use rookery_control_api::Role;

    use super::*;
    use crate::output::tests::{ago, reader};

    #[test]
    fn admins_are_a_table_that_tells_who_has_chosen_a_password() {
        let admin = |name: &str, initial_password_expires_at| AdminEntry {
            name: name.to_owned(),
            email: format!("{name}@example.org"),
            role: Role::Owner,
            totp: name == "root",
            created_at: ago(3_600),
            initial_password_expires_at,
        };
        let admins = vec![
            admin("root", None),
            admin("olga", Some(ago(-82_800))),
            admin("vera", Some(ago(60))),
        ];
        let expected = "\
NAME  ROLE   EMAIL             FACTORS     PASSWORD              SINCE
root  owner  root@example.org  mail, totp  own                   2026-11-22 09:00:00 (1h ago)
olga  owner  olga@example.org  mail        initial, ends in 23h  2026-11-22 09:00:00 (1h ago)
vera  owner  vera@example.org  mail        initial, has ended    2026-11-22 09:00:00 (1h ago)

3 admins";
        assert_eq!(reader().admins(&AdminList { admins, next: None }), expected);
    }
}
