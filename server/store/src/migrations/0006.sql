-- The access list of each channel, in the order of id. Accounts are stored by name, because they
-- need not exist yet.
CREATE TABLE channel_access (
    id             INTEGER PRIMARY KEY,
    channel        INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account        TEXT NOT NULL,
    account_folded TEXT NOT NULL,
    level          TEXT NOT NULL CHECK (level IN ('op', 'voice')),
    by             TEXT NOT NULL,
    at             INTEGER NOT NULL,
    UNIQUE (channel, account_folded)
) STRICT;
CREATE INDEX channel_access_by_account ON channel_access (account_folded);
