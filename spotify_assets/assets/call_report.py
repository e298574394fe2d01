"""What a step cost, and what it did not: for its asset's metadata, and for ops.api_calls."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping

import dagster as dg

from spotify_assets.resources import Clock, Spotify, Warehouse
from spotify_assets.spotify.call_log import CallCounts
from spotify_assets.warehouse.statements import record_api_calls


class CallReport:
    """Counts the calls made since its start; the clients' own counts run over the whole run."""

    def __init__(self, spotify: Spotify) -> None:
        self._spotify = spotify
        self._before = spotify.call_counts()
        self.skipped: Counter[str] = Counter()

    def skip(self, endpoint: str, calls: int) -> None:
        """Note calls that were not made because the answer was known, or would hold nothing."""
        self.skipped[endpoint] += calls

    def counts(self) -> Mapping[str, CallCounts]:
        """What the calls of this step came to, by endpoint."""
        now = self._spotify.call_counts()
        rest = {
            endpoint: counts - self._before.get(endpoint, CallCounts()) for endpoint, counts in now.items()
        }
        return {endpoint: counts for endpoint, counts in rest.items() if counts != CallCounts()}

    def metadata(self) -> Mapping[str, dg.MetadataValue]:
        """Calls in all and by endpoint, what was saved, 429 answers met, and seconds spent waiting."""
        counts = self.counts()
        total = sum(counts.values(), CallCounts())
        calls = {endpoint: each.requests for endpoint, each in counts.items() if each.requests}
        return {
            "calls": dg.MetadataValue.int(total.requests),
            "calls_by_endpoint": dg.MetadataValue.json(calls),
            "calls_saved_by_batching": dg.MetadataValue.int(_saved_by_batching(counts)),
            "calls_saved_by_skipping": dg.MetadataValue.int(self.skipped.total()),
            "rate_limited": dg.MetadataValue.int(total.rate_limited),
            "seconds_waited": dg.MetadataValue.float(round(total.seconds_waited, 3)),
            "access": dg.MetadataValue.text(self._spotify.access),
        }


@contextlib.contextmanager
def reported_calls(
    context: dg.AssetExecutionContext,
    asset: dg.AssetKey,
    spotify: Spotify,
    warehouse: Warehouse,
    clock: Clock,
) -> Iterator[CallReport]:
    """Count the calls of a step, and record them in ops.api_calls when it ends, also by a failure."""
    report, first_at = CallReport(spotify), clock.now()
    try:
        yield report
    finally:
        with warehouse.engine.begin() as connection:
            record_api_calls(
                connection,
                run_id=context.run.run_id,
                asset=asset.to_user_string(),
                access=spotify.access,
                counts=report.counts(),
                skipped=report.skipped,
                first_at=first_at,
                last_at=clock.now(),
            )


def _saved_by_batching(counts: Mapping[str, CallCounts]) -> int:
    return sum(each.saved_by_batching for each in counts.values())
