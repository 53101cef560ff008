#!/usr/bin/env bash
# MariaDB: with SKIP LOCKED and LIMIT 1 the second worker of a queue gets nothing, though 99 jobs wait.
#
# Seen with MariaDB 10.11.19 (the server that is installed) and PyMySQL 1.1.2, at READ COMMITTED as at REPEATABLE READ.
#
# `SELECT … ORDER BY … LIMIT 1 FOR UPDATE SKIP LOCKED` is how workers take jobs from a table. On PostgreSQL it locks the one row that
# it answers. InnoDB locks each row as it is read, and the rows are sorted and cut afterwards. So where the rows do not come from
# the index in the wanted order, the first worker holds all of them until its transaction ends. The second one skips them all, and
# is told that there is no work: no error, no wait, no warning. Workers seem to be idle, one at a time is busy, and a test with
# one worker shows nothing. Worse, an index that is added for another query can bring it about: with (state, priority) the queue
# that is ordered by its id, which worked before, has one worker from then on.
#
# The page on SKIP LOCKED does not mention it; elsewhere it is said that InnoDB locks what it scans.
#
# What to do: have an index that begins with the conditions and goes on with the order, and ask EXPLAIN that there is no "Using
# filesort". Or choose without a lock, and lock by the primary key afterwards, looking again whether the job is still free.
#
# Output:
#   MariaDB 10.11.19-MariaDB-0+deb12u1
#   ORDER BY priority, index (state): first worker 1, second worker None
#   ORDER BY priority, index (state, priority): first worker 1, second worker 8
#   ORDER BY id, index (state): first worker 1, second worker 2
#   ORDER BY id, index (state, priority): first worker 1, second worker None
set -euo pipefail

folder=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || { kill "$server" && wait "$server"; } || true
    rm -rf "$folder"
}
trap finish EXIT
chmod 755 "$folder"
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet PyMySQL==1.1.2

# A server of its own, reached by a socket in its folder. As root it runs as `nobody`.
mkdir data
user=$(id -un)
if [ "$user" = root ]; then
    user=nobody
    chown nobody data
fi
mariadb-install-db --no-defaults --datadir="$folder/data" --user="$user" --skip-test-db \
    --auth-root-authentication-method=normal >install.log
mariadbd --no-defaults --datadir="$folder/data" --user="$user" --skip-networking --socket="$folder/data/socket" 2>server.log &
server=$!
for _ in $(seq 300); do
    [ ! -S data/socket ] || break
    sleep 0.1
done

venv/bin/python - "$folder/data/socket" <<'PYTHON'
import sys
import pymysql


def worker():
    connection = pymysql.connect(unix_socket=sys.argv[1], user="root", autocommit=False)
    cursor = connection.cursor()
    cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
    return connection, cursor


def take(cursor, order):
    cursor.execute(f"SELECT id FROM finding.job WHERE state = 'new' ORDER BY {order} LIMIT 1 FOR UPDATE SKIP LOCKED")
    row = cursor.fetchone()
    return row and row[0]


(first, one), (second, two) = worker(), worker()
one.execute("SELECT version()")
print("MariaDB", *one.fetchone())
one.execute("CREATE DATABASE finding")

taken = {}
for order in ("priority", "id"):
    for index in ("state", "state, priority"):
        one.execute("DROP TABLE IF EXISTS finding.job")
        one.execute(f"CREATE TABLE finding.job (id int PRIMARY KEY, state varchar(9), priority int, KEY ({index}))")
        one.executemany("INSERT INTO finding.job VALUES (%s, 'new', %s)", [(n + 1, n % 7) for n in range(100)])
        first.commit()
        taken[order, index] = take(one, order), take(two, order)
        first.rollback()
        second.rollback()
        print("ORDER BY {}, index ({}): first worker {}, second worker {}".format(order, index, *taken[order, index]))

assert taken["priority", "state"] == (1, None), "the second worker finds a job now"
assert taken["priority", "state, priority"] == (1, 8)
assert taken["id", "state"] == (1, 2)
assert taken["id", "state, priority"] == (1, None), "the second worker finds a job now"
PYTHON
