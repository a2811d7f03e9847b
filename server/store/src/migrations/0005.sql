-- heard_until is the time until which a device has received everything; NULL if it never connected.
-- A device is a credential, or the account itself for all clients that sign in without one. is_here
-- is 1 while the device is connected, and thus receives everything.
ALTER TABLE accounts ADD COLUMN heard_until INTEGER;
ALTER TABLE accounts ADD COLUMN is_here INTEGER NOT NULL DEFAULT 0 CHECK (is_here IN (0, 1));
ALTER TABLE credentials ADD COLUMN heard_until INTEGER;
ALTER TABLE credentials ADD COLUMN is_here INTEGER NOT NULL DEFAULT 0 CHECK (is_here IN (0, 1));
