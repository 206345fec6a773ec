-- Data keys may be wrapped anew, under another wrapping key. What was erased stays erased, as before.

DROP TRIGGER data_keys_are_never_changed ON accord.data_keys;

CREATE TRIGGER data_keys_never_come_back BEFORE UPDATE ON accord.data_keys
FOR EACH ROW WHEN (
    NEW.run <> OLD.run OR OLD.wrapped IS NULL AND NEW.wrapped IS NOT NULL OR NEW.retired < OLD.retired
)
EXECUTE FUNCTION accord.refuse('a data key never comes back once it is erased');
