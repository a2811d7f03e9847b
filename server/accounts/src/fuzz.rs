//! The fuzz targets of this crate: each is a function that panics if an input breaks an invariant.
//! The crate in `fuzz/` runs them; its table lists all targets.

#![allow(clippy::unwrap_used)]

use jiff::Timestamp;
use rookery_record::{Account, AccountId, Ban, BanId};

use crate::csv_sync::format::{self, File, Row};
use crate::sasl::{self, Chunk, MAX_SECRET, Response};
use crate::scram::{ClientFirst, ProofError, ScramKeys};

/// SASL: the lines are the parameters of `AUTHENTICATE`. Each whole response is also parsed as the
/// payload of every mechanism.
pub fn sasl(data: &[u8]) {
    let mut response = Response::default();
    let mut challenge = None;
    for line in data.split(|&byte| byte == b'\n') {
        payload(line, &mut challenge);
        let Ok(line) = std::str::from_utf8(line) else {
            continue;
        };
        match response.push(line) {
            Chunk::Whole(bytes) => payload(&bytes, &mut challenge),
            Chunk::TooLong | Chunk::Malformed => response = Response::default(),
            Chunk::More => {}
        }
        assert!(response.len() <= sasl::MAX_RESPONSE);
    }
}

/// Parses the payload as each mechanism does. `challenge` is the SCRAM exchange that has begun.
fn payload(bytes: &[u8], challenge: &mut Option<crate::scram::Challenge>) {
    if let Ok((login, secret)) = sasl::plain(bytes) {
        let secret = secret.expose();
        assert!((1..=MAX_SECRET).contains(&secret.len()) && !secret.contains('\0'));
        assert!(!login.claim.folded().contains([' ', '\0', '\r', '\n']));
    }
    let _ = sasl::external(bytes);
    let _ = sasl::account_and_email(bytes);
    if let Some((code, secret)) = sasl::code_and_credential(bytes) {
        assert!(secret.expose().len() <= MAX_SECRET && code.expose().len() <= bytes.len());
    }
    if let Some(open) = challenge {
        let proof = open.check(bytes);
        assert!(matches!(
            proof,
            Err(ProofError::BadForm | ProofError::Wrong)
        ));
    }
    if let Ok(first) = ClientFirst::parse(bytes) {
        let keys = ScramKeys {
            salt: [1; 16],
            iterations: 4096,
            stored_key: [2; 32],
            server_key: [3; 32],
        };
        let (answer, open) = first.challenge_with("own", keys, true);
        assert!(answer.len() <= bytes.len() + 64 && !answer.contains([' ', '\r', '\n']));
        *challenge = Some(open);
    }
}

/// The CSV files. The first byte selects the file, the rest is its content. Rows that are accepted
/// are written as the server writes them, and mean the same when they are read again.
pub fn csv(data: &[u8]) {
    let Some((&kind, content)) = data.split_first() else {
        return;
    };
    let files = [
        File::Users,
        File::Bans,
        File::OriginalUsers,
        File::OriginalBans,
    ];
    let file = files[usize::from(kind) % files.len()];
    let Ok(rows) = format::added(file, content, "") else {
        return;
    };
    assert!(rows.len() <= content.len());
    let (mut accounts, mut bans) = (Vec::new(), Vec::new());
    for added in rows {
        match added.row {
            Err(reason) => assert!(!reason.is_empty()),
            Ok(Row::User {
                name,
                email,
                created_at,
            }) => accounts.push(Account {
                id: AccountId(1),
                name,
                email,
                password_hash: None,
                created_at: created_at.unwrap_or(Timestamp::UNIX_EPOCH),
                greeted: true,
                disabled: None,
            }),
            Ok(Row::Ban {
                target,
                reason,
                by,
                created_at,
                expires_at,
            }) => bans.push(Ban {
                account_email: None,
                id: BanId(1),
                target,
                reason,
                by: by.unwrap_or_else(|| "file".to_owned()),
                created_at: created_at.unwrap_or(Timestamp::UNIX_EPOCH),
                expires_at,
            }),
        }
    }
    let written = format::of_users(&accounts);
    let read = format::added(File::Users, written.as_bytes(), "").unwrap();
    assert_eq!(read.len(), accounts.len());
    for (added, account) in read.iter().zip(&accounts) {
        let row = Row::User {
            name: account.name.clone(),
            email: account.email.clone(),
            created_at: Some(account.created_at),
        };
        assert_eq!(added.row.as_ref(), Ok(&row));
    }
    assert_eq!(
        format::added(File::Users, written.as_bytes(), &written),
        Ok(Vec::new())
    );
    let written = format::of_bans(&bans);
    let read = format::added(File::Bans, written.as_bytes(), "").unwrap();
    assert_eq!(read.len(), bans.len());
    for (added, ban) in read.iter().zip(bans.iter().rev()) {
        let row = Row::Ban {
            target: ban.target.clone(),
            reason: ban.reason.clone(),
            by: Some(ban.by.clone()),
            created_at: Some(ban.created_at),
            expires_at: ban.expires_at,
        };
        assert_eq!(added.row.as_ref(), Ok(&row));
    }
    assert_eq!(
        format::added(File::Bans, written.as_bytes(), &written),
        Ok(Vec::new())
    );
}
