-- What the agents of runs have logged. It is no part of the journal, and goes with its run.

CREATE TABLE accord.log_tallies (
    run text COLLATE "C" NOT NULL REFERENCES accord.runs ON DELETE CASCADE,
    task text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    said bigint NOT NULL, -- the number of the last line that the agent has told of
    kept bigint NOT NULL, -- how many of them are there
    kept_bytes bigint NOT NULL,
    PRIMARY KEY (run, task, attempt)
);

CREATE TABLE accord.log_parts (
    run text COLLATE "C" NOT NULL REFERENCES accord.runs ON DELETE CASCADE,
    position bigint NOT NULL, -- in the order in which they came
    task text COLLATE "C" NOT NULL,
    attempt bigint NOT NULL,
    worst integer NOT NULL, -- the rank of the level that matters most of these lines
    encrypted boolean NOT NULL,
    data bytea NOT NULL, -- the lines, as JSON
    PRIMARY KEY (run, position)
);
