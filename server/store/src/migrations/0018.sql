-- The part of an email before its tag and the @, without dots: equal for all spellings of a
-- mailbox, whichever of them the server's config regards as the same.
ALTER TABLE accounts ADD COLUMN mailbox_name TEXT GENERATED ALWAYS AS (
    replace(substr(email_folded, 1, instr(replace(email_folded, '@', '+'), '+') - 1), '.', '')
) VIRTUAL;
CREATE INDEX accounts_by_mailbox_name ON accounts (mailbox_name);
