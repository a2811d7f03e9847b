-- The same for codes that were tried in sessions that were signed in to the account.
ALTER TABLE accounts ADD COLUMN tried_codes_signed_in INTEGER NOT NULL DEFAULT 0;
