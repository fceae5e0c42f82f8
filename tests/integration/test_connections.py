"""Connections that clients leave open, crowd, or break off: each is let go, and the next client gets in."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from app.bundle import Bundle
from app.settings import Settings
from tests.conftest import running

CONNECTIONS, SPARE = 8, 64
GET = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def small(demo_bundle: Bundle, tmp_path: Path) -> Iterator[uvicorn.Server]:
    """A service with little room and patience, and no index, which none of this needs."""
    settings = Settings(
        bundle=demo_bundle.folder, index=f"edge:{tmp_path}", max_connections=CONNECTIONS, client_timeout_s=2
    )
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


def wait_until_gone(server: uvicorn.Server, but: int = 0) -> None:
    for _ in range(1_000):
        if len(server.server_state.connections) <= but:
            return
        time.sleep(0.01)
    pytest.fail(f"{len(server.server_state.connections)} connections are still there")


def test_pipelined_requests_before_rubbish_are_answered_and_the_connection_let_go(small: uvicorn.Server) -> None:
    with connect(small, GET * 2 + b"RUBBISH\r\n\r\n") as connection:
        answer = read(connection)
    assert answer.count(b"HTTP/1.1 200 OK") == answer.count(b"HTTP/1.1 ") == 2
    wait_until_gone(small)
