-- name: read
SELECT stream, sequence, data, digest FROM events
WHERE stream = :stream AND sequence > :after ORDER BY sequence LIMIT :limit;

-- name: head
SELECT sequence, digest FROM streams WHERE stream = :stream;

-- name: floor
SELECT floor, floor_digest FROM streams WHERE stream = :stream;

-- name: heads
SELECT stream, sequence, digest, retired_at IS NOT NULL FROM streams
WHERE stream IN (SELECT value FROM json_each(:streams));

-- name: epochs
SELECT partition, epoch FROM partitions;

-- name: run
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM runs WHERE run = :run;

-- name: runs
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM {source} WHERE {filters} ORDER BY {order} DESC LIMIT :limit;

-- name: count_runs
SELECT state, count(*) FROM {source} WHERE {filters} GROUP BY state;

-- name: count_kinds
SELECT state, template, started_by, labels, count(*) FROM {source} WHERE {filters}
GROUP BY state, template, started_by, labels;

-- name: unlisted
SELECT run FROM runs INDEXED BY runs_unlisted WHERE started_by IS NULL AND run > :after ORDER BY run LIMIT :limit;

-- name: relist
UPDATE runs SET
    tasks_done = :tasks_done, origin = :origin, origin_sequence = :origin_sequence, started_by = :started_by,
    labels = :labels, acknowledged = :acknowledged
WHERE run = :run AND started_by IS NULL AND EXISTS (
    SELECT 1 FROM streams WHERE stream = :run AND sequence = :sequence AND digest = :digest
);

-- name: relist_agents
INSERT INTO run_agents (agent, of_run) SELECT value, :run FROM json_each(:agents) WHERE TRUE
ON CONFLICT (agent, of_run) DO NOTHING;

-- name: overdue
SELECT
    run, partition, template, title, state, started_at, updated_at, wake_at,
    tasks_total, tasks_done, tasks_failed, parent, origin, origin_sequence, started_by, labels, acknowledged
FROM runs INDEXED BY runs_to_wake
WHERE wake_at IS NOT NULL AND state NOT IN ('completed', 'failed', 'cancelled')
    AND wake_at <= :now AND partition IN (SELECT value FROM json_each(:partitions))
ORDER BY wake_at, run LIMIT :limit;

-- name: save_snapshot
INSERT INTO snapshots (stream, sequence, data) VALUES (:stream, :sequence, :data)
ON CONFLICT (stream) DO UPDATE SET sequence = excluded.sequence, data = excluded.data
WHERE sequence <= excluded.sequence;

-- name: snapshot
SELECT stream, sequence, data FROM snapshots WHERE stream = :stream;

-- name: to_retire
SELECT run FROM runs INDEXED BY runs_to_retire
WHERE state IN ('completed', 'failed', 'cancelled') AND updated_at < :before
    AND NOT EXISTS (
        SELECT 1 FROM runs AS above
        WHERE above.run = runs.parent AND above.state NOT IN ('completed', 'failed', 'cancelled')
    )
ORDER BY updated_at, run LIMIT :limit;

-- name: retire_streams
UPDATE streams SET retired_at = :before WHERE stream IN (SELECT value FROM json_each(:runs));

-- name: remove_events
DELETE FROM events WHERE stream IN (SELECT value FROM json_each(:runs));

-- name: remove_snapshots
DELETE FROM snapshots WHERE stream IN (SELECT value FROM json_each(:runs));

-- name: remove_runs
DELETE FROM runs WHERE run IN (SELECT value FROM json_each(:runs));

-- name: remove_letters
DELETE FROM letters WHERE answer IS NOT NULL AND posted_at < :before;

-- name: raise_floor
UPDATE streams SET (floor, floor_digest) = (
    SELECT sequence, digest FROM events WHERE events.stream = :stream AND sequence <= :until
    ORDER BY sequence DESC LIMIT 1
)
WHERE stream = :stream AND EXISTS (SELECT 1 FROM events WHERE events.stream = :stream AND sequence <= :until);

-- name: trim
DELETE FROM events WHERE stream = :stream AND sequence <= :until;

-- name: claim
INSERT INTO partitions (partition, epoch, owner, until) VALUES (:partition, 1, :owner, :until)
ON CONFLICT (partition) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner, until = excluded.until
WHERE owner IS NULL OR until <= :now OR owner = excluded.owner
RETURNING partition, epoch;

-- name: claim_any
INSERT INTO partitions (partition, epoch, owner, until)
SELECT free.value, 1, :owner, :until
FROM json_each(:partitions) AS free LEFT JOIN partitions AS held ON held.partition = free.value
WHERE held.owner IS NULL OR held.until <= :now
ORDER BY free.value LIMIT 1
ON CONFLICT (partition) DO UPDATE SET epoch = epoch + 1, owner = excluded.owner, until = excluded.until
RETURNING partition, epoch;

-- name: renew
UPDATE partitions SET until = :until
WHERE partition = :partition AND epoch = :epoch AND owner IS NOT NULL
RETURNING partition, epoch;

-- name: release
UPDATE partitions SET owner = NULL WHERE partition = :partition AND epoch = :epoch;

-- name: owners
SELECT partition, epoch, owner, until FROM partitions WHERE owner IS NOT NULL ORDER BY partition;

-- name: post
INSERT INTO letters (id, partition, data, posted_at) VALUES (:id, :partition, :data, :posted_at)
ON CONFLICT (id) DO NOTHING;

-- name: letters
SELECT id, partition, data, posted_at FROM letters
WHERE answer IS NULL AND partition IN (SELECT value FROM json_each(:partitions))
ORDER BY position LIMIT :limit;

-- name: answer
UPDATE letters SET answer = :data WHERE id = :letter AND answer IS NULL;

-- name: answered
SELECT id, answer FROM letters WHERE id = :letter AND answer IS NOT NULL;

-- name: forget_sightings
DELETE FROM sightings WHERE process = :process OR until <= :now;

-- name: report
INSERT INTO sightings (process, until, data) VALUES (:process, :until, :data);

-- name: sightings
SELECT data FROM sightings WHERE until > :now;

-- name: forget_replicas
DELETE FROM replicas WHERE until <= :now;

-- name: attend
INSERT INTO replicas (process, until) VALUES (:process, :until)
ON CONFLICT (process) DO UPDATE SET until = excluded.until;

-- name: depart
DELETE FROM replicas WHERE process = :process;

-- name: replicas
SELECT process FROM replicas WHERE until > :now ORDER BY process;

-- name: keep_data_key
INSERT INTO data_keys (run, wrapped) VALUES (:run, :wrapped) ON CONFLICT (run) DO NOTHING;

-- name: data_keys
SELECT run, wrapped FROM data_keys WHERE run IN (SELECT value FROM json_each(:runs));

-- name: erase_data_keys
UPDATE data_keys SET wrapped = NULL WHERE run IN (SELECT value FROM json_each(:runs)) AND wrapped IS NOT NULL;

-- name: every_data_key
SELECT run, wrapped FROM data_keys WHERE wrapped IS NOT NULL AND (:after IS NULL OR run > :after)
ORDER BY run LIMIT :limit;

-- name: count_data_keys
SELECT count(*) FROM data_keys WHERE wrapped IS NOT NULL;

-- name: rewrap_data_key
UPDATE data_keys SET wrapped = :after WHERE run = :run AND wrapped = :before;

-- name: use_data_keys
INSERT INTO data_key_uses (key, run, part, since)
SELECT run, :run, :part, :since FROM data_keys WHERE run IN (SELECT value FROM json_each(:runs))
ON CONFLICT (key, run) DO NOTHING;

-- name: data_key_uses
SELECT key, run, part FROM data_key_uses WHERE key = :run
UNION
SELECT key, run, part FROM data_key_uses WHERE run = :run
ORDER BY key, run;

-- name: retire_data_keys
UPDATE data_keys SET retired = 1 WHERE run IN (SELECT value FROM json_each(:runs));

-- name: remove_data_keys
DELETE FROM data_keys WHERE retired <> 0 AND NOT EXISTS (
    SELECT 1 FROM data_key_uses AS used WHERE used.key = data_keys.run AND (
        EXISTS (SELECT 1 FROM runs WHERE runs.run = used.run)
        OR used.since >= :begun_since AND NOT EXISTS (SELECT 1 FROM streams WHERE stream = used.run)
    )
)
RETURNING run;

-- name: remove_data_key_uses
DELETE FROM data_key_uses WHERE key IN (SELECT value FROM json_each(:runs));

-- name: keep_upload
INSERT INTO uploads (run, sha256, length_bytes, blob)
SELECT run, :sha256, :length_bytes, :blob FROM data_keys WHERE run = :run
ON CONFLICT (run, sha256) DO UPDATE SET blob = excluded.blob;

-- name: upload
SELECT sha256, length_bytes, blob FROM uploads WHERE run = :run AND sha256 = :sha256;

-- name: remove_uploads
DELETE FROM uploads WHERE run IN (SELECT value FROM json_each(:runs));

-- name: keep_lines
INSERT INTO log_parts (run, position, task, attempt, worst, encrypted, data)
SELECT
    run, (SELECT coalesce(max(position), 0) + 1 FROM log_parts WHERE run = :run), :task, :attempt, :worst, :encrypted,
    :data
FROM runs
WHERE run = :run AND length(:data) > 0
    AND coalesce((SELECT said FROM log_tallies WHERE run = :run AND task = :task AND attempt = :attempt), 0) < :said;

-- name: keep_tally
INSERT INTO log_tallies (run, task, attempt, said, kept, kept_bytes)
SELECT run, :task, :attempt, :said, :kept, :kept_bytes FROM runs WHERE run = :run
ON CONFLICT (run, task, attempt) DO UPDATE SET
    said = excluded.said, kept = excluded.kept, kept_bytes = excluded.kept_bytes
WHERE excluded.said > log_tallies.said;

-- name: tally
SELECT said, kept, kept_bytes FROM log_tallies WHERE run = :run AND task = :task AND attempt = :attempt;

-- name: log_parts
SELECT position, task, attempt, worst, data, encrypted FROM log_parts
WHERE run = :run AND position > :after AND worst >= :least
    AND (:attempt IS NULL OR attempt = :attempt)
    AND (:task IS NULL OR task = :task OR substr(task, 1, length(:task) + 1) = :task || '[')
ORDER BY position LIMIT :limit;

-- name: log_gaps
SELECT task, attempt, said - kept FROM log_tallies
WHERE run = :run AND said > kept
    AND (:attempt IS NULL OR attempt = :attempt)
    AND (:task IS NULL OR task = :task OR substr(task, 1, length(:task) + 1) = :task || '[')
ORDER BY task, attempt LIMIT 1000;

-- name: erase_log_parts
DELETE FROM log_parts WHERE run IN (SELECT value FROM json_each(:runs));

-- name: erase_log_tallies
DELETE FROM log_tallies WHERE run IN (SELECT value FROM json_each(:runs));
