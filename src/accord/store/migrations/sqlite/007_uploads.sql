-- Where the text of what was uploaded for an encrypted run is kept.

CREATE TABLE uploads (
    run TEXT NOT NULL,
    sha256 TEXT NOT NULL, -- of the document
    length_bytes INTEGER NOT NULL, -- of the document
    blob TEXT NOT NULL, -- the SHA-256 of its text
    PRIMARY KEY (run, sha256)
) WITHOUT ROWID, STRICT;
