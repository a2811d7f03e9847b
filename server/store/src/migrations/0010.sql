-- The time until which the owner of an account has read a channel or conversation, by folded name.
CREATE TABLE read_markers (
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    target     TEXT NOT NULL,
    read_until INTEGER NOT NULL,
    PRIMARY KEY (account, target)
) STRICT, WITHOUT ROWID;

-- Whether the account's user stays present without a session; NULL to follow the config.
ALTER TABLE accounts ADD COLUMN always_on INTEGER CHECK (always_on IN (0, 1));

-- The last state of each always-on user.
CREATE TABLE presences (
    account  INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    nick     TEXT NOT NULL,
    username TEXT NOT NULL,
    realname TEXT NOT NULL,
    modes    TEXT NOT NULL,
    away     TEXT,
    since    INTEGER NOT NULL
) STRICT;

-- The channels of always-on users. The order of place is the order in which they were joined.
CREATE TABLE presence_channels (
    account   INTEGER NOT NULL REFERENCES presences (account) ON DELETE CASCADE,
    place     INTEGER NOT NULL,
    channel   TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    modes     TEXT NOT NULL,
    PRIMARY KEY (account, place)
) STRICT, WITHOUT ROWID;
