-- The wrapped data keys of encrypted runs. What was erased stays erased.

CREATE TABLE data_keys (
    run TEXT PRIMARY KEY,
    wrapped BLOB -- NULL once it is erased
) STRICT;

CREATE TRIGGER data_keys_are_never_changed BEFORE UPDATE ON data_keys
WHEN NEW.run <> OLD.run OR NEW.wrapped IS NOT NULL
BEGIN
    SELECT RAISE(ABORT, 'a data key is never changed, and never comes back once it is erased');
END;
