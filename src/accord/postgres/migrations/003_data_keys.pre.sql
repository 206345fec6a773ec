-- The wrapped data keys of encrypted runs. What was erased stays erased.

CREATE TABLE accord.data_keys (
    run text COLLATE "C" PRIMARY KEY,
    wrapped bytea -- NULL once it is erased
);

CREATE TRIGGER data_keys_are_never_changed BEFORE UPDATE ON accord.data_keys
FOR EACH ROW WHEN (NEW.run <> OLD.run OR NEW.wrapped IS NOT NULL)
EXECUTE FUNCTION accord.refuse('a data key is never changed, and never comes back once it is erased');

-- A run's key goes with the run, whichever version retires it.
CREATE FUNCTION accord.forget_data_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM accord.data_keys WHERE run = OLD.run;
    RETURN NULL;
END
$$;

CREATE TRIGGER data_keys_go_with_their_runs AFTER DELETE ON accord.runs
FOR EACH ROW EXECUTE FUNCTION accord.forget_data_key();

REVOKE ALL ON FUNCTION accord.forget_data_key() FROM PUBLIC;
