-- The number of second factors that were tried for each admin since the last sign-in or unlock.
ALTER TABLE admins ADD COLUMN tried_codes INTEGER NOT NULL DEFAULT 0;
