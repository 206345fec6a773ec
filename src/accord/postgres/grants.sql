-- What a role needs to work with the store, and nothing else: it can neither change nor remove an event.
-- {role} is the role, quoted. Run again after every migration for all who were granted before.

GRANT USAGE ON SCHEMA accord TO {role};

GRANT SELECT ON ALL TABLES IN SCHEMA accord TO {role};

GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA accord TO {role};

GRANT INSERT, UPDATE ON accord.snapshots TO {role};

GRANT UPDATE (owner, until) ON accord.partitions TO {role};

GRANT INSERT ON accord.letters TO {role};

GRANT UPDATE (answer) ON accord.letters TO {role};

GRANT INSERT, UPDATE, DELETE ON accord.sightings, accord.replicas TO {role};

GRANT INSERT ON accord.data_keys, accord.data_key_uses TO {role};

GRANT UPDATE (wrapped) ON accord.data_keys TO {role};

GRANT INSERT, UPDATE (blob) ON accord.uploads TO {role};

GRANT INSERT, UPDATE, DELETE ON accord.log_tallies TO {role};

GRANT INSERT, DELETE ON accord.log_parts TO {role};

GRANT INSERT, UPDATE, DELETE ON accord.blobs TO {role};

GRANT INSERT, DELETE ON accord.blob_chunks TO {role};

GRANT UPDATE ON accord.blob_marks TO {role};
