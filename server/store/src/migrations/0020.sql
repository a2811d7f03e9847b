-- How many mailed codes were tried for the account since its owner last signed in with the password
-- or a code: in networks in which the owner had signed in before, and elsewhere.
ALTER TABLE accounts ADD COLUMN tried_codes_known INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN tried_codes_elsewhere INTEGER NOT NULL DEFAULT 0;
