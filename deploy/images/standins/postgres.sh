#!/bin/sh
# What postgres:18 does at its start, as far as tests need it.
set -eu
user=${POSTGRES_USER:-postgres}
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    password=${POSTGRES_PASSWORD_FILE:-}
    if [ -z "$password" ]; then
        password=/tmp/password
        (umask 077 && printf '%s' "${POSTGRES_PASSWORD:?}" >"$password")
    fi
    # shellcheck disable=SC2086 # the arguments are words
    # within the container nobody is asked for a password, as there
    initdb --pgdata="$PGDATA" --username="$user" --pwfile="$password" --auth=trust \
        --no-instructions ${POSTGRES_INITDB_ARGS:-} >/dev/null
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    if [ "${POSTGRES_DB:-postgres}" != postgres ]; then
        echo "CREATE DATABASE \"$POSTGRES_DB\";" | postgres --single -D "$PGDATA" -j postgres >/dev/null
    fi
fi
exec "$@" -c listen_addresses='*' -c unix_socket_directories=/tmp
