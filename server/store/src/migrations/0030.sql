-- Who may not send the account direct messages and invitations. The order of id is that in which
-- the masks were added.
CREATE TABLE silences (
    id      INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    mask    TEXT NOT NULL
) STRICT;
CREATE INDEX silences_by_account ON silences (account);
