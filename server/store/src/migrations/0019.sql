-- No email contains a wildcard any more: a ban of such an email would read as a pattern, which
-- covers other people's emails too.
UPDATE accounts SET email = NULL, email_folded = NULL WHERE email GLOB '*[*?]*';
DELETE FROM invitations WHERE email GLOB '*[*?]*';
