-- The metadata of accounts and persistent channels (IRCv3 metadata).
CREATE TABLE account_metadata (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (account, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE channel_metadata (
    channel INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    key     TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (channel, key)
) STRICT, WITHOUT ROWID;
