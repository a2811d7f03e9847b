-- The keys of SCRAM-SHA-256 are now encrypted with a key outside of the database. Those stored so
-- far are not, and were derived with more iterations than widespread clients accept. Only the
-- password could replace them, so they are removed: the next sign-in with it by PLAIN stores new
-- ones.
DROP TABLE scram_keys;
CREATE TABLE scram_verifiers (
    account        INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    salt           BLOB NOT NULL CHECK (length(salt) = 16),
    iterations     INTEGER NOT NULL,
    encrypted_keys BLOB NOT NULL
) STRICT;
