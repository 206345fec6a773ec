-- Which processes serve, to share the partitions evenly: live, and never the truth.

CREATE TABLE accord.replicas (
    process text COLLATE "C" PRIMARY KEY,
    until timestamptz NOT NULL
);
