#!/usr/bin/env bash
# MariaDB: in a UNION a BIT column turns the other branches' numbers into the codes of their digits.
#
# Seen with MariaDB 10.11.19 (the server that is installed) and PyMySQL 1.1.2.
#
# A common way to update many rows in one statement is to join the table with a list of values, and to give that list the column's types
# by a first branch without rows: `SELECT id, flags FROM t WHERE FALSE UNION ALL SELECT 1, 5 UNION ALL …`. A BIT column is a number to
# each operator (`flags + 0`, `flags = 5`, `SET flags = 5`), so the union of it with a number should be one. It is VARBINARY, in which a
# number is written as text; and stored into a BIT column those bytes are read as a number again: 5 becomes '5', which is 0x35, 53.
# No warning is given where the column has room for the bytes; where it has not, "Data too long" is said of a value that fits.
#
# That BIT and texts in a UNION give digits was reported to MySQL in 2016 (bug 84053) and is called no bug; here no branch is a text.
#
# What to do: give the list a number's type, by `flags + 0` or CAST(NULL AS UNSIGNED) in the first branch.
#
# Output:
#   MariaDB 10.11.19-MariaDB-0+deb12u1
#   the union is varbinary(8), holds b'5', and stored 53 in place of 5, with 0 warnings
#   with flags + 0 it stored 5
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

cursor = pymysql.connect(unix_socket=sys.argv[1], user="root", autocommit=True).cursor()


def one(sql):
    cursor.execute(sql)
    return cursor.fetchone()


one("CREATE DATABASE finding")
one("USE finding")
one("CREATE TABLE switch (id int PRIMARY KEY, flags bit(8) NOT NULL)")
one("INSERT INTO switch VALUES (1, 2)")
print("MariaDB", *one("SELECT version()"))


def update(first):
    values = f"SELECT id, {first} AS flags FROM switch WHERE FALSE UNION ALL SELECT 1, 5"
    one(f"UPDATE switch JOIN ({values}) new ON new.id = switch.id SET switch.flags = new.flags")
    warnings = one("SELECT @@warning_count")[0]
    return values, one("SELECT flags + 0 FROM switch")[0], warnings


values, stored, warnings = update("flags")
one(f"CREATE TABLE made AS {values}")
kind = one("SELECT column_type FROM information_schema.columns WHERE table_name = 'made' AND column_name = 'flags'")[0]
held = one("SELECT flags FROM made")[0]
print(f"the union is {kind}, holds {held}, and stored {stored} in place of 5, with {warnings} warnings")
_, right, _ = update("flags + 0")
print("with flags + 0 it stored", right)
assert (kind, held, stored, warnings) == ("varbinary(8)", b"5", 53, 0), "the server makes something else of it now"
assert right == 5
PYTHON
