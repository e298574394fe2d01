"""A bare HTTP caller of a sandbox: no client library between the test and the wire."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import requests

from spotify_assets.sandbox.server import SandboxServer

# A Friday evening, so that the day of most releases is among the newest.
NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)


def chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    """The ids in batches."""
    return (ids[start : start + size] for start in range(0, len(ids), size))


class Caller:
    """Calls one sandbox with a token of its own."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.session = requests.Session()
        self.authenticate()

    def authenticate(self) -> None:
        answer = self.token(auth=("id", "secret"))
        answer.raise_for_status()
        self.session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def token(self, auth: tuple[str, str] | None = None, **form: str) -> requests.Response:
        data = {"grant_type": "client_credentials", **form}
        url = f"{self.server.accounts_url}api/token"
        # A session without the bearer header, which requests would send instead of Basic.
        with requests.Session() as session:
            return session.post(url, data=data, auth=auth, timeout=10)

    def get(self, path: str, **params: Any) -> requests.Response:
        return self.session.get(f"{self.server.api_url}{path}", params=params, timeout=10)

    def json(self, path: str, **params: Any) -> Any:
        answer = self.get(path, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def reccobeats(self, path: str, **params: Any) -> requests.Response:
        return requests.get(f"{self.server.reccobeats_url}{path}", params=params, timeout=10)

    def close(self) -> None:
        self.session.close()
