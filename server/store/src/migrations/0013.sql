-- The networks that the owner of an account has signed in from. Failures from elsewhere do not lock
-- the owner out there.
CREATE TABLE account_networks (
    account INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (account, network)
) STRICT, WITHOUT ROWID;

-- An IPv6 address as the target of a ban means its /64 network. Earlier ones are of one address.
UPDATE bans SET target = target || '/128', target_folded = target_folded || '/128'
WHERE target LIKE '%:%:%' AND target NOT LIKE '%/%' AND target NOT LIKE '%@%';
