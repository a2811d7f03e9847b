-- What was sent to members with a certain status only, and redactions, get places of their own.
-- Pages of history skipped them one by one, and anyone could send so many that others waited.
-- By the index, reading all rows would take twenty times as long.
CREATE TEMP TABLE moved AS
    SELECT DISTINCT place AS old,
        CASE WHEN substr(tags, 1, 10) = 'statusmsg=' THEN '@' ELSE ':' END AS prefix
    FROM history NOT INDEXED
    WHERE place > 0 AND (substr(tags, 1, 10) = 'statusmsg=' OR command = 'REDACT');
CREATE INDEX temp.moved_by_place ON moved (old, prefix);

INSERT INTO places (first, second, first_folded, second_folded)
    SELECT DISTINCT first, second, prefix || ltrim(first_folded, '!'),
        CASE second_folded WHEN '' THEN '' ELSE prefix || ltrim(second_folded, '!') END
    FROM moved JOIN places ON places.id = old
    WHERE true
    ON CONFLICT DO NOTHING;

UPDATE history NOT INDEXED SET place = (
        SELECT new.id FROM moved JOIN places ON places.id = old
        JOIN places AS new ON new.first_folded = prefix || ltrim(places.first_folded, '!')
            AND new.second_folded = CASE places.second_folded
                WHEN '' THEN '' ELSE prefix || ltrim(places.second_folded, '!') END
        WHERE old = history.place
            AND prefix = CASE WHEN substr(tags, 1, 10) = 'statusmsg=' THEN '@' ELSE ':' END)
    WHERE place > 0 AND (substr(tags, 1, 10) = 'statusmsg=' OR command = 'REDACT');

DROP TABLE moved;
