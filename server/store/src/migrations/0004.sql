-- Channels owned by an account. They are deleted with it.
CREATE TABLE channels (
    id          INTEGER PRIMARY KEY,
    name        TEXT NOT NULL,
    name_folded TEXT NOT NULL UNIQUE,
    founder     INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    named_at    INTEGER NOT NULL,
    topic       TEXT,
    topic_by    TEXT,
    topic_at    INTEGER,
    modes       TEXT NOT NULL,
    key         TEXT,
    user_limit  INTEGER,
    CHECK ((topic IS NULL) = (topic_by IS NULL) AND (topic IS NULL) = (topic_at IS NULL))
) STRICT;
CREATE INDEX channels_by_founder ON channels (founder);

-- The entries of channel lists (bans and exceptions). The order of id is that of their creation.
CREATE TABLE channel_lists (
    id      INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    list    TEXT NOT NULL CHECK (length(list) = 1),
    mask    TEXT NOT NULL,
    by      TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX channel_lists_by_channel ON channel_lists (channel);
