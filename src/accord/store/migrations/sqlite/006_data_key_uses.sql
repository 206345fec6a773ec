-- Which runs hold documents under the data key of another one: it stays as long as one of them does.

ALTER TABLE data_keys ADD COLUMN retired INTEGER NOT NULL DEFAULT 0; -- its run was removed, the key is kept for others

CREATE INDEX data_keys_retired ON data_keys (run) WHERE retired <> 0;

CREATE TABLE data_key_uses (
    key TEXT NOT NULL, -- the run whose key it is
    run TEXT NOT NULL,
    part INTEGER NOT NULL, -- whether the key's run does a task of this one, and is erased with it
    since INTEGER NOT NULL,
    PRIMARY KEY (key, run)
) WITHOUT ROWID, STRICT;

CREATE INDEX data_key_uses_by_run ON data_key_uses (run);

DROP TRIGGER data_keys_are_never_changed;

CREATE TRIGGER data_keys_are_never_changed BEFORE UPDATE ON data_keys
WHEN NEW.run <> OLD.run OR NEW.wrapped IS NOT NULL AND NEW.wrapped IS NOT OLD.wrapped OR NEW.retired < OLD.retired
BEGIN
    SELECT RAISE(ABORT, 'a data key is never changed, and never comes back once it is erased');
END;
