"""What the client knows of a key and of its limits, kept in the warehouse: one for all processes and machines.

It joins `spotify`, which has the rules and knows no database, with `warehouse`, which has the tables.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import URL, Connection, Engine, Row, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry

from spotify_assets.spotify.budget import Closure, Grant
from spotify_assets.spotify.endpoints import ACCOUNTS, DEEZER, RECCOBEATS, SPOTIFY, group_of, service_of
from spotify_assets.spotify.pacing import Pace, Pacing
from spotify_assets.warehouse.database import create_engine
from spotify_assets.warehouse.statements import statement

# A key can lose access at any moment; what it may do is asked again every day.
_ACCESS_KEPT = timedelta(days=1)
# Services that take no key count the calls of an address.
_KEYLESS = "keyless"

Clock = Callable[[], datetime]


def state_engine(url: URL) -> Engine:
    """An engine on the warehouse for small statements that stand alone; whoever asks for it disposes of it."""
    engine = create_engine(url)
    event.listen(engine, "connect", _do_not_wait_for_the_disk)
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _do_not_wait_for_the_disk(connection: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # A crash of the server may forget the last calls made; waiting for the disk would cost more than the call.
    cursor = connection.cursor()
    cursor.execute("set synchronous_commit = off")
    cursor.close()
    connection.commit()


def _caller(endpoint: str, client: str) -> str:
    return client if service_of(endpoint) in (SPOTIFY, ACCOUNTS) else _KEYLESS


class WarehouseBudget:
    """The budget of calls (see `spotify.budget.Budget`) in ops.call_rates and ops.call_closures.

    Args:
        engine: see `state_engine`.
        client: fingerprint of the client id.
        pacings: the rules for each service; by default nothing is known of its limit.
    """

    def __init__(self, engine: Engine, client: str, pacings: Mapping[str, Pacing]) -> None:
        self._engine = engine
        self._client = client
        self._pacings = pacings
        # The threads of this process take turns here; only other processes meet in the database.
        self._lock = threading.Lock()

    def take(self, endpoint: str, now: datetime) -> Grant:
        """Ask to call an endpoint now; the call counts where it is granted."""
        with self._lock, self._engine.connect() as connection:
            while True:
                kept = self._kept(connection, endpoint, now)
                if kept.closure is not None:
                    return Grant(0.0, kept.at, kept.closure)
                pace, wait = self._pacing(endpoint).take(kept.pace, kept.at)
                if wait > 0 or _change(connection, kept, pace):
                    return Grant(wait, kept.at)

    def refused(self, endpoint: str, granted_at: float, retry_after: float) -> None:
        """Note that a granted call was answered 429, to be repeated after that many seconds."""
        with self._lock, self._engine.connect() as connection:
            while True:
                kept = self._kept(connection, endpoint, datetime.fromtimestamp(granted_at, UTC))
                pace = self._pacing(endpoint).refused(kept.pace, kept.at, granted_at, retry_after)
                if _change(connection, kept, pace):
                    return

    def close(self, closure: Closure) -> None:
        """Let nobody call a group of endpoints for a while."""
        values = {
            "caller": _caller(closure.group, self._client),
            "endpoint_group": closure.group,
            "closed_until": closure.until,
            "cause": closure.cause,
        }
        with self._engine.connect() as connection:
            connection.execute(statement("close_endpoint_group"), values)

    def _pacing(self, endpoint: str) -> Pacing:
        return self._pacings.get(service_of(endpoint), Pacing())

    def _kept(self, connection: Connection, endpoint: str, now: datetime) -> "_Kept":
        caller, service, group = _caller(endpoint, self._client), service_of(endpoint), group_of(endpoint)
        parameters = {"caller": caller, "service": service, "endpoint_group": group, "now": now}
        row = connection.execute(statement("call_budget"), parameters).one()
        closure = None if row.closed_until is None else Closure(group, row.closed_until, row.cause)
        return _Kept(caller, service, _pace(row), closure, row.version or 0, row.asked_at.timestamp())


def closures(connection: Connection, client: str, now: datetime) -> dict[str, Closure]:
    """The groups of endpoints that this client must not call at `now`."""
    parameters = {"callers": [client, _KEYLESS], "now": now}
    return {
        row.endpoint_group: Closure(row.endpoint_group, row.closed_until, row.cause)
        for row in connection.execute(statement("endpoint_closures"), parameters)
    }


@dataclass(frozen=True)
class _Kept:
    """What is kept of a service and an endpoint, and the database's time in seconds since the epoch."""

    caller: str
    service: str
    pace: Pace
    closure: Closure | None
    version: int
    at: float


def _pace(row: Row[Any]) -> Pace:
    if row.version is None:
        return Pace()
    return Pace(
        rate=row.calls_per_window,
        next_call_at=_seconds(row.next_call_at),
        paused_until=_seconds(row.paused_until),
        slowed_at=_seconds(row.slowed_at),
        raised_at=_seconds(row.raised_at),
        recent=tuple(zip(row.recent_slices, row.recent_calls, strict=True)),
    )


def _change(connection: Connection, kept: _Kept, pace: Pace) -> bool:
    """Keep a new pace; False where another process has kept one meanwhile."""
    values = {
        "caller": kept.caller,
        "service": kept.service,
        "version": kept.version,
        "calls_per_window": pace.rate,
        "next_call_at": _moment(pace.next_call_at),
        "paused_until": _moment(pace.paused_until),
        "slowed_at": _moment(pace.slowed_at),
        "raised_at": _moment(pace.raised_at),
        "recent_slices": [number for number, _ in pace.recent],
        "recent_calls": [calls for _, calls in pace.recent],
    }
    return connection.execute(statement("change_call_rate"), values).one_or_none() is not None


def _seconds(time: datetime | None) -> float:
    return 0.0 if time is None else time.timestamp()


def _moment(seconds: float) -> datetime | None:
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


def last_answers(connection: Connection, client: str, since: datetime) -> dict[str, bool]:
    """For each endpoint that answered this client since then, whether it was open when it last did."""
    parameters = {"client": client, "answered_since": since}
    rows = connection.execute(statement("recall_access"), parameters)
    return {row.endpoint: row.is_open for row in rows}


class WarehouseAccessMemory:
    """What a key may do (see `spotify.access.AccessMemory`) in ops.access, for a day.

    Args:
        engine: see `state_engine`.
        client: fingerprint of the client id.
        time: the current time, aware.
    """

    def __init__(self, engine: Engine, client: str, time: Clock) -> None:
        self._engine = engine
        self._client = client
        self._time = time

    def recall(self) -> Mapping[str, bool]:
        """For each endpoint that was asked within the last day, whether it is open."""
        with self._engine.connect() as connection:
            return last_answers(connection, self._client, self._time() - _ACCESS_KEPT)

    def remember(self, endpoint: str, *, is_open: bool) -> None:
        """Note what an endpoint answered."""
        parameters = {
            "client": self._client,
            "endpoint": endpoint,
            "is_open": is_open,
            "answered_at": self._time(),
        }
        with self._engine.connect() as connection:
            connection.execute(statement("remember_access"), parameters)


KNOWN_LIMITS: Mapping[str, Pacing] = {
    # As Deezer says.
    DEEZER: Pacing(most=50, window=5.0),
    # Not published; its users send one or two calls a second.
    RECCOBEATS: Pacing(most=60),
}
"""The limits of the live services that are known."""
