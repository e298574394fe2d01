"""What a step cost at Spotify, for its asset's metadata."""

from collections.abc import Mapping

import dagster as dg

from spotify_assets.spotify.client import SpotifyClient


class CallReport:
    """Counts the calls made between its start and `metadata()`; the client's own counts run over the whole run."""

    def __init__(self, client: SpotifyClient) -> None:
        self._calls = client.calls
        self._before = dict(self._calls.by_endpoint())
        self._rate_limited_before = self._calls.rate_limited
        self._waited_before = self._calls.seconds_waited

    def metadata(self) -> Mapping[str, dg.MetadataValue]:
        """Calls in all and by endpoint, 429 answers met, and seconds spent waiting for them."""
        calls = {
            endpoint: count - self._before.get(endpoint, 0)
            for endpoint, count in self._calls.by_endpoint().items()
            if count > self._before.get(endpoint, 0)
        }
        return {
            "calls": dg.MetadataValue.int(sum(calls.values())),
            "calls_by_endpoint": dg.MetadataValue.json(calls),
            "rate_limited": dg.MetadataValue.int(self._calls.rate_limited - self._rate_limited_before),
            "seconds_waited": dg.MetadataValue.float(self._calls.seconds_waited - self._waited_before),
        }
