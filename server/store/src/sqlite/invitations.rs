//! Invitations for closed registration.

use jiff::Timestamp;
use rookery_protocol::Email;
use rusqlite::{Row, params};

use super::{Store, execute, find, list, parsed, timestamp};
use crate::Result;
use rookery_record::{Invitation, InvitationId, NewInvitation};

fn read(row: &Row<'_>) -> Result<Invitation> {
    Ok(Invitation {
        id: InvitationId(row.get(0)?),
        email: parsed(row, 1)?,
        code_hash: row.get(2)?,
        attempts_left: row.get(3)?,
        by: row.get(4)?,
        created_at: timestamp(row, 5)?,
        expires_at: timestamp(row, 6)?,
    })
}

macro_rules! columns {
    () => {
        "id, email, code_hash, tries_left, by, created_at, expires_at"
    };
}

impl Store {
    /// Returns at most `limit` unexpired invitations, sorted by number and starting after `after`.
    pub fn invitations(
        &self,
        now: Timestamp,
        after: InvitationId,
        limit: usize,
    ) -> Result<Vec<Invitation>> {
        list(
            &self.connection,
            concat!(
                "SELECT ",
                columns!(),
                " FROM invitations WHERE expires_at > ?1 AND id > ?2 ORDER BY id LIMIT ?3"
            ),
            params![
                now.as_millisecond(),
                after.0,
                i64::try_from(limit).unwrap_or(i64::MAX)
            ],
            read,
        )
    }

    /// Returns the invitation for that email, unless it has expired.
    pub fn invitation_for(&self, email: &Email, now: Timestamp) -> Result<Option<Invitation>> {
        find(
            &self.connection,
            concat!(
                "SELECT ",
                columns!(),
                " FROM invitations WHERE email_folded = ?1 AND expires_at > ?2"
            ),
            params![email.folded(), now.as_millisecond()],
            read,
        )
    }

    /// Adds an invitation, replacing one for the same email.
    pub fn add_invitation(&mut self, new: &NewInvitation) -> Result<Invitation> {
        execute(
            &self.connection,
            "DELETE FROM invitations WHERE email_folded = ?1",
            [new.email.folded()],
        )?;
        let added = find(
            &self.connection,
            concat!(
                "INSERT INTO invitations (email, email_folded, code_hash, tries_left, by, created_at, expires_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING ",
                columns!()
            ),
            params![
                new.email.as_str(),
                new.email.folded(),
                new.code_hash,
                new.attempts,
                new.by,
                new.created_at.as_millisecond(),
                new.expires_at.as_millisecond(),
            ],
            read,
        )?;
        Ok(added.expect("an INSERT that succeeds returns its row"))
    }

    /// Deletes the invitations that expired before that time.
    pub fn expire_invitations(&mut self, before: Timestamp) -> Result<()> {
        let sql = "DELETE FROM invitations WHERE expires_at < ?1";
        execute(&self.connection, sql, [before.as_millisecond()]).map(drop)
    }

    /// Removes an invitation and returns it; `None` if there is none with that number.
    pub fn remove_invitation(&mut self, id: InvitationId) -> Result<Option<Invitation>> {
        let sql = concat!(
            "DELETE FROM invitations WHERE id = ?1 RETURNING ",
            columns!()
        );
        find(&self.connection, sql, [id.0], read)
    }

    /// Counts one attempt at the invitation's code. Returns false if no attempt was left.
    pub fn use_invitation_try(&mut self, id: InvitationId) -> Result<bool> {
        let sql =
            "UPDATE invitations SET tries_left = tries_left - 1 WHERE id = ?1 AND tries_left > 0";
        Ok(execute(&self.connection, sql, [id.0])? > 0)
    }
}
