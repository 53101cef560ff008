#!/usr/bin/env bash
# SQLite: to another connection a trigger or an index goes on to exist that went with its table, for as long as that connection runs nothing else.
#
# Seen with SQLite 3.50.4, as apsw 3.50.4.0 has it.
#
# A connection of SQLite keeps the schema in memory, and looks whether it is still the file's when a statement runs. A statement that cannot
# be compiled never runs, and for most such errors (no such table, no such column) SQLite looks again before it tells. For
# CREATE TRIGGER and CREATE INDEX it does not: one connection drops a table and makes it anew, and the other one is told "trigger already
# exists" of a trigger that is in no schema, each time that it tries. Any other statement that runs on that connection heals it. A pool of
# connections that runs migrations or sets up tests meets it now and then, by which connection it gets.
#
# CREATE TABLE is right: it looks again.
#
# What to do: CREATE … IF NOT EXISTS, which is compiled to a statement that does look; or one connection for changes of the schema.
#
# Output:
#   SQLite 3.50.4
#   create trigger: trigger judge already exists; again: trigger judge already exists; in sqlite_schema: 0
#   create index: index i already exists; create table: created
#   create trigger, after a SELECT: created
#   create trigger if not exists, before one: created; in sqlite_schema: 1
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet apsw==3.50.4.0

venv/bin/python - <<'PYTHON'
import apsw

print("SQLite", apsw.sqlite_lib_version())
TABLE = "CREATE TABLE t (x)"
BODY = "judge BEFORE INSERT ON t BEGIN SELECT 1; END"
TRIGGER = f"CREATE TRIGGER {BODY}"
INDEX = "CREATE INDEX i ON t (x)"
OTHER = "CREATE TABLE other (x)"
count = 0


def stale():
    """A connection that has seen the table, its trigger and its index, which another one has dropped since."""
    global count
    count += 1
    name = f"{count}.db"
    one, other = apsw.Connection(name), apsw.Connection(name)
    for sql in (TABLE, TRIGGER, INDEX, OTHER):
        one.execute(sql)
    list(other.execute("SELECT count(*) FROM t"))
    one.execute("DROP TABLE t")
    one.execute("DROP TABLE other")
    one.execute(TABLE)
    return other


def tried(connection, sql):
    try:
        connection.execute(sql)
        return "created"
    except apsw.SQLError as error:
        return str(error).removeprefix("SQLError: ")


def there(connection):
    return next(connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'judge'"))[0]


connection = stale()
first, again = tried(connection, TRIGGER), tried(connection, TRIGGER)
trigger = there(connection)
print(f"create trigger: {first}; again: {again}; in sqlite_schema: {trigger}")
index, table = tried(stale(), INDEX), tried(stale(), OTHER)
print(f"create index: {index}; create table: {table}")
healed = tried(connection, TRIGGER)
print("create trigger, after a SELECT:", healed)
connection = stale()
guarded = tried(connection, TRIGGER.replace("TRIGGER", "TRIGGER IF NOT EXISTS"))
stands = there(connection)
print(f"create trigger if not exists, before one: {guarded}; in sqlite_schema: {stands}")
assert (first, again, trigger) == ("trigger judge already exists",) * 2 + (0,), "it looks again now"
assert (index, table) == ("index i already exists", "created")
assert (healed, guarded, stands) == ("created", "created", 1)
PYTHON
