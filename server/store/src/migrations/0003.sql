-- The reason why an admin disabled the account; NULL if it is enabled.
ALTER TABLE accounts ADD COLUMN disabled TEXT;

-- The names of deleted accounts. Their messages remain, so the names are not available to others.
CREATE TABLE retired_names (
    folded   TEXT PRIMARY KEY,
    skeleton TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_names_by_skeleton ON retired_names (skeleton);
