-- By what the accounts of a mailbox are found, and the bans that may cover one: mail providers have
-- rules that SQL cannot express, so the server computes both.
DROP INDEX accounts_by_mailbox_name;
ALTER TABLE accounts DROP COLUMN mailbox_name;
ALTER TABLE accounts ADD COLUMN mailbox_key TEXT;
UPDATE accounts SET mailbox_key = mailbox_key(email) WHERE email IS NOT NULL;
CREATE INDEX accounts_by_mailbox_key ON accounts (mailbox_key);

DROP INDEX bans_by_email_key;
ALTER TABLE bans DROP COLUMN email_key;
ALTER TABLE bans ADD COLUMN email_key TEXT;
UPDATE bans SET email_key = ban_email_key(target, deleted_account_email);
CREATE INDEX bans_by_email_key ON bans (email_key) WHERE email_key IS NOT NULL;
