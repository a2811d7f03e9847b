-- Times are milliseconds since 1970, UTC. Names and emails are compared in their "folded" form.

CREATE TABLE accounts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    name_folded   TEXT NOT NULL UNIQUE,
    name_skeleton TEXT NOT NULL UNIQUE,
    email         TEXT NOT NULL,
    email_folded  TEXT NOT NULL UNIQUE,
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    greeted       INTEGER NOT NULL
) STRICT;

CREATE TABLE credentials (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    account    INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL CHECK (kind IN ('device', 'certificate')),
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    created_at INTEGER NOT NULL,
    used_at    INTEGER,
    UNIQUE (hash, kind)
) STRICT;
CREATE INDEX credentials_by_account ON credentials (account);

-- AUTOINCREMENT ensures that the number of a removed ban is never reused.
CREATE TABLE bans (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    target        TEXT NOT NULL,
    target_folded TEXT NOT NULL UNIQUE,
    reason        TEXT NOT NULL,
    by            TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER
) STRICT;

-- History. Each column and index costs time for every message, so repeated values are stored once,
-- in places and authors, whose rows are never deleted. For the same reason, no foreign keys refer
-- to them.

-- A place is a channel, or a conversation of two users, the one with the smaller folded nick first.
-- For a channel, the second name is empty. The folded nick of a guest begins with *, which no nick
-- contains, because a user who registers the nick later is another person. The events of a channel
-- or conversation are in a place of their own, whose folded names begin with !.
CREATE TABLE places (
    id            INTEGER PRIMARY KEY,
    first         TEXT NOT NULL,
    second        TEXT NOT NULL,
    first_folded  TEXT NOT NULL,
    second_folded TEXT NOT NULL,
    UNIQUE (first_folded, second_folded)
) STRICT;
CREATE INDEX places_by_second ON places (second_folded) WHERE second_folded <> '';

-- The account is empty for a guest. The source is nick!user@host.
CREATE TABLE authors (
    id      INTEGER PRIMARY KEY,
    account TEXT NOT NULL,
    source  TEXT NOT NULL,
    UNIQUE (account, source)
) STRICT;

-- Ids are in the order in which messages were stored. history_by_place grows at the end of each
-- place, and history_by_msgid at the end of the ids of the server's current run, so a commit
-- touches few pages.
CREATE TABLE history (
    id      INTEGER PRIMARY KEY,
    place   INTEGER NOT NULL,
    author  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    msgid   TEXT NOT NULL,
    command TEXT NOT NULL,
    text    TEXT NOT NULL,
    tags    TEXT NOT NULL
) STRICT;
CREATE INDEX history_by_place ON history (place, at);
CREATE UNIQUE INDEX history_by_msgid ON history (msgid);

CREATE TABLE admins (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL,
    name_folded   TEXT NOT NULL UNIQUE,
    email         TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at       INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    origin   TEXT NOT NULL,
    session  TEXT NOT NULL,
    act      TEXT NOT NULL,
    target   TEXT NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('allowed', 'refused')),
    detail   TEXT NOT NULL,
    previous BLOB NOT NULL CHECK (length(previous) = 32),
    hash     BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT;

-- The content last written to each CSV file.
CREATE TABLE windows (
    name    TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
