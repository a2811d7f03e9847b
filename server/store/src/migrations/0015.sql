-- Up to which time the devices that sign in with the password have received everything: one without
-- znc.in/playback, and one with it.
CREATE TABLE password_devices (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    has_playback INTEGER NOT NULL CHECK (has_playback IN (0, 1)),
    heard_until INTEGER NOT NULL,
    is_here INTEGER NOT NULL CHECK (is_here IN (0, 1)),
    PRIMARY KEY (account, has_playback)
) STRICT, WITHOUT ROWID;

INSERT INTO password_devices
SELECT id, 0, heard_until, is_here FROM accounts WHERE heard_until IS NOT NULL;

ALTER TABLE accounts DROP COLUMN heard_until;
ALTER TABLE accounts DROP COLUMN is_here;
