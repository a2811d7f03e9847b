-- The email of a banned account that was deleted: the ban still covers its mailbox.
ALTER TABLE bans ADD COLUMN deleted_account_email TEXT;
