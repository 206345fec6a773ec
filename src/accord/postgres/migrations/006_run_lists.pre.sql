-- What lists of runs are sought by, and what says who may see them. A run whose `started_by` is NULL was written last by
-- an earlier version, and is told of anew from its events.

ALTER TABLE accord.runs
    ADD COLUMN origin text COLLATE "C", -- the run that it was forked from
    ADD COLUMN origin_sequence bigint,
    ADD COLUMN started_by text COLLATE "C",
    ADD COLUMN labels text COLLATE "C" NOT NULL DEFAULT '', -- each between spaces
    ADD COLUMN acknowledged boolean NOT NULL DEFAULT false;

CREATE INDEX runs_by_origin ON accord.runs (origin, run) WHERE origin IS NOT NULL;

CREATE INDEX runs_unlisted ON accord.runs (run) WHERE started_by IS NULL;

CREATE TABLE accord.run_agents (
    agent text COLLATE "C" NOT NULL, -- who was given work
    of_run text COLLATE "C" NOT NULL REFERENCES accord.runs ON DELETE CASCADE,
    PRIMARY KEY (agent, of_run)
);

CREATE INDEX run_agents_by_run ON accord.run_agents (of_run);

-- The one of the version before: what it writes is told of anew.
CREATE OR REPLACE FUNCTION accord.append_1(
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
        tasks_failed = excluded.tasks_failed, parent = excluded.parent, searched = excluded.searched,
        started_by = NULL;

    IF cardinality(append_1.letters) > 0 THEN
        UPDATE accord.letters AS kept SET answer = fresh.answer
        FROM unnest(append_1.letters, answers) AS fresh (id, answer)
        WHERE kept.id = fresh.id AND kept.answer IS NULL;
    END IF;
END
$$;

CREATE FUNCTION accord.append_2(
    partitions integer[], epochs bigint[],
    streams text[], expected bigint[], expected_digests bytea[], sequences bigint[], digests bytea[],
    event_streams text[], event_sequences bigint[], event_digests bytea[], event_data bytea[],
    runs text[], run_partitions integer[], templates text[], titles text[], states text[],
    started timestamptz[], updated timestamptz[], wakes timestamptz[],
    totals bigint[], dones bigint[], faileds bigint[], parents text[], searcheds text[],
    origins text[], origin_sequences bigint[], starters text[], labels_of text[], acknowledgements boolean[],
    agents text[], agent_runs text[],
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
        SELECT partition, epoch FROM accord.partitions WHERE partition = ANY (append_2.partitions)
        ORDER BY partition FOR SHARE
    ) AS held JOIN unnest(append_2.partitions, append_2.epochs) AS assumed (partition, epoch) USING (partition, epoch);
    GET DIAGNOSTICS known = ROW_COUNT;
    IF known <> cardinality(append_2.partitions) THEN
        RAISE EXCEPTION 'stale' USING ERRCODE = 'AC001';
    END IF;

    UPDATE accord.streams AS kept SET sequence = head.sequence, digest = head.digest
    FROM unnest(append_2.streams, expected, expected_digests, sequences, digests)
        AS head (stream, expected, expected_digest, sequence, digest)
    WHERE kept.stream = head.stream AND kept.sequence = head.expected AND kept.digest = head.expected_digest
        AND kept.retired_at IS NULL;
    GET DIAGNOSTICS known = ROW_COUNT;
    INSERT INTO accord.streams (stream, sequence, digest)
    SELECT head.stream, head.sequence, head.digest
    FROM unnest(append_2.streams, expected, expected_digests, sequences, digests)
        AS head (stream, expected, expected_digest, sequence, digest)
    WHERE head.expected = 0 AND head.expected_digest = decode(repeat('00', 32), 'hex')
    ON CONFLICT (stream) DO NOTHING;
    GET DIAGNOSTICS made = ROW_COUNT;
    IF known + made <> cardinality(append_2.streams) THEN
        RAISE EXCEPTION 'stale' USING ERRCODE = 'AC001';
    END IF;

    INSERT INTO accord.events (stream, sequence, digest, data)
    SELECT * FROM unnest(event_streams, event_sequences, event_digests, event_data);

    INSERT INTO accord.runs AS kept (
        run, partition, template, title, state, started_at, updated_at, wake_at,
        tasks_total, tasks_done, tasks_failed, parent, searched, origin, origin_sequence, started_by, labels,
        acknowledged
    )
    SELECT * FROM unnest(
        append_2.runs, run_partitions, templates, titles, states, started, updated, wakes,
        totals, dones, faileds, parents, searcheds, origins, origin_sequences, starters, labels_of, acknowledgements
    )
    ON CONFLICT (run) DO UPDATE SET
        partition = excluded.partition, template = excluded.template, title = excluded.title,
        state = excluded.state, started_at = excluded.started_at, updated_at = excluded.updated_at,
        wake_at = excluded.wake_at, tasks_total = excluded.tasks_total, tasks_done = excluded.tasks_done,
        tasks_failed = excluded.tasks_failed, parent = excluded.parent, searched = excluded.searched,
        origin = excluded.origin, origin_sequence = excluded.origin_sequence, started_by = excluded.started_by,
        labels = excluded.labels, acknowledged = excluded.acknowledged;

    IF cardinality(agents) > 0 THEN
        INSERT INTO accord.run_agents (agent, of_run) SELECT * FROM unnest(agents, agent_runs)
        ON CONFLICT (agent, of_run) DO NOTHING;
    END IF;

    IF cardinality(append_2.letters) > 0 THEN
        UPDATE accord.letters AS kept SET answer = fresh.answer
        FROM unnest(append_2.letters, answers) AS fresh (id, answer)
        WHERE kept.id = fresh.id AND kept.answer IS NULL;
    END IF;
END
$$;

-- What an earlier version may have written otherwise, of a run that has not gone on since it was looked at.
CREATE FUNCTION accord.relist_1(
    which text, at_sequence bigint, at_digest bytea,
    done bigint, of_origin text, of_origin_sequence bigint, starter text, labels_of text, known boolean, agents text[]
) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Whoever appends waits, or has appended, and then the head is another one.
    PERFORM FROM accord.streams WHERE stream = which AND sequence = at_sequence AND digest = at_digest FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE accord.runs SET
        tasks_done = done, origin = of_origin, origin_sequence = of_origin_sequence, started_by = starter,
        labels = labels_of, acknowledged = known
    WHERE run = which AND started_by IS NULL;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO accord.run_agents (agent, of_run) SELECT agent, which FROM unnest(agents) AS agent
    ON CONFLICT (agent, of_run) DO NOTHING;
    RETURN true;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA accord FROM PUBLIC;
