-- An email no longer contains a wildcard: a ban of such an email would read as a pattern, which
-- covers other people's emails too. An admin must have an email, but no code may be mailed to
-- another address than theirs: `rookeryd admin` sets a new one.
UPDATE accounts SET email = NULL, email_folded = NULL WHERE email GLOB '*[*?]*';
DELETE FROM invitations WHERE email GLOB '*[*?]*';
UPDATE admins SET email = 'unknown@invalid' WHERE email GLOB '*[*?]*';
-- Nor does it contain an invisible character, which the folded form has never contained.
UPDATE accounts SET email = email_folded
    WHERE email GLOB '*[' || char(0xad, 0x34f, 0x61c, 0xfeff, 0x180b) || '-' || char(0x180f, 0x200b)
        || '-' || char(0x200f, 0x2028) || '-' || char(0x202e, 0x2060) || '-' || char(0x206f, 0xfe00)
        || '-' || char(0xfe0f) || ']*';
UPDATE invitations SET email = email_folded
    WHERE email GLOB '*[' || char(0xad, 0x34f, 0x61c, 0xfeff, 0x180b) || '-' || char(0x180f, 0x200b)
        || '-' || char(0x200f, 0x2028) || '-' || char(0x202e, 0x2060) || '-' || char(0x206f, 0xfe00)
        || '-' || char(0xfe0f) || ']*';
UPDATE admins SET email = 'unknown@invalid'
    WHERE email GLOB '*[' || char(0xad, 0x34f, 0x61c, 0xfeff, 0x180b) || '-' || char(0x180f, 0x200b)
        || '-' || char(0x200f, 0x2028) || '-' || char(0x202e, 0x2060) || '-' || char(0x206f, 0xfe00)
        || '-' || char(0xfe0f) || ']*';
