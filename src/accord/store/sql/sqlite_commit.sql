-- A group commit as one statement: `INSERT INTO appending` checks and writes everything, or nothing.
--
-- Python's sqlite3 takes the interpreter's lock again after each step. While the engine is busy each of them may wait
-- for a switch interval (5 ms), so what counts is the number of statements and rows that Python steps through, not
-- SQLite's own work: beside a busy thread, a commit of 100 appends is 3.6 times as fast as with five statements, and one
-- of 500 appends 20 times as fast as with executemany. View and triggers are the writer's own and not in the file.

-- name: view
CREATE TEMP VIEW appending AS
SELECT
    NULL AS heads, NULL AS fences, NULL AS records, NULL AS data, NULL AS summaries, NULL AS agents,
    NULL AS answers;

-- name: writing
-- heads: [stream, expected sequence, expected digest, new sequence, new digest]; fences: [partition, epoch];
-- records: [stream, sequence, digest, offset in data from 1, length];
-- summaries: the columns of `runs`.
CREATE TEMP TRIGGER append INSTEAD OF INSERT ON appending
BEGIN
    SELECT RAISE(ABORT, 'stale')
    FROM json_each(NEW.fences) AS fence LEFT JOIN partitions ON partition = fence.value ->> 0
    WHERE epoch IS NOT fence.value ->> 1;

    SELECT RAISE(ABORT, 'stale')
    FROM json_each(NEW.heads) AS head LEFT JOIN streams ON stream = head.value ->> 0
    WHERE coalesce(sequence, 0) <> head.value ->> 1
        OR digest <> head.value ->> 2
        OR sequence IS NULL AND head.value ->> 2 <> printf('%.64d', 0)
        OR retired_at IS NOT NULL;

    INSERT INTO events (stream, sequence, digest, data)
    SELECT value ->> 0, value ->> 1, value ->> 2, substr(NEW.data, value ->> 3, value ->> 4)
    FROM json_each(NEW.records);

    INSERT INTO streams (stream, sequence, digest)
    SELECT value ->> 0, value ->> 3, value ->> 4 FROM json_each(NEW.heads) WHERE TRUE
    ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest;

    -- First what changes with every append, then what hardly ever does: indexes of columns left alone cost nothing.
    INSERT INTO runs
    SELECT
        value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
        value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13,
        value ->> 14, value ->> 15, value ->> 16, value ->> 17
    FROM json_each(NEW.summaries) WHERE TRUE
    ON CONFLICT (run) DO UPDATE SET
        updated_at = excluded.updated_at, wake_at = excluded.wake_at, tasks_total = excluded.tasks_total,
        tasks_done = excluded.tasks_done, tasks_failed = excluded.tasks_failed;

    INSERT INTO runs
    SELECT
        value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
        value ->> 7, value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, value ->> 13,
        value ->> 14, value ->> 15, value ->> 16, value ->> 17
    FROM json_each(NEW.summaries) WHERE TRUE
    ON CONFLICT (run) DO UPDATE SET
        partition = excluded.partition, template = excluded.template, title = excluded.title,
        state = excluded.state, started_at = excluded.started_at, parent = excluded.parent,
        searched = excluded.searched, origin = excluded.origin, origin_sequence = excluded.origin_sequence,
        started_by = excluded.started_by, labels = excluded.labels, acknowledged = excluded.acknowledged
    WHERE state <> excluded.state OR title <> excluded.title OR template <> excluded.template
        OR partition <> excluded.partition OR started_at <> excluded.started_at
        OR parent IS NOT excluded.parent OR origin IS NOT excluded.origin
        OR origin_sequence IS NOT excluded.origin_sequence OR started_by IS NOT excluded.started_by
        OR labels <> excluded.labels OR acknowledged <> excluded.acknowledged;
END;

-- name: working
-- Apart, as an agent is new to a run only once.
-- agents: [agent, run].
CREATE TEMP TRIGGER work INSTEAD OF INSERT ON appending WHEN NEW.agents <> '[]'
BEGIN
    INSERT INTO run_agents (agent, of_run) SELECT value ->> 0, value ->> 1 FROM json_each(NEW.agents) WHERE TRUE
    ON CONFLICT (agent, of_run) DO NOTHING;
END;

-- name: answering
-- Apart, because UPDATE FROM costs 100 microseconds even where there is nothing to update; answers are rare.
-- answers: [letter, offset in data from 1, length].
CREATE TEMP TRIGGER answer INSTEAD OF INSERT ON appending WHEN NEW.answers <> '[]'
BEGIN
    UPDATE letters SET answer = substr(NEW.data, fresh.value ->> 1, fresh.value ->> 2)
    FROM json_each(NEW.answers) AS fresh
    WHERE letters.id = fresh.value ->> 0 AND answer IS NULL;
END;

-- name: commit
INSERT INTO appending VALUES (?, ?, ?, ?, ?, ?, ?)
