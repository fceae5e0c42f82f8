"""Clients that are slow, deaf or many; browsers; and what the log may know."""

import json
import logging
import shutil
import socket
import time
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import httpx
import pytest

from app.bundle import Bundle
from app.errors import ConfigurationError
from app.main import create_app
from app.settings import Settings
from tests.conftest import Built

KEY = "a-key-of-these-tests-0123456789"
SECRET_QUERY = "Missä säilytän salaisuuteni"
ORIGIN = "https://search.example"
BEARER = {"authorization": f"Bearer {KEY}"}
BODY_HEAD = (
    f"POST /v1/search HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n"
).encode()
CONNECTIONS = 8


@pytest.fixture(scope="module")
def strict(
    serve: Callable[[Settings], AbstractContextManager[str]],
    demo_bundle: Bundle,
    built: Built,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """A service with keys and an allowed origin, of little patience, and for few clients."""
    index = tmp_path_factory.mktemp("limits") / "index"
    shutil.copytree(built.index.removeprefix("edge:"), index, symlinks=True)
    settings = Settings(
        bundle=demo_bundle.folder,
        index=f"edge:{index}",
        timeout_s=120,
        client_timeout_s=1,
        max_connections=CONNECTIONS,
        max_body_bytes=10_000,
        api_keys=KEY,
        cors_origins=ORIGIN,
    )
    with serve(settings) as url:
        yield url


def connect(url: str, receive_buffer: int | None = None) -> socket.socket:
    address = urllib.parse.urlsplit(url)
    connection = socket.socket()
    if receive_buffer:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    connection.settimeout(60)
    connection.connect((address.hostname, address.port))
    return connection


def read_to_end(connection: socket.socket) -> bytes:
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def trickle(url: str, opening: bytes, drop: bytes) -> bytes:
    """Send a little at a time, always within any pause between bytes, until the service answers."""
    with connect(url) as connection:
        connection.sendall(opening)
        connection.settimeout(0.1)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            connection.sendall(drop)
            try:
                received = connection.recv(65_536)
            except TimeoutError:
                continue
            connection.settimeout(60)
            return received + read_to_end(connection)
    raise AssertionError("the service waits for ever")


def test_headers_that_trickle_are_cut_off(strict: str) -> None:
    answer = trickle(strict, b"GET /healthz HTTP/1.1\r\n", b"x-slow: 1\r\n")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:xqg:problem:request-timeout" in answer


def test_a_body_that_trickles_is_cut_off(strict: str) -> None:
    answer = trickle(strict, BODY_HEAD + b"content-length: 9000\r\n\r\n", b" ")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"urn:xqg:problem:request-timeout" in answer
    assert b"connection: close" in answer.lower()


def test_a_connection_that_says_nothing_or_blank_lines_is_closed(strict: str) -> None:
    with connect(strict) as connection:
        assert read_to_end(connection) == b""
    with connect(strict) as connection:
        connection.sendall(b"\r\n")
        assert read_to_end(connection) == b""


def ask_on_and_on(connection: socket.socket) -> None:
    """Ask for a large file and never read it; where the service lets that be, a ``TimeoutError``."""
    while True:
        connection.sendall(b"GET /static-offline-docs/swagger-ui-bundle.js HTTP/1.1\r\nhost: x\r\n\r\n" * 50)


def test_a_client_that_does_not_read_its_answers_is_cut_off(strict: str) -> None:
    with connect(strict, receive_buffer=4096) as connection, pytest.raises((ConnectionResetError, BrokenPipeError)):
        ask_on_and_on(connection)


def test_a_body_over_the_limit_is_refused_before_it_is_sent_and_the_answer_arrives(strict: str) -> None:
    with connect(strict) as connection:
        connection.sendall(BODY_HEAD + b"content-length: 5000000\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")  # and no 100
    with connect(strict) as connection:
        connection.sendall(BODY_HEAD + b"content-length: 5000000\r\n\r\n" + b" " * 5_000_000)
        assert read_to_end(connection).startswith(b"HTTP/1.1 413 ")  # though it was sent to the end


def test_a_crowd_is_told_to_come_back_and_probes_go_on(strict: str) -> None:
    with ExitStack() as crowd:
        for _ in range(CONNECTIONS):
            crowd.enter_context(connect(strict)).sendall(b"GET /healthz HTTP/1.1\r\n")
        refused = httpx.get(f"{strict}/v1/info", headers=BEARER)
        assert refused.status_code == 503
        assert refused.json()["type"] == "urn:xqg:problem:too-many-connections"
        assert refused.headers["retry-after"]
        assert httpx.get(f"{strict}/healthz").status_code == 200
        assert httpx.get(f"{strict}/metrics").status_code == 200
    deadline = time.monotonic() + 60
    while httpx.get(f"{strict}/v1/info", headers=BEARER).status_code != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_key_is_asked_for_before_the_body_is_read_and_only_where_it_is_needed(strict: str) -> None:
    with connect(strict) as connection:
        connection.sendall(b"POST /v1/search HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
        answer = read_to_end(connection)
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b'www-authenticate: bearer realm="xqg"' in answer.lower()
    for path in ("/healthz", "/readyz", "/docs", "/openapi.json", "/metrics"):
        assert httpx.get(strict + path).status_code == 200
    for headers in (BEARER, {"x-api-key": KEY}):
        assert httpx.get(f"{strict}/v1/info", headers=headers).status_code == 200


def test_every_answer_has_the_security_headers(strict: str) -> None:
    for path, headers in {"/v1/info": BEARER, "/v1/nothing": BEARER, "/v1/search": {}, "/docs": {}, "/v2": {}}.items():
        answer = httpx.get(strict + path, headers=headers)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers
    policy = httpx.get(f"{strict}/docs").headers["content-security-policy"]
    assert "script-src 'self' 'sha256-" in policy
    assert httpx.get(f"{strict}/static-offline-docs/swagger-ui.css").headers["cache-control"] == "no-cache"


def test_only_the_named_origin_may_call_from_a_browser(strict: str, client: httpx.Client) -> None:
    def preflight(url: str, origin: str) -> httpx.Response:
        wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
        return httpx.options(f"{url}/v1/search", headers={"origin": origin} | wanted)

    allowed = preflight(strict, ORIGIN)
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "access-control-allow-credentials" not in allowed.headers
    assert "access-control-allow-origin" not in preflight(strict, "https://elsewhere.example").headers
    refused = httpx.get(f"{strict}/v1/info", headers={"origin": ORIGIN})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, ORIGIN)
    by_default = client.get("/v1/info", headers={"origin": ORIGIN})
    assert "access-control-allow-origin" not in by_default.headers


@pytest.mark.parametrize("origin", ["search.example", "https://search.example/", "https://*.example", "null"])
def test_what_is_no_origin_stops_the_start(demo_bundle: Bundle, tmp_path: Path, origin: str) -> None:
    with pytest.raises(ConfigurationError, match="XQG_CORS_ORIGINS"):
        create_app(Settings(bundle=demo_bundle.folder, index=f"edge:{tmp_path}", cors_origins=origin))


def test_neither_query_nor_key_is_logged_whatever_happens(
    strict: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    with caplog.at_level(logging.INFO), httpx.Client(base_url=strict, headers=BEARER, timeout=60) as http:
        bodies = [{}, {"top_k": 0}, {"filter": {"colour": SECRET_QUERY}}, {"lang": SECRET_QUERY}]
        answers = [http.post("/v1/search", json={"query": SECRET_QUERY} | body).status_code for body in bodies]
        assert answers == [200, 422, 422, 422]
        assert http.get("/v1/search", params={"q": SECRET_QUERY}).status_code == 200
        assert http.get(f"/v1/passages/{SECRET_QUERY}").status_code == 404
        http.get("/v1/info", headers={"authorization": f"Bearer {KEY}x"})
        with connect(strict) as connection:
            long_query = urllib.parse.quote(SECRET_QUERY).encode() * 2_000
            connection.sendall(b"GET /v1/search?q=" + long_query + b" HTTP/1.1\r\nhost: x\r\n\r\n")
            assert read_to_end(connection).startswith(b"HTTP/1.1 414 ")
        with connect(strict) as connection:
            body = json.dumps({"query": SECRET_QUERY}).encode()
            connection.sendall(BODY_HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\n" + body)
            assert read_to_end(connection).startswith(b"HTTP/1.1 400 ")
        with monkeypatch.context() as staged:
            staged.setattr("app.encoder.np.full", fail)
            assert http.post("/v1/search", json={"query": SECRET_QUERY + "?"}).status_code == 500
    assert "failed" in caplog.text  # the log is the service's, and it works
    of_service = "\n".join(
        logging.Formatter().format(record) for record in caplog.records if record.name.startswith(("app", "uvicorn"))
    )
    for secret in (SECRET_QUERY, urllib.parse.quote(SECRET_QUERY), json.dumps(SECRET_QUERY)[1:-1], KEY):
        assert secret not in of_service
    assert KEY not in repr(Settings(bundle=Path(), index="edge:x", api_keys=KEY))
