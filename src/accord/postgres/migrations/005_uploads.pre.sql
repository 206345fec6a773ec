-- Where the text of what was uploaded for an encrypted run is kept. It goes with the run's data key.

CREATE TABLE accord.uploads (
    run text COLLATE "C" NOT NULL REFERENCES accord.data_keys ON DELETE CASCADE,
    sha256 text COLLATE "C" NOT NULL, -- of the document
    length_bytes bigint NOT NULL, -- of the document
    blob text COLLATE "C" NOT NULL, -- the SHA-256 of its text
    PRIMARY KEY (run, sha256)
);
