-- How the client describes the device, for the owner of the account.
ALTER TABLE credentials ADD COLUMN label TEXT;
