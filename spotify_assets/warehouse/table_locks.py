"""The advisory locks that keep runs which write the same table from losing, doubling or mixing rows.

Without them a second writer's DELETE waits for the first, and then does not see the rows it inserted.
"""

from collections.abc import Collection
from hashlib import blake2b

import sqlalchemy as sa
from sqlalchemy import Connection

from spotify_assets.warehouse.catalogue import TableAddress
from spotify_assets.warehouse.statements import statement

# The locks of all sessions share one table in the server; 8,000 fitted into it, 12,000 did not.
MAX_KEY_LOCKS = 500
_NAMESPACE = 730_412_903


def lock_partitions(connection: Connection, table: TableAddress, keys: Collection[str]) -> None:
    """Wait until no other run writes these partitions, or the whole table; held until the transaction ends.

    More than `MAX_KEY_LOCKS` partitions lock the whole table instead.
    """
    if len(keys) > MAX_KEY_LOCKS:
        lock_table(connection, table)
        return
    number = _number(str(table))
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock_shared(_NAMESPACE, number)))
    key_locks = sorted({_number(key) for key in keys})
    connection.execute(statement("lock_keys"), {"table_lock": number, "key_locks": key_locks})


def lock_table(connection: Connection, table: TableAddress) -> None:
    """Wait until no other run writes any row of the table; held until the transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_NAMESPACE, _number(str(table)))))


def lock_schema(connection: Connection, schema: str) -> None:
    """Wait until no other run creates this schema; held until the transaction ends."""
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_NAMESPACE + 1, _number(schema))))


def _number(name: str) -> int:
    """A 32-bit number for a name, the same on every machine. Two names that share one only wait needlessly."""
    return int.from_bytes(blake2b(name.encode(), digest_size=4).digest(), "big", signed=True)
