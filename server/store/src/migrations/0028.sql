-- No message of an author is later than used_until. Without it, only reading all messages would
-- show that an author has none. Those before are taken to have been used until now.
ALTER TABLE authors ADD COLUMN used_until INTEGER NOT NULL DEFAULT 0;

UPDATE authors SET used_until = coalesce((SELECT max(at) FROM (
    SELECT (SELECT max(at) FROM history WHERE place = places.id) AS at FROM places
    UNION ALL SELECT (SELECT max(at) FROM history WHERE place = -places.id) FROM places)), 0);
