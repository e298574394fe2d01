"""Runs the migrations on the connection that `database.migrate` hands in; it holds the lock and commits."""

from alembic import context

from spotify_assets.warehouse import tables
from spotify_assets.warehouse.database import VERSION_TABLE, VERSION_TABLE_SCHEMA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.metadata,
    include_schemas=True,
    version_table=VERSION_TABLE,
    version_table_schema=VERSION_TABLE_SCHEMA,
)
with context.begin_transaction():
    context.run_migrations()
