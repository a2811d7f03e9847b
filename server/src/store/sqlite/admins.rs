//! The admins table.

use jiff::Timestamp;
use rookery_protocol::{AccountName, Email};
use rusqlite::{Row, params};

use super::{Sqlite, execute, find, list, parsed, timestamp};
use crate::record::Admin;
use crate::store::{AdminStore, Result};

fn read(row: &Row<'_>) -> Result<Admin> {
    Ok(Admin {
        name: row.get(0)?,
        email: parsed(row, 1)?,
        password_hash: row.get(2)?,
        created_at: timestamp(row, 3)?,
    })
}

/// As account names are compared. What could be no account's name is no admin's either, and only has to differ.
fn folded(name: &str) -> String {
    AccountName::parse(name).map_or_else(|_| name.to_lowercase(), |name| name.folded().to_owned())
}

impl AdminStore for Sqlite {
    fn admin(&self, name: &str) -> Result<Option<Admin>> {
        let sql = "SELECT name, email, password_hash, created_at FROM admins WHERE name_folded = ?1";
        find(&self.connection, sql, [folded(name)], read)
    }

    fn admins(&self) -> Result<Vec<Admin>> {
        let sql = "SELECT name, email, password_hash, created_at FROM admins ORDER BY name_folded";
        list(&self.connection, sql, [], read)
    }

    fn add_admin(&mut self, name: &str, email: &Email, password_hash: &str, at: Timestamp) -> Result<bool> {
        let added = execute(
            &self.connection,
            "INSERT INTO admins (name, name_folded, email, password_hash, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name_folded) DO NOTHING",
            params![name, folded(name), email.as_str(), password_hash, at.as_millisecond()],
        )?;
        Ok(added > 0)
    }

    fn remove_admin(&mut self, name: &str) -> Result<bool> {
        Ok(execute(&self.connection, "DELETE FROM admins WHERE name_folded = ?1", [folded(name)])? > 0)
    }

    fn set_admin_password(&mut self, name: &str, password_hash: &str) -> Result<bool> {
        let sql = "UPDATE admins SET password_hash = ?2 WHERE name_folded = ?1";
        Ok(execute(&self.connection, sql, params![folded(name), password_hash])? > 0)
    }
}
