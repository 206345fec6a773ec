-- name: append
SELECT accord.append_2(
    $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24,
    $25, $26, $27, $28, $29, $30, $31, $32, $33
);

-- name: read
SELECT sequence, data, digest FROM accord.events
WHERE stream = $1 AND sequence > $2 ORDER BY sequence LIMIT $3;

-- name: head
SELECT sequence, digest FROM accord.streams WHERE stream = $1;

-- name: floor
SELECT floor, floor_digest FROM accord.streams WHERE stream = $1;

-- name: heads
SELECT stream, sequence, digest, retired_at IS NOT NULL FROM accord.streams WHERE stream = ANY ($1);

-- name: epochs
SELECT partition, epoch FROM accord.partitions WHERE partition = ANY ($1);

-- name: run
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM accord.runs WHERE run = $1;

-- name: runs
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM accord.runs WHERE {filters} ORDER BY run DESC LIMIT $1;

-- name: count_runs
SELECT state, count(*) FROM accord.runs WHERE {filters} GROUP BY state LIMIT $1;

-- name: count_kinds
SELECT state, template, started_by, labels, count(*) FROM accord.runs WHERE {filters}
GROUP BY state, template, started_by, labels LIMIT $1;

-- name: unlisted
SELECT run FROM accord.runs WHERE started_by IS NULL AND run > $1 ORDER BY run LIMIT $2;

-- name: relist
SELECT accord.relist_1($1, $2, $3, $4, $5, $6, $7, $8, $9, $10);

-- name: overdue
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM accord.runs
WHERE ended_at IS NULL AND wake_at <= $1 AND partition = ANY ($2)
ORDER BY wake_at, run LIMIT $3;

-- name: save_snapshot
INSERT INTO accord.snapshots AS kept (stream, sequence, data) VALUES ($1, $2, $3)
ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, data = excluded.data
WHERE kept.sequence <= excluded.sequence;

-- name: snapshot
SELECT stream, sequence, data FROM accord.snapshots WHERE stream = $1;

-- name: retire
SELECT accord.retire_1($1, $2);

-- name: trim
SELECT accord.trim_1($1, $2);

-- name: claim
SELECT claimed, at_epoch FROM accord.claim_1($1, $2, $3, $4, $5);

-- name: renew
-- In the order in which `append` locks them: two that lock in different orders would wait for each other.
WITH ours AS (
    SELECT partition FROM accord.partitions JOIN unnest($1::integer[], $2::bigint[]) AS fence (partition, epoch)
        USING (partition, epoch)
    WHERE owner IS NOT NULL ORDER BY partition FOR NO KEY UPDATE OF partitions
)
UPDATE accord.partitions AS held SET until = $3 FROM ours WHERE held.partition = ours.partition
RETURNING held.partition, held.epoch;

-- name: release
WITH ours AS (
    SELECT partition FROM accord.partitions JOIN unnest($1::integer[], $2::bigint[]) AS fence (partition, epoch)
        USING (partition, epoch)
    ORDER BY partition FOR NO KEY UPDATE OF partitions
)
UPDATE accord.partitions AS held SET owner = NULL FROM ours WHERE held.partition = ours.partition;

-- name: owners
SELECT partition, epoch, owner, until FROM accord.partitions WHERE owner IS NOT NULL ORDER BY partition;

-- name: post
INSERT INTO accord.letters (id, partition, data, posted_at) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO NOTHING;

-- name: letters
SELECT id, partition, data, posted_at FROM accord.letters
WHERE answer IS NULL AND partition = ANY ($1) ORDER BY position LIMIT $2;

-- name: answer
UPDATE accord.letters AS kept SET answer = fresh.answer
FROM unnest($1::text[], $2::bytea[]) AS fresh (id, answer)
WHERE kept.id = fresh.id AND kept.answer IS NULL;

-- name: answered
SELECT id, answer FROM accord.letters WHERE id = $1 AND answer IS NOT NULL;

-- name: report
WITH gone AS (DELETE FROM accord.sightings WHERE until <= $4 AND process <> $1)
INSERT INTO accord.sightings (process, until, data) VALUES ($1, $2, $3)
ON CONFLICT (process) DO UPDATE SET until = excluded.until, data = excluded.data;

-- name: forget_sightings
DELETE FROM accord.sightings WHERE process = $1 OR until <= $2;

-- name: sightings
SELECT data FROM accord.sightings WHERE until > $1;

-- name: attend
WITH gone AS (DELETE FROM accord.replicas WHERE until <= $3 AND process <> $1)
INSERT INTO accord.replicas (process, until) VALUES ($1, $2)
ON CONFLICT (process) DO UPDATE SET until = excluded.until;

-- name: depart
DELETE FROM accord.replicas WHERE process = $1;

-- name: replicas
SELECT process FROM accord.replicas WHERE until > $1 ORDER BY process;

-- name: keep_data_key
WITH kept AS (
    INSERT INTO accord.data_keys (run, wrapped) VALUES ($1, $2) ON CONFLICT (run) DO NOTHING RETURNING run
)
SELECT count(*) FROM kept;

-- name: data_keys
SELECT run, wrapped FROM accord.data_keys WHERE run = ANY ($1::text[]);

-- name: erase_data_keys
UPDATE accord.data_keys SET wrapped = NULL WHERE run = ANY ($1::text[]) AND wrapped IS NOT NULL;

-- name: every_data_key
SELECT run, wrapped FROM accord.data_keys WHERE wrapped IS NOT NULL AND ($1::text IS NULL OR run > $1)
ORDER BY run LIMIT $2;

-- name: count_data_keys
SELECT count(*) FROM accord.data_keys WHERE wrapped IS NOT NULL;

-- name: rewrap_data_keys
WITH changed AS (
    UPDATE accord.data_keys AS kept SET wrapped = change.after
    FROM unnest($1::text[], $2::bytea[], $3::bytea[]) AS change (run, before, after)
    WHERE kept.run = change.run AND kept.wrapped = change.before
    RETURNING kept.run
)
SELECT count(*) FROM changed;

-- name: use_data_keys
WITH there AS (SELECT run FROM accord.data_keys WHERE run = ANY ($2::text[]) ORDER BY run FOR KEY SHARE), used AS (
    INSERT INTO accord.data_key_uses (key, run, part, since) SELECT run, $1, $3, $4 FROM there
    ON CONFLICT (key, run) DO NOTHING
)
SELECT run FROM there;

-- name: data_key_uses
SELECT key, run, part FROM accord.data_key_uses WHERE key = $1
UNION
SELECT key, run, part FROM accord.data_key_uses WHERE run = $1
ORDER BY key, run;

-- name: keep_upload
INSERT INTO accord.uploads (run, sha256, length_bytes, blob)
SELECT run, $2, $3::bigint, $4 FROM accord.data_keys WHERE run = $1
ON CONFLICT (run, sha256) DO UPDATE SET blob = excluded.blob;

-- name: upload
SELECT sha256, length_bytes, blob FROM accord.uploads WHERE run = $1 AND sha256 = $2;

-- name: keep_lines
WITH given AS (
    SELECT * FROM unnest(
        $1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::boolean[],
        $9::bytea[]
    ) WITH ORDINALITY AS entry (run, task, attempt, said, kept, kept_bytes, worst, encrypted, data, number)
), new AS (
    INSERT INTO accord.log_tallies AS known (run, task, attempt, said, kept, kept_bytes)
    SELECT run, task, attempt, said, kept, kept_bytes FROM given JOIN accord.runs USING (run)
    ON CONFLICT (run, task, attempt) DO UPDATE SET
        said = excluded.said, kept = excluded.kept, kept_bytes = excluded.kept_bytes
    WHERE excluded.said > known.said
    RETURNING run, task, attempt
)
INSERT INTO accord.log_parts (run, position, task, attempt, worst, encrypted, data)
SELECT
    run,
    row_number() OVER (PARTITION BY run ORDER BY number)
        + coalesce((SELECT max(position) FROM accord.log_parts AS kept WHERE kept.run = given.run), 0),
    task, attempt, worst, encrypted, data
FROM given JOIN new USING (run, task, attempt)
WHERE length(data) > 0;

-- name: tally
SELECT said, kept, kept_bytes FROM accord.log_tallies WHERE run = $1 AND task = $2 AND attempt = $3;

-- name: log_parts
SELECT position, task, attempt, worst, data, encrypted FROM accord.log_parts
WHERE run = $1 AND position > $5 AND worst >= $4
    AND ($3::bigint IS NULL OR attempt = $3)
    AND ($2::text IS NULL OR task = $2 OR left(task, length($2) + 1) = $2 || '[')
ORDER BY position LIMIT $6;

-- name: log_gaps
SELECT task, attempt, said - kept FROM accord.log_tallies
WHERE run = $1 AND said > kept
    AND ($3::bigint IS NULL OR attempt = $3)
    AND ($2::text IS NULL OR task = $2 OR left(task, length($2) + 1) = $2 || '[')
ORDER BY task, attempt LIMIT 1000;

-- name: erase_logs
WITH parts AS (DELETE FROM accord.log_parts WHERE run = ANY ($1::text[]))
DELETE FROM accord.log_tallies WHERE run = ANY ($1::text[]);
