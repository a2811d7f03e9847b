-- With the first name, the guests among the conversations of an account are found in the index.
DROP INDEX places_by_second;
CREATE INDEX places_by_second ON places (second_folded, first_folded) WHERE second_folded <> '';
