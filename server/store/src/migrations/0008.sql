-- Maintenance mode: one row during maintenance.

CREATE TABLE maintenance (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    message TEXT NOT NULL,
    by      TEXT NOT NULL,
    since   INTEGER NOT NULL
) STRICT;
