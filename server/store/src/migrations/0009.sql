-- Invitations to register while registration is closed.

CREATE TABLE invitations (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    email        TEXT NOT NULL,
    email_folded TEXT NOT NULL UNIQUE,
    code_hash    TEXT NOT NULL,
    tries_left   INTEGER NOT NULL CHECK (tries_left >= 0),
    by           TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL
) STRICT;
