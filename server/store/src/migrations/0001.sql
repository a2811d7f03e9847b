-- Times are milliseconds since 1970, UTC. "folded" is the form by which names and emails are compared.

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

-- The number of a ban that was lifted is never given again: AUTOINCREMENT.
CREATE TABLE bans (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    target        TEXT NOT NULL,
    target_folded TEXT NOT NULL UNIQUE,
    reason        TEXT NOT NULL,
    by            TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER
) STRICT;

-- History. Every message pays for each column and index, so what repeats is written once, in places and authors, and
-- rows of those are never deleted. For the same reason no foreign keys point to them.

-- A channel, or two users: the one with the smaller folded nick first. The second is empty for a channel. The folded
-- nick of a guest begins with *, which no nick holds: whoever registers it later is somebody else. Events
-- are in a place of their own, whose folded names begin with !.
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

-- In the order of id everything was said. Both indexes grow at their ends (of each place; of this run of the server),
-- which keeps the pages that a commit touches few.
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

-- What was last written to each CSV window.
CREATE TABLE windows (
    name    TEXT PRIMARY KEY,
    content TEXT NOT NULL
) STRICT, WITHOUT ROWID;
