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
from spotify_assets.warehouse.encoding import EncodingError
from spotify_assets.warehouse.fitting import FrameDoesNotFitError
from spotify_assets.warehouse.reading import TableNotFoundError, read
from spotify_assets.warehouse.resource import WarehouseDatabase
from spotify_assets.warehouse.writing import Partitions, Written, replace

_SAMPLE_ROWS = 3
_SAMPLE_CELL = 40
# What the same output or input raises again, however often it is tried. Errors of the database are none of these.
_LASTING = (
    FrameDoesNotFitError,
    EncodingError,
    TableNotFoundError,
    TypeError,
    dg.DagsterInvariantViolationError,
    dg.DagsterInvalidDefinitionError,
)


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

    Retries: what would fail the same way again is a `dagster.Failure` that no RetryPolicy repeats, with the
    error itself as its cause; a retry would only repeat the step's API calls. Errors of the database, a lost
    connection among them, are raised as they are, and retried.
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
            dagster.Failure: never retried, and nothing was written; says what does not fit, which value Postgres
                cannot store, or that the run has no partitions or the asset no `partition_expr`.
            sqlalchemy.exc.OperationalError, psycopg.OperationalError: the database could not be reached, or was
                lost; nothing was written.
        """
        with _lasting_errors_as_failures():
            table = table_address(context.asset_key)
            frame = _frame(context, obj)
            declared = declared_table(table)
            partitions = _written_partitions(context, table)
            with self._connected() as engine:
                written = replace(engine, table, frame, partitions=partitions, declared=declared)
        context.add_output_metadata(_metadata(table, frame, written, partitions, declared))

    def load_input(self, context: dg.InputContext) -> pl.DataFrame | pl.LazyFrame:
        """The upstream asset's rows: of the partitions asked for, in the columns asked for.

        Raises:
            dagster.Failure: never retried; the asset was never materialized, or has no such column, or has
                partitions and no `partition_expr`.
            sqlalchemy.exc.OperationalError: the database could not be reached.
        """
        columns = context.definition_metadata.get("columns")
        with _lasting_errors_as_failures(), self._connected() as engine:
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


@contextmanager
def _lasting_errors_as_failures() -> Iterator[None]:
    try:
        yield
    except _LASTING as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error


def table_address(key: dg.AssetKey) -> TableAddress:
    """The table of an asset: the last two parts of its key."""
    schema, name = key.path[-2:] if len(key.path) > 1 else ("public", key.path[0])
    return TableAddress(schema, name)


def declared_table(table: TableAddress) -> sa.Table | None:
    """The declaration of a table, if there is one."""
    return tables.metadata.tables.get(str(table))


def _frame(context: dg.OutputContext, obj: object) -> pl.DataFrame:
    if isinstance(obj, pl.LazyFrame):
        return obj.collect()
    if isinstance(obj, pl.DataFrame):
        return obj
    raise TypeError(
        f"{context.asset_key.to_user_string()} returned {type(obj).__name__}: this IO manager stores "
        "polars.DataFrame and polars.LazyFrame; an asset without rows returns MaterializeResult or None"
    )


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
    # Dagster repeats it all on the event of every partition. For one partition alone it would have to be added
    # through AssetExecutionContext.add_asset_metadata, which reads all keys of the definition at each call (50 ms
    # where there are 10,000).
    is_range = partitions is not None and len(partitions.keys) > 1
    of_run = "_in_run" if is_range else ""
    metadata: dict[str, Any] = {
        _rows_name(partitions): written.rows,
        "dagster/table_name": str(table),
        f"bytes{of_run}": written.bytes,
        f"seconds{of_run}": round(written.seconds, 3),
    }
    if frame.height and not is_range:
        # On a range, most events would show rows of another partition.
        metadata["sample"] = dg.MetadataValue.md(_sample(frame))
    if declared is None:
        metadata["dagster/column_schema"] = _column_schema(frame)
    elif absent := [column.name for column in declared.columns if column.name not in frame.columns]:
        metadata["columns left null"] = ", ".join(absent)
    return metadata


def _rows_name(partitions: Partitions | None) -> str:
    if partitions is None:
        return "dagster/row_count"
    return "dagster/partition_row_count" if len(partitions.keys) == 1 else "rows_in_run"


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
