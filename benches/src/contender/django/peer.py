"""Django, as its documentation writes it: told in lines of JSON what to do, it answers how long that took."""

import json
import sys
import time


def database(address):
    """The setting for a database that was made by the benchmark."""
    if address["target"] == "sqlite":
        synchronous = "FULL" if address["flush"] else "OFF"
        options = {
            "transaction_mode": "IMMEDIATE",
            "init_command": f"PRAGMA journal_mode=wal; PRAGMA synchronous={synchronous}",
        }
        path = address["url"].removeprefix("sqlite://")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": path, "OPTIONS": options}
    _, _, rest = address["url"].partition("://")
    place, _, name = rest.rpartition("/")
    user, _, server = place.rpartition("@")
    user, _, password = user.partition(":")
    host, _, port = server.partition(":")
    setting = {"NAME": name, "USER": user, "PASSWORD": password, "HOST": address["socket"] or host, "PORT": port}
    if address["target"] == "postgres":
        commit = "on" if address["flush"] else "off"
        options = {"options": f"-c synchronous_commit={commit}"}
        return {"ENGINE": "django.db.backends.postgresql", "OPTIONS": options, **setting}
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        # The driver that needs no compiler.
        import pymysql

        pymysql.install_as_MySQLdb()
    return {"ENGINE": "django.db.backends.mysql", **setting}


def answer(**said):
    print(json.dumps(said), flush=True)


hello = json.loads(sys.stdin.readline())
try:
    import django
    from django.conf import settings

    settings.configure(DATABASES={"default": database(hello["address"])}, USE_TZ=True)
    django.setup()

    from django.db import connection, models, transaction

    class Taxonomy(models.Model):
        id = models.BigAutoField(primary_key=True)
        remote_id = models.CharField(max_length=190, null=True, unique=True)
        slug = models.CharField(max_length=190, unique=True)
        name = models.CharField(max_length=190)
        description = models.TextField(null=True)
        uses = models.BigIntegerField()
        source = models.CharField(max_length=190)
        created_at = models.DateTimeField(auto_now_add=True)
        updated_at = models.DateTimeField(auto_now=True)

        class Meta:
            app_label = "peer"
            db_table = "taxonomy"
            managed = False

    connection.ensure_connection()
except Exception as error:
    answer(error=repr(error))
    sys.exit()

UPDATED = ["remote_id", "slug", "name", "description", "uses", "updated_at"]


def chain(records):
    for record in records:
        with transaction.atomic():
            row = None
            if record["remote_id"]:
                row = Taxonomy.objects.select_for_update().filter(remote_id=record["remote_id"]).first()
            if row is None:
                row = Taxonomy.objects.select_for_update().filter(slug=record["slug"]).first()
            if row is None:
                Taxonomy.objects.create(**record)
            else:
                row.remote_id = record["remote_id"]
                row.slug = record["slug"]
                row.name = record["name"]
                row.description = record["description"]
                row.uses = record["uses"]
                row.save(update_fields=UPDATED)


def update_or_create(records):
    for record in records:
        defaults = {field: record[field] for field in ("remote_id", "name", "description", "uses")}
        Taxonomy.objects.update_or_create(slug=record["slug"], defaults=defaults, create_defaults=record)


def bulk_create(records):
    # MySQL takes every unique key for the one that is meant.
    unique = None if connection.vendor == "mysql" else ["slug"]
    Taxonomy.objects.bulk_create(
        [Taxonomy(**record) for record in records],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=unique,
        update_fields=[field for field in UPDATED if field != "slug"],
    )


upsert = {"chain": chain, "update_or_create": update_or_create, "bulk_create": bulk_create}[hello["form"]]
answer(seconds=0)
for line in sys.stdin:
    records = json.loads(line)["records"]
    try:
        started = time.perf_counter()
        upsert(records)
        answer(seconds=time.perf_counter() - started)
    except Exception as error:
        answer(error=repr(error))
