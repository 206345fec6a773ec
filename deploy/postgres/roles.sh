#!/bin/sh
# Run once by the image of PostgreSQL, while it makes the database: the role that the orchestrators work as.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set password="$(cat /run/secrets/store_password)" <<'SQL'
CREATE ROLE accord_app LOGIN PASSWORD :'password';
SQL
