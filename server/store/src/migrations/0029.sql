-- The names that a channel had before it was renamed. The order of id is that of the renames.
CREATE TABLE channel_former_names (
    id      INTEGER PRIMARY KEY,
    channel INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    name    TEXT NOT NULL
) STRICT;
CREATE INDEX channel_former_names_by_channel ON channel_former_names (channel);
