"""Connections that clients leave open, crowd, or break off: each is let go, and the next client gets in."""

import contextlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from app.bundle import Bundle
from app.settings import Settings
from tests.conftest import running

CONNECTIONS, SPARE = 8, 64
GRACE_S = 1.2  # a little over what the idle are left in peace for
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture(scope="module")
def small(demo_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[uvicorn.Server]:
    """A service with little room and patience, and no index, which none of this needs."""
    index = f"edge:{tmp_path_factory.mktemp('none')}"
    settings = Settings(bundle=demo_bundle.folder, index=index, max_connections=CONNECTIONS, client_timeout_s=3)
    with running(settings) as server:
        yield server


def connect(server: uvicorn.Server, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(server.servers[0].sockets[0].getsockname(), timeout=30)
    connection.sendall(sent)
    return connection


def read(connection: socket.socket) -> bytes:
    """To the end; a server that does not hang up is a ``TimeoutError``."""
    received = b""
    while part := connection.recv(65_536):
        received += part
    return received


def wait_for_connections(server: uvicorn.Server, expected: int) -> list[Any]:
    for _ in range(1_000):
        open_now = list(server.server_state.connections)
        if len(open_now) == expected:
            return open_now
        time.sleep(0.01)
    pytest.fail(f"there are {len(open_now)} connections, not {expected}")


@pytest.mark.parametrize("good", [1, 2, 3])
@pytest.mark.parametrize("rubbish", [b"RUBBISH\r\n\r\n", b"\x16\x03\r\n\r\n"], ids=["text", "bytes"])
def test_requests_before_rubbish_are_answered_and_the_connection_let_go(
    small: uvicorn.Server, rubbish: bytes, good: int
) -> None:
    with connect(small, GET * good + rubbish) as connection:
        answer = read(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == good
    wait_for_connections(small, 0)


@pytest.mark.parametrize("trailer", [b"X-A: ", b"X-A"], ids=["value", "name"])
def test_an_endless_trailer_is_refused_at_the_limit_of_headers(small: uvicorn.Server, trailer: bytes) -> None:
    head = (
        b"POST /v1/search HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with connect(small, head + b"1\r\n{\r\n0\r\n" + trailer) as connection:
        for _ in range(40):
            time.sleep(0.005)  # in pieces, as a network does
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(b"a" * 4_096)
        answer = read(connection)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert b"headers-too-large" in answer
    wait_for_connections(small, 0)


def test_a_client_that_reads_no_answer_is_let_go(small: uvicorn.Server) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.connect(small.servers[0].sockets[0].getsockname())
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
        (protocol,) = wait_for_connections(small, 1)
        while not protocol.transport.get_write_buffer_size():  # the network's own buffers take the first answers
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n")
            time.sleep(0.01)
        connection.sendall(b"\r\n")
        wait_for_connections(small, 0)


def ask(connection: socket.socket, sent: bytes = GET) -> bytes:
    """The answer's first line and headers; the connection stays."""
    connection.sendall(sent)
    return connection.recv(65_536)


def test_a_newcomer_takes_the_place_of_the_longest_idle(small: uvicorn.Server) -> None:
    with contextlib.ExitStack() as stack:
        idle = []
        for _ in range(CONNECTIONS):
            idle.append(stack.enter_context(connect(small)))
            assert ask(idle[-1]).startswith(b"HTTP/1.1 200 ")
            time.sleep(0.005)  # the server's clock counts milliseconds
        time.sleep(GRACE_S)
        assert ask(idle[0]).startswith(b"HTTP/1.1 200 ")  # the second is the longest idle now
        newcomer = stack.enter_context(connect(small))
        assert ask(newcomer, GET.replace(b"healthz", b"openapi.json")).startswith(b"HTTP/1.1 200 ")
        assert read(idle[1]) == b""
        assert all(ask(connection).startswith(b"HTTP/1.1 200 ") for connection in (idle[0], *idle[2:]))
    wait_for_connections(small, 0)


def test_connections_that_ask_nothing_keep_no_probe_out(small: uvicorn.Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS + SPARE + 4):
            stack.enter_context(connect(small))
        time.sleep(GRACE_S)
        for path in (b"healthz", b"metrics"):
            probe = stack.enter_context(connect(small))
            assert ask(probe, GET.replace(b"healthz", path)).startswith(b"HTTP/1.1 200 ")
    wait_for_connections(small, 0)


def test_where_all_are_busy_probes_are_answered_and_a_spare_place_is_soon_free_again(small: uvicorn.Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(CONNECTIONS):
            stack.enter_context(connect(small, b"GET /healthz HT"))
        wait_for_connections(small, CONNECTIONS)
        slow = stack.enter_context(connect(small, b"GET /healthz HT"))
        assert read(stack.enter_context(connect(small, GET))).startswith(b"HTTP/1.1 200 ")
        refused = read(stack.enter_context(connect(small, GET.replace(b"healthz", b"openapi.json"))))
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"too-many-connections" in refused
        assert b"did not arrive within 1 s" in read(slow)
    wait_for_connections(small, 0)


def test_a_burst_over_the_limit_is_answered_to_the_last(small: uvicorn.Server) -> None:
    """None is hung up on before its request has had time to arrive."""
    with contextlib.ExitStack() as stack:
        burst = [stack.enter_context(connect(small)) for _ in range(CONNECTIONS + SPARE)]
        for connection in burst:
            connection.sendall(GET)
        assert all(connection.recv(65_536).startswith(b"HTTP/1.1 200 ") for connection in burst)
    wait_for_connections(small, 0)
