#!/usr/bin/env bash
# MariaDB: UUIDs are sorted neither by their texts nor by their bytes, and each version otherwise.
#
# Seen with MariaDB 10.11.19 (the server that is installed) and PyMySQL 1.1.2.
#
# Elsewhere a UUID is sixteen bytes that are compared from the left, so that the database agrees with a client that sorts texts or
# bytes. MariaDB's type UUID keeps the groups of versions 1 to 5 from right to left, and so it compares them; versions 6 to 8 are
# compared as they are written, and come after all the others. So for random ids (version 4) ORDER BY, MIN, BETWEEN and `id > x`
# follow an order that no client expects. Two sides of a merge, both "sorted by id", do not fit; workers that share the ids by
# their first digit get other ids; and a client that locks rows in the order in which it has sorted their ids can deadlock with
# one that lets the server sort.
#
# The page on the type tells, under "Storage", how it is stored for the sake of version 1. It does not say that comparisons follow.
#
# What to do: let one side alone decide the order. To go on after the last id that the server gave is right; ranges and sorted lists
# that a client makes are not. Where both must agree, sort by CAST(id AS CHAR), or store BINARY(16).
#
# Output:
#   MariaDB 10.11.19-MariaDB-0+deb12u1
#   as texts:  00000000-0000-4000-8000-0000000000ff 10000000-0000-7000-8000-000000000000 f0000000-0000-4000-8000-000000000001
#   ORDER BY:  f0000000-0000-4000-8000-000000000001 00000000-0000-4000-8000-0000000000ff 10000000-0000-7000-8000-000000000000
#   greater than 80000000-0000-4000-8000-000000000000: all three
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

IDS = [
    "00000000-0000-4000-8000-0000000000ff",
    "10000000-0000-7000-8000-000000000000",
    "f0000000-0000-4000-8000-000000000001",
]

cursor = pymysql.connect(unix_socket=sys.argv[1], user="root", autocommit=True).cursor()
cursor.execute("CREATE DATABASE finding")
cursor.execute("CREATE TABLE finding.page (id uuid PRIMARY KEY)")
cursor.executemany("INSERT INTO finding.page VALUES (%s)", IDS)


def ids(rest):
    cursor.execute("SELECT id FROM finding.page " + rest)
    return [str(row[0]) for row in cursor.fetchall()]


cursor.execute("SELECT version()")
print("MariaDB", *cursor.fetchone())
texts = ids("ORDER BY CAST(id AS CHAR)")
order = ids("ORDER BY id")
greater = ids("WHERE id > '80000000-0000-4000-8000-000000000000' ORDER BY id")
print("as texts: ", *texts)
print("ORDER BY: ", *order)
print("greater than 80000000-0000-4000-8000-000000000000:", "all three" if greater == order else greater)
assert texts == sorted(IDS)
assert order == [IDS[2], IDS[0], IDS[1]], "the server sorts otherwise now"
assert greater == order, "the server compares otherwise now"
PYTHON
