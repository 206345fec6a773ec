-- What the agents of runs have logged. It is no part of the journal, and goes with its run.

CREATE TABLE log_tallies (
    run TEXT NOT NULL,
    task TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    said INTEGER NOT NULL, -- the number of the last line that the agent has told of
    kept INTEGER NOT NULL, -- how many of them are there
    kept_bytes INTEGER NOT NULL,
    PRIMARY KEY (run, task, attempt)
) WITHOUT ROWID, STRICT;

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

CREATE TRIGGER logs_go_with_their_runs AFTER DELETE ON runs
BEGIN
    DELETE FROM log_tallies WHERE run = OLD.run;
    DELETE FROM log_parts WHERE run = OLD.run;
END;
