"""ReccoBeats: audio features by Spotify id, on Spotify's scale, for any key and without one.

A copy of the old corpus that grows slowly: 11 % of tracks of the year were known in 2026. It is optional and not an
official mirror, so that none of its faults fails anything. Source: reccobeats.com/docs/apis.
"""

import threading
from collections.abc import Sequence

from spotify_assets.spotify import records
from spotify_assets.spotify.answers import Question
from spotify_assets.spotify.batches import Gathered, Part, chunks
from spotify_assets.spotify.endpoints import RECCOBEATS_AT_ONCE, RECCOBEATS_FEATURES
from spotify_assets.spotify.errors import MalformedAnswerError
from spotify_assets.spotify.forbearance import Problem, ask_optional
from spotify_assets.spotify.records import Batch
from spotify_assets.spotify.transport import Transport
from spotify_assets.spotify.wire import Wire

# Its limits are not published; its users send one or two calls a second.
_THREADS = 2


class ReccoBeats:
    """Asks ReccoBeats.

    Args:
        wire: what the calls go through.
        url: base of the API, with its version.
    """

    def __init__(self, wire: Wire, url: str) -> None:
        self._transport = Transport(wire, url)
        self._threads = min(_THREADS, wire.threads)

    def audio_features(self, gathered: Gathered[Batch]) -> Problem | None:
        """Ask for the tracks that are left, 40 a call (GET /audio-features?ids=).

        Each part is a frame with the columns `records.AUDIO_FEATURES`, a row for each id of the call.

        Returns:
            Why not all was answered; None where all was.
        """
        return ask_optional(chunks(gathered.left, RECCOBEATS_AT_ONCE), self._ask, self._threads, gathered)

    def _ask(self, ids: Sequence[str], stop: threading.Event) -> Part[Batch]:
        question = Question(RECCOBEATS_FEATURES, ids)
        answer = self._transport.get(question, "audio-features", {"ids": ",".join(ids)}, stop)
        values = answer.get("content") if isinstance(answer, dict) else None
        if not isinstance(values, list):
            raise MalformedAnswerError(
                "the answer holds no list 'content'", endpoint=question.endpoint, status=200, ids=ids
            )
        return Part(ids, records.reccobeats_features(ids, values))
