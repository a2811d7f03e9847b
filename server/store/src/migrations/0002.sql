-- Roles, and sign-in factors in addition to password and mailed code.

ALTER TABLE admins ADD COLUMN role TEXT NOT NULL DEFAULT 'owner'
    CHECK (role IN ('owner', 'moderator', 'auditor'));
-- The time at which an initial password, which the admin did not choose, expires.
ALTER TABLE admins ADD COLUMN initial_until INTEGER;

-- Authenticator apps. The server needs the secret itself to compute codes, so it is not hashed.
CREATE TABLE authenticators (
    admin       INTEGER PRIMARY KEY REFERENCES admins (id) ON DELETE CASCADE,
    secret      BLOB NOT NULL CHECK (length(secret) = 20),
    enrolled_at INTEGER NOT NULL,
    last_step   INTEGER NOT NULL,
    required    INTEGER NOT NULL DEFAULT 0 CHECK (required IN (0, 1))
) STRICT;

-- SHA-256 hashes of codes of 120 random bits. A row is deleted when its code is used.
CREATE TABLE recovery_codes (
    admin INTEGER NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
    hash  BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (admin, hash)
) STRICT, WITHOUT ROWID;

-- The networks from which each admin has signed in.
CREATE TABLE admin_networks (
    admin   INTEGER NOT NULL REFERENCES admins (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    PRIMARY KEY (admin, network)
) STRICT, WITHOUT ROWID;
