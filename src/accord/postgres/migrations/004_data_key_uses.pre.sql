-- Which runs hold documents under the data key of another one: it stays as long as one of them does.

ALTER TABLE accord.data_keys ADD COLUMN retired boolean NOT NULL DEFAULT false;

CREATE INDEX data_keys_retired ON accord.data_keys (run) WHERE retired;

CREATE TABLE accord.data_key_uses (
    key text COLLATE "C" NOT NULL REFERENCES accord.data_keys ON DELETE CASCADE, -- the run whose key it is
    run text COLLATE "C" NOT NULL,
    part boolean NOT NULL, -- whether the key's run does a task of this one, and is erased with it
    since timestamptz NOT NULL,
    PRIMARY KEY (key, run)
);

CREATE INDEX data_key_uses_by_run ON accord.data_key_uses (run);

DROP TRIGGER data_keys_are_never_changed ON accord.data_keys;

CREATE TRIGGER data_keys_are_never_changed BEFORE UPDATE ON accord.data_keys
FOR EACH ROW WHEN (
    NEW.run <> OLD.run OR NEW.wrapped IS NOT NULL AND NEW.wrapped IS DISTINCT FROM OLD.wrapped OR NEW.retired < OLD.retired
)
EXECUTE FUNCTION accord.refuse('a data key is never changed, and never comes back once it is erased');

-- For all versions: what the one before calls must not take a key along that others need.
CREATE OR REPLACE FUNCTION accord.retire_1(before timestamptz, most integer) RETURNS SETOF text LANGUAGE plpgsql
SECURITY DEFINER SET search_path = pg_catalog, pg_temp
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
    UPDATE accord.data_keys SET retired = true WHERE run = ANY (over);
    -- Who wants to use one of them waits, and then sees that it is gone; who did before is seen by the next statement.
    PERFORM FROM accord.data_keys WHERE retired ORDER BY run FOR UPDATE;
    DELETE FROM accord.data_keys AS unneeded WHERE retired AND NOT EXISTS (
        SELECT FROM accord.data_key_uses AS used WHERE used.key = unneeded.run AND (
            EXISTS (SELECT FROM accord.runs WHERE runs.run = used.run)
            OR used.since >= before - interval '1 day'
                AND NOT EXISTS (SELECT FROM accord.streams WHERE stream = used.run)
        )
    );
    RETURN QUERY SELECT unnest(over);
END
$$;

DROP TRIGGER data_keys_go_with_their_runs ON accord.runs;

DROP FUNCTION accord.forget_data_key();
