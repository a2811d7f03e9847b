-- The networks that the owner of an account has signed in from. Failures from elsewhere do not lock
-- the owner out there.
CREATE TABLE account_networks (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;
