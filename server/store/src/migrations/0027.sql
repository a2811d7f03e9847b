-- By what a ban of an email or a pattern is found, or one whose account was deleted. For an email,
-- that is the part before its tag and the @, without dots, as for accounts. For a pattern, it is
-- the @ and the domain. The bans with the key '*' must be compared one by one: patterns with
-- wildcards in the domain, and emails stored here whose letters SQLite cannot put in lower case.
-- Other bans are found by their target.
ALTER TABLE bans ADD COLUMN email_key TEXT GENERATED ALWAYS AS (
    CASE
        WHEN target_folded GLOB '*@*[*?]*' THEN '*'
        WHEN target_folded GLOB '*[*?]*' THEN substr(target_folded, instr(target_folded, '@'))
        WHEN deleted_account_email GLOB '*[^ -~]*' THEN '*'
        WHEN coalesce(deleted_account_email, target_folded) LIKE '%@%' THEN replace(lower(substr(
            coalesce(deleted_account_email, target_folded),
            1,
            instr(replace(coalesce(deleted_account_email, target_folded), '@', '+'), '+') - 1
        )), '.', '')
    END
) VIRTUAL;
CREATE INDEX bans_by_email_key ON bans (email_key) WHERE email_key IS NOT NULL;
