-- Up to which time the devices that sign in with the password and name themselves have received
-- everything. Those without a name are in password_devices.
CREATE TABLE named_devices (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    heard_until INTEGER NOT NULL,
    is_here INTEGER NOT NULL CHECK (is_here IN (0, 1)),
    PRIMARY KEY (account, name)
) STRICT, WITHOUT ROWID;
