-- name: put
SELECT accord.put_1($1, $2, $3);

-- name: draft
INSERT INTO accord.blobs DEFAULT VALUES RETURNING blob;

-- name: add
-- Nothing is added to a draft that was swept: it would never be published.
WITH ours AS (
    UPDATE accord.blobs SET touched_at = clock_timestamp() WHERE blob = $1 AND digest IS NULL RETURNING blob
)
INSERT INTO accord.blob_chunks (blob, number, data) SELECT blob, $2, $3 FROM ours RETURNING blob;

-- name: publish
SELECT accord.publish_1($1, $2, $3);

-- name: discard
DELETE FROM accord.blobs WHERE blob = $1 AND digest IS NULL;

-- name: sweep
DELETE FROM accord.blobs WHERE digest IS NULL AND touched_at < clock_timestamp() - $1::interval;

-- name: find
SELECT blob, size_bytes FROM accord.blobs WHERE digest = $1;

-- name: chunk
SELECT data FROM accord.blob_chunks WHERE blob = $1 AND number = $2;

-- name: renew
UPDATE accord.blobs SET mark = (SELECT mark FROM accord.blob_marks FOR SHARE) WHERE digest = $1 RETURNING size_bytes;

-- name: mark
UPDATE accord.blob_marks SET mark = mark + 1 RETURNING mark;

-- name: stored
SELECT digest, size_bytes FROM accord.blobs
WHERE digest > $1 AND ($2::bigint IS NULL OR mark < $2) ORDER BY digest LIMIT $3;

-- name: remove
WITH gone AS (
    DELETE FROM accord.blobs WHERE digest = ANY ($1) AND mark < $2 RETURNING digest, size_bytes
)
SELECT digest, size_bytes FROM gone;
