# Does what docs/clients/psycopg.md says, with its snippets beside this file; prints what came of it.
# The environment has URL (through PgBouncer), TOKEN, OTHER (another organization's), FORGED, LIMITED (an API key for one use).
import json
import logging
import os
import sys

import psycopg

import clients

url, token, other, forged, limited = (os.environ[n] for n in ("URL", "TOKEN", "OTHER", "FORGED", "LIMITED"))
said = {}
logging.basicConfig(stream=sys.stderr, level=logging.DEBUG)


def counted(connection):
    return connection.execute("select count(*) from invoices").fetchone()[0]


def failure(work):
    try:
        work()
    except psycopg.Error as error:
        texts = [str(error), repr(error), *(str(getattr(error.diag, name)) for name in dir(error.diag))]
        assert not any(secret in text for text in texts for secret in (token, other, forged, limited)), "a credential is in an error"
        return [type(error).__name__, error.sqlstate, error.diag.message_hint]


def signing_in(credential, sql="select 1"):
    def work():
        with clients.signed_in(connection, credential):
            connection.execute(sql)

    return failure(work)


example = {"url": url, "credential": token}
exec(open("example.py").read(), example)
said["example"] = [str(amount) for (amount,) in example["invoices"]]

connection = clients.connect(url)
said["outside"] = counted(connection)
with clients.signed_in(connection, other):
    said["other"] = counted(connection)
# Psycopg would prepare the sixth execution, and find the statement in one session and not in the other.
holders = [clients.connect(url) for _ in range(2)]
for n in range(20):
    holders[n % 2].execute("begin")
    with clients.signed_in(connection, token):
        assert counted(connection) == 1
    holders[n % 2].execute("rollback")
said["again"] = counted(connection)

said["forged"] = signing_in(forged)
said["denied"] = signing_in(token, "insert into invoices (org_id, amount) values (gen_random_uuid(), 1)")
signing_in(limited)
said["limited"] = signing_in(limited)
said["after errors"] = counted(connection)


def catches_within():
    with clients.signed_in(connection, token):
        connection.execute("insert into invoices (amount) values (200)")
        caught.append(failure(lambda: connection.execute("select 1 / 0")))
        caught.append(failure(lambda: connection.execute("select 1")))


caught = []
try:
    catches_within()
except RuntimeError as error:
    said["caught within"] = [str(error), caught]
with clients.signed_in(connection, token):
    connection.execute("insert into invoices (amount) values (300)")
    try:
        with connection.transaction():
            connection.execute("select 1 / 0")
    except psycopg.errors.DivisionByZero:
        pass
    said["savepoint"] = counted(connection)

# What the page warns of.
careless = psycopg.connect(url, prepare_threshold=None)
careless.execute("select 1")
with clients.signed_in(careless, token):
    pass
said["without autocommit"] = counted(careless)
careless.rollback()
said["rolled back"] = counted(careless)
careless.rollback()
print(json.dumps(said))
