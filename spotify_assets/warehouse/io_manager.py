"""An IO manager that keeps Polars frames in Postgres tables named by their asset keys."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import dagster as dg
import polars as pl
import sqlalchemy as sa
from pydantic import PrivateAttr
from sqlalchemy import Engine

from spotify_assets.warehouse import tables
from spotify_assets.warehouse.catalogue import TableAddress
from spotify_assets.warehouse.column_types import postgres_type
from spotify_assets.warehouse.reading import read
from spotify_assets.warehouse.resource import WarehouseDatabase
from spotify_assets.warehouse.writing import Partitions, Written, replace

_SAMPLE_ROWS = 3
_SAMPLE_CELL = 40


class PostgresIOManager(dg.ConfigurableIOManager):
    """Stores `pl.DataFrame` and `pl.LazyFrame` outputs in Postgres and loads them as inputs.

    Table: the last two parts of the asset key are schema and name (one part: schema public).

    Partitions: the asset's metadata `partition_expr` names the column that holds the partition key. A run
    replaces exactly its own partitions, in one transaction; also those it has no rows for. Without partitions
    the whole table is replaced.

    Tables of the package's own metadata are declared: a frame that does not fit is refused. Any other table is
    made from the first frame and widened by later ones; what would change a column's meaning is refused.

    Inputs: only the partitions asked for, only the columns in the input's metadata `columns`, if given. A
    frame comes back in the dtypes it was written in. Input type `pl.LazyFrame` gives a lazy frame.
    """

    database: dg.ResourceDependency[WarehouseDatabase]

    _engine: Engine | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator[Self]:  # noqa: ARG002 -- Dagster's signature
        """Keep one engine for the run."""
        self._engine = self.database.engine()
        try:
            yield self
        finally:
            self._engine.dispose()
            self._engine = None

    def handle_output(self, context: dg.OutputContext, obj: pl.DataFrame | pl.LazyFrame) -> None:
        """Replace the rows of the run's partitions by the frame.

        Raises:
            FrameDoesNotFitError: nothing was written; says what does not fit.
            EncodingError: nothing was written; names a value that Postgres cannot store.
        """
        table = table_address(context.asset_key)
        frame = obj.collect() if isinstance(obj, pl.LazyFrame) else obj
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(
                f"{context.asset_key.to_user_string()} returned {type(obj).__name__}: this IO manager stores "
                "polars.DataFrame and polars.LazyFrame; an asset without rows returns MaterializeResult or None"
            )
        declared = declared_table(table)
        partitions = _written_partitions(context, table)
        with self._connected() as engine:
            written = replace(engine, table, frame, partitions=partitions, declared=declared)
        context.add_output_metadata(_metadata(table, frame, written, partitions, declared))

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame:
        """The upstream asset's rows: of the partitions asked for, in the columns asked for.

        Raises:
            TableNotFoundError: the asset was never materialized, or has no such column.
        """
        columns = context.definition_metadata.get("columns")
        with self._connected() as engine:
            frame = read(
                engine,
                table_address(context.asset_key),
                partitions=_read_partitions(context),
                columns=None if columns is None else list(columns),
            )
        return frame.lazy() if context.dagster_type.typing_type is pl.LazyFrame else frame

    @contextmanager
    def _connected(self) -> Iterator[Engine]:
        """The run's engine; outside a run (`load_asset_value`) one for this call."""
        if self._engine is not None:
            yield self._engine
            return
        engine = self.database.engine()
        try:
            yield engine
        finally:
            engine.dispose()


def table_address(key: dg.AssetKey) -> TableAddress:
    """The table of an asset: the last two parts of its key."""
    schema, name = key.path[-2:] if len(key.path) > 1 else ("public", key.path[0])
    return TableAddress(schema, name)


def declared_table(table: TableAddress) -> sa.Table | None:
    """The declaration of a table, if there is one."""
    return tables.metadata.tables.get(str(table))


def _written_partitions(context: dg.OutputContext, table: TableAddress) -> Partitions | None:
    if not context.has_asset_partitions:
        return None
    column = _partition_column(context.definition_metadata, context.asset_partitions_def, table)
    keys = tuple(sorted(context.asset_partition_keys))
    if not keys:
        # A range whose end was added before its start is empty, and the run would succeed without a row.
        raise dg.DagsterInvariantViolationError(
            f"This run of {context.asset_key.to_user_string()} has no partitions: the end of its range stands "
            "before the start (dynamic partitions stand in the order they were added). Nothing was written"
        )
    return Partitions(column, keys)


def _read_partitions(context: dg.InputContext) -> Partitions | None:
    if not context.has_asset_partitions:
        return None
    definition = context.asset_partitions_def
    keys = tuple(sorted(context.asset_partition_keys))
    if keys and len(keys) == len(definition.get_partition_keys(dynamic_partitions_store=context.instance)):
        # The whole asset: ten thousand keys would make a statement of 260 kB.
        return None
    upstream = context.upstream_output
    metadata = {} if upstream is None else upstream.definition_metadata
    return Partitions(_partition_column(metadata, definition, table_address(context.asset_key)), keys)


def _partition_column(metadata: Any, definition: dg.PartitionsDefinition[str], table: TableAddress) -> str:  # noqa: ANN401 -- Dagster's
    if isinstance(definition, dg.MultiPartitionsDefinition):
        raise dg.DagsterInvalidDefinitionError(
            f"{table} has partitions of several dimensions; this IO manager stores partitions of one"
        )
    column = metadata.get("partition_expr")
    if not isinstance(column, str):
        raise dg.DagsterInvalidDefinitionError(
            f"The asset of {table} has partitions, and its metadata has no partition_expr: give it the name of "
            'the column that holds the partition key, metadata={"partition_expr": "album_id"}'
        )
    return column


def _metadata(
    table: TableAddress,
    frame: pl.DataFrame,
    written: Written,
    partitions: Partitions | None,
    declared: sa.Table | None,
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        # Dagster repeats it on the event of every partition: the count of one would be wrong there.
        "dagster/row_count" if partitions is None else "rows": written.rows,
        "dagster/table_name": str(table),
        "bytes": written.bytes,
        "seconds": round(written.seconds, 3),
    }
    if frame.height:
        metadata["sample"] = dg.MetadataValue.md(_sample(frame))
    if declared is None:
        metadata["dagster/column_schema"] = _column_schema(frame)
    elif absent := [column.name for column in declared.columns if column.name not in frame.columns]:
        metadata["columns left null"] = ", ".join(absent)
    return metadata


def _column_schema(frame: pl.DataFrame) -> dg.TableSchema:
    return dg.TableSchema(
        [dg.TableColumn(name, postgres_type(dtype)) for name, dtype in frame.schema.items()]
    )


def _sample(frame: pl.DataFrame) -> str:
    """The first rows as a Markdown table, long values cut."""
    rows = [frame.columns, ["---"] * frame.width, *frame.head(_SAMPLE_ROWS).rows()]
    return "\n".join(f"| {' | '.join(_cell(value) for value in row)} |" for row in rows)


def _cell(value: object) -> str:
    text = "" if value is None else str(value).replace("|", "\\|").replace("\n", " ").replace("\r", " ")
    return text if len(text) <= _SAMPLE_CELL else f"{text[: _SAMPLE_CELL - 1]}…"
