-- What is known about the clock of the system: one row. At first, the last time that is known is
-- that of the newest entry.
CREATE TABLE clock (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    confirmed_at INTEGER,
    new_time     INTEGER,
    steady       INTEGER CHECK ((steady IS NULL) = (new_time IS NULL))
) STRICT;
INSERT INTO clock (id, confirmed_at)
    SELECT 1, max(at) FROM (SELECT max(at) AS at FROM history UNION ALL SELECT max(at) FROM audit);
