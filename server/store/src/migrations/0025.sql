-- The mark of a connected device says what it has certainly received, and not only where it was
-- when it connected: a crash says nothing about what else it has received.
ALTER TABLE password_devices DROP COLUMN is_here;
ALTER TABLE named_devices DROP COLUMN is_here;
ALTER TABLE credentials DROP COLUMN is_here;
