"""A Qdrant server for tests, on a real socket, whose faults the test stages.

It speaks the REST calls that ``AsyncQdrantClient`` makes with ``prefer_grpc=False``; ``qdrant_rest``
answers them.
"""

import asyncio
import json
import re
import signal
import socket
import struct
import sys
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from starlette.types import Message, Receive, Scope, Send

from tests.qdrant_faults import CutShort, Die, Drop, Fault, Garble, Hang, LoseAnswer, Refuse, Reset
from tests.qdrant_rest import Collection, Engine, error, rest


@dataclass(frozen=True)
class Call:
    """A request, whether it met a fault or not."""

    operation: str
    body: Any
    parameters: str
    """The URL's query string."""
    at_s: float  # monotonic


_OPERATIONS = (
    ("get_aliases", "GET", "/aliases"),
    ("get_collections", "GET", "/collections"),
    ("change_aliases", "POST", "/collections/aliases"),
    ("exists", "GET", "/collections/([^/]+)/exists"),
    ("get", "GET", "/collections/([^/]+)"),
    ("create", "PUT", "/collections/([^/]+)"),
    ("update", "PATCH", "/collections/([^/]+)"),
    ("delete", "DELETE", "/collections/([^/]+)"),
    ("index", "PUT", "/collections/([^/]+)/index"),
    ("upsert", "PUT", "/collections/([^/]+)/points"),
    ("retrieve", "POST", "/collections/([^/]+)/points"),
    ("count", "POST", "/collections/([^/]+)/points/count"),
    ("query", "POST", "/collections/([^/]+)/points/query"),
)
"""Name, method and path of what faults can be staged for."""


class QdrantStub:
    """The server; its requests run on a thread of their own."""

    def __init__(self, port: int = 0) -> None:
        self.engine = Engine()
        self.calls: list[Call] = []
        self.most_at_once = 0
        """The most upserts that were under way together."""
        self.api_key: str | None = None
        """Where set, who does not give it is refused."""
        self._faults: dict[str, deque[Fault | None]] = defaultdict(deque)
        self._app = rest(self.engine)
        self._upserts = 0
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def collections(self) -> dict[str, Collection]:
        return self.engine.collections

    def calls_of(self, operation: str) -> list[Call]:
        return [call for call in self.calls if call.operation == operation]

    def stage(self, operation: str, *faults: Fault, after: int = 0) -> None:
        """The next calls of an operation meet these faults, one each, ``after`` so many without any."""
        assert operation in {name for name, _, _ in _OPERATIONS}, operation
        self._faults[operation] += [*[None] * after, *faults]

    def staged(self, operation: str) -> int:
        """How many faults were not met yet."""
        return len(self._faults[operation])

    def mend(self) -> None:
        """Forget the faults that were not met yet."""
        self._faults.clear()

    @property
    def running(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def look(self, status: str, optimizer_error: str | None = None) -> None:
        """Stage what one more look at a collection tells, once its graph is asked for; then it is green."""
        self.engine.looks.append((status, optimizer_error))

    def start(self) -> None:
        """Open the port, the same one as before."""
        self.stop()
        # interface: a bound method is not recognised; http: its receive() leads to the connection
        config = uvicorn.Config(
            self._answer,
            port=self._port,
            log_config=None,
            lifespan="off",
            loop="asyncio",
            http="h11",
            interface="asgi3",
        )
        self._server = server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, daemon=True)
        self._thread.start()
        while not server.started:
            assert self._thread.is_alive(), "the stub stopped while starting"
            time.sleep(0.005)
        self._port = server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Close the port; what was stored stays."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join()
        self._server = self._thread = None

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert self._server is not None
        operation, collection = _operation(scope)
        connection: asyncio.Transport = receive.__self__.transport  # type: ignore[attr-defined]
        body = await _read(receive)
        parameters = scope["query_string"].decode()
        self.calls.append(Call(operation, json.loads(body) if body else None, parameters, time.monotonic()))
        staged = self._faults[operation]
        fault = staged.popleft() if staged else None
        if isinstance(fault, Die):
            self._server.should_exit = self._server.force_exit = True
        if isinstance(fault, Hang):
            await asyncio.sleep(fault.seconds)
        if isinstance(fault, Reset | Die | Hang) or self._server.should_exit:
            _cut(connection)
            return
        if isinstance(fault, Garble | CutShort):
            body, missing = (fault.body, 0) if isinstance(fault, Garble) else (b'{"result": {"poi', 100)
            length = str(len(body) + missing).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", length)]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": bool(missing)})
            if missing:
                _cut(connection)
            return
        if isinstance(fault, Refuse):
            headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
            await error(fault.status, fault.reason, headers)(scope, receive, send)
            return
        if self.api_key is not None and dict(scope["headers"]).get(b"api-key", b"").decode() != self.api_key:
            await error(401, "Must provide an API key or an Authorization bearer token")(scope, receive, send)
            return
        if isinstance(fault, Drop):
            self.engine.forget(collection)
        await self._serve(operation, scope, _again(body), _unheard if isinstance(fault, LoseAnswer) else send)
        if isinstance(fault, LoseAnswer):
            _cut(connection)

    async def _serve(self, operation: str, scope: Scope, receive: Receive, send: Send) -> None:
        self._upserts += operation == "upsert"
        self.most_at_once = max(self.most_at_once, self._upserts)
        try:
            await self._app(scope, receive, send)
        finally:
            self._upserts -= operation == "upsert"


def _operation(scope: Scope) -> tuple[str, str]:
    for name, method, path in _OPERATIONS:
        found = re.fullmatch(path, scope["path"])
        if found and scope["method"] == method:
            return name, (found.groups() or ("",))[0]
    raise AssertionError(f"the stub knows no {scope['method']} {scope['path']}")


async def _read(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _unheard(_: Message) -> None:
    """An answer that goes nowhere."""


def _cut(connection: asyncio.Transport) -> None:
    """Reset rather than close: the peer sees that something went wrong."""
    if connection.is_closing():  # the peer was faster
        return
    peer: socket.socket = connection.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.abort()


@contextmanager
def running_stub() -> Iterator[QdrantStub]:
    stub = QdrantStub()
    stub.start()
    try:
        yield stub
    finally:
        stub.stop()
        stub.engine.points.close()


if __name__ == "__main__":  # a process to send signals to
    stub = QdrantStub(port=int(sys.argv[1]))
    stub.start()
    signal.pause()
