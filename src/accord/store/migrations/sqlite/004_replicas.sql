-- Which processes serve, to share the partitions evenly: live, and never the truth.

CREATE TABLE replicas (
    process TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT;
