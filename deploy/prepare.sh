#!/bin/sh
# Prepares an installation. What is there already stays as it is, so that it may be run at every start.
#   prepare.sh bus     the users of the NATS server, in the folder BUS_USERS: before that server starts
#   prepare.sh store   the schema, the right to work with it, the orchestrator's key, and two API keys
# It takes what `accord serve` takes (ACCORD_HOME, ACCORD_STORE, ACCORD_BUS …), and for the store:
#   OWNER_STORE, OWNER_PASSWORD_FILE  the store, as the owner of its schema
#   APP_ROLE                          the role that works with it: the user in ACCORD_STORE
#   METRICS_KEY_FILE                  where the API key goes that reads metrics
set -eu
umask 077

# `issue NAME ROLE FILE` makes an API key where the file has none, and keeps it there.
issue() {
  if [ -s "$3" ]; then return; fi
  accord access keys new "$1" --role "$2" >"$3.new"
  sed -n 1p "$3.new" >"$3"
  rm "$3.new"
}

case "${1-}" in
  bus)
    accord bus users --to "$BUS_USERS"
    ;;
  store)
    mkdir -p "$ACCORD_HOME"
    ACCORD_STORE_PASSWORD_FILE=$OWNER_PASSWORD_FILE accord store migrate --store "$OWNER_STORE"
    ACCORD_STORE_PASSWORD_FILE=$OWNER_PASSWORD_FILE accord store grant "$APP_ROLE" --store "$OWNER_STORE"
    issue admin admin "$ACCORD_HOME/credentials"
    issue prometheus viewer "$METRICS_KEY_FILE"
    chmod 0444 "$METRICS_KEY_FILE" # another user's program reads it
    ;;
  *)
    echo "prepare.sh bus, or prepare.sh store" >&2
    exit 2
    ;;
esac
