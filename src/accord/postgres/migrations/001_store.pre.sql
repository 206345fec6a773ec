-- The journal and the blobs. Text is compared by its bytes, as everywhere in Accord: COLLATE "C".

CREATE TABLE accord.streams (
    stream text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    digest bytea NOT NULL,
    retired_at timestamptz, -- when its events were removed: the row stays as the tombstone
    floor bigint NOT NULL DEFAULT 0,
    floor_digest bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000'
) WITH (fillfactor = 60);

CREATE TABLE accord.events (
    stream text COLLATE "C" NOT NULL,
    sequence bigint NOT NULL,
    digest bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (stream, sequence)
);

-- Events of some kilobytes are compressed on the way of a commit: by the quicker one, where the server has it.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)) THEN
        ALTER TABLE accord.events ALTER COLUMN data SET COMPRESSION lz4;
    END IF;
END
$$;

CREATE TABLE accord.snapshots (
    stream text COLLATE "C" PRIMARY KEY,
    sequence bigint NOT NULL,
    data bytea NOT NULL
);

-- What every commit changes is in no index, so that a commit writes a row and no index entries (a HOT update).
CREATE TABLE accord.runs (
    run text COLLATE "C" PRIMARY KEY,
    partition integer NOT NULL,
    template text COLLATE "C" NOT NULL,
    title text COLLATE "C" NOT NULL,
    state text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    wake_at timestamptz,
    tasks_total bigint NOT NULL,
    tasks_done bigint NOT NULL,
    tasks_failed bigint NOT NULL,
    parent text COLLATE "C",
    searched text COLLATE "C" NOT NULL, -- title, template and run id with their case folded as Unicode says
    ended_at timestamptz GENERATED ALWAYS AS (
        CASE WHEN state IN ('completed', 'failed', 'cancelled') THEN updated_at END
    ) STORED
) WITH (fillfactor = 60);

CREATE INDEX runs_by_state ON accord.runs (state, run);

CREATE INDEX runs_by_parent ON accord.runs (parent, run) WHERE parent IS NOT NULL;

CREATE INDEX runs_open ON accord.runs (partition, run) WHERE ended_at IS NULL;

CREATE INDEX runs_ended ON accord.runs (ended_at, run) WHERE ended_at IS NOT NULL;

CREATE TABLE accord.partitions (
    partition integer PRIMARY KEY,
    epoch bigint NOT NULL,
    owner text, -- NULL when it was released
    until timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE accord.letters (
    position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    partition integer NOT NULL,
    data bytea NOT NULL,
    posted_at timestamptz NOT NULL,
    answer bytea -- NULL while there is none
);

CREATE INDEX letters_waiting ON accord.letters (partition, position) WHERE answer IS NULL;

CREATE INDEX letters_answered ON accord.letters (posted_at) WHERE answer IS NOT NULL;

CREATE TABLE accord.sightings (
    process text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL,
    data bytea NOT NULL -- a JSON array
);

-- A blob without a digest is a draft: it is being written, and nobody else sees it.
CREATE TABLE accord.blobs (
    blob bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    digest text COLLATE "C" UNIQUE,
    size_bytes bigint NOT NULL DEFAULT 0,
    mark bigint NOT NULL DEFAULT 0, -- the newest mark when it was put
    touched_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX blobs_drafts ON accord.blobs (touched_at) WHERE digest IS NULL;

CREATE TABLE accord.blob_chunks (
    blob bigint NOT NULL REFERENCES accord.blobs ON DELETE CASCADE,
    number integer NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (blob, number)
);

ALTER TABLE accord.blob_chunks ALTER COLUMN data SET STORAGE EXTERNAL;

CREATE TABLE accord.blob_marks (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    mark bigint NOT NULL
);

INSERT INTO accord.blob_marks (mark) VALUES (0);

-- What may never happen, whoever asks for it.

CREATE FUNCTION accord.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'restrict_violation';
END
$$;

CREATE FUNCTION accord.refuse_unless_over() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT FROM accord.streams
        WHERE stream = OLD.stream AND (retired_at IS NOT NULL OR OLD.sequence <= floor AND stream LIKE 'sys:%')
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'an event is never removed, except with its whole retired stream, or below a floor'
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER events_are_never_changed BEFORE UPDATE ON accord.events
FOR EACH ROW EXECUTE FUNCTION accord.refuse('an event is never changed');

CREATE TRIGGER events_are_never_removed BEFORE DELETE ON accord.events
FOR EACH ROW EXECUTE FUNCTION accord.refuse_unless_over();

CREATE TRIGGER events_are_never_wiped BEFORE TRUNCATE ON accord.events
FOR EACH STATEMENT EXECUTE FUNCTION accord.refuse('events are never wiped');

CREATE TRIGGER tombstones_stay BEFORE DELETE ON accord.streams
FOR EACH ROW EXECUTE FUNCTION accord.refuse('the head of a stream is never removed');

CREATE TRIGGER tombstones_are_never_wiped BEFORE TRUNCATE ON accord.streams
FOR EACH STATEMENT EXECUTE FUNCTION accord.refuse('the heads of streams are never wiped');

CREATE TRIGGER streams_only_grow BEFORE UPDATE ON accord.streams
FOR EACH ROW WHEN (OLD.retired_at IS NOT NULL OR NEW.sequence < OLD.sequence OR NEW.stream <> OLD.stream)
EXECUTE FUNCTION accord.refuse('a stream only grows, and not once it is retired');

CREATE TRIGGER floors_only_rise BEFORE UPDATE OF floor ON accord.streams
FOR EACH ROW WHEN (NEW.floor < OLD.floor OR NEW.floor > NEW.sequence)
EXECUTE FUNCTION accord.refuse('a floor only rises, up to the head');

CREATE TRIGGER epochs_only_rise BEFORE UPDATE ON accord.partitions
FOR EACH ROW WHEN (NEW.epoch < OLD.epoch)
EXECUTE FUNCTION accord.refuse('an epoch only rises');

-- What a writer may do to events, streams and runs: these four, and nothing else.
--
-- A group commit. The epochs are checked under a lock that a claim waits for, and the heads by the update itself, which
-- waits for whoever changes them: so nothing of it is written, and it raises AC001, where one of them is not the
-- assumed one. The plans are fixed to lookups in the index, since tables grow fast from nothing, and plans are kept.
CREATE FUNCTION accord.append_1(
    partitions integer[], epochs bigint[],
    streams text[], expected bigint[], expected_digests bytea[], sequences bigint[], digests bytea[],
    event_streams text[], event_sequences bigint[], event_digests bytea[], event_data bytea[],
    runs text[], run_partitions integer[], templates text[], titles text[], states text[],
    started timestamptz[], updated timestamptz[], wakes timestamptz[],
    totals bigint[], dones bigint[], faileds bigint[], parents text[], searcheds text[],
    letters text[], answers bytea[]
) RETURNS void LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off
AS $$
DECLARE
    known bigint;
    made bigint;
BEGIN
    PERFORM FROM (
        SELECT partition, epoch FROM accord.partitions WHERE partition = ANY (append_1.partitions)
        ORDER BY partition FOR SHARE
    ) AS held JOIN unnest(append_1.partitions, append_1.epochs) AS assumed (partition, epoch) USING (partition, epoch);
    GET DIAGNOSTICS known = ROW_COUNT;
    IF known <> cardinality(append_1.partitions) THEN
        RAISE EXCEPTION 'stale' USING ERRCODE = 'AC001';
    END IF;

    UPDATE accord.streams AS kept SET sequence = head.sequence, digest = head.digest
    FROM unnest(append_1.streams, expected, expected_digests, sequences, digests)
        AS head (stream, expected, expected_digest, sequence, digest)
    WHERE kept.stream = head.stream AND kept.sequence = head.expected AND kept.digest = head.expected_digest
        AND kept.retired_at IS NULL;
    GET DIAGNOSTICS known = ROW_COUNT;
    INSERT INTO accord.streams (stream, sequence, digest)
    SELECT head.stream, head.sequence, head.digest
    FROM unnest(append_1.streams, expected, expected_digests, sequences, digests)
        AS head (stream, expected, expected_digest, sequence, digest)
    WHERE head.expected = 0 AND head.expected_digest = decode(repeat('00', 32), 'hex')
    ON CONFLICT (stream) DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF known + made <> cardinality(append_1.streams) THEN
        RAISE EXCEPTION 'stale' USING ERRCODE = 'AC001';
    END IF;

    INSERT INTO accord.events (stream, sequence, digest, data)
    SELECT * FROM unnest(event_streams, event_sequences, event_digests, event_data);

    INSERT INTO accord.runs AS kept (
        run, partition, template, title, state, started_at, updated_at, wake_at,
        tasks_total, tasks_done, tasks_failed, parent, searched
    )
    SELECT * FROM unnest(
        append_1.runs, run_partitions, templates, titles, states, started, updated, wakes,
        totals, dones, faileds, parents, searcheds
    )
    ON CONFLICT (run) DO UPDATE SET
        partition = excluded.partition, template = excluded.template, title = excluded.title,
        state = excluded.state, started_at = excluded.started_at, updated_at = excluded.updated_at,
        wake_at = excluded.wake_at, tasks_total = excluded.tasks_total, tasks_done = excluded.tasks_done,
        tasks_failed = excluded.tasks_failed, parent = excluded.parent, searched = excluded.searched;

    IF cardinality(append_1.letters) > 0 THEN
        UPDATE accord.letters AS kept SET answer = fresh.answer
        FROM unnest(append_1.letters, answers) AS fresh (id, answer)
        WHERE kept.id = fresh.id AND kept.answer IS NULL;
    END IF;
END
$$;

CREATE FUNCTION accord.retire_1(before timestamptz, most integer) RETURNS SETOF text LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    over text[];
BEGIN
    SELECT array_agg(found.run ORDER BY found.ended_at, found.run) INTO over FROM (
        SELECT run, ended_at FROM accord.runs
        WHERE ended_at < before AND NOT EXISTS (
            SELECT FROM accord.runs AS above WHERE above.run = runs.parent AND above.ended_at IS NULL
        )
        ORDER BY ended_at, run LIMIT most FOR UPDATE SKIP LOCKED
    ) AS found;
    UPDATE accord.streams SET retired_at = before WHERE stream = ANY (over) AND retired_at IS NULL;
    DELETE FROM accord.events WHERE stream = ANY (over);
    DELETE FROM accord.snapshots WHERE stream = ANY (over);
    DELETE FROM accord.runs WHERE run = ANY (over);
    DELETE FROM accord.letters WHERE answer IS NOT NULL AND posted_at < before;
    RETURN QUERY SELECT unnest(over);
END
$$;

CREATE FUNCTION accord.trim_1(of_stream text, until bigint) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    last record;
    gone bigint;
BEGIN
    IF of_stream NOT LIKE 'sys:%' THEN
        RAISE EXCEPTION '% is a run: its events go together', of_stream USING ERRCODE = 'restrict_violation';
    END IF;
    PERFORM FROM accord.streams WHERE stream = of_stream FOR UPDATE;
    SELECT sequence, digest INTO last FROM accord.events
    WHERE stream = of_stream AND sequence <= until ORDER BY sequence DESC LIMIT 1;
    IF NOT FOUND THEN
        RETURN 0;
    END IF;
    UPDATE accord.streams SET floor = last.sequence, floor_digest = last.digest WHERE stream = of_stream;
    DELETE FROM accord.events WHERE stream = of_stream AND sequence <= last.sequence;
    GET DIAGNOSTICS gone = ROW_COUNT;
    RETURN gone;
END
$$;

-- One claim at a time: whoever looks for a free partition must not be told of one that another is just taking.
CREATE FUNCTION accord.claim_1(claimant text, wanted integer, count integer, now_ timestamptz, until_ timestamptz)
RETURNS TABLE (claimed integer, at_epoch bigint) LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    chosen integer := wanted;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('accord.claim'));
    IF chosen IS NULL THEN
        SELECT free INTO chosen
        FROM generate_series(0, count - 1) AS free LEFT JOIN accord.partitions AS held ON held.partition = free
        WHERE held.owner IS NULL OR held.until <= now_
        ORDER BY free LIMIT 1;
    END IF;
    RETURN QUERY
    INSERT INTO accord.partitions AS held (partition, epoch, owner, until)
    SELECT chosen, 1, claimant, until_ WHERE chosen IS NOT NULL
    ON CONFLICT (partition) DO UPDATE SET epoch = held.epoch + 1, owner = excluded.owner, until = excluded.until
    WHERE held.owner IS NULL OR held.until <= now_ OR held.owner = excluded.owner
    RETURNING held.partition, held.epoch;
END
$$;

-- A draft becomes the blob of its digest, or goes where that is there already. Marks wait for whoever is just putting.
CREATE FUNCTION accord.publish_1(draft bigint, of_digest text, of_size bigint) RETURNS boolean LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    at bigint;
    known bigint;
BEGIN
    SELECT mark INTO at FROM accord.blob_marks FOR SHARE;
    PERFORM pg_advisory_xact_lock(hashtext('accord.publish'), hashtext(of_digest));
    UPDATE accord.blobs SET mark = at WHERE digest = of_digest AND size_bytes = of_size RETURNING blob INTO known;
    IF FOUND THEN
        DELETE FROM accord.blobs WHERE blob = draft;
        RETURN true;
    END IF;
    UPDATE accord.blobs SET digest = of_digest, size_bytes = of_size, mark = at WHERE blob = draft AND digest IS NULL;
    RETURN FOUND;
END
$$;

-- The same at once, for bytes that are at hand.
CREATE FUNCTION accord.put_1(of_digest text, of_size bigint, chunks bytea[]) RETURNS void LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    draft bigint;
BEGIN
    INSERT INTO accord.blobs (size_bytes) VALUES (of_size) RETURNING blob INTO draft;
    INSERT INTO accord.blob_chunks (blob, number, data)
    SELECT draft, number - 1, data FROM unnest(chunks) WITH ORDINALITY AS chunk (data, number);
    PERFORM accord.publish_1(draft, of_digest, of_size);
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA accord FROM PUBLIC;
