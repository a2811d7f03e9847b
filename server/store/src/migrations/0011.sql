-- The email becomes optional. Other tables refer to this one, so it is recreated while foreign keys
-- are off.
CREATE TABLE new_accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    name_folded   TEXT NOT NULL UNIQUE,
    name_skeleton TEXT NOT NULL UNIQUE,
    email         TEXT,
    email_folded  TEXT UNIQUE,
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    greeted       INTEGER NOT NULL,
    disabled      TEXT,
    heard_until   INTEGER,
    is_here       INTEGER NOT NULL DEFAULT 0 CHECK (is_here IN (0, 1)),
    always_on     INTEGER CHECK (always_on IN (0, 1)),
    CHECK ((email IS NULL) = (email_folded IS NULL))
) STRICT;
INSERT INTO new_accounts
    SELECT id, name, name_folded, name_skeleton, email, email_folded, password_hash, created_at,
        greeted, disabled, heard_until, is_here, always_on
    FROM accounts;
-- The new table continues the numbers of the old one, so that none is reused, not even that of a
-- deleted account.
DELETE FROM sqlite_sequence WHERE name = 'new_accounts';
INSERT INTO sqlite_sequence (name, seq)
    SELECT 'new_accounts', seq FROM sqlite_sequence WHERE name = 'accounts';
DROP TABLE accounts;
ALTER TABLE new_accounts RENAME TO accounts;

-- The keys against which SCRAM-SHA-256 checks a password (RFC 5802 §3).
CREATE TABLE scram_keys (
    account    INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    salt       BLOB NOT NULL CHECK (length(salt) = 16),
    iterations INTEGER NOT NULL,
    stored_key BLOB NOT NULL CHECK (length(stored_key) = 32),
    server_key BLOB NOT NULL CHECK (length(server_key) = 32)
) STRICT;

-- Random secrets of the server, each created when it is first needed.
CREATE TABLE secrets (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL CHECK (length(value) = 32)
) STRICT, WITHOUT ROWID;
