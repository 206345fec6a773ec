-- What lists of runs are sought by, and what says who may see them. A run whose `started_by` is NULL was written last by
-- an earlier version, and is told of anew from its events.

ALTER TABLE runs ADD COLUMN origin TEXT; -- the run that it was forked from

ALTER TABLE runs ADD COLUMN origin_sequence INTEGER;

ALTER TABLE runs ADD COLUMN started_by TEXT;

ALTER TABLE runs ADD COLUMN labels TEXT NOT NULL DEFAULT ''; -- each between spaces

ALTER TABLE runs ADD COLUMN acknowledged INTEGER NOT NULL DEFAULT 0;

CREATE INDEX runs_by_origin ON runs (origin, run) WHERE origin IS NOT NULL;

CREATE INDEX runs_unlisted ON runs (run) WHERE started_by IS NULL;

CREATE TABLE run_agents (
    agent TEXT NOT NULL, -- who was given work
    of_run TEXT NOT NULL,
    PRIMARY KEY (agent, of_run)
) WITHOUT ROWID, STRICT;

CREATE INDEX run_agents_by_run ON run_agents (of_run);

CREATE TRIGGER agents_go_with_their_runs AFTER DELETE ON runs
BEGIN
    DELETE FROM run_agents WHERE of_run = OLD.run;
END;
