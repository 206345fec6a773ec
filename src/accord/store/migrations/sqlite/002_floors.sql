-- The first events of a stream that no run owns may be removed: where it begins then, its chain is followed from.

ALTER TABLE streams ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;

ALTER TABLE streams ADD COLUMN floor_digest TEXT NOT NULL
DEFAULT '0000000000000000000000000000000000000000000000000000000000000000';

DROP TRIGGER events_are_never_removed;

CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
WHEN NOT EXISTS (
    SELECT 1 FROM streams
    WHERE stream = OLD.stream AND (retired_at IS NOT NULL OR OLD.sequence <= floor AND stream GLOB 'sys:*')
)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, except with its whole retired stream, or below a floor');
END;

CREATE TRIGGER floors_only_rise BEFORE UPDATE ON streams
WHEN NEW.floor < OLD.floor OR NEW.floor > NEW.sequence
BEGIN
    SELECT RAISE(ABORT, 'a floor only rises, up to the head');
END;
