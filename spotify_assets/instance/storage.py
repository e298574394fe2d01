"""Dagster's runs, events and schedules in schema `dagster` of the warehouse's database.

Stock storage opens two or three new connections per event and writes each event of a partition range by itself:
75 ms per asset and partition were measured. Here one small pool serves all three storages, and the planned events of
a run go in as one statement. On a Dagster release other than the one this was tested with, the stock storage is used.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any, Self

import dagster
import sqlalchemy
from dagster import DagsterEventType
from dagster._config.config_schema import UserConfigSchema
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage

from spotify_assets.settings import load_settings
from spotify_assets.warehouse.database import (
    MigrationError,
    dagster_storage_url,
    migrate,
    migration_status,
    warehouse_url,
)

TESTED_DAGSTER = "1.13.27"
EVENT_BATCH_SIZE = "1000"

_logger = logging.getLogger(__name__)


class PooledEventLogStorage(PostgresEventLogStorage):
    """Dagster's event log on a pooled engine, with planned materializations written as one statement."""

    def __init__(self, postgres_url: str, engine: sqlalchemy.Engine) -> None:
        super().__init__(postgres_url)
        self._engine = engine

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store a batch; stock batches materializations only, and planned events one by one."""
        planned = [event for event in events if _is_planned_materialization(event)]
        others = [event for event in events if not _is_planned_materialization(event)]
        if others:
            super().store_event_batch(others)
        if planned:
            self._store_planned(planned)

    def dispose(self) -> None:
        """Close the pool's connections."""
        super().dispose()
        self._engine.dispose()

    def _store_planned(self, events: Sequence[EventLogEntry]) -> None:
        with self._connect() as connection:
            inserted = connection.execute(
                self.prepare_insert_event_batch(events).returning(SqlEventLogStorageTable.c.id)
            )
            event_ids = list(inserted.scalars())
        last_of_asset = {
            event.get_dagster_event().asset_key: (event, event_id)
            for event, event_id in zip(events, event_ids, strict=True)
        }
        with self.index_transaction() as connection:
            for event, event_id in last_of_asset.values():
                self._store_asset_event(connection, event, event_id)


def _is_planned_materialization(event: EventLogEntry) -> bool:
    return event.get_dagster_event().event_type == DagsterEventType.ASSET_MATERIALIZATION_PLANNED


class WarehouseDagsterStorage(DagsterPostgresStorage):
    """Dagster's storage where the warehouse is: `DATABASE_URL`, or the embedded server, in schema `dagster`.

    It takes no configuration, so that plain Dagster commands find their instance in a shell with nothing set.
    """

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """No fields: the place comes from the environment, as the warehouse's does."""
        return {}

    @classmethod
    def from_config_value(
        cls,
        inst_data: ConfigurableClassData | None,
        config_value: Mapping[str, Any],  # noqa: ARG003 -- the signature is Dagster's
    ) -> Self:
        """Open the storage. The embedded server is started, and its database migrated, where there is no DATABASE_URL.

        Raises:
            MigrationError: DATABASE_URL names a database that was never migrated. It is not done here: the database
                may be shared, and its owner decides when.
        """
        # Dagster reads it at each event; unset, it writes the events of a range one by one.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENT_BATCH_SIZE)
        settings = load_settings()
        url = warehouse_url(settings.database, settings.home)
        if migration_status(url).pending:
            if settings.database is not None:
                raise MigrationError(
                    "The database is behind this release: run `spotify-assets database migrate`."
                )
            migrate(url)
        storage = cls(dagster_storage_url(url).render_as_string(hide_password=False), inst_data=inst_data)
        if dagster.__version__ == TESTED_DAGSTER:
            storage.share_one_pool()
        else:
            _logger.warning(
                "Dagster %s is not the tested %s: its stock event log is used, which is slower.",
                dagster.__version__,
                TESTED_DAGSTER,
            )
        return storage

    def share_one_pool(self) -> None:
        """Let runs, events and schedules use one small pool instead of a new connection per statement."""
        engine = sqlalchemy.create_engine(
            self.postgres_url, isolation_level="AUTOCOMMIT", pool_size=2, max_overflow=20, pool_pre_ping=True
        )
        self._event_log_storage = PooledEventLogStorage(self.postgres_url, engine)
        self._run_storage._engine = engine
        self._schedule_storage._engine = engine
