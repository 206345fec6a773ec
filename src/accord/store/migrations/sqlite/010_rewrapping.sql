-- Data keys may be wrapped anew, under another wrapping key. What was erased stays erased, as before.

DROP TRIGGER data_keys_are_never_changed;

CREATE TRIGGER data_keys_never_come_back BEFORE UPDATE ON data_keys
WHEN NEW.run <> OLD.run OR OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL OR NEW.retired < OLD.retired
BEGIN
    SELECT RAISE(ABORT, 'a data key never comes back once it is erased');
END;
