"""A hand-written Spotify on a real socket: it answers what a test tells it to, faults of the wire included."""

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Literal, Self
from urllib.parse import parse_qs, urlsplit

Fault = Literal["drop", "short", "broken chunks", "no length", "hang"]


@dataclass(frozen=True)
class Answer:
    """What to answer: a body (JSON unless bytes), or a fault of the wire."""

    body: object = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    def payload(self) -> bytes:
        return self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def ids(self) -> list[str]:
        return self.query["ids"].split(",")


Reply = Callable[[Seen], Answer]


class FakeApi:
    """Serves on 127.0.0.1 in threads; `requests` holds everything that arrived, in order."""

    def __init__(self) -> None:
        self.requests: list[Seen] = []
        self.connections = 0
        self.hung = threading.Event()
        self.release = threading.Event()
        self._lock = threading.Lock()
        self._replies: dict[str, Reply] = {}
        self.on("/api/token", token_answer())
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/"

    @property
    def api_url(self) -> str:
        return f"{self.url}v1/"

    @property
    def reccobeats_url(self) -> str:
        return f"{self.url}reccobeats/v1/"

    @property
    def deezer_url(self) -> str:
        return f"{self.url}deezer/"

    def on(self, path: str, *answers: Answer | Reply) -> None:
        """Give these answers to that path, one after the other; the last one for ever."""
        rest = list(answers)

        def reply(request: Seen) -> Answer:
            with self._lock:
                answer = rest.pop(0) if len(rest) > 1 else rest[0]
            return answer if isinstance(answer, Answer) else answer(request)

        self._replies[path] = reply

    def reply_of(self, path: str) -> Reply:
        """What a path answers so far, to answer it again among others."""
        return self._replies[path]

    def seen(self, path: str) -> list[Seen]:
        """The requests to a path, in order."""
        return [request for request in self.requests if request.path == path]

    def reply(self, request: Seen) -> Answer:
        with self._lock:
            self.requests.append(request)
        reply = self._replies.get(request.path)
        return (
            Answer({"error": {"status": 404, "message": "Not found"}}, 404)
            if reply is None
            else reply(request)
        )

    def count_connection(self) -> None:
        with self._lock:
            self.connections += 1


def _handler(api: FakeApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body leave in two writes; Nagle and delayed ACK would put 40 ms between them.
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            api.count_connection()

        def do_GET(self) -> None:
            self._reply()

        def do_POST(self) -> None:
            self._reply()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _reply(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self._write(api.reply(Seen(self.command, url.path, query, dict(self.headers), body)))

        def _write(self, answer: Answer) -> None:
            if answer.fault == "hang":
                api.hung.set()
                api.release.wait()
            if answer.fault in ("drop", "hang"):
                self.close_connection = True
                return
            self.close_connection = self.close_connection or answer.fault is not None
            self._write_head(answer)
            self.wfile.write(_body(answer))

        def _write_head(self, answer: Answer) -> None:
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.fault == "broken chunks":
                self.send_header("Transfer-Encoding", "chunked")
            elif answer.fault == "no length":
                self.send_header("Connection", "close")
            else:
                self.send_header("Content-Length", str(len(answer.payload())))
            self.end_headers()

    return Handler


def _body(answer: Answer) -> bytes:
    payload = answer.payload()
    half = payload[: len(payload) // 2]
    match answer.fault:
        case "short" | "no length":
            return half
        case "broken chunks":
            return f"{len(half):x}\r\n".encode() + half + b"\r\n"
        case _:
            return payload


def token_answer(
    text: str = "token-1", expires_in: object = 3600, headers: dict[str, str] | None = None
) -> Answer:
    return Answer(
        {"access_token": text, "token_type": "Bearer", "expires_in": expires_in}, headers=headers or {}
    )


def error_answer(
    status: int, message: str | None = None, reason: str | None = None, **headers: str
) -> Answer:
    error = {"status": status, "message": message, "reason": reason}
    present = {name: value for name, value in error.items() if value is not None}
    return Answer(
        {"error": present}, status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def page(
    items: Iterable[object], *, offset: int = 0, total: int | None = None, limit: int = 50
) -> dict[str, object]:
    entries = list(items)
    return {
        "href": "https://api.spotify.com/v1/",
        "items": entries,
        "limit": limit,
        "next": None,
        "offset": offset,
        "previous": None,
        "total": len(entries) if total is None else total,
    }


def paged(entries: list[object], total: int | None = None) -> Callable[[Seen], dict[str, object]]:
    """Cut a list into pages as the request's limit and offset say."""

    def cut(request: Seen) -> dict[str, object]:
        offset, limit = int(request.query["offset"]), int(request.query["limit"])
        return page(
            entries[offset : offset + limit],
            offset=offset,
            limit=limit,
            total=len(entries) if total is None else total,
        )

    return cut
