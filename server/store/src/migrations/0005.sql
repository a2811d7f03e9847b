-- Up to when a device has heard everything; NULL for one that was never here. A device is a credential, or an account for
-- all that sign in to it without one. Whoever is here hears everything.
ALTER TABLE accounts ADD COLUMN heard_until INTEGER;
ALTER TABLE accounts ADD COLUMN is_here INTEGER NOT NULL DEFAULT 0 CHECK (is_here IN (0, 1));
ALTER TABLE credentials ADD COLUMN heard_until INTEGER;
ALTER TABLE credentials ADD COLUMN is_here INTEGER NOT NULL DEFAULT 0 CHECK (is_here IN (0, 1));
