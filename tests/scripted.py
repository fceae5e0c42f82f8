"""A real HTTP server that answers as a test has written down, for faults that no service can be made to have."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    """``body`` goes out as JSON, or as it is where it is text; ``drop`` hangs up in place of an answer."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    drop: bool = False


def problem(status: int, slug: str, **headers: str) -> Answer:
    """A problem document as the service gives it."""
    body = {
        "type": f"urn:xqg:problem:{slug}",
        "title": slug.replace("-", " ").capitalize(),
        "status": status,
        "detail": f"staged {status}",
        "request_id": f"id-{slug}",
    }
    return Answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class Asked:
    """One request as the server saw it; ``port`` is the client's, the same on one connection."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any
    port: int


class Script:
    """Gives ``answers`` in turn, the last of them for ever."""

    def __init__(self, answers: list[Answer]) -> None:
        self._answers = answers
        self._lock = threading.Lock()
        self.asked: list[Asked] = []
        self.url = ""

    def next(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            return self._answers[min(len(self.asked), len(self._answers)) - 1]


@contextmanager
def scripted(*answers: Answer) -> Iterator[Script]:
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            text = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = json.loads(text) if text else None
            answer = script.next(Asked(self.command, self.path, headers, body, self.client_address[1]))
            if answer.drop:
                self.close_connection = True
                return
            content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815, the base class's names

        def log_message(self, *args: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        script.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield script
        finally:
            server.shutdown()
            thread.join()
