-- Why an admin has disabled the account; NULL for one that is open.
ALTER TABLE accounts ADD COLUMN disabled TEXT;

-- The names of accounts that were deleted. What was said under them stays, so nobody else may have them.
CREATE TABLE retired_names (
    folded   TEXT PRIMARY KEY,
    skeleton TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX retired_names_by_skeleton ON retired_names (skeleton);
