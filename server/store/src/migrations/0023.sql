-- The number of the last message that the device has received, which does not depend on the clock.
-- Messages so far have no such number: what was received of them follows from heard_until.
ALTER TABLE password_devices ADD COLUMN last_received INTEGER NOT NULL DEFAULT 0;
ALTER TABLE named_devices ADD COLUMN last_received INTEGER NOT NULL DEFAULT 0;
ALTER TABLE credentials ADD COLUMN last_received INTEGER NOT NULL DEFAULT 0;
