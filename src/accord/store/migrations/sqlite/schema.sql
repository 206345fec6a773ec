CREATE INDEX data_key_uses_by_run ON data_key_uses (run);

CREATE INDEX data_keys_retired ON data_keys (run) WHERE retired <> 0;

CREATE INDEX letters_answered ON letters (posted_at) WHERE answer IS NOT NULL;

CREATE INDEX letters_waiting ON letters (partition, position) WHERE answer IS NULL;

CREATE INDEX run_agents_by_run ON run_agents (of_run);

CREATE INDEX runs_by_origin ON runs (origin, run) WHERE origin IS NOT NULL;

CREATE INDEX runs_by_parent ON runs (parent, run) WHERE parent IS NOT NULL;

CREATE INDEX runs_by_state ON runs (state, run);

CREATE INDEX runs_to_retire ON runs (updated_at, run)
WHERE state IN ('completed', 'failed', 'cancelled');

CREATE INDEX runs_to_wake ON runs (wake_at, partition)
WHERE wake_at IS NOT NULL AND state NOT IN ('completed', 'failed', 'cancelled');

CREATE INDEX runs_unlisted ON runs (run) WHERE started_by IS NULL;

CREATE TABLE data_key_uses (
    key TEXT NOT NULL, -- the run whose key it is
    run TEXT NOT NULL,
    part INTEGER NOT NULL, -- whether the key's run does a task of this one, and is erased with it
    since INTEGER NOT NULL,
    PRIMARY KEY (key, run)
) WITHOUT ROWID, STRICT;

CREATE TABLE data_keys (
    run TEXT PRIMARY KEY,
    wrapped BLOB -- NULL once it is erased
, retired INTEGER NOT NULL DEFAULT 0) STRICT;

CREATE TABLE events (
    position INTEGER PRIMARY KEY, -- events are written where the file ends, whatever stream they are of
    stream TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (stream, sequence)
) STRICT;

CREATE TABLE letters (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    partition INTEGER NOT NULL,
    data BLOB NOT NULL,
    posted_at INTEGER NOT NULL,
    answer BLOB -- NULL while there is none
) STRICT;

CREATE TABLE log_parts (
    run TEXT NOT NULL,
    position INTEGER NOT NULL, -- in the order in which they came
    task TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    worst INTEGER NOT NULL, -- the rank of the level that matters most of these lines
    encrypted INTEGER NOT NULL,
    data BLOB NOT NULL, -- the lines, as JSON
    PRIMARY KEY (run, position)
) STRICT;

CREATE TABLE log_tallies (
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    said INTEGER NOT NULL, -- the number of the last line that the agent has told of
    kept INTEGER NOT NULL, -- how many of them are there
    kept_bytes INTEGER NOT NULL,
    PRIMARY KEY (run, task, attempt)
) WITHOUT ROWID, STRICT;

CREATE TABLE migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT
;

CREATE TABLE partitions (
    partition INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    owner TEXT, -- NULL when it was released
    until INTEGER NOT NULL
) STRICT;

CREATE TABLE replicas (
    process TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;

CREATE TABLE run_agents (
    agent TEXT NOT NULL, -- who was given work
    of_run TEXT NOT NULL,
    PRIMARY KEY (agent, of_run)
) WITHOUT ROWID, STRICT;

CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    partition INTEGER NOT NULL,
    template TEXT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    wake_at INTEGER,
    tasks_total INTEGER NOT NULL,
    tasks_done INTEGER NOT NULL,
    tasks_failed INTEGER NOT NULL,
    parent TEXT,
    searched TEXT NOT NULL -- title, template and run id with their case folded as Unicode says
, origin TEXT, origin_sequence INTEGER, started_by TEXT, labels TEXT NOT NULL DEFAULT '', acknowledged INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID, STRICT;

CREATE TABLE sightings (
    process TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    data BLOB NOT NULL -- a JSON array
) STRICT;

CREATE TABLE snapshots (
    stream TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE streams (
    stream TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    digest TEXT NOT NULL,
    retired_at INTEGER -- when its events were removed: the row stays as the tombstone
, floor INTEGER NOT NULL DEFAULT 0, floor_digest TEXT NOT NULL
DEFAULT '0000000000000000000000000000000000000000000000000000000000000000') WITHOUT ROWID, STRICT;

CREATE TABLE uploads (
    run TEXT NOT NULL,
    sha256 TEXT NOT NULL, -- of the document
    length_bytes INTEGER NOT NULL, -- of the document
    blob TEXT NOT NULL, -- the SHA-256 of its text
    PRIMARY KEY (run, sha256)
) WITHOUT ROWID, STRICT;

CREATE TRIGGER agents_go_with_their_runs AFTER DELETE ON runs
BEGIN
    DELETE FROM run_agents WHERE of_run = OLD.run;
END;

CREATE TRIGGER data_keys_never_come_back BEFORE UPDATE ON data_keys
WHEN NEW.run <> OLD.run OR OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL OR NEW.retired < OLD.retired
BEGIN
    SELECT RAISE(ABORT, 'a data key never comes back once it is erased');
END;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'an event is never changed');
END;

CREATE TRIGGER events_are_never_removed BEFORE DELETE ON events
WHEN NOT EXISTS (
    SELECT 1 FROM streams
    WHERE stream = OLD.stream AND (retired_at IS NOT NULL OR OLD.sequence <= floor AND stream GLOB 'sys:*')
)
BEGIN
    SELECT RAISE(ABORT, 'an event is never removed, except with its whole retired stream, or below a floor');
END;

CREATE TRIGGER events_are_never_replaced BEFORE INSERT ON events
WHEN EXISTS (SELECT 1 FROM streams WHERE stream = NEW.stream AND sequence >= NEW.sequence)
    OR EXISTS (SELECT 1 FROM events WHERE position = NEW.position)
BEGIN
    SELECT RAISE(ABORT, 'an event is never replaced');
END;

CREATE TRIGGER floors_only_rise BEFORE UPDATE ON streams
WHEN NEW.floor < OLD.floor OR NEW.floor > NEW.sequence
BEGIN
    SELECT RAISE(ABORT, 'a floor only rises, up to the head');
END;

CREATE TRIGGER logs_go_with_their_runs AFTER DELETE ON runs
BEGIN
    DELETE FROM log_tallies WHERE run = OLD.run;
    DELETE FROM log_parts WHERE run = OLD.run;
END;

CREATE TRIGGER streams_only_grow BEFORE UPDATE ON streams
WHEN OLD.retired_at IS NOT NULL OR NEW.sequence < OLD.sequence OR NEW.stream <> OLD.stream
BEGIN
    SELECT RAISE(ABORT, 'a stream only grows, and not once it is retired');
END;

CREATE TRIGGER tombstones_stay BEFORE DELETE ON streams
BEGIN
    SELECT RAISE(ABORT, 'the head of a stream is never removed');
END;

