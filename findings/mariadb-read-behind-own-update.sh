#!/usr/bin/env bash
# MariaDB: behind one's own UPDATE a plain SELECT of the same row may show what it was before another transaction changed it.
#
# Seen with MariaDB 10.11.19 (the server that is installed) and PyMySQL 1.1.2.
#
# At REPEATABLE READ, InnoDB's default, a transaction reads a snapshot, and always sees its own changes on top. An UPDATE works on the row as it is
# now. So after `UPDATE … WHERE id = 1` has found the row, one expects a SELECT to show the row that was updated. It does if the UPDATE has stored
# something. Where the values are those that the row has by now, as another transaction has committed them, the row gets no version of this
# transaction, and the SELECT goes on to show the snapshot's, with neither's value: the statement "set name = 'new'" succeeds, counts as one row
# found, and `SELECT name` says 'old'. The same where a BEFORE UPDATE trigger keeps the row as it is, and where a column rounds the value to what it has.
#
# An ORM that writes a row and reads it again to fill in what the database has made of it (there is no UPDATE … RETURNING) shows its user
# an old row.
#
# What to do: read it again by SELECT … FOR UPDATE, which sees what is committed and waits for nobody: the UPDATE has locked the row.
#
# Output:
#   MariaDB 10.11.19-MariaDB-0+deb12u1
#   UPDATE to another value: found 1, SELECT says newer
#   UPDATE to what another transaction has stored: found 1, SELECT says old, SELECT FOR UPDATE says new
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
from pymysql.constants import CLIENT


def connect():
    connection = pymysql.connect(unix_socket=sys.argv[1], user="root", client_flag=CLIENT.FOUND_ROWS)
    return connection.cursor()


def value(cursor, sql):
    cursor.execute(sql)
    return cursor.fetchone()[0]


one, other = connect(), connect()
print("MariaDB", value(one, "SELECT version()"))
# Since 11.6 the UPDATE is refused (1020), unless this is off.
one.execute("SET SESSION innodb_snapshot_isolation = OFF")
one.execute("CREATE DATABASE finding")
one.execute("CREATE TABLE finding.t (id int PRIMARY KEY, name varchar(9)) ENGINE = InnoDB")
READ = "SELECT name FROM finding.t"


def written(name):
    """What one transaction reads behind its UPDATE, while another one has stored 'new' since it began."""
    one.execute("REPLACE INTO finding.t VALUES (1, 'old')")
    one.execute("COMMIT")
    assert value(one, READ) == "old"
    other.execute("UPDATE finding.t SET name = 'new'")
    other.execute("COMMIT")
    found = one.execute("UPDATE finding.t SET name = %s WHERE id = 1", (name,))
    told = found, value(one, READ), value(one, READ + " FOR UPDATE")
    one.execute("COMMIT")
    return told


found, plain, _ = written("newer")
print(f"UPDATE to another value: found {found}, SELECT says {plain}")
assert (found, plain) == (1, "newer")
found, plain, locking = written("new")
print(f"UPDATE to what another transaction has stored: found {found}, SELECT says {plain}, SELECT FOR UPDATE says {locking}")
assert (found, plain, locking) == (1, "old", "new"), "the server shows another row now"
PYTHON
