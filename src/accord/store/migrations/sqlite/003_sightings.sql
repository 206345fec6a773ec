-- Who is present in which process: live, and never the truth.

CREATE TABLE sightings (
    process TEXT PRIMARY KEY,
    until INTEGER NOT NULL,
    data BLOB NOT NULL -- a JSON array
) STRICT;
