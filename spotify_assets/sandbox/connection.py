"""Faults of the connection, below HTTP: an answer that never comes, and one that breaks off half-way."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORT = "sandbox.transport"


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _transport(scope: Scope) -> asyncio.Transport:
    transport = scope.get(_TRANSPORT)
    if not isinstance(transport, asyncio.Transport):
        raise TypeError("faults of the connection need SandboxServer or the sandbox command")
    return transport


class Dropped(Response):
    """No answer: the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Close the connection that the request came by."""
        del send
        _transport(scope).abort()
        await _until_gone(receive)


class Truncated(Response):
    """Half the body that its length promises, then the connection closes."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head and half the body, then close."""
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": half, "more_body": True})
        _transport(scope).close()
        await _until_gone(receive)


class Protocol(H11Protocol):
    """Lets the application reach its connection: no other way leads to dropping one."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 -- handed on to uvicorn as they are
        super().__init__(*args, **kwargs)
        inner = self.app

        async def app(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- uvicorn's own ASGI types
            await inner({**scope, _TRANSPORT: self.transport}, receive, send)

        self.app = app
