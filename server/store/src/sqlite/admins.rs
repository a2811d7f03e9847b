//! Admins and their second factors.

use std::net::IpAddr;

use jiff::Timestamp;
use rookery_control_api::Role;
use rookery_protocol::AccountName;
use rusqlite::{Row, params};

use super::{Store, execute, find, list, optional_timestamp, parsed, timestamp};
use crate::{Result, StoreError};
use rookery_record::{Admin, Authenticator, Network, NewAdmin};

const SELECT: &str = "SELECT name, email, password_hash, role, created_at, initial_until,
    (SELECT count(*) FROM recovery_codes WHERE admin = admins.id), secret, enrolled_at, last_step, required
    FROM admins LEFT JOIN authenticators ON authenticators.admin = admins.id";

fn read(row: &Row<'_>) -> Result<Admin> {
    let secret: Option<[u8; 20]> = row.get(7)?;
    let authenticator = secret.map(|secret| -> Result<Authenticator> {
        Ok(Authenticator {
            secret,
            enrolled_at: timestamp(row, 8)?,
            last_step: unsigned(row.get(9)?)?,
            required: row.get(10)?,
        })
    });
    Ok(Admin {
        name: row.get(0)?,
        email: parsed(row, 1)?,
        password_hash: row.get(2)?,
        role: parsed(row, 3)?,
        created_at: timestamp(row, 4)?,
        initial_password_expires_at: optional_timestamp(row, 5)?,
        recovery_codes: row.get(6)?,
        authenticator: authenticator.transpose()?,
    })
}

/// Selects the rows of one admin in a table of factors.
const OF_ADMIN: &str = "WHERE admin = (SELECT id FROM admins WHERE name_folded = ?1)";
/// The number of networks recorded for each admin; the least recently seen ones are dropped.
const MAX_NETWORKS: u32 = 50;

/// The number of codes that may be tried for an admin one after the other without a sign-in. NIST
/// SP 800-63B §5.2.2 permits 100 at most.
const MAX_TRIED_CODES: u32 = 50;

/// Converts a TOTP time step (a number of 30-second intervals since 1970) for SQLite. Real steps
/// always fit.
fn signed(step: u64) -> i64 {
    i64::try_from(step).unwrap_or(i64::MAX)
}

fn unsigned(value: i64) -> Result<u64> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{value} as a time step")))
}

/// Folds a name as account names are folded. No admin has a name that is invalid for accounts, so
/// the form of such a name only has to match no admin.
fn folded(name: &str) -> String {
    AccountName::parse(name).map_or_else(|_| name.to_lowercase(), |name| name.folded().to_owned())
}

impl Store {
    /// Returns the admin with that name. Names of admins are compared without regard to case.
    pub fn admin(&self, name: &str) -> Result<Option<Admin>> {
        let sql = format!("{SELECT} WHERE name_folded = ?1");
        find(&self.connection, &sql, [folded(name)], read)
    }

    /// Returns all admins, sorted by name.
    pub fn admins(&self) -> Result<Vec<Admin>> {
        list(
            &self.connection,
            &format!("{SELECT} ORDER BY name_folded"),
            [],
            read,
        )
    }

    /// Adds an admin. Returns false if the name is taken.
    pub fn add_admin(&mut self, admin: &NewAdmin) -> Result<bool> {
        let NewAdmin {
            name,
            email,
            password_hash,
            role,
            created_at,
            initial_password_expires_at,
        } = admin;
        let added = execute(
            &self.connection,
            "INSERT INTO admins (name, name_folded, email, password_hash, role, created_at, initial_until)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name_folded) DO NOTHING",
            params![
                name,
                folded(name),
                email.as_str(),
                password_hash,
                role.as_str(),
                created_at.as_millisecond(),
                initial_password_expires_at.map(Timestamp::as_millisecond),
            ],
        )?;
        Ok(added > 0)
    }

    /// Removes an admin. Returns whether there was one with that name.
    pub fn remove_admin(&mut self, name: &str) -> Result<bool> {
        Ok(execute(
            &self.connection,
            "DELETE FROM admins WHERE name_folded = ?1",
            [folded(name)],
        )? > 0)
    }

    /// Sets the admin's password. An initial password, which the admin did not choose, has a time
    /// at which it expires. Returns whether there is an admin with that name.
    pub fn set_admin_password(
        &mut self,
        name: &str,
        password_hash: &str,
        initial_password_expires_at: Option<Timestamp>,
    ) -> Result<bool> {
        let sql = "UPDATE admins SET password_hash = ?2, initial_until = ?3 WHERE name_folded = ?1";
        let initial_password_expires_at =
            initial_password_expires_at.map(Timestamp::as_millisecond);
        Ok(execute(
            &self.connection,
            sql,
            params![folded(name), password_hash, initial_password_expires_at],
        )? > 0)
    }

    /// Sets the admin's role. Returns whether there is an admin with that name.
    pub fn set_admin_role(&mut self, name: &str, role: Role) -> Result<bool> {
        let sql = "UPDATE admins SET role = ?2 WHERE name_folded = ?1";
        Ok(execute(&self.connection, sql, params![folded(name), role.as_str()])? > 0)
    }

    /// Replaces the admin's authenticator app and the hashes of the recovery codes. Returns whether
    /// there is an admin with that name.
    pub fn set_authenticator(
        &mut self,
        name: &str,
        app: &Authenticator,
        recovery: &[[u8; 32]],
    ) -> Result<bool> {
        self.remove_authenticator(name)?;
        let Authenticator {
            secret,
            enrolled_at,
            last_step,
            required,
        } = app;
        let added = execute(
            &self.connection,
            "INSERT INTO authenticators (admin, secret, enrolled_at, last_step, required)
             SELECT id, ?2, ?3, ?4, ?5 FROM admins WHERE name_folded = ?1",
            params![
                folded(name),
                secret,
                enrolled_at.as_millisecond(),
                signed(*last_step),
                required
            ],
        )?;
        for hash in recovery {
            execute(
                &self.connection,
                "INSERT INTO recovery_codes (admin, hash) SELECT id, ?2 FROM admins WHERE name_folded = ?1",
                params![folded(name), hash],
            )?;
        }
        Ok(added > 0)
    }

    /// Removes the authenticator app and the recovery codes. Returns whether there was an app.
    pub fn remove_authenticator(&mut self, name: &str) -> Result<bool> {
        execute(
            &self.connection,
            &format!("DELETE FROM recovery_codes {OF_ADMIN}"),
            [folded(name)],
        )?;
        let removed = execute(
            &self.connection,
            &format!("DELETE FROM authenticators {OF_ADMIN}"),
            [folded(name)],
        )?;
        Ok(removed > 0)
    }

    /// Sets whether the admin must use the authenticator app, so that a mailed code does not
    /// suffice. Returns whether there is an app.
    pub fn require_authenticator(&mut self, name: &str, required: bool) -> Result<bool> {
        let sql = format!("UPDATE authenticators SET required = ?2 {OF_ADMIN}");
        Ok(execute(&self.connection, &sql, params![folded(name), required])? > 0)
    }

    /// Counts a code that is tried as the second factor of an admin. Returns false if the admin is
    /// locked: the last 50 codes led to no sign-in. A code counts until [`Self::unlock_admin`] is
    /// called, so that simultaneous attempts cannot evade the limit.
    pub fn count_tried_code(&mut self, name: &str) -> Result<bool> {
        let sql = "UPDATE admins SET tried_codes = tried_codes + 1
             WHERE name_folded = ?1 AND tried_codes < ?2";
        Ok(execute(
            &self.connection,
            sql,
            params![folded(name), MAX_TRIED_CODES],
        )? > 0)
    }

    /// Resets the count of tried codes, after a sign-in or at an operator's request. Returns
    /// whether there is an admin with that name.
    pub fn unlock_admin(&mut self, name: &str) -> Result<bool> {
        let sql = "UPDATE admins SET tried_codes = 0 WHERE name_folded = ?1";
        Ok(execute(&self.connection, sql, [folded(name)])? > 0)
    }

    /// Marks a time step of the app as used (RFC 6238 §5.2). Returns false if the app does not
    /// accept it ([`Authenticator::accepts_step`]).
    pub fn use_authenticator_step(&mut self, name: &str, step: u64) -> Result<bool> {
        let sql = format!(
            "UPDATE authenticators SET last_step = ?2
             {OF_ADMIN} AND (last_step < ?2 OR last_step > ?2 + 2)"
        );
        Ok(execute(&self.connection, &sql, params![folded(name), signed(step)])? > 0)
    }

    /// Deletes a recovery code, which can be used once. Returns whether there was one with that
    /// hash.
    pub fn use_recovery_code(&mut self, name: &str, hash: &[u8; 32]) -> Result<bool> {
        let sql = format!("DELETE FROM recovery_codes {OF_ADMIN} AND hash = ?2");
        Ok(execute(&self.connection, &sql, params![folded(name), hash])? > 0)
    }

    /// Whether an admin has signed in from a network.
    pub fn is_admin_network(&self, network: &str) -> Result<bool> {
        let sql = "SELECT EXISTS (SELECT 1 FROM admin_networks WHERE network = ?1)";
        let mut statement = self.connection.prepare_cached(sql)?;
        Ok(statement.query_row([network], |row| row.get(0))?)
    }

    /// Returns all networks from which admins have signed in.
    pub fn admin_networks(&self) -> Result<Vec<Network>> {
        let sql = "SELECT DISTINCT network FROM admin_networks";
        list(&self.connection, sql, [], |row| {
            let address: IpAddr = parsed(row, 0)?;
            Ok(Network::of(address))
        })
    }

    /// Records the network that an admin signs in from. Returns true if it is new: it was not
    /// recorded before, but others were.
    pub fn remember_admin_network(
        &mut self,
        name: &str,
        network: &str,
        at: Timestamp,
    ) -> Result<bool> {
        let connection = &self.connection;
        let count = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<i64> {
            Ok(connection
                .prepare_cached(sql)?
                .query_row(params, |row| row.get(0))?)
        };
        let folded = folded(name);
        let all = format!("SELECT count(*) FROM admin_networks {OF_ADMIN}");
        let known = count(&all, &[&folded])?;
        let this = count(&format!("{all} AND network = ?2"), &[&folded, &network])?;
        // The last one is the newest, even if the clock was ahead before.
        execute(
            connection,
            "INSERT INTO admin_networks (admin, network, seen_at)
             SELECT id, ?2, max(?3, (SELECT ifnull(max(seen_at) + 1, ?3) FROM admin_networks
                                     WHERE admin = admins.id))
             FROM admins WHERE name_folded = ?1
             ON CONFLICT (admin, network) DO UPDATE SET seen_at = excluded.seen_at",
            params![folded, network, at.as_millisecond()],
        )?;
        let sql = format!(
            "DELETE FROM admin_networks {OF_ADMIN} AND network NOT IN
             (SELECT network FROM admin_networks {OF_ADMIN} ORDER BY seen_at DESC LIMIT {MAX_NETWORKS})"
        );
        execute(connection, &sql, [&folded])?;
        Ok(known > 0 && this == 0)
    }
}
