-- The accounts that are somebody in a channel whenever they come; in the order of id they were added. By name: there need
-- not be such an account yet.
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
